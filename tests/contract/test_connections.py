"""The contract of all providers: connections are closed when we say so, and there are enough of them."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from chat.llm.provider import Provider, TextDelta
from tests.contract.asking import HELLO, ask, events
from tests.contract.vendor import Ending, Reply, Vendor
from tests.providers.rounds import joined

WITHIN_S = 5.0
"""A few milliseconds when the machine is idle. Forgotten connections would stay open for ever: see the fixture."""
HANGING = Reply(text=("Hel",), ending=Ending.SILENT)


@pytest.fixture
def without_collector() -> Iterator[None]:
    """The garbage collector would close forgotten connections too, some time."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
async def test_closing_the_stream_closes_the_connection(vendor: Vendor, provider: Provider) -> None:
    vendor.then(HANGING)
    stream = provider.stream(ask(vendor, "Hi"))
    assert await anext(stream) == TextDelta("Hel")
    await stream.aclose()
    assert await vendor.hung_up_within(WITHIN_S)


@pytest.mark.usefixtures("without_collector")
async def test_cancelling_before_the_first_byte(vendor: Vendor, provider: Provider) -> None:
    vendor.then(Reply(text=("too late",), first_byte_after_s=60.0))
    task = asyncio.create_task(events(provider, ask(vendor, "Hi")))
    await vendor.got_request()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await vendor.hung_up_within(WITHIN_S)


@pytest.mark.usefixtures("without_collector")
async def test_cancelling_in_the_middle(vendor: Vendor, provider: Provider) -> None:
    vendor.then(HANGING)
    first = asyncio.Event()

    async def read() -> None:
        async for _ in provider.stream(ask(vendor, "Hi")):
            first.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(first.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await vendor.hung_up_within(WITHIN_S)


async def test_a_finished_stream_is_no_hang_up_and_leaves_its_connection_to_the_next(
    vendor: Vendor, provider: Provider
) -> None:
    vendor.then(HELLO, HELLO, HELLO)
    for _ in range(3):
        await events(provider, ask(vendor, "Hi"))
    assert vendor.connections == 1
    assert not await vendor.hung_up_within(0)


async def test_more_streams_at_once_than_a_pool_holds_by_default(vendor: Vendor, provider: Provider) -> None:
    number = 120
    vendor.then(*[HANGING] * number)
    streams = [provider.stream(ask(vendor, "Hi")) for _ in range(number)]
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(anext(stream) for stream in streams)) == [TextDelta("Hel")] * number
    for stream in streams:
        await stream.aclose()


def test_one_provider_serves_several_event_loops(vendor: Vendor) -> None:
    provider = vendor.provider(vendor.key)
    vendor.then(*[Reply(text=(word,)) for word in ("one", "two", "three")])
    with asyncio.Runner() as here, asyncio.Runner() as there:
        answers = [joined(loop.run(events(provider, ask(vendor, "Hi")))) for loop in (here, there, here)]
        for loop in (here, there):
            loop.run(provider.aclose())
    assert answers == ["one", "two", "three"]
    assert vendor.connections == 2


async def test_a_closed_provider_can_be_used_again(vendor: Vendor, provider: Provider) -> None:
    vendor.then(HELLO, HELLO)
    await events(provider, ask(vendor, "Hi"))
    await provider.aclose()
    assert joined(await events(provider, ask(vendor, "Hi"))) == "Hello"
    assert vendor.connections == 2
