"""The model of all: the strict local servers of the vendors' APIs, made to stream at the pace that the last message asks for.

A message says ``stream 300 at 15``: 300 chunks of 48 characters, 15 a second (0: as fast as they are taken). Each chunk begins
with the time at which it was sent. What is refused, and what every event looks like, is the fakes' own business.

    python -m bench.peers.model      prints the URLs of the vendors as JSON, and serves until its stdin ends
"""

import asyncio
import gc
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import uvloop

from tests.fakes import anthropic_script, gemini_script
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.api_server import ApiServer
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.http_server import Exchange, HttpAnswer
from tests.fakes.openai_chat_api import ChatApi
from tests.fakes.openai_chat_api import Writer as ChatWriter
from tests.fakes.openai_responses_api import ResponsesApi
from tests.fakes.openai_responses_api import Writer as ResponsesWriter
from tests.fakes.openai_script import JSON, Stream
from tests.fakes.openai_server import OpenAIServer

CHUNK_CHARS = 48
STAMP = re.compile(rb"@(\d{10}\.\d{6})")
"""When a chunk was sent, in seconds since 1970."""
_ASKED = re.compile(rb"stream (\d+) at ([\d.]+)")
_MARK = re.compile(rb"@(\d{17})")
_FILLER = " and so the answer goes on ..."


@dataclass(frozen=True)
class Pace:
    chunks: int
    per_second: float

    def __str__(self) -> str:
        return f"stream {self.chunks} at {self.per_second:g}"


def pace_in(body: bytes) -> Pace | None:
    """What the last message of a request asks for."""
    asked = _ASKED.findall(body)
    return Pace(int(asked[-1][0]), float(asked[-1][1])) if asked else None


@lru_cache(maxsize=8)
def marked_pieces(chunks: int) -> tuple[str, ...]:
    """The chunks' texts, each with its number where its time will stand."""
    return tuple(f"@{number:017d}{_FILLER}" for number in range(chunks))


class _Recorder(Exchange):
    """Takes an answer as the fake gives it, instead of the client; a refusal goes to the client as it is."""

    def __init__(self, exchange: Exchange) -> None:
        self.request, self.events = exchange.request, list[bytes]()
        self._exchange = exchange
        self.refused = False

    async def start_stream(self, content_type: str = "text/event-stream") -> None:
        self.content_type = content_type

    async def send(self, data: bytes) -> None:
        self.events.append(data)

    async def end_stream(self) -> None:
        pass

    async def reply_as(self, answer: HttpAnswer) -> None:
        self.refused = True
        await self._exchange.reply_as(answer)


Handle = Callable[[Exchange], Any]


async def stream_at_pace(exchange: Exchange, handle: Handle, pace: Pace) -> bool:
    """``handle``'s answer, each event when it is due. False when the request was refused."""
    recorder = _Recorder(exchange)
    await handle(recorder)
    if recorder.refused:
        return False
    await exchange.start_stream(recorder.content_type)
    clock = asyncio.get_running_loop()
    every_s = 1 / pace.per_second if pace.per_second else 0.0
    due = clock.time() + random.random() * every_s
    stamps: list[bytes] = []
    for event in recorder.events:
        marks = _MARK.findall(event)
        if len(marks) == 1 and int(marks[0]) == len(stamps):
            if (wait_s := due - clock.time()) > 0:
                await asyncio.sleep(wait_s)
            due += every_s
            stamps.append(b"@%.6f" % time.time())
        sent = _MARK.sub(lambda mark: stamps[int(mark[1])], event) if marks else event
        await exchange.send(sent)
    await exchange.end_stream()
    return True


class FastGemini(GeminiServer):
    async def _handle(self, exchange: Exchange) -> None:
        if pace := pace_in(exchange.request.body):
            self.then(gemini_script.Reply(tuple(_gemini_steps(pace))))
            await stream_at_pace(exchange, super()._handle, pace)
            self._answers.clear()
        else:
            await super()._handle(exchange)


def _gemini_steps(pace: Pace) -> Iterator[gemini_script.Chunk]:
    for number, piece in enumerate(marked_pieces(pace.chunks), start=1):
        yield gemini_script.Chunk((gemini_script.text(piece),), usage=_gemini_usage(number))
    yield gemini_script.Chunk(
        (gemini_script.text("", signed=True),), finish="STOP", usage=_gemini_usage(pace.chunks)
    )


def _gemini_usage(chunks: int) -> JSON:
    """A running total on each chunk, with the details that the real one gives."""
    said = chunks * CHUNK_CHARS // 4
    details = [{"modality": "TEXT", "tokenCount": 7}]
    counts = {"promptTokenCount": 7, "candidatesTokenCount": said, "totalTokenCount": 7 + said}
    return {**counts, "promptTokensDetails": details}


class FastOpenAI(OpenAIServer):
    async def _handle(self, exchange: Exchange) -> None:
        if pace := pace_in(exchange.request.body):
            self.then(lambda body: self._answer(body, pace))
            await stream_at_pace(exchange, super()._handle, pace)
            self._answers.clear()
        else:
            await super()._handle(exchange)

    def _answer(self, body: JSON, pace: Pace) -> Stream:
        pieces = marked_pieces(pace.chunks)
        if isinstance(self.api, ChatApi):
            chat = ChatWriter(body, self.api)
            return Stream((*chat.begin(), *chat.text(pieces), *chat.end("stop")))
        whole = ResponsesWriter(body)
        return Stream((*whole.begin(), *whole.message(pieces), *whole.end()))


class FastAnthropic(AnthropicServer):
    async def _handle(self, exchange: Exchange) -> None:
        if pace := pace_in(exchange.request.body):
            self.then(anthropic_script.say(*marked_pieces(pace.chunks)))
            await stream_at_pace(exchange, super()._handle, pace)
            self._answers.clear()
        else:
            await super()._handle(exchange)


VENDORS: dict[str, Callable[[], ApiServer[Any]]] = {
    "gemini": FastGemini,
    "openai": lambda: FastOpenAI(ResponsesApi()),
    "anthropic": FastAnthropic,
    "compatible": lambda: FastOpenAI(ChatApi(groq=False)),
}


def main() -> None:
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with ExitStack() as stack:
        servers = {name: stack.enter_context(make()) for name, make in VENDORS.items()}
        gc.collect()
        gc.freeze()  # else a full collection, some 30 ms, counts as the servers' delay
        print(json.dumps({name: server.url for name, server in servers.items()}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
