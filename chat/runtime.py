"""What one server process runs beside its sockets: the journal, the hub, the heartbeat of its lease.

Started by the server's lifespan; a server without one (daphne) starts it with the first socket.
"""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from channels.layers import get_channel_layer
from django.conf import settings

from chat.assistants import shelf
from chat.bell import Bell
from chat.conf import conf
from chat.errors import ShuttingDown
from chat.limits import Pacer
from chat.llm.catalog import close_providers, preload
from chat.presence import Presence
from chat.quota.levels import EXCHANGE_S
from chat.quota.quotas import Quotas
from chat.session.bus import RedisBus
from chat.session.gallery import Gallery
from chat.session.hub import Hub
from chat.session.orphans import Orphans
from chat.session.relay import Relay
from chat.supervision import Tasks, heard
from chat.tools.mcp.servers import McpServers
from chat.tools.registry import default_registry
from chat.watch import Watch
from identity.ends import on_change
from sessions_app.conf import conf as sessions_conf
from sessions_app.errors import DatabaseAway
from sessions_app.hooks import on_session_erased, on_session_erasing
from sessions_app.ids import new_id
from sessions_app.limits.levels import clean_up
from sessions_app.log.journal import Journal
from sessions_app.log.leases import lease_lane, release_process, renew_process
from sessions_app.postgres.link import connect_journal
from sessions_app.postgres.outage import outage
from sessions_app.postgres.threads import after_commit, in_db_thread

logger = logging.getLogger(__name__)

R = TypeVar("R")

_BEATS_PER_ROUND = 8
"""Renewals of the lease between two looks for sessions that stand under the process's name and live nowhere."""
_RETRY_S = 0.5
_LET_GO_SECONDS = 2.0
_CARRY_OUT_SECONDS = 15.0
_CLEAN_UP_ROUNDS = 600
"""Of the exchange of quotas, between two cleanings of its tables."""


