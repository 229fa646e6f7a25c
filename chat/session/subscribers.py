"""Who is there in a session, as it sees them."""

from dataclasses import dataclass
from typing import Protocol


class Subscriber(Protocol):
    """A socket, as its session sees it."""

    @property
    def connection_id(self) -> str: ...
    @property
    def dialect(self) -> str: ...

    def notify(self, error: Exception) -> None:
        """Something went wrong that is not in the log."""


@dataclass(frozen=True)
class Guest:
    """A subscriber that is told nothing beside the log: errors go to who asked."""

    connection_id: str
    dialect: str

    def notify(self, error: Exception) -> None: ...
