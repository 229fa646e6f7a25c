"""A WebSocket's ``send`` that waits while its client does not read, under daphne as under uvicorn, whose own does.

Twisted's transport tells the one producer that is registered with it when its buffer is full (64 KiB) and when it has
drained. So we are that producer, and ``send`` waits in between: docs/decisions/0009-back-pressure-under-daphne.md. Without
an import of Twisted, which would make its reactor.
"""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

from realtime_ai.front.bounds import Application, Message, Receive, Send


def paced(application: Application) -> Application:
    """The WebSocket application with a ``send`` that waits while the client does not read, whatever the server."""

    def with_pace(scope: Message, receive: Receive, send: Send) -> Awaitable[None]:
        transport = _transport_behind(send)
        return application(scope, receive, _PacedSend(send, transport) if transport else send)

    return with_pace


class _PacedSend:
    """The transport's push producer (``twisted.internet.interfaces.IPushProducer``), and the ``send`` that obeys it."""

    def __init__(self, send: Send, transport: Any) -> None:
        self._send = send
        self._has_room = asyncio.Event()
        self._has_room.set()
        transport.unregisterProducer()  # the HTTP channel that the socket was upgraded from
        transport.registerProducer(self, True)

    async def __call__(self, message: Message) -> None:
        await self._has_room.wait()
        await self._send(message)

    # Twisted's names

    def pauseProducing(self) -> None:  # noqa: N802
        self._has_room.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._has_room.set()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is lost: what is sent now goes nowhere, and nobody is to wait for that."""
        self._has_room.set()


def _transport_behind(send: Send) -> Any:
    """daphne's ``send`` is a partial of ``Server.handle_reply`` and the socket's protocol. None: another server's."""
    protocol = send.args[0] if isinstance(send, partial) and send.args else None
    is_daphnes = any(one.__module__.partition(".")[0] == "daphne" for one in type(protocol).__mro__)
    return getattr(protocol, "transport", None) if is_daphnes else None