class Runtime:
    """Bound to the event loop that started it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.process_id = new_id("proc")
        self.journal = Journal(connect_journal, self.loop, on_death=_end_process)
        self._registered: asyncio.Future[None] = self.loop.create_future()
        self.quotas = Quotas()
        self.hub = Hub(
            journal=self.journal,
            process_id=self.process_id,
            registry=default_registry,
            registered=lambda: asyncio.shield(self._registered),
            quotas=self.quotas,
        )
        self.gallery = Gallery(self.hub)
        self.mcp = McpServers(conf().mcp_servers, default_registry)
        self.watch = Watch(self.hub.belongs)
        self.bell = Bell()
        self.presence = Presence()
        self._unheard = on_change(self._credentials_changed)
        self.leaving = Pacer()
        """Sockets whose clients have gone: a crowd that leaves does not take the loop from those who stay."""
        self._bus: RedisBus | None = None
        self._channel = ""
        self._lease_was_lost = asyncio.Event()
        self.orphans = Orphans(self.hub, process_id=self.process_id)
        self._tasks = Tasks()
        self._starting: asyncio.Task[None] | None = None
        self.serves = False

    async def started(self) -> None:
        """Returns once it serves, whoever asks. It is started by the first, and goes on with that though they go."""
        if self.serves:
            return
        if self._starting is None:
            self._starting = heard(self.start(), name="start of the server")
        await asyncio.shield(self._starting)

    async def start(self) -> None:
        """Once; what cannot be started lets go of what it began. Raises what kept it."""
        try:
            await self._start()
        except BaseException:
            self._unheard()
            self._tasks.cancel()
            raise
        self.serves = True

    async def _start(self) -> None:
        await asyncio.to_thread(preload)
        self.mcp.start()
        self.journal.start()
        if _spans_processes():
            self._bus = RedisBus.of(settings.CHANNEL_LAYERS["default"])
            self.hub.relay = Relay(
                self._bus or get_channel_layer(),
                find=self.hub.find,
                attach=self.hub.attach,
                ask_whose=self.hub.ask_whose,
                on_recheck=self.watch.look_soon,
            )
            self._channel = await self.hub.relay.open()
        self._tasks.keep(self._heartbeat, name="heartbeat")
        self._tasks.keep(self.watch.keep, name="look at credentials")
        self._tasks.keep(self.bell.looks.keep, name="bell of the staff")
        self._tasks.keep(self.presence.looks.keep, name="presence of the staff")
        self._tasks.keep(shelf.keep, name="assistants")
        self._tasks.keep(self._look_after_sessions, name="look after sessions")
        self._tasks.keep(self._watch_journal, name="watch journal")
        self._tasks.keep(self.hub.folding.run, name="fold finished answers")
        self._tasks.keep(self._share_quotas, name="share quotas")
        self._adopting = self._tasks.keep(self.orphans.watch, name="orphans")

    async def stop(self) -> None:
        """Drain, write, hand the leases back. What the database does not take in time is for the sweep to settle."""
        started = time.monotonic()
        self._unheard()
        self._adopting.cancel()
        await self.hub.shutdown(drain_s=conf().drain_seconds)
        await self.presence.close()
        mcp_ends = heard(self.mcp.stop(), name="end of the MCP servers")
        written = await self.journal.stop(timeout_s=2.0)
        if self.hub.relay:
            self.hub.relay.closing()
        self.hub.close_all()
        if self.hub.relay:
            await self.hub.relay.close()
        if self._bus:
            await self._bus.close()
        self._tasks.cancel()
        if written:
            with contextlib.suppress(DatabaseAway, TimeoutError):
                async with asyncio.timeout(0.5):
                    await lease_lane.run(release_process, process_id=self.process_id)
        lease_lane.close()
        await mcp_ends
        await close_providers()
        logger.info("stopped in %.1f s, log written: %s", time.monotonic() - started, written)

    def _credentials_changed(self) -> None:
        """Called in whichever thread saw it."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: its sockets are gone
            self.loop.call_soon_threadsafe(self._look_at_credentials)

    def _look_at_credentials(self) -> None:
        self.watch.look_soon()
        if self.hub.relay:
            self._tasks.spawn(self.hub.relay.tell_to_recheck(), name="hint to recheck")

    async def _heartbeat(self) -> None:
        """Renew the lease, in a lane of its own. A missed renewal is no alarm: appends are fenced by the epoch, not by
        the clock."""
        missed = False
        while True:
            try:
                held = await lease_lane.run(renew_process, process_id=self.process_id, channel=self._channel)
            except Exception as error:  # this task must outlive whatever it is
                if not isinstance(error, DatabaseAway):
                    logger.exception("lease not renewed")
                missed = True
                await asyncio.sleep(_RETRY_S)
                continue
            outage.wrote()
            if not self._registered.done():
                self._registered.set_result(None)
            elif missed or not held:  # it may have found that the lease was lost, and the answer did not come
                self._lease_was_lost.set()
            missed = False
            await asyncio.sleep(sessions_conf().lease_renew_seconds)

    async def _look_after_sessions(self) -> None:
        """What may wait for the database, as the lease itself must not."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BEATS_PER_ROUND * sessions_conf().lease_renew_seconds):
                    await self._lease_was_lost.wait()
            was_lost = self._lease_was_lost.is_set()
            self._lease_was_lost.clear()  # first: it may be lost again while we look
            try:
                await self.hub.forget_erased()  # first: of what was erased the lease is lost as well
                await (self.hub.check_leases() if was_lost else self.hub.hand_back_strays())
            except Exception as error:
                if not isinstance(error, DatabaseAway):
                    logger.exception("sessions not looked after")
                if was_lost:
                    self._lease_was_lost.set()
                await asyncio.sleep(_RETRY_S)

    async def _share_quotas(self) -> None:
        """What clients have used here, to the others, and what they have used there."""
        rounds = 0
        while True:
            await asyncio.sleep(EXCHANGE_S)
            try:
                await self.quotas.exchange(self.process_id)
                if (rounds := rounds + 1) % _CLEAN_UP_ROUNDS == 0:
                    await in_db_thread(clean_up)
            except Exception as error:
                if not isinstance(error, DatabaseAway):
                    logger.exception("quotas not shared")

    async def _watch_journal(self) -> None:
        """When the database has been away for longer than the buffer is long, say so to whoever waits."""
        told = False
        while True:
            await asyncio.sleep(0.25)
            away = self.journal.stalled_seconds() >= sessions_conf().buffer_seconds
            if away and not told:
                for session in self.hub.sessions():
                    session.storage_away()
            told = away


def _end_process() -> None:
    """By the way of every stop: sockets are told to come again, and the leases go back. Whoever keeps this process up starts
    another one."""
    logger.critical("this process cannot store anything any more and ends")
    os.kill(os.getpid(), signal.SIGTERM)


def _spans_processes() -> bool:
    """Whether the channel layer reaches other processes."""
    backend = settings.CHANNEL_LAYERS.get("default", {}).get("BACKEND", "")
    return bool(backend) and not backend.endswith(".InMemoryChannelLayer")


_current: Runtime | None = None
_stopped: weakref.ref[asyncio.AbstractEventLoop] | None = None
"""The loop whose server stops, or has stopped: nobody begins another one there by asking for something."""


async def runtime() -> Runtime:
    """This event loop's runtime, started when it was not. Raises `ShuttingDown`, and what a start raises: whoever asks next
    starts it anew."""
    global _current
    loop = asyncio.get_running_loop()
    if _stopped is not None and _stopped() is loop:
        raise ShuttingDown
    if _current is None or _current.loop is not loop:
        _current = Runtime()
    server = _current
    try:
        await server.started()
    except Exception:
        if _current is server:
            _current = None
        raise
    return server


def running() -> Runtime | None:
    """The runtime of this process, to be asked from another thread; None when it serves no sockets."""
    return _current


def carried_out(work: Coroutine[Any, Any, R]) -> R:
    """``work``'s result, from another thread than that of the runtime's loop, where it is done.

    Raises what it raises; `ShuttingDown` when this process serves no sockets, TimeoutError when it takes too long, and goes on then.
    """
    if _current is None:
        work.close()
        raise ShuttingDown("This process serves no sessions; ask a running server.")
    return asyncio.run_coroutine_threadsafe(work, _current.loop).result(_CARRY_OUT_SECONDS)


@on_session_erasing
def _let_go(session_id: str) -> None:
    """In a thread of its own. Returns once the session is not live here any more, so that its readers hear that it is gone, and
    not that another process took it."""
    if (server := _current) is None:
        return
    gone = threading.Event()

    def forget() -> None:
        try:
            server.hub.forget(session_id)
        finally:
            gone.set()

    with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is here
        server.loop.call_soon_threadsafe(forget)
        gone.wait(_LET_GO_SECONDS)


@on_session_erased
def _forget_whoever_came(session_id: str) -> None:
    """Between that and the commit. Other processes look for themselves."""
    after_commit(lambda: _let_go(session_id))


async def startup() -> None:
    global _stopped
    _stopped = None
    await runtime()


async def shutdown() -> None:
    global _current, _stopped
    _stopped = weakref.ref(asyncio.get_running_loop())
    stopping, _current = _current, None
    if stopping is None:
        return
    with contextlib.suppress(Exception):  # whoever started it is told why
        await stopping.started()
    if stopping.serves:
        await stopping.stop()
