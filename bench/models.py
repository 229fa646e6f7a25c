"""What a streamed chunk costs: our provider against its vendor's own SDK, over one server on loopback, in one run.

``python -m bench.models [--streams 60] [--per-second 15] [--chunks 120] [--rounds 3] [READER ...]``. Each reader is a process of its own, and
its CPU (user and system) is counted from when all of its streams speak; the medians of the rounds, which take turns.
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import uvloop
from django.test import override_settings

from bench.fast_models import WORDS
from chat.llm.provider import ModelRequest, Provider, TextDelta, UserText
from chat.llm.transport import AiohttpTransport

Open = Callable[[], Awaitable[AsyncIterator[Any]]]


HI: Any = [{"role": "user", "content": "Hi"}]


def ours(provider: Provider) -> Open:
    async def read() -> AsyncIterator[Any]:
        request = ModelRequest(model="fast", history=[UserText("item_1", "Hi")])
        async for event in provider.stream(request):
            if isinstance(event, TextDelta):
                for _ in range(
                    len(event.text) // len(WORDS)
                ):  # chunks that came faster than they were read are one
                    yield event

    async def opened() -> AsyncIterator[Any]:
        return read()

    return opened


def gemini_sdk(url: str, headers: dict[str, str], http: httpx2.AsyncClient | None) -> Open:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=url, headers=headers, httpx_async_client=http)
    client = genai.Client(api_key="key", vertexai=False, http_options=options)
    return lambda: client.aio.models.generate_content_stream(model="fast", contents="Hi")


def openai_sdk(url: str, headers: dict[str, str], *, responses: bool) -> Open:
    import openai

    client = openai.AsyncOpenAI(api_key="key", base_url=f"{url}/v1", default_headers=headers)
    if responses:
        return lambda: client.responses.create(model="fast", input="Hi", stream=True)
    return lambda: client.chat.completions.create(model="fast", messages=HI, stream=True)


def anthropic_sdk(url: str, headers: dict[str, str]) -> Open:
    import anthropic

    client = anthropic.AsyncAnthropic(api_key="key", base_url=url, default_headers=headers)
    return lambda: client.messages.create(model="fast", messages=HI, max_tokens=9999, stream=True)


def provider(name: str, url: str) -> Provider:
    override_settings(
        CHAT_GOOGLE_GEMINI_BASE_URL=url, CHAT_ANTHROPIC_BASE_URL=url, CHAT_OPENAI_BASE_URL=f"{url}/v1"
    ).enable()
    match name:
        case "gemini/ours":
            from chat.llm.gemini.provider import GeminiProvider

            return GeminiProvider("key")
        case "openai/ours":
            from chat.llm.openai.responses import OpenAIProvider

            return OpenAIProvider("key")
        case "compatible/ours":
            from chat.llm.openai.chat import ChatCompletionsProvider

            return ChatCompletionsProvider("compatible", api_key="key", base_url=f"{url}/v1")
        case "anthropic/ours":
            from chat.llm.anthropic.provider import AnthropicProvider

            return AnthropicProvider("key")
    raise ValueError(name)


def reader(name: str, url: str, headers: dict[str, str]) -> Open:
    """``httpx2`` and ``aiohttp`` are what the vendor's SDK reads with. An SDK is imported where it is needed: each takes seconds."""
    match name:
        case "gemini/httpx2":
            return gemini_sdk(url, headers, httpx2.AsyncClient(timeout=None))
        case "gemini/aiohttp":
            return gemini_sdk(url, headers, None)
        case "openai/sdk" | "compatible/sdk":
            return openai_sdk(url, headers, responses=name == "openai/sdk")
        case "anthropic/sdk":
            return anthropic_sdk(url, headers)
    return ours(provider(name, url))


