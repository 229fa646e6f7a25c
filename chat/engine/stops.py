"""The reasons for which a response is stopped from outside."""

from dataclasses import dataclass

from chat.errors import ChatError
from sessions_app import events as ev
from sessions_app import settle
from sessions_app.errors import JournalFull


@dataclass(frozen=True)
class Stop:
    """Why a response was stopped, as its `ResponseDone` says it."""

    status: str
    reason: str
    message: str = ""
    client_event_id: str | None = None

    def error(self) -> Exception:
        return JournalFull(self.message)

    def done(self, response_id: str, *, cause: str) -> ev.ResponseDone:
        return ev.ResponseDone(
            response_id=response_id, status=self.status, reason=self.reason, message=self.message, cause=cause
        )


CANCELLED = Stop("cancelled", "client_cancelled")
INTERRUPTED = Stop("incomplete", settle.INTERRUPTED, "The server stopped while it answered.")
SESSION_ENDED = Stop("cancelled", "session_ended")
FAILED = Stop("failed", ChatError.code, "The server failed to answer. Try again.")
STORAGE_AWAY = Stop("failed", JournalFull.code, str(JournalFull()))
