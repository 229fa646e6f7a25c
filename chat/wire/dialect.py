"""What a dialect of the wire is: what a frame means, how the log is told; and what each of them asks of a text."""

from typing import Any, ClassVar, Protocol

from chat.conf import conf
from chat.errors import FrameError, FrameTooLarge
from chat.quota.quotas import Left
from chat.quota.subjects import Payers
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.wire.codes import FrameCode
from sessions_app.log.lifecycle import Visitor

AnySession = Session | RemoteSession


class Socket(Protocol):
    """The consumer, as its dialect sees it."""

    connection_id: str
    query: dict[str, str]

    @property
    def may_write(self) -> bool: ...
    @property
    def visitor(self) -> Visitor:
        """Who is there."""

    @property
    def payers(self) -> Payers:
        """Whom what they use is counted for."""

    @property
    def resume_token(self) -> str:
        """What the client shows when it comes back to its session."""

    @property
    def expires_at(self) -> float | None:
        """When the connection's credential ends, in Unix seconds, where it does."""

    async def renew(self, token: str) -> None:
        """Go on by a fresh key or token. Raises `TokenRefused`."""

    async def send_frame(self, frame: str) -> None: ...

    def ask(self) -> list[Left]:
        """Count one question; what is left, where it is bounded. Raises `LimitReached`."""


class Dialect(Protocol):
    name: ClassVar[str]

    async def opened(self, session: AnySession) -> Any:
        """Greet; returns the cursor that `send_log` starts from."""

    async def receive(self, frame: str) -> None:
        """Raises a `ChatError` or a `SessionsError` that the client is told."""

    async def send_log(self, cursor: Any) -> None:
        """Send the log from the cursor on until it ends."""

    def error(self, error: Any) -> str: ...


def check_text(text: str, *, param: str | None = None, event_id: str | None = None) -> None:
    """Raises `FrameError` for what no PostgreSQL text can hold: NUL, and halves of surrogate pairs."""
    if "\x00" not in text and text.isascii():
        return
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise FrameError(
            "The text holds a NUL character or half of a surrogate pair, which cannot be stored. Remove it.",
            code=FrameCode.INVALID_TEXT,
            param=param,
            event_id=event_id,
        )


def too_long(length: int, *, param: str | None = None, event_id: str | None = None) -> FrameTooLarge:
    limit = conf().max_message_chars
    return FrameTooLarge(
        f"The text has {length} characters; at most {limit} are taken. Send it in parts.",
        param=param,
        event_id=event_id,
    )
