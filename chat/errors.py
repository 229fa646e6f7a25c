"""The errors of the chat.

ChatError
├── FrameError              the client sent something that we cannot take
│   ├── FrameTooLarge
│   ├── BinaryFrame
│   ├── InvalidCursor
│   ├── InvalidHistory
│   ├── ReadOnlyKey
│   ├── UnknownFeedbackReason
│   ├── TokenRefused
│   ├── TooManyFiles
│   ├── ObjectNotFound
│   ├── ModelNotAllowed
│   └── InstructionsNotAllowed
├── AccessError
│   ├── CredentialsInvalid
│   ├── CredentialsEnded
│   ├── ChosenIdRefused
│   ├── OriginRefused
│   ├── UnknownAddress
│   ├── AssistantNotFound
│   └── TooManySockets
├── RateLimited
├── TurnError               this turn cannot run now
│   ├── ActiveResponse
│   ├── QueueFull
│   ├── SessionFull
│   ├── BudgetExceeded
│   ├── LimitReached
│   ├── ModelCannotRead
│   ├── NoActiveResponse
│   ├── NothingToRetry
│   ├── NotTheLastResponse
│   ├── AlreadyDecided
│   ├── OwnApproval
│   ├── TakenOver
│   ├── NotTakenOver
│   ├── ItemExists
│   ├── ItemNotFound
│   ├── NotAnAnswer
│   └── TooMuchFeedback
├── ShuttingDown
├── ToolError               said to the model in words that it can act on
└── ProviderError           the model failed            asked again?  another model?
    ├── ModelCredentials                                no            yes
    ├── ModelNotFound                                   no            yes
    ├── ModelQuota                                      yes           yes
    ├── ModelOverloaded                                 yes           yes
    ├── ModelUnreachable                                yes           yes
    ├── ModelTimeout                                    yes           yes
    ├── ModelBadAnswer                                  yes           yes
    ├── ModelEmptyAnswer                                yes           yes
    ├── ModelRefused                                    no            no
    ├── ModelContextTooLong                             no            no
    └── ModelBadRequest                                 no            no
"""

from typing import ClassVar

from chat.redaction import safe_cause
from sessions_app.log.events import Usage

__all__ = [
    "AccessError",
    "ActiveResponse",
    "AlreadyDecided",
    "AssistantNotFound",
    "BinaryFrame",
    "BudgetExceeded",
    "ChatError",
    "ChosenIdRefused",
    "CredentialsEnded",
    "CredentialsInvalid",
    "FrameError",
    "FrameTooLarge",
    "InstructionsNotAllowed",
    "InvalidCursor",
    "InvalidHistory",
    "ItemExists",
    "ItemNotFound",
    "LimitReached",
    "ModelBadAnswer",
    "ModelBadRequest",
    "ModelCannotRead",
    "ModelContextTooLong",
    "ModelCredentials",
    "ModelEmptyAnswer",
    "ModelNotAllowed",
    "ModelNotFound",
    "ModelOverloaded",
    "ModelQuota",
    "ModelRefused",
    "ModelTimeout",
    "ModelUnreachable",
    "NoActiveResponse",
    "NotAnAnswer",
    "NotTakenOver",
    "NotTheLastResponse",
    "NothingToRetry",
    "ObjectNotFound",
    "OriginRefused",
    "OwnApproval",
    "ProviderError",
    "QueueFull",
    "RateLimited",
    "ReadOnlyKey",
    "SessionFull",
    "ShuttingDown",
    "TakenOver",
    "TokenRefused",
    "TooManyFiles",
    "TooManySockets",
    "TooMuchFeedback",
    "ToolError",
    "TurnError",
    "UnknownAddress",
    "UnknownFeedbackReason",
]


class ChatError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal_error"
    """Stable, for programs; clients are told it."""
    error_type: ClassVar[str] = "server_error"
    """The ``error.type`` of the Realtime protocol: invalid_request_error or server_error."""
    close_code: ClassVar[int | None] = None
    """The socket is closed with it; None: the session goes on."""
    retryable: ClassVar[bool] = False
    """The same may succeed later."""

    def __init__(
        self, message: str | None = None, *, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()))
        self.param = param
        self.event_id = event_id

    @property
    def message(self) -> str:
        """One sentence for a person; by default what this reference says of the class."""
        return str(self)


class FrameError(ChatError):
    """The frame could not be understood."""

    code = "invalid_event"
    error_type = "invalid_request_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        super().__init__(message, param=param, event_id=event_id)
        if code is not None:
            self.code = code  # type: ignore[misc]  # the codes of bad frames are many and need no class each


