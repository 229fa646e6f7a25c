"""A session that lives in another process: its log is followed here, its commands are sent there.

Redis (any channel layer between processes) is a hint only. What arrives over it is checked by seq; what it loses, the
reader finds in the database, a little later. Each process listens on one channel, whose name stands in its row of
``server_processes``; there is no channel per socket.
"""

import asyncio
import contextlib
import itertools
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec
from channels.exceptions import ChannelFull

from chat.conf import conf
from chat.errors import ChatError
from chat.quota.subjects import Payers
from chat.redis_trouble import trouble_of_layer
from chat.session.commands import Command, Done, SessionInfo
from chat.session.context import Guest, Subscriber
from chat.session.outbox import Outbox
from chat.session.relay_messages import (
    Act,
    Asked,
    Attach,
    Closed,
    Detach,
    Do,
    Message,
    Overlook,
    Recheck,
    Records,
    RemoteError,
    Reply,
    Request,
    Told,
    WhoIsThere,
    decode,
    encode,
    wire_error,
)
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.supervision import Tasks
from sessions_app.errors import DatabaseAway, SessionElsewhere, SessionErased, SessionsError
from sessions_app.ids import new_id
from sessions_app.log.leases import living_channels
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.rows import decode_row, encode_rows
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_REPLY_SECONDS = 5.0
_CHECK_PEERS_SECONDS = 2.0
_PAUSE_SECONDS = 0.01
"""Between two messages to one process: with many sessions that stream, the most that a delta waits for the others."""
_LAST_WORDS_SECONDS = 0.5
_ROLL_CALL_ROUNDS = 5
"""Every so many rounds the sockets of other processes are called by name: a word that one has left may get lost."""


_ENDS: dict[Closed, Callable[[], SessionsError | None]] = {
    Closed.ENDED: lambda: None,
    Closed.MOVED: SessionElsewhere,
    Closed.ERASED: SessionErased,
}
"""What a reader is told, by why there is no more to read."""


class ChannelLayer(Protocol):
    """What the relay needs of a Channels layer."""

    async def new_channel(self, prefix: str = ...) -> str: ...
    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...


