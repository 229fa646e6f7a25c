"""chat.session.departures and chat.limits: a crowd goes a few at a time, and who stays does not notice."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import cast

import pytest
from pytest_django.fixtures import Settings

from chat.limits import PER_ROUND, Pacer
from chat.session.departures import Departures
from chat.session.session import Session
from sessions_app.log.events import EndReason
from tests.engine.conftest import Process
from tests.support.waiting import eventually


class Ends:
    """What ends a session, for as long as ``gate`` is shut."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun: list[tuple[str, str]] = []
        self.at_once = 0
        self._now = 0

    async def __call__(self, conversation: Session, reason: str) -> None:
        self.begun.append((conversation.session_id, reason))
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        await self.gate.wait()
        self._now -= 1
        if conversation.session_id == "bad":
            raise RuntimeError("a hook's fault")


def session(name: str) -> Session:
    return cast("Session", SimpleNamespace(session_id=name))


@pytest.fixture
async def ends() -> Ends:
    return Ends()


@pytest.fixture
async def departures(ends: Ends, settings: Settings) -> AsyncIterator[Departures]:
    settings.SESSIONS_GRACE_SECONDS = 0.05
    settings.SESSIONS_DB_THREADS = 8
    made = Departures(ends, staying=lambda: 0)
    yield made
    made.stop()


async def until(check: Callable[[], object]) -> None:
    async def seen() -> None:
        assert check()

    await eventually(seen)


async def test_a_crowd_takes_no_more_than_half_of_the_threads(departures: Departures, ends: Ends) -> None:
    for number in range(100):
        departures.left(session(f"s{number}"))
    await until(lambda: ends.begun)
    await asyncio.sleep(0.1)
    assert len(ends.begun) == ends.at_once == 4
    ends.gate.set()
    await until(lambda: len(ends.begun) == 100)
    assert [name for name, _ in ends.begun] == [f"s{number}" for number in range(100)]
    assert ends.at_once == 4


async def test_who_comes_back_within_the_grace_is_not_ended(departures: Departures, ends: Ends) -> None:
    ends.gate.set()
    for name in ("a", "b", "c"):
        departures.left(session(name))
    departures.back("b")
    await until(lambda: len(ends.begun) == 2)
    await asyncio.sleep(0.1)
    assert ends.begun == [("a", "left"), ("c", "left")]


async def test_leaving_again_begins_the_grace_anew(departures: Departures, ends: Ends) -> None:
    ends.gate.set()
    departures.left(session("a"))
    departures.left(session("b"))
    departures.left(session("a"))
    await until(lambda: len(ends.begun) == 2)
    assert [name for name, _ in ends.begun] == ["b", "a"]


async def test_what_is_closed_does_not_wait_for_a_grace(
    departures: Departures, ends: Ends, settings: Settings
) -> None:
    settings.SESSIONS_GRACE_SECONDS = 3600
    ends.gate.set()
    departures.left(session("later"))
    await asyncio.sleep(0.05)
    departures.closed(session("now"))
    await until(lambda: ends.begun)
    assert ends.begun == [("now", "closed")]


async def test_a_session_that_cannot_be_ended_holds_up_no_other(departures: Departures, ends: Ends) -> None:
    ends.gate.set()
    for name in ("bad", "bad", "bad", "bad", "bad", "good"):
        departures.closed(session(name))
    await until(lambda: ("good", "closed") in ends.begun)


async def test_thousands_get_their_turn_a_few_in_each_round_of_the_loop() -> None:
    pacer = Pacer()
    gone: list[int] = []

    async def leave(number: int) -> None:
        await pacer.turn()
        gone.append(number)

    leaving = [asyncio.create_task(leave(number)) for number in range(1000)]
    await asyncio.sleep(0)
    most, before = 0, 0
    while len(gone) < 1000:
        await asyncio.sleep(0)
        most, before = max(most, len(gone) - before), len(gone)
    assert gone == list(range(1000))
    assert most <= PER_ROUND
    await asyncio.gather(*leaving)


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    pacer = Pacer()
    waiting = [asyncio.create_task(pacer.turn()) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[7].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting, return_exceptions=True)
        await pacer.turn()


@pytest.mark.parametrize(("staying", "collects"), [(0, True), (50, True), (60, False)])
async def test_memory_is_given_back_when_few_stay_of_a_crowd(
    ends: Ends, settings: Settings, monkeypatch: pytest.MonkeyPatch, staying: int, collects: bool
) -> None:
    """A full collection looks through all that is live: not while there are many."""
    settings.SESSIONS_GRACE_SECONDS = 0
    monkeypatch.setattr("chat.session.departures._SETTLE_S", 0.0)
    ends.gate.set()
    made = Departures(ends, staying=lambda: staying)
    full: list[str] = []

    def seen(phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            full.append(phase)

    gc.callbacks.append(seen)
    gc.disable()
    try:
        for number in range(500):
            made.left(session(f"s{number}"))
        await until(lambda: len(ends.begun) == 500)
        await asyncio.sleep(0.1)
    finally:
        gc.enable()
        gc.callbacks.remove(seen)
        made.stop()
    assert bool(full) == collects


async def test_a_session_that_was_closed_twice_does_not_take_the_next_ones_end_away(
    process: Process, settings: Settings
) -> None:
    """Two of its clients close it; before the second one's turn comes somebody has come back and gone."""
    settings.SESSIONS_GRACE_SECONDS = 0.3
    before = await process.join("again")
    await process.hub.end(before, EndReason.CLOSED)
    session = await process.join("again")
    (tab,) = session.subscribers.values()
    session.detach(tab, 1000)
    await process.hub.end(before, EndReason.CLOSED)
    await until(lambda: process.hub.live("again") is None)
