"""``response.steer``: what is said into a response while it is given; or, with why not, what goes back to the client."""

from collections.abc import Container, Iterable
from typing import Protocol

from chat.errors import (
    ChatError,
    FrameError,
    ModelCannotRead,
    NoActiveResponse,
    ObjectNotFound,
    QueueFull,
    ReadOnlyKey,
    TooManyFiles,
)
from chat.wire.responses.frames import Steer, SteerBack, SteerError, SteerFailed, framed
from chat.wire.responses.input import Item, Message, items_in
from chat.wire.responses.lanes import Lane
from sessions_app.errors import FileError, SessionsError

_CODES = {
    QueueFull.code: "too_many_pending_steers",
    NoActiveResponse.code: "response_not_active",
    ObjectNotFound.code: "response_not_found",
    ReadOnlyKey.code: "steering_not_supported",
    ModelCannotRead.code: "invalid_input",
    TooManyFiles.code: "invalid_input",
}
"""Of the vendor's words; each other error is one of the request that would follow."""


class Socket(Protocol):
    @property
    def responses(self) -> Container[str]:
        """Those of the connection."""

    async def send(self, frame: str) -> None: ...


class Steering:
    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def take(self, frame: Steer, lanes: Iterable[Lane]) -> None:
        """Raises an `OSError` where the client is gone."""
        named = frame.previous_response_id
        lane = next((one for one in lanes if one.running and one.running.place.response_id == named), None)
        try:
            items = _messages_in(frame)
        except FrameError as error:
            await self._refuse(frame, lane, "invalid_input", error.message)
            return
        if lane is None:
            known = named in self._socket.responses
            code = "response_already_completed" if known else "response_not_found"
            words = "is over" if known else "is none of this connection's"
            await self._refuse(frame, lane, code, f"The response {named!r} {words}.")
            return
        try:
            await lane.steer(items, named)
        except (ChatError, SessionsError) as error:
            ours = isinstance(error, FrameError | FileError)
            code = "invalid_input" if ours else "successor_creation_failed"
            await self._refuse(frame, lane, _CODES.get(error.code, code), error.message)

    async def _refuse(self, frame: Steer, lane: Lane | None, code: str, message: str) -> None:
        back = SteerBack(previous_response_id=frame.previous_response_id, input=frame.input)
        number = lane.running.last if lane and lane.running else 0
        told = SteerFailed(sequence_number=number, error=SteerError(code=code, message=message), steer=back)
        await self._socket.send(framed(told, lane.stream_id if lane else None))


def _messages_in(frame: Steer) -> list[Item]:
    """Raises `FrameError`."""
    items = items_in(frame.input)
    if not items or not all(isinstance(one, Message) and one.role == "user" for one in items):
        raise FrameError("input: say a text, or messages of the role user alone.", param="input")
    return items
