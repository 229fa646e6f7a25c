"""A lane of the Responses socket: its requests one after the other, each response to its end, and those that follow by
themselves because something was said into the one before.

A lane writes under its lock, so that what the client is told of its steering stands where it belongs in the stream.
"""

import asyncio
import contextlib
import logging
from collections import deque
from typing import Protocol

import msgspec

from chat.conf import conf
from chat.errors import ChatError, NoActiveResponse, QueueFull
from chat.session.commands import Converse, RequestResponse, ResponseOptions
from chat.supervision import Tasks
from chat.wire.http.repeats import RequestKey
from chat.wire.http.visit import Visit
from chat.wire.responses import answers
from chat.wire.responses.create import begin, let_in, said_in
from chat.wire.responses.files import with_files
from chat.wire.responses.follow import Follower
from chat.wire.responses.frames import (
    Create,
    SteerAccepted,
    SteerPending,
    SteerRef,
    framed,
    required_by,
)
from chat.wire.responses.input import Item
from chat.wire.responses.objects import Response, StreamEvent
from sessions_app.errors import SessionsError
from sessions_app.ids import new_id
from sessions_app.log.lookup import Place, steered_from
from sessions_app.postgres.threads import in_db_thread


class Socket(Protocol):
    """As its lanes see it."""

    assistant: str
    gone: asyncio.Event
    """It is closed, by whomever."""

    @property
    def lost_for_s(self) -> float | None:
        """For so long somebody may come back to what the socket was told; None: nothing is to be stopped for its end."""

    def visit(self) -> Visit: ...
    def made(self, response_id: str) -> None: ...
    def over(self, lane: "Lane") -> None: ...
    async def send(self, frame: str) -> None:
        """Raises an `OSError` where the client is gone, or does not read."""

    async def tell(self, error: ChatError | SessionsError, stream_id: str | None, *, midway: bool) -> None:
        """``midway``: an answer cannot be brought to its end here."""


logger = logging.getLogger(__name__)


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Read on in a response that was asked for before."""

    place: Place
    after: int
    stored: bool = True


class Running:
    """The response that a lane gives now."""

    def __init__(
        self, visit: Visit, place: Place, *, after: int, reads: bool, background: bool = False
    ) -> None:
        """``reads``: it was asked for by another connection, of which nothing may be known here but the log. ``background``: it
        goes on without anybody, and what is given of it is stored."""
        self.visit, self.place, self.reads, self.background = visit, place, reads, background
        self.follower = Follower(visit, place, after=after, stored=reads or background)
        self.last = max(after, 0)
        """The number of the last event that was given."""
        self.next: Place | None = None
        self.pending: list[str] = []
        """What was said into it and waits for the client's next request, by its id."""

    @property
    def response(self) -> Response | None:
        return self.follower.response


