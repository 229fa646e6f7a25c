"""What the Anthropic SDK raises, and the API's error events, in our words (`chat.errors.ProviderError`)."""

import anthropic
import httpx2

from chat.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelContextTooLong,
    ModelCredentials,
    ModelNotFound,
    ModelOverloaded,
    ModelQuota,
    ModelTimeout,
    ModelUnreachable,
    ProviderError,
)
from chat.providers.anthropic_events import ErrorEvent
from chat.providers.failures import cause_of, hinted_seconds

_BY_TYPE: dict[str, type[ProviderError]] = {
    "invalid_request_error": ModelBadRequest,
    "authentication_error": ModelCredentials,
    "permission_error": ModelCredentials,
    "billing_error": ModelQuota,
    "not_found_error": ModelNotFound,
    "request_too_large": ModelContextTooLong,
    "rate_limit_error": ModelQuota,
    "timeout_error": ModelTimeout,
    "api_error": ModelOverloaded,
    "overloaded_error": ModelOverloaded,
}
_BY_STATUS: dict[int, type[ProviderError]] = {
    401: ModelCredentials,
    402: ModelQuota,
    403: ModelCredentials,
    404: ModelNotFound,
    408: ModelTimeout,
    413: ModelContextTooLong,
    429: ModelQuota,
    499: ModelUnreachable,
    504: ModelTimeout,
}
_TOO_LONG = ("prompt is too long", "exceed context limit", "exceeds the maximum number of tokens")
_OUT_OF_MONEY = ("credit balance", "usage limits", "spend limit")
"""The API says both with status 400 and no code of their own, so the words have to do."""


def provider_error(error: Exception) -> ProviderError:
    """The `ProviderError` for whatever was raised while a stream was opened or read."""
    cause = cause_of(error)
    if isinstance(error, anthropic.APIStatusError):
        return _of_status(error, cause)
    if isinstance(error, anthropic.APIConnectionError | httpx2.HTTPError):
        return ModelUnreachable(cause=cause)
    return ModelBadAnswer(cause=cause)


def streamed_error(event: ErrorEvent) -> ProviderError:
    """An error in the middle of a stream, whose HTTP status was 200: only its type tells."""
    kind, words = event.error.type, event.error.message
    cls = _by_words(words) if kind == "invalid_request_error" else None
    return (cls or _BY_TYPE.get(kind, ModelUnreachable))(cause=f"{kind}: {words}")


def _of_status(error: anthropic.APIStatusError, cause: str) -> ProviderError:
    status = error.status_code
    cls = _by_words(error.api_message or "") if status == 400 else None
    cls = cls or _BY_STATUS.get(status) or _by_hundred(status)
    return cls(cause=cause, retry_after_s=hinted_seconds(error.response.headers.get("retry-after", "")))


def _by_words(message: str) -> type[ProviderError] | None:
    words = str(message).lower()
    if any(said in words for said in _TOO_LONG):
        return ModelContextTooLong
    return ModelQuota if any(said in words for said in _OUT_OF_MONEY) else None


def _by_hundred(status: int) -> type[ProviderError]:
    """A redirect is not followed; every 5xx, 529 too, may be over in a moment."""
    if status >= 500:
        return ModelOverloaded
    return ModelBadRequest if status >= 400 else ModelUnreachable