class FrameTooLarge(FrameError):
    """The message is too long."""

    code = "message_too_large"


class BinaryFrame(FrameError):
    """Binary frames are not understood here; send text frames."""

    code = "binary_frame"


class InvalidCursor(FrameError):
    """last_event_id is not an event_id of this session's stream. Give the last one you received, or leave it out."""

    code = "invalid_cursor"
    close_code = 4400


class InvalidHistory(FrameError):
    """history is joined, recent, or left out."""

    code = "invalid_history"
    close_code = 4400


class ReadOnlyKey(FrameError):
    """This key reads and changes nothing. Use a key of the scope chat."""

    code = "read_only_key"


class UnknownFeedbackReason(FrameError):
    """Feedback takes no such reason. Give one of the server's, or none."""

    code = "unknown_feedback_reason"


class TokenRefused(FrameError):
    """The token is not valid, or somebody else's. The connection goes on until its own credentials end."""

    code = "token_refused"


class TooManyFiles(FrameError):
    """The message has too many pictures and files. Send them in several messages."""

    code = "too_many_files"


class ObjectNotFound(FrameError):
    """There is no such response, conversation or item here, or it is not yours."""

    code = "not_found"


class ModelNotAllowed(FrameError):
    """This server does not offer that model."""

    code = "model_not_allowed"
    close_code = 4400


class InstructionsNotAllowed(FrameError):
    """This assistant takes no instructions from clients: no instructions field, and no message of the role system."""

    code = "instructions_not_allowed"


class AccessError(ChatError):
    """You may not do this."""

    code = "forbidden"
    error_type = "invalid_request_error"
    close_code = 4401


class CredentialsInvalid(AccessError):
    """Sign in first: the credentials are missing, wrong or expired."""

    code = "invalid_credentials"


class CredentialsEnded(AccessError):
    """The credentials of this connection have ended: they expired, were revoked or signed out. Connect again with new ones."""

    code = "credentials_ended"


class ChosenIdRefused(AccessError):
    """This server makes the ids of sessions for whoever has no name here. Leave the id out, send a key, or sign in."""

    code = "chosen_id_refused"
    close_code = 4403


class OriginRefused(AccessError):
    """This page's origin may not open sockets here. Add it to ALLOWED_ORIGINS if it is yours."""

    code = "origin_refused"
    close_code = 4403


class UnknownAddress(AccessError):
    """There is no WebSocket at this address. The addresses are /v1/realtime, /v1/responses, /ws/session and /ws/session/{session_id}."""

    code = "unknown_address"
    close_code = 4404


class AssistantNotFound(AccessError):
    """There is no assistant of this name here. Leave it out for the server's own."""

    code = "assistant_not_found"
    close_code = 4404


class TooManySockets(AccessError):
    """Too many open connections from your address. Close some and try again."""

    OF_ONE_PERSON: ClassVar[str] = "You have too many connections open. Close some and try again."
    code = "too_many_connections"
    close_code = 4429
    retryable = True


class RateLimited(ChatError):
    """Too many frames in a short time. Slow down and connect again."""

    code = "rate_limited"
    error_type = "invalid_request_error"
    close_code = 4429
    retryable = True


class TurnError(ChatError):
    """The turn cannot run now."""

    code = "turn_refused"
    error_type = "invalid_request_error"


class ActiveResponse(TurnError):
    """The conversation already has an active response. Wait for it or cancel it."""

    code = "conversation_already_has_active_response"
    retryable = True


class QueueFull(TurnError):
    """Too many messages wait for an answer already. Send it again when one is answered."""

    code = "queue_full"
    retryable = True


class SessionFull(TurnError):
    """This session has as many messages as one may have. Start a new one."""

    code = "session_full"


class BudgetExceeded(TurnError):
    """The budget for answers is used up. Start a new session, or come back tomorrow."""

    code = "budget_exceeded"


class LimitReached(TurnError):
    """Too much in a short time. Wait, then send it again."""

    code = "rate_limit_exceeded"
    retryable = True

    @classmethod
    def of(cls, measure: str, *, wait_s: int) -> "LimitReached":
        """``measure``: requests, tokens, cost, or bytes (of files)."""
        what = {
            "requests": "messages in a minute",
            "tokens": "tokens in a minute",
            "cost": "cost in a day",
            "bytes": "files in a day",
        }[measure]
        return cls(f"The limit of {what} is reached. Try again in {wait_s} s.")


