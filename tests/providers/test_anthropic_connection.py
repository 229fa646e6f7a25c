"""The connections under the Anthropic SDK, beyond what the contract asks of every provider (`tests/contract`)."""

import asyncio
import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from chat.errors import ModelBadAnswer
from chat.llm.anthropic.provider import AnthropicProvider
from chat.llm.provider import TextDelta
from tests.fakes.anthropic_script import Hang, Raw, reply, text
from tests.fakes.anthropic_server import API_KEY, AnthropicServer
from tests.providers.anthropic_rounds import request
from tests.providers.rounds import events_of

WITHIN_S = 10.0
"""Milliseconds on an idle machine; a forgotten connection would stay open for ever: see the fixture."""


@pytest.fixture
def without_collector() -> Generator[None]:
    """The garbage collector would close forgotten connections too, some time."""
    gc.disable()
    yield
    gc.enable()


@contextmanager
def forgotten_generators_stay_open() -> Generator[None]:
    """The event loop would close them, and so the connections that they read, some time after."""
    hooks = sys.get_asyncgen_hooks()
    forgotten: list[object] = []
    sys.set_asyncgen_hooks(finalizer=forgotten.append)
    yield
    sys.set_asyncgen_hooks(*hooks)


@pytest.mark.usefixtures("without_collector")
async def test_closing_the_stream_closes_the_connection(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(text("Hel", whole=False), Hang()))
    with forgotten_generators_stay_open():
        stream = claude.stream(request("Hi"))
        assert await anext(stream) == TextDelta("Hel")
        await stream.aclose()
        assert await claude_server.hung_up_within(WITHIN_S)


@pytest.mark.usefixtures("without_collector")
async def test_an_answer_that_cannot_be_read_is_not_paid_for_any_longer(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(Raw(b"event: message_start\ndata: {not json}\n\n"), Hang(), begun=False))
    with forgotten_generators_stay_open(), pytest.raises(ModelBadAnswer):
        await events_of(claude, request("Hi"))
    assert await claude_server.hung_up_within(WITHIN_S)


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("silence_s", [3600.0, 0.0], ids=["before the head", "before the first event"])
async def test_cancelling_while_waiting_for_the_beginning(
    claude_server: AnthropicServer, claude: AnthropicProvider, silence_s: float
) -> None:
    claude_server.then(reply(Hang(), begun=False, silence_s=silence_s))
    task = asyncio.create_task(events_of(claude, request("Hi")))
    await claude_server.got_request()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await claude_server.hung_up_within(WITHIN_S)


def test_clients_of_closed_event_loops_are_let_go() -> None:
    provider = AnthropicProvider(API_KEY)

    async def use() -> None:
        provider._clients.get()

    for _ in range(3):
        asyncio.run(use())
    assert len(provider._clients) == 1