class Relay:
    """One per process: its ear on the channel layer, and its part in sessions that others hold or follow."""

    def __init__(
        self,
        layer: ChannelLayer,
        *,
        find: Callable[[str, Visitor | None], Session],
        attach: Callable[[Session, Subscriber], object],
        ask_whose: Callable[[str, Visitor], Awaitable[None]] | None = None,
        on_recheck: Callable[[], None] = lambda: None,
    ) -> None:
        """``ask_whose``: brings up to date whose a session is; ``on_recheck``: another process saw a credential end."""
        self._layer = layer
        self._find = find
        self._attach_to = attach
        self._ask_whose = ask_whose
        self._on_recheck = on_recheck
        self.channel = ""
        self.hears = True
        self._closing = False
        self._followed: dict[str, RemoteSession] = {}
        self._replies: dict[str, tuple[asyncio.Future[Reply], Callable[[Reply], None]]] = {}
        self._publishers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._guests: dict[tuple[str, str], dict[str, Guest]] = {}
        self._joining: set[str] = set()
        """Connections of ours that another process may have let in, and that we do not know of yet."""
        self._outboxes: dict[str, Outbox] = {}
        self._doubted_at = -math.inf
        """When it could not be told last who is dead."""
        self._tasks = Tasks()

    async def open(self) -> str:
        """Start listening; the name of this process's channel."""
        self.channel = await self._layer.new_channel("realtime.process")
        self._tasks.keep(self._listen, name="relay's ear")
        self._tasks.keep(self._watch_peers, name="relay's look at its peers")
        return self.channel

    def closing(self) -> None:
        """From now on a session whose log closes has moved, not ended."""
        self._closing = True

    async def close(self) -> None:
        """Let the followers elsewhere hear the end, then stop listening."""
        if self._publishers:
            await asyncio.wait(list(self._publishers.values()), timeout=_LAST_WORDS_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                for channel, outbox in list(self._outboxes.items()):
                    await self._send(channel, outbox.take())
        self._tasks.cancel()

    # This process follows

    async def join(
        self,
        subscriber: Subscriber,
        session_id: str,
        visitor: Visitor,
        owner: str,
        *,
        is_staff: bool = False,
        payers: Payers = (),
        wait_s: float = _REPLY_SECONDS,
    ) -> RemoteSession:
        """Attach to a session of the process that listens on ``owner``. Raises what it answers, or `SessionElsewhere`
        when it does not within ``wait_s``."""
        request = Attach(
            session_id=session_id,
            connection_id=subscriber.connection_id,
            dialect=subscriber.dialect,
            user_id=visitor.user_id,
            guest_id=visitor.guest_id,
            external_user_id=visitor.external_user_id,
            secret_of=visitor.secret_of,
            is_staff=is_staff,
            payers=payers,
            waits_for=getattr(subscriber, "waits_for", ""),
        )
        return await self._follow(subscriber, owner, request, wait_s=wait_s)

    async def overlook(self, subscriber: Subscriber, session_id: str, owner: str) -> RemoteSession:
        """As `join`, for one who only looks: the session does not know of them."""
        request = Overlook(session_id=session_id, connection_id=subscriber.connection_id)
        return await self._follow(subscriber, owner, request, wait_s=_REPLY_SECONDS)

    async def act(self, session_id: str, owner: str, command: Command) -> Done:
        """Raises as `ask`, and what the session raises."""
        reply = await self.ask(owner, Act(session_id=session_id, command=command))
        return reply.done or Done()

    async def _follow(
        self, subscriber: Subscriber, owner: str, request: Attach | Overlook, *, wait_s: float
    ) -> RemoteSession:
        session_id, joined = request.session_id, list[RemoteSession]()

        def let_in(reply: Reply) -> None:
            if reply.info:
                joined.append(self._joined(subscriber, owner, reply.info))

        self._joining.add(subscriber.connection_id)
        try:
            await self.ask(owner, request, wait_s=wait_s, heard=let_in)
        except RemoteError as error:
            if error.code == SessionElsewhere.code:  # it holds it no more; as where that is found out here
                raise SessionElsewhere from error
            raise
        except BaseException:  # it may have let us in all the same: an answer that comes too late
            for session in joined:
                self._part(session, subscriber)
            self._spawn(self._tell_left(owner, session_id, subscriber.connection_id, 1006))
            raise
        finally:
            self._joining.discard(subscriber.connection_id)
        if not joined:
            raise SessionElsewhere
        return joined[0]

    def _joined(self, subscriber: Subscriber, owner: str, info: SessionInfo) -> RemoteSession:
        """In the moment in which it is heard: that it has ended may be the very next word."""
        session = self._followed.get(info.session_id)
        if session is None or session.owner != owner or session.closed:
            if session and not session.closed:  # who follows the last holder still is told that it moved
                session.close(SessionElsewhere())
            session = self._followed[info.session_id] = RemoteSession(self, owner, info)
        session.told(info)
        session.subscribers[subscriber.connection_id] = subscriber
        return session

    @property
    def followed(self) -> list[str]:
        return list(self._followed)

    def forget(self, session_id: str) -> None:
        """A session that others hold was erased: its readers here are told so."""
        if session := self._followed.get(session_id):
            session.close(SessionErased())

    def detach(self, session: RemoteSession, subscriber: Subscriber, close_code: int) -> None:
        if self._part(session, subscriber):
            left = self._tell_left(session.owner, session.session_id, subscriber.connection_id, close_code)
            self._spawn(left)

    def _part(self, session: RemoteSession, subscriber: Subscriber) -> bool:
        """False: it has left already."""
        if session.subscribers.pop(subscriber.connection_id, None) is None:
            return False
        if not session.subscribers and self._followed.get(session.session_id) is session:
            del self._followed[session.session_id]
        return True

    async def ask(
        self,
        owner: str,
        what: Asked,
        *,
        wait_s: float = _REPLY_SECONDS,
        heard: Callable[[Reply], None] = lambda _: None,
    ) -> Reply:
        """``heard``: is given the answer before any word that follows it. Raises `RemoteError` as the other process says,
        `SessionElsewhere` when it does not answer."""
        request = Request(request_id=new_id("ask"), reply_to=self.channel, what=what)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[request.request_id] = future, heard
        try:
            async with asyncio.timeout(wait_s):
                await self._layer.send(owner, encode([request]))
                reply = await future
        except (TimeoutError, ChannelFull, OSError) as error:
            raise SessionElsewhere from error
        except Exception as error:
            if isinstance(error, SessionsError | ChatError):
                raise
            logger.warning("relay: cannot ask %s: %r", owner, error)
            raise SessionElsewhere from error
        finally:
            del self._replies[request.request_id]
        if reply.error:
            raise RemoteError(reply.error)
        return reply

    async def _tell_left(self, owner: str, session_id: str, connection_id: str, close_code: int) -> None:
        what = Detach(session_id=session_id, connection_id=connection_id, close_code=close_code)
        with contextlib.suppress(SessionsError, ChatError):
            await self.ask(owner, what)

    def _present(self, session_ids: list[str]) -> list[str]:
        followed = (self._followed.get(session_id) for session_id in session_ids)
        return [*self._joining, *(one for remote in followed if remote for one in remote.subscribers)]

    # This process holds

    async def _answer(self, request: Request) -> None:
        try:
            reply = await self._carry_out(request)
        except (ChatError, SessionsError) as error:
            reply = Reply(request_id=request.request_id, error=wire_error(error))
        except Exception:
            logger.exception("relay: a request of another process could not be carried out")
            reply = Reply(request_id=request.request_id, error=wire_error(ChatError()))
        await self._tell(request.reply_to, reply)

    async def _carry_out(self, request: Request) -> Reply:
        what = request.what
        match what:
            case Attach():
                info = await self._let_in(what, request.reply_to)
                return Reply(request_id=request.request_id, info=info)
            case Overlook():
                info = self._show(what, request.reply_to)
                return Reply(request_id=request.request_id, info=info)
            case Act():
                done = await self._held(what.session_id).do(what.command)
                return Reply(request_id=request.request_id, done=done)
            case Detach():
                self._let_go(what.session_id, request.reply_to, what.connection_id, what.close_code)
                return Reply(request_id=request.request_id)
            case Do():
                guests = self._guests.get((what.session_id, request.reply_to))
                if not guests:
                    raise SessionElsewhere
                done = await self._held(what.session_id).do(what.command)
                return Reply(request_id=request.request_id, done=done)
            case WhoIsThere():
                return Reply(request_id=request.request_id, present=self._present(what.session_ids))

    def _held(self, session_id: str) -> Session:
        return self._find(session_id, None)  # the right was checked when the guest was let in

    async def _let_in(self, attach: Attach, channel: str) -> SessionInfo:
        visitor = Visitor(
            user_id=attach.user_id,
            guest_id=attach.guest_id,
            external_user_id=attach.external_user_id,
            secret_of=attach.secret_of,
        )
        if self._ask_whose:
            await self._ask_whose(attach.session_id, visitor)
        session = self._find(attach.session_id, visitor)
        session.admit(is_staff=attach.is_staff)
        info = session.info()
        guest = Guest(attach.connection_id, attach.dialect, attach.waits_for)
        self._attach_to(session, guest)
        if attach.payers:
            session.paid_by(attach.payers)
        self._publish_to(channel, session, guest, info.last_seq)
        return info

    def _show(self, overlook: Overlook, channel: str) -> SessionInfo:
        session = self._held(overlook.session_id)
        info = session.info()
        self._publish_to(channel, session, Guest(overlook.connection_id, "staff"), info.last_seq)
        return info

    def _publish_to(self, channel: str, session: Session, guest: Guest, after: int) -> None:
        key = (session.session_id, channel)
        self._guests.setdefault(key, {})[guest.connection_id] = guest
        if key not in self._publishers:
            work = self._publish(session, channel, after)
            self._publishers[key] = self._tasks.spawn(work, name=f"session {session.session_id}: relay")

    def _let_go(self, session_id: str, channel: str, connection_id: str, close_code: int) -> None:
        key = (session_id, channel)
        guests = self._guests.get(key, {})
        if guest := guests.pop(connection_id, None):
            with contextlib.suppress(SessionsError):
                self._held(session_id).detach(guest, close_code)
        if not guests:
            self._guests.pop(key, None)
            if task := self._publishers.pop(key, None):
                task.cancel()

    async def _publish(self, session: Session, channel: str, after: int) -> None:
        session_id, closed = session.session_id, Closed.ENDED
        try:
            async for records in session.follow(after):
                rows = encode_rows(records)
                await self._tell(channel, Records(session_id=session_id, holder=self.channel, rows=rows))
        except SessionsError as error:
            logger.info("relay: session %s: %s", session_id, error.code)
            closed = Closed.ERASED if isinstance(error, SessionErased) else Closed.MOVED
        except Exception:  # its readers come again
            logger.exception("relay: session %s cannot be followed", session_id)
            closed = Closed.MOVED
        if self._closing and closed is not Closed.ERASED:
            closed = Closed.MOVED
        self._publishers.pop((session_id, channel), None)
        for guest in self._guests.pop((session_id, channel), {}).values():
            session.detach(guest, 1006)
            # who came when it had been opened anew is told to come again, too
            with contextlib.suppress(SessionsError):
                self._held(session_id).detach(guest, 1006)
        end = Records(session_id=session_id, holder=self.channel, rows=[], closed=closed)
        await self._tell(channel, end)

    # The channel layer

    async def tell_to_recheck(self) -> None:
        """A credential has ended, or may have: the others look at once, not with their next look."""
        try:
            channels = await in_db_thread(living_channels)
        except DatabaseAway:
            return
        for channel in channels - {self.channel}:
            await self._send(channel, [Recheck()])

    async def _listen(self) -> None:
        while True:
            try:
                messages = decode(await self._layer.receive(self.channel))
            except (msgspec.ValidationError, KeyError):
                logger.exception("relay: a message that is none of ours")
                continue
            except Exception as error:  # noqa: BLE001 - the layer's own kinds of a lost connection are many
                self._go_deaf(error)
                await asyncio.sleep(0.5)
                continue
            self.hears = True
            for message in messages:
                try:
                    self._take(message)
                except Exception:  # of a newer build in a rolling deploy, say: its readers find the log
                    logger.exception("relay: a message that cannot be taken")

    def _go_deaf(self, error: Exception) -> None:
        if self.hears:
            self._spawn(self._tell_why(error))
        self.hears = False
        for session in self._followed.values():
            session.wake()  # a wait that has begun would last as long as if hints still came

    async def _tell_why(self, error: Exception) -> None:
        why = await trouble_of_layer(error)
        logger.warning("relay: the channel layer is away, readers poll the log. %s", why)

    def _take(self, message: Message) -> None:
        match message:
            case Recheck():
                self._on_recheck()
            case Request():
                self._spawn(self._answer(message))
            case Reply():
                if waits := self._replies.get(message.request_id):
                    _answered(*waits, message)
            case Records():
                session = self._followed.get(message.session_id)
                if session and message.holder in ("", session.owner):
                    session.feed([record for row in message.rows for record in decode_row(row)])
                    if message.closed:
                        session.close(_ENDS[message.closed]())

    async def _tell(self, channel: str, message: Told) -> None:
        outbox = self._outboxes.get(channel)
        if outbox is None:
            outbox = self._outboxes[channel] = Outbox()
            await outbox.put(message)
            self._spawn(self._empty(channel, outbox))
        else:
            await outbox.put(message)

    async def _empty(self, channel: str, outbox: Outbox) -> None:
        """Send until nothing has come for a moment."""
        while batch := outbox.take():
            await self._send(channel, batch)
            await asyncio.sleep(_PAUSE_SECONDS)
        del self._outboxes[channel]

    async def _send(self, channel: str, messages: Sequence[Told]) -> None:
        """A hint that cannot be sent is dropped: the reader finds it in the log."""
        try:
            await self._layer.send(channel, encode(messages))
        except Exception as error:  # noqa: BLE001 - whatever kept it, the log has it
            logger.info("relay: dropped a message for %s: %r", channel, error)

    async def _watch_peers(self) -> None:
        """Let go of processes that died, and of sockets that left unheard: nobody else says that they are gone."""
        for round_number in itertools.count(1):
            await asyncio.sleep(_CHECK_PEERS_SECONDS)
            if not self._followed and not self._guests:
                continue
            try:
                alive = await in_db_thread(living_channels)
            except DatabaseAway:
                self._doubted_at = time.monotonic()
                continue
            except Exception:
                logger.exception("relay: the peers cannot be looked up")
                continue
            if self._may_tell_the_dead(alive):
                self._let_go_of_the_dead(alive)
            if round_number % _ROLL_CALL_ROUNDS == 0:
                for channel in {channel for _, channel in self._guests}:
                    self._spawn(self._call_roll(channel))

    def _may_tell_the_dead(self, alive: set[str]) -> bool:
        """As `Orphans` has it: not right after the database was away, when all leases have run out, nor while this process
        holds none itself."""
        if self.channel not in alive:
            self._doubted_at = time.monotonic()
        return time.monotonic() - self._doubted_at >= conf().sweep_pause_seconds

    def _let_go_of_the_dead(self, alive: set[str]) -> None:
        for session in [one for one in self._followed.values() if one.owner not in alive]:
            session.close(SessionElsewhere())
        for session_id, channel in [key for key in self._guests if key[1] not in alive]:
            for connection_id in list(self._guests.get((session_id, channel), {})):
                self._let_go(session_id, channel, connection_id, 1006)

    async def _call_roll(self, channel: str) -> None:
        """Ask a process which of its sockets here are still there; those that came meanwhile are not asked for."""
        named = {key[0]: list(guests) for key, guests in self._guests.items() if key[1] == channel}
        try:
            reply = await self.ask(channel, WhoIsThere(session_ids=list(named)))
        except (SessionsError, ChatError):
            return
        if reply.present is None:  # of an older build, which does not know the question
            return
        for session_id, connection_ids in named.items():
            for connection_id in set(connection_ids) - set(reply.present):
                self._let_go(session_id, channel, connection_id, 1006)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.spawn(work, name=f"relay's {getattr(work, '__name__', 'work')}")


def _answered(future: asyncio.Future[Reply], heard: Callable[[Reply], None], reply: Reply) -> None:
    if not future.done():
        heard(reply)
        future.set_result(reply)