class Lane:
    def __init__(self, socket: Socket, stream_id: str | None) -> None:
        self._socket = socket
        self.stream_id = stream_id
        self.running: Running | None = None
        self._jobs: deque[Create | Resume] = deque()
        self._lock = asyncio.Lock()
        self._tasks = Tasks()
        self._live_task: asyncio.Task[None] | None = None

    def put(self, job: Create | Resume) -> None:
        """Raises `QueueFull`. What is resumed is no turn that waits: how much of it may come at once, `resumed_by` knows."""
        if isinstance(job, Create) and len(self._jobs) >= conf().max_queued_turns:
            raise QueueFull
        self._jobs.append(job)
        if self._live_task is None:
            self._live_task = self._tasks.spawn(self._live(), name=f"lane {self.stream_id}")

    async def _live(self) -> None:
        while self._jobs and not self._socket.gone.is_set():
            await self._do(self._jobs.popleft())
        self._socket.over(self)

    async def _do(self, job: Create | Resume) -> None:
        visit = self._socket.visit()
        began = isinstance(job, Resume)
        try:
            if isinstance(job, Resume):
                let_in(visit, job.place)
                await self._give(Running(visit, job.place, after=job.after, reads=True))
                return
            visit.check_may_write()
            visit.ask()
            key = RequestKey(new_id("req"), named=False, repeated=False)
            place = await begin(visit, job.asked, key, assistant=self._socket.assistant)
            began = True
            background = bool(job.asked.body.background)
            await self._give(Running(visit, place, after=-1, reads=False, background=background))
        except (ChatError, SessionsError) as error:
            await self._socket.tell(error, self.stream_id, midway=began)
        except Exception:
            logger.exception("lane %s: a response could not be given", self.stream_id)
            await self._socket.tell(ChatError(), self.stream_id, midway=began)
        finally:
            self.running = None
            visit.close()

    async def _give(self, running: Running | None) -> None:
        """One response after the other, while they follow by themselves. Raises what `Follower.events` raises."""
        while running:
            self.running = running
            self._socket.made(running.place.response_id)
            if not await self._given(running):
                await self._left(running)
                return
            try:
                following = await self._following(running)
            except OSError:
                await self._left(running)
                return
            running = following

    async def _given(self, running: Running) -> bool:
        """False: the client went away before."""
        pump = self._tasks.spawn(self._pump(running), name=f"events of {running.place.response_id}")
        gone = self._tasks.spawn(self._socket.gone.wait(), name=f"end of lane {self.stream_id}")
        try:
            running.visit.stopped_by(pump.cancel)
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
            if running.visit.refused:
                raise running.visit.refused
            if not pump.done():
                return False
            if isinstance(error := pump.result(), OSError):
                return False
            if error:
                raise error
        finally:
            running.visit.stopped_by(None)
            pump.cancel()
            gone.cancel()
        return True

    async def _pump(self, running: Running) -> Exception | None:
        """What ended it: a task of ours that raises is one that died."""
        try:
            async with contextlib.aclosing(running.follower.events()) as batches:
                async for events in batches:
                    async with self._lock:
                        for event in events:
                            await self._send(running, event)
        except (OSError, ChatError, SessionsError) as error:
            return error
        return None

    async def _send(self, running: Running, event: StreamEvent) -> None:
        await self._socket.send(framed(event, self.stream_id))
        running.last = event.sequence_number

    async def _following(self, running: Running) -> Running | None:
        async with self._lock:
            self.running = None
            response = running.response
            for steer_id in running.pending if response else ():
                ref = SteerRef(id=steer_id, previous_response_id=running.place.response_id)
                required = required_by(response.output if response else [])
                told = SteerPending(sequence_number=running.last, steer=ref, required_input=required)
                await self._socket.send(framed(told, self.stream_id))
            place = running.next
        if place is None and running.reads:
            place = await in_db_thread(steered_from, running.place)
        if place is None:
            return None
        return Running(running.visit, place, after=-1, reads=running.reads, background=running.background)

    async def _left(self, running: Running) -> None:
        """An answer that nobody waits for any more is stopped, as over HTTP."""
        wait_s = self._socket.lost_for_s
        response = running.response
        if wait_s is None or not running.visit.may_write or (response and response.background):
            return
        place = running.next or running.place
        await answers.lost(
            running.visit,
            place,
            lambda: place.response_id if running.next else running.follower.tail,
            wait_s=wait_s,
            spares_others=running.reads,
        )

    # What is said into it

    async def steer(self, items: list[Item], previous_response_id: str) -> None:
        """Raises what refuses it."""
        async with self._lock:
            running = self.running
            session = running.visit.session if running else None
            if running is None or session is None:
                raise NoActiveResponse
            running.visit.check_may_write()
            running.visit.ask()
            turn = said_in(running.visit, items)
            said = await with_files(
                running.visit, session.session_id, turn.said, turn.given, reader=turn.reader
            )
            beside = {
                "previous_response_id": previous_response_id,
                "steers": previous_response_id,
                "input": [one.item_id for one in said],
                **({"background": True} if running.background else {}),
            }
            done = await session.do(
                Converse(
                    items=said,
                    request=RequestResponse(options=ResponseOptions(asked=beside)),
                    request_key=new_id("req"),
                    steers=running.follower.tail,
                )
            )
            steer_id = new_id("steer")
            if done.response_id:
                running.next = Place(running.place.session_id, done.response_id, done.seq)
            else:
                running.pending.append(steer_id)
            ref = SteerRef(id=steer_id, previous_response_id=previous_response_id)
            told = SteerAccepted(sequence_number=running.last, steer=ref)
            await self._socket.send(framed(told, self.stream_id))
