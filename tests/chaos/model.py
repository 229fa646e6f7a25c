"""The demo model, broken in the way that the question asks for."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import count

from chat.errors import ModelTimeout, ModelUnreachable
from chat.llm.demo.provider import DemoProvider, pieces_of
from chat.llm.demo.script import turn_of
from chat.llm.provider import (
    Completed,
    FinishReason,
    ModelEvent,
    ModelRequest,
    Provider,
    TextDelta,
    ToolCallRequest,
)
from sessions_app.ids import new_id

MODEL = "chaos"
_PIECES_BEFORE_A_FAULT = 12
_HANG_S = 2.0
_GARBAGE = (
    "",
    "\x00",
    "a\x00b ",
    "\ud83d",
    "é\u0301\u202e ",
    "\U0001f469\u200d\U0001f52c ",
    "x" * 5000,
    " \r\n",
)


class ChaosModel(Provider):
    """``[drop]`` breaks off, ``[hang]`` falls silent until its time is up, ``[crash]`` raises what no provider may,
    ``[garbage]`` says what no text should hold, ``[flood]`` does not pause between words, ``[mark]`` calls a tool with
    a side effect. Anything else is the demo's.
    """

    name = MODEL

    def __init__(self) -> None:
        self._demo = DemoProvider()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        turn = turn_of(request)
        asked = re.match(r"\[(\w+)\]", turn.said)
        fault = asked[1] if asked and not turn.answered else ""
        async with aclosing(self._demo.stream(request)) as demo:
            async for event in self._broken(fault, demo, request):
                yield event

    async def _broken(
        self, fault: str, demo: AsyncIterator[ModelEvent], request: ModelRequest
    ) -> AsyncIterator[ModelEvent]:
        match fault:
            case "mark":
                yield ToolCallRequest(new_id("call"), "leave_mark", "{}")
                yield Completed(FinishReason.TOOL_CALLS)
            case "garbage":
                for text in _GARBAGE:
                    yield TextDelta(text)
                    await asyncio.sleep(0)
                yield Completed(FinishReason.STOP)
            case "flood":
                for piece in pieces_of(turn_of(request).said * 400):
                    yield TextDelta(piece)
                    await asyncio.sleep(0)
                yield Completed(FinishReason.STOP)
            case _:
                async for event in _breaking_off(fault, demo):
                    yield event


async def _breaking_off(fault: str, demo: AsyncIterator[ModelEvent]) -> AsyncIterator[ModelEvent]:
    pieces = count(1)
    async for event in demo:
        yield event
        if not fault or next(pieces) < _PIECES_BEFORE_A_FAULT:
            continue
        if fault == "drop":
            raise ModelUnreachable(cause="the chaos model broke off")
        if fault == "crash":
            raise ValueError("the chaos model crashed")
        if fault == "hang":
            await asyncio.sleep(_HANG_S)
            raise ModelTimeout(cause="the chaos model fell silent")
