"""How a response is given to its client: as a stream, whole, or by its name alone; and what becomes of it when the client goes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from enum import Enum
from typing import Any, Protocol

from chat.conf import conf
from chat.errors import ChatError
from chat.session.commands import CancelResponse, Left
from chat.supervision import Tasks
from chat.wire.http.errors import told
from chat.wire.http.exchange import Aborted, ClientGone, Exchange, event_bytes
from chat.wire.http.visit import Visit
from chat.wire.responses.follow import Follower
from chat.wire.responses.objects import (
    ErrorEvent,
    Response,
    ResponseEvent,
    StreamEvent,
    encode,
    name_of,
)
from sessions_app.errors import SessionsError
from sessions_app.log.lookup import Place

COMES_AGAIN_S = 12.0
"""For whoever lost the connection before the answer began: SDKs ask again within 8 s, and that is the same turn."""


class Source(Protocol):
    def events(self) -> AsyncGenerator[list[Any], None]: ...


Render = Callable[[Any], bytes]
"""An event as those that its client is sent (`event_bytes`); empty: none."""


def as_it_is(event: StreamEvent) -> bytes:
    return event_bytes(encode(event), name=name_of(event))


_stopping = Tasks()


class Wanted(Enum):
    ANSWER = "answer"
    """The client waits for it, and what is lost with the client is stopped."""
    BACKGROUND = "background"
    """It goes on without anybody."""
    READING = "reading"
    """It was asked for before, and is read here."""


async def stream(
    one: Exchange,
    visit: Visit,
    place: Place,
    wanted: Wanted,
    *,
    after: int = -1,
    stored: bool,
    render: Render = as_it_is,
) -> None:
    """Raises `Aborted` where it cannot be brought to its end."""
    follower = Follower(visit, place, after=after, stored=stored)
    reading = Reading(one, visit, follower, render=render)
    _note(visit, place, wanted)
    try:
        await one.begin_stream()
        await reading.until_over()
        await one.end_stream()
    except ClientGone:
        await _lost(one, visit, place, follower, wanted)
    except (ChatError, SessionsError) as error:
        if visit.refused:
            await _say(one, error, render)
        raise Aborted from error


async def whole(one: Exchange, visit: Visit, place: Place, wanted: Wanted) -> Response | None:
    """The response once it is over; None when the client has gone. Raises what makes it impossible to wait."""
    follower = Follower(visit, place)
    reading = Reading(one, visit, follower)
    _note(visit, place, wanted)
    try:
        await reading.until_over()
    except ClientGone:
        await _lost(one, visit, place, follower, wanted)
        return None
    return follower.response


async def begun(visit: Visit, place: Place) -> Response | None:
    """The response as the log tells of it first, once that is in the database."""
    async for events in Follower(visit, place, stored=True).events():
        if isinstance(events[0], ResponseEvent):
            return events[0].response
    return None


class Reading:
    """The events go to the client as they come; one task waits for them, so that nothing is made anew for each."""

    def __init__(
        self, one: Exchange, visit: Visit, follower: Source, *, render: Render | None = None
    ) -> None:
        """``render`` None: nothing is given before all is there."""
        self._one, self._visit, self._follower = one, visit, follower
        self._render = render
        self._given_at = asyncio.get_running_loop().time()

    async def until_over(self) -> None:
        """Raises `ClientGone`, and what `Follower.events` raises."""
        tasks = Tasks()
        pump = tasks.spawn(self._pump(), name=f"events of {self._one.request_id}")
        gone = tasks.spawn(self._one.gone(), name=f"end of {self._one.request_id}")
        self._visit.stopped_by(pump.cancel)
        try:
            while not pump.done():
                done, _ = await asyncio.wait(
                    {pump, gone}, timeout=self._may_be_silent_s(), return_when=asyncio.FIRST_COMPLETED
                )
                if gone in done:
                    raise ClientGone
                if self._visit.refused:
                    raise self._visit.refused
                if not done and self._may_be_silent_s() == 0:
                    await self._quiet()
                    self._given_at = asyncio.get_running_loop().time()
            if error := pump.result():
                raise error
        finally:
            self._visit.stopped_by(None)
            tasks.cancel()

    async def _pump(self) -> Exception | None:
        """What ended it: a task of ours that raises is one that died."""
        try:
            async with contextlib.aclosing(self._follower.events()) as batches:
                async for events in batches:
                    if self._render:
                        await self._send(events, self._render)
        except (ClientGone, ChatError, SessionsError) as error:
            return error
        return None

    async def _send(self, events: list[Any], render: Render) -> None:
        """What came at once goes at once, in portions that a client who does not read may take its time for."""
        portion = b""
        for event in events:
            portion += render(event)
            if len(portion) > _PORTION_BYTES:
                await self._one.give(portion)
                portion = b""
        if portion:
            await self._one.give(portion)
        self._given_at = asyncio.get_running_loop().time()

    def _may_be_silent_s(self) -> float | None:
        """None: for ever."""
        if self._render is None:
            return None
        return max(0.0, self._given_at + conf().keep_alive_seconds - asyncio.get_running_loop().time())

    async def _quiet(self) -> None:
        """Nothing has come for a while. Raises `ClientGone`."""
        await self._one.keep_alive()


_PORTION_BYTES = 65_536


async def _say(one: Exchange, error: ChatError | SessionsError, render: Render) -> None:
    about = told(error).body["error"]
    event = ErrorEvent(code=about["code"], message=about["message"], param=about["param"])
    with contextlib.suppress(ClientGone):
        await one.give(render(event))


def _note(visit: Visit, place: Place, wanted: Wanted) -> None:
    if wanted is Wanted.ANSWER:
        visit.waits_for = place.response_id


async def _lost(one: Exchange, visit: Visit, place: Place, follower: Follower, wanted: Wanted) -> None:
    if wanted is Wanted.ANSWER:
        visit.waits_for = ""
        await lost(visit, place, lambda: follower.tail, wait_s=0.0 if one.began else COMES_AGAIN_S)


async def lost(
    visit: Visit, place: Place, tail: Callable[[], str], *, wait_s: float, spares_others: bool = False
) -> None:
    """An answer that nobody waits for any more is stopped; the session keeps what there is of it. ``tail``: by which id its
    session knows it; ``spares_others``: others may wait for it, from the beginning on."""
    if conf().answers_outlive_connections:
        return
    work = _stop(visit, place, tail, wait_s, spares_others or wait_s > 0)
    await asyncio.shield(_stopping.spawn(work, name=f"stop {place.response_id}"))


async def _stop(
    visit: Visit, place: Place, tail: Callable[[], str], wait_s: float, spares_others: bool
) -> None:
    if wait_s:
        await asyncio.sleep(wait_s)
    session = visit.session
    if session is None or session.session_id != place.session_id or _is_waited_for(visit, place):
        return
    left = Left(
        connection_id=visit.connection_id,
        waited_for=place.response_id,
        dialect=visit.dialect if spares_others else "",
    )
    with contextlib.suppress(ChatError, SessionsError):  # it has ended meanwhile, or its process has
        await session.do(CancelResponse(response_id=tail(), left=left))


def _is_waited_for(visit: Visit, place: Place) -> bool:
    """Here, by the same request, which came again; of those at other processes the session's own knows."""
    assert visit.session
    others = visit.session.subscribers.values()
    return any(isinstance(one, Visit) and one.waits_for == place.response_id for one in others)