READERS = {
    "gemini/ours": "gemini",
    "gemini/httpx2": "gemini",
    "gemini/aiohttp": "gemini",
    "openai/ours": "openai",
    "openai/sdk": "openai",
    "compatible/ours": "compatible",
    "compatible/sdk": "compatible",
    "anthropic/ours": "anthropic",
    "anthropic/sdk": "anthropic",
}


async def measure(name: str, url: str, asked: argparse.Namespace) -> float:
    """The CPU of one chunk, in microseconds."""
    headers = {"x-chunks": str(asked.chunks), "x-per-second": str(asked.per_second)}
    _send_with_all(headers)
    opened = reader(name, url, headers)
    streams = [await opened() for _ in range(asked.streams)]
    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(_first(stream))
    if (
        asked.per_second
    ):  # what comes all at once may be here with its first chunk: then its coming counts as well
        began = time.process_time()
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(_rest(stream)) for stream in streams]
    spent = time.process_time() - began
    pieces, wanted = sum(task.result() for task in reading), int(asked.streams * (asked.chunks - 1))
    if pieces < wanted:  # an SDK gives events besides
        raise SystemExit(f"{name}: {pieces} of {wanted} pieces came")
    return spent / wanted * 1e6


async def _first(stream: AsyncIterator[Any]) -> None:
    await anext(stream)


async def _rest(stream: AsyncIterator[Any]) -> int:
    return sum([1 async for _ in stream])


def _send_with_all(headers: dict[str, str]) -> None:
    """Our providers' requests say nothing of the pace."""
    send = AiohttpTransport.handle_async_request

    async def with_pace(self: AiohttpTransport, request: httpx2.Request) -> httpx2.Response:
        request.headers.update(headers)
        return await send(self, request)

    AiohttpTransport.handle_async_request = with_pace  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("readers", nargs="*", default=list(READERS))
    parser.add_argument("--streams", type=int, default=60)
    parser.add_argument(
        "--per-second", type=float, default=15.0, help="0: all at once, and the beginning is counted, too"
    )
    parser.add_argument("--chunks", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.readers) - set(READERS):
        parser.error(f"there is no reader {', '.join(sorted(unknown))}; there are: {', '.join(READERS)}")
    if asked.chunks < 2 or asked.rounds < 1 or asked.streams < 1:
        parser.error("a stream has two chunks at least, and each reader a round of one stream")
    if asked.url:
        print(json.dumps(uvloop.run(measure(asked.readers[0], asked.url, asked))))
        return
    figures: dict[str, list[float]] = {name: [] for name in asked.readers}
    with subprocess.Popen([sys.executable, "-m", "bench.fast_models"], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        try:
            for _ in range(asked.rounds):
                for name in asked.readers:
                    figures[name].append(_in_a_process(name, url, asked))
        finally:
            server.terminate()
    _tell(figures, asked)


def _in_a_process(name: str, url: str, asked: argparse.Namespace) -> float:
    pace = ["--streams", str(asked.streams), "--per-second", str(asked.per_second)]
    command = [sys.executable, "-W", "ignore", "-m", "bench.models", name, "--url", url, *pace]
    ran = subprocess.run(
        [*command, "--chunks", str(asked.chunks)], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(json.loads(ran.stdout.splitlines()[-1]))


def _tell(figures: dict[str, list[float]], asked: argparse.Namespace) -> None:
    print(
        f"{asked.streams} streams x {asked.per_second:g}/s, {asked.chunks} chunks each; us of CPU a chunk\n"
    )
    print("| reader | median | spread | ours against it |\n|---|---|---|---|")
    medians = {name: statistics.median(told) for name, told in figures.items()}
    for name, told in figures.items():
        own = medians.get(f"{READERS[name]}/ours")
        ratio = f"{own / medians[name]:.2f} x" if own and not name.endswith("/ours") else ""
        print(f"| {name} | {medians[name]:.0f} | {min(told):.0f}-{max(told):.0f} | {ratio} |")


if __name__ == "__main__":
    main()
