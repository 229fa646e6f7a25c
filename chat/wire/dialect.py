"""The two dialects of the wire between a socket and its session: what a frame means, how the log is told."""

from typing import Any, ClassVar, Protocol

from chat.session.commands import AddMessage
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.wire.plain import plain_error, plain_message, plain_policy
from chat.wire.realtime.projector import PlainProjector

AnySession = Session | RemoteSession


class Socket(Protocol):
    """The consumer, as its dialect sees it."""

    connection_id: str
    query: dict[str, str]

    async def send_frame(self, frame: str) -> None: ...


class Dialect(Protocol):
    name: ClassVar[str]

    async def opened(self, session: AnySession) -> Any:
        """Greet; returns the cursor that `send_log` starts from."""

    async def receive(self, frame: str) -> None:
        """Raises a `ChatError` or a `SessionsError` that the client is told."""

    async def send_log(self, cursor: Any) -> None:
        """Send the log from the cursor on until it ends."""

    def error(self, error: Any) -> str: ...


class PlainDialect:
    """Whole messages in, pieces of the answer out, nothing around them."""

    name: ClassVar[str] = "plain"

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def opened(self, session: AnySession) -> int:
        self._session, cursor = session, session.info().last_seq
        await self._socket.send_frame(f"Connected to session {session.session_id}")
        return cursor

    async def receive(self, frame: str) -> None:
        message = AddMessage(text=plain_message(frame), respond=True, turn_policy=plain_policy(frame))
        await self._session.do(message)

    async def send_log(self, cursor: int) -> None:
        projector = PlainProjector()
        async for records in self._session.follow(cursor):
            for record in records:
                for frame in projector.frames(record):
                    await self._socket.send_frame(frame)

    def error(self, error: Any) -> str:
        return plain_error(error.code, error.message)