class ModelCannotRead(TurnError):
    """The model cannot read a file of this type. Take it out, or choose another model."""

    code = "model_cannot_read_file"


class NoActiveResponse(TurnError):
    """There is no active response to cancel."""

    code = "response_cancel_not_active"


class NothingToRetry(TurnError):
    """Only the session's last response can be asked for again, and one that completed only while nothing was said after it."""

    code = "nothing_to_retry"


class NotTheLastResponse(TurnError):
    """The conversation has gone on since that response."""

    code = "not_the_last_response"


class AlreadyDecided(TurnError):
    """This approval request has been answered already."""

    code = "already_decided"


class TakenOver(TurnError):
    """Another member of staff has taken this conversation over. Let them hand it back first."""

    code = "taken_over"


class NotTakenOver(TurnError):
    """Nobody has taken this conversation over: the model answers in it. Take it over first."""

    code = "not_taken_over"


class OwnApproval(TurnError):
    """This session is your own: where several people have to say yes, you do it in the chat, and another member of staff here."""

    code = "own_approval"


class ApprovalWaits(TurnError):
    """A tool call waits for somebody's yes. Decide about it first."""

    code = "approval_waits"


class ItemExists(TurnError):
    """An item with this id is in the conversation already. Choose another id or none."""

    code = "item_exists"


class ItemNotFound(TurnError):
    """There is no such item in this conversation."""

    code = "item_not_found"


class NotAnAnswer(TurnError):
    """Only an answer of this session's can be rated."""

    code = "not_an_answer"


class TooMuchFeedback(TurnError):
    """This answer was rated as often as one may be. The last rating counts; it can only be taken back."""

    code = "too_much_feedback"


class ShuttingDown(ChatError):
    """This server is restarting. Connect again."""

    code = "server_restarting"
    close_code = 1012
    retryable = True


class ToolError(ChatError):
    """The tool failed. Raise it from a tool to tell the model why, in words that it can act on."""

    code = "tool_error"


class ProviderError(ChatError):
    """The model failed. ``cause`` is for staff: the vendor's own words, without our keys."""

    code = "model_error"
    another_may_help: ClassVar[bool] = False
    """Whether a fallback is asked; ``retryable`` says whether the same model is asked again."""

    def __init__(
        self,
        message: str | None = None,
        *,
        cause: str = "",
        retry_after_s: float | None = None,
        ask_again: bool = True,
    ) -> None:
        """``ask_again=False``: the same model would say the same now, whatever the class says of its kind."""
        super().__init__(message)
        self.cause = safe_cause(cause)
        self.retry_after_s = retry_after_s
        self.ask_again = self.retryable and ask_again


class ModelCredentials(ProviderError):
    """The model's vendor refused our key. The operator of this server has to set a valid one."""

    code = "model_bad_credentials"
    another_may_help = True


class ModelNotFound(ProviderError):
    """The model's vendor does not know the model that this server asks for. Its operator has to name another."""

    code = "model_not_found"
    another_may_help = True


class ModelQuota(ProviderError):
    """The model's quota is used up. Try again later."""

    code = "model_quota_exceeded"
    retryable = True
    another_may_help = True


class ModelOverloaded(ProviderError):
    """The model is overloaded. Try again in a moment."""

    code = "model_overloaded"
    retryable = True
    another_may_help = True


class ModelRefused(ProviderError):
    """The model's vendor refused to answer this."""

    code = "model_refused"


class ModelContextTooLong(ProviderError):
    """The conversation is too long for this model. Start a new session."""

    code = "model_context_too_long"


class ModelUnreachable(ProviderError):
    """The connection to the model failed or broke off. Try again."""

    code = "model_unreachable"
    retryable = True
    another_may_help = True


class ModelTimeout(ProviderError):
    """The model did not answer in time. Try again."""

    code = "model_timeout"
    retryable = True
    another_may_help = True


class ModelBadAnswer(ProviderError):
    """The model's answer could not be read. Try again."""

    code = "model_bad_answer"
    retryable = True
    another_may_help = True


class ModelEmptyAnswer(ProviderError):
    """The model gave no answer. Try again."""

    code = "model_empty_answer"
    retryable = True
    another_may_help = True

    def __init__(self, message: str | None = None, *, cause: str = "", usage: Usage | None = None) -> None:
        super().__init__(message, cause=cause)
        self.usage = usage or Usage()
        """The vendor counts an answer without a word like any other."""


class ModelBadRequest(ProviderError):
    """The model's vendor did not understand our request; this is a fault of this server's."""

    code = "model_bad_request"
