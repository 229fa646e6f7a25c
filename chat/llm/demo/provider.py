"""The built-in model ``demo``: offline, without a key. It plays a script, and says so."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from itertools import islice

from chat.conf import conf
from chat.llm.demo.script import next_step
from chat.llm.provider import (
    Completed,
    FinishReason,
    ModelEvent,
    ModelRequest,
    Provider,
    TextDelta,
    Usage,
    text_of,
)


class DemoProvider(Provider):
    """Streams word by word at ``CHAT_DEMO_DELAY_MS`` a word. Its tokens are words, in `Usage` and in the limit."""

    name = "demo"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        text, calls = next_step(request)
        given = 0
        pieces = pieces_of(text)
        for piece in islice(pieces, request.max_output_tokens):
            await asyncio.sleep(conf().demo_delay_ms / 1000)
            given += 1
            yield TextDelta(piece)
        finish = FinishReason.STOP
        if next(pieces, None) is not None:
            finish = FinishReason.MAX_OUTPUT_TOKENS
        elif calls:
            finish = FinishReason.TOOL_CALLS
            for call in calls:
                given += _words(call.arguments)
                yield call
        yield Completed(finish, Usage(input_tokens=_input_words(request), output_tokens=given))


def pieces_of(text: str) -> Iterator[str]:
    """The text's words, each with the space behind it; joined they are the text."""
    return (match.group() for match in re.finditer(r"\s*\S+\s*", text))


def _input_words(request: ModelRequest) -> int:
    return _words(request.instructions) + sum(_words(text_of(item)) for item in request.history)


def _words(text: str) -> int:
    return len(text.split())
