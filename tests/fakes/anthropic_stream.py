"""A `Reply` as the events of the Messages API: ``event: NAME``, ``data: JSON``, blocks numbered, thoughts sealed."""

import asyncio
import json
import re

from tests.fakes.anthropic_script import (
    JSON,
    Content,
    Drop,
    Event,
    Hang,
    Raw,
    Redacted,
    Reply,
    Sleep,
    Step,
    Stop,
    Text,
    Think,
    Use,
)
from tests.fakes.anthropic_turns import seal
from tests.fakes.http_server import Exchange


class Player:
    """``thoughts`` are the thinking blocks that were given before each call, by the call's id."""

    def __init__(self, exchange: Exchange, model: str) -> None:
        self.model = model
        self._exchange = exchange
        self._index = 0
        self._thinking: list[JSON] = []
        self.thoughts: dict[str, list[JSON]] = {}
        self.given: list[JSON] = []
        """Every thinking block, in order."""

    async def play(self, answer: Reply) -> None:
        await asyncio.sleep(answer.silence_s)
        await self._exchange.start_stream("text/event-stream; charset=utf-8")
        if answer.begun:
            await self._event("message_start", {"message": self._message(answer.usage)})
        for step in answer.steps:
            if not await self._take(step):
                return
        await self._exchange.end_stream()

    async def _take(self, step: Step) -> bool:
        """False when there is nothing more to say."""
        match step:
            case Text() | Think() | Redacted() | Use():
                await self._block(step)
            case Stop():
                delta = {"stop_reason": step.reason, "stop_sequence": None, "stop_details": step.details}
                await self._event(
                    "message_delta", {"delta": delta, "usage": step.usage or {"output_tokens": 3}}
                )
                if step.over:
                    await self._event("message_stop", {})
            case Event():
                await self._event(step.name, step.data)
            case Raw():
                await self._exchange.send(step.data)
            case Sleep():
                await asyncio.sleep(step.seconds)
            case Hang():
                await asyncio.Event().wait()
            case Drop():
                self._exchange.drop()
                return False
        return True

    async def _block(self, content: Content) -> None:
        match content:
            case Text():
                await self._begin({"type": "text", "text": ""})
                for piece in content.pieces:
                    await asyncio.sleep(content.pause_s)
                    await self._delta({"type": "text_delta", "text": piece})
                if not content.whole:
                    return
            case Think():
                await self._think(content)
            case Redacted():
                block = {"type": "redacted_thinking", "data": seal(self.model, "")}
                await self._begin(block)
                self._remember(block)
            case Use():
                await self._begin(
                    {
                        "type": "tool_use",
                        "id": content.id,
                        "name": content.name,
                        "input": {},
                        "caller": _CALLER,
                    }
                )
                for written in content.written:
                    await self._delta({"type": "input_json_delta", "partial_json": written})
                self.thoughts[content.id] = list(self._thinking)
        await self._end()

    async def _think(self, thought: Think) -> None:
        words = thought.words if thought.shown else ""
        await self._begin({"type": "thinking", "thinking": "", "signature": ""})
        for piece in re.findall(r"\S+\s*|\s+", words):
            await self._delta({"type": "thinking_delta", "thinking": piece})
        if thought.signed:
            signature = seal(self.model, words)
            await self._delta({"type": "signature_delta", "signature": signature})
            self._remember({"type": "thinking", "thinking": words, "signature": signature})

    def _remember(self, block: JSON) -> None:
        self._thinking.append(block)
        self.given.append(block)

    async def _begin(self, block: JSON) -> None:
        await self._event("content_block_start", {"index": self._index, "content_block": block})

    async def _delta(self, delta: JSON) -> None:
        await self._event("content_block_delta", {"index": self._index, "delta": delta})

    async def _end(self) -> None:
        await self._event("content_block_stop", {"index": self._index})
        self._index += 1

    async def _event(self, name: str, data: JSON) -> None:
        text = json.dumps({"type": name, **data}, ensure_ascii=False)
        await self._exchange.send(f"event: {name}\ndata: {text}\n\n".encode())

    def _message(self, usage: JSON) -> JSON:
        return {
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }


_CALLER = {"type": "direct"}
