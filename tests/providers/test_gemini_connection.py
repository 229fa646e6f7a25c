"""The connections under the SDK: closed when we say so, enough of them, one pool for each event loop."""

import asyncio
import gc
import ssl
from collections.abc import Generator
from typing import Any

import pytest

from chat.llm.gemini.provider import GeminiProvider
from chat.llm.http import tls
from chat.llm.provider import TextDelta
from tests.fakes.gemini_script import Chunk, Hang, reply, say, text
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.providers.rounds import events_of, request, text_of

WITHIN_S = 10.0
"""Milliseconds on an idle machine. Forgotten connections would stay open for ever: see the fixture."""


@pytest.fixture
def without_collector() -> Generator[None]:
    """The garbage collector would close forgotten connections too, some time."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
async def test_closing_the_stream_closes_the_connection(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    server.then(reply(Chunk((text("Hel"),)), Hang()))
    stream = provider.stream(request("Hi"))
    assert await anext(stream) == TextDelta("Hel")
    await stream.aclose()
    assert await server.hung_up_within(WITHIN_S)


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("silent_start", [True, False], ids=["before the head", "before the first event"])
async def test_cancelling_while_waiting_for_the_beginning(
    server: GeminiServer, provider: GeminiProvider, silent_start: bool
) -> None:
    server.then(reply(Hang(), silent_start=silent_start))
    task = asyncio.create_task(events_of(provider, request("Hi")))
    await server.got_request()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await server.hung_up_within(WITHIN_S)


@pytest.mark.usefixtures("without_collector")
async def test_cancelling_in_the_middle(server: GeminiServer, provider: GeminiProvider) -> None:
    server.then(reply(Chunk((text("Hel"),)), Hang()))
    first = asyncio.Event()

    async def read() -> None:
        async for _ in provider.stream(request("Hi")):
            first.set()

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await server.hung_up_within(WITHIN_S)


async def test_a_finished_stream_leaves_its_connection_to_the_next(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    for _ in range(3):
        await events_of(provider, request("Hi"))
    assert server.http.connections == 1
    assert not server.http.hang_ups


async def test_more_streams_at_once_than_a_pool_holds_by_default(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    number = 120
    server.then(*[reply(Chunk((text("Hel"),)), Hang()) for _ in range(number)])
    streams = [provider.stream(request("Hi")) for _ in range(number)]
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(anext(stream) for stream in streams)) == [TextDelta("Hel")] * number
    for stream in streams:
        await stream.aclose()


def test_one_provider_serves_several_event_loops(server: GeminiServer) -> None:
    provider = GeminiProvider(API_KEY)
    server.then(say("one"), say("two"), say("three"))
    with asyncio.Runner() as here, asyncio.Runner() as there:
        answers = [loop.run(text_of(provider, request("Hi"))) for loop in (here, there, here)]
        for loop in (here, there):
            loop.run(provider.aclose())
    assert answers == ["one", "two", "three"]
    assert server.http.connections == 2


async def test_a_closed_provider_can_be_used_again(server: GeminiServer, provider: GeminiProvider) -> None:
    await text_of(provider, request("Hi"))
    await provider.aclose()
    assert await text_of(provider, request("Hi")) == "You said: Hi"
    assert server.http.connections == 2


def test_clients_of_closed_event_loops_are_let_go() -> None:
    provider = GeminiProvider(API_KEY)

    async def use() -> None:
        provider._clients.get()

    for _ in range(3):
        asyncio.run(use())
    assert len(provider._clients) == 1


async def test_a_client_for_an_event_loop_reads_no_certificates(
    server: GeminiServer, provider: GeminiProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were read once, for all."""
    tls()
    read: list[object] = []
    create = ssl.create_default_context

    def counted(**options: Any) -> ssl.SSLContext:
        read.append(options)
        return create(**options)

    monkeypatch.setattr(ssl, "create_default_context", counted)
    server.then(say("Hello"))
    assert await text_of(provider, request("Hi")) == "Hello"
    assert read == []
