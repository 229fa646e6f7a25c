"""The server's start and stop under daphne, which speaks no lifespan: Twisted's reactor tells of both.

Works with the ``daphne`` command and with ``manage.py runserver``; under another server the reactor never runs.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort

from chat.protocol.close_codes import CloseCode
from realtime_ai.daphne_protocols import open_sockets

logger = logging.getLogger(__name__)

_GOODBYE_SECONDS = 1.0
"""Until each client has answered the close frame: the reactor's end resets connections, and a reset takes the frame with it."""

reactor: Any = the_reactor  # its type is that of a module
Hook = Callable[[], Awaitable[None]]


def follow_reactor(startup: Hook, shutdown: Hook) -> None:
    """Run ``startup`` when the reactor runs, and ``shutdown`` before it stops."""
    reactor.callWhenRunning(lambda: _spawn("startup", startup))
    reactor.addSystemEventTrigger("before", "shutdown", _stop, shutdown)


def _stop(shutdown: Hook) -> Any:
    """As uvicorn does it: nobody new comes in, each socket is told 1012, then answers drain. The reactor waits for the end."""
    for reader in reactor.getReaders():
        if IListeningPort.providedBy(reader):
            reader.stopListening()
    for socket in list(open_sockets):
        socket.close(CloseCode.RESTARTING)
        socket.application_queue.put_nowait(
            {"type": "websocket.disconnect", "code": int(CloseCode.RESTARTING)}
        )

    async def closed_and_shut_down() -> None:
        await shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while open_sockets:  # noqa: ASYNC110 - Autobahn wakes nobody
                    await asyncio.sleep(0.02)

    return Deferred.fromFuture(_spawn("shutdown", closed_and_shut_down))


def _spawn(name: str, hook: Hook) -> "asyncio.Future[None]":
    return asyncio.ensure_future(_told(name, hook), loop=asyncio.get_event_loop())


async def _told(name: str, hook: Hook) -> None:
    try:
        await hook()
    except Exception:
        logger.exception("%s failed", name)
