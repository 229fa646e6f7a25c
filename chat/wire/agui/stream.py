"""How a run is told: from its beginning, or from where it stands. An answer that cannot be brought to its end here ends in an
error and never as if it were whole (docs/decisions/0093-a-cut-run-is-told.md)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import msgspec

from chat.errors import ChatError, ShuttingDown
from chat.wire.agui.events import JSON, AguiProjector, run_error
from chat.wire.agui.messages import History, Run, snapshot
from chat.wire.http.exchange import ClientGone, Exchange, event_bytes
from chat.wire.http.visit import Visit
from chat.wire.responses.answers import Reading
from chat.wire.responses.follow import Follower
from chat.wire.responses.objects import StreamEvent
from sessions_app.errors import SessionsError


class Rejoined(NamedTuple):
    run: Run
    """As its client was told of it by a snapshot."""
    rest: Follower


async def caught_up(visit: Visit, run: Run) -> Rejoined:
    """The run is told all that the database has of it, its deltas among it."""
    run.restart()
    told = Follower(visit, run.place)
    async for frames in told.stored_events():
        for frame in frames:
            run.tell(frame)
    return Rejoined(run, Follower(visit, run.place, after=told.after))


async def tell(one: Exchange, events: Sequence[JSON]) -> None:
    async with _stream(one):
        await _give(one, events)


async def tell_run(one: Exchange, visit: Visit, follower: Follower, events: AguiProjector) -> None:
    async with _stream(one):
        await _read(one, visit, follower, events.events)


async def tell_rest(one: Exchange, visit: Visit, history: History, runs: Sequence[Rejoined]) -> None:
    """What was said, and one after another the runs, each as it goes on from there."""
    said = [snapshot(history.messages())]
    async with _stream(one):
        for run, rest in runs:
            begun, said = [run.events.began(), *said], []
            if run.ended:
                await _give(one, [*begun, run.ended])
                continue
            await _give(one, [*begun, *run.events.open_texts()])
            await _read(one, visit, rest, partial(told_on, run, history))


def told_on(run: Run, history: History, frame: StreamEvent) -> list[JSON]:
    """To a client that has the history, and of the run what it was told so far."""
    if not run.takes_back(frame):
        return run.tell(frame)
    run.messages.clear()
    return [snapshot(history.messages()), *run.tell(frame)]


async def _give(one: Exchange, events: Sequence[JSON]) -> None:
    if events:
        await one.give(_encoded(events))


def _encoded(events: Sequence[JSON]) -> bytes:
    return b"".join(event_bytes(msgspec.json.encode(event)) for event in events)


async def _read(
    one: Exchange, visit: Visit, follower: Follower, events: Callable[[StreamEvent], list[JSON]]
) -> None:
    def render(frame: StreamEvent) -> bytes:
        return _encoded(events(frame))

    await Reading(one, visit, follower, render=render).until_over()


@asynccontextmanager
async def _stream(one: Exchange) -> AsyncGenerator[None, None]:
    """Whoever goes away stops nothing: they come back, or stop it."""
    try:
        await one.begin_stream()
        try:
            yield
        except (ChatError, SessionsError) as error:
            await _give(one, [run_error(error.code, error.message)])
        except asyncio.CancelledError:  # the server goes down, or the client has gone
            await _give(one, [run_error(ShuttingDown.code, ShuttingDown().message)])
            await one.end_stream()
            raise
        await one.end_stream()
    except ClientGone:
        return
