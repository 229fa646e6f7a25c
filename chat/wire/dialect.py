"""What a dialect of the wire is: what a frame means, and how the log is told."""

from typing import Any, ClassVar, Protocol

from chat.session.remote import RemoteConversation
from chat.session.session import Conversation

AnyConversation = Conversation | RemoteConversation


class Socket(Protocol):
    """The consumer, as its dialect sees it."""

    connection_id: str
    query: dict[str, str]

    async def send_frame(self, frame: str) -> None: ...


class Dialect(Protocol):
    name: ClassVar[str]

    async def opened(self, conversation: AnyConversation) -> Any:
        """Greet; returns the cursor that `send_log` starts from."""

    async def receive(self, frame: str) -> None:
        """Raises a `ChatError` or a `SessionsError` that the client is told."""

    async def send_log(self, cursor: Any) -> None:
        """Send the log from the cursor on until it ends."""

    def error(self, error: Any) -> str: ...
