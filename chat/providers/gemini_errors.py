"""What the Gemini SDK raises, in our words (`chat.errors.ProviderError`).

The vendor's own words go into ``cause``, for staff; the error itself bounds them and takes our keys out.
"""

from collections.abc import Iterator
from typing import Any

import httpx2
from google.genai import errors

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
from chat.providers.failures import cause_of, hinted_seconds

_BY_STATUS: dict[int, type[ProviderError]] = {
    400: ModelBadRequest,
    401: ModelCredentials,
    403: ModelCredentials,
    404: ModelNotFound,
    408: ModelTimeout,
    413: ModelContextTooLong,
    429: ModelQuota,
    499: ModelUnreachable,
    500: ModelOverloaded,
    502: ModelOverloaded,
    503: ModelOverloaded,
    504: ModelTimeout,
}
_SIZES = ("token count", "payload size")
"""What is too large with status 400, in the API's words; it has no code for it."""
_NOT_SERVED = (
    "The model's vendor does not serve this server's account or region. Its operator has to settle that."
)


def provider_error(error: Exception) -> ProviderError:
    """The `ProviderError` for whatever the SDK raised while it opened or read a stream."""
    cause = cause_of(error)
    if isinstance(error, errors.APIError):
        return _of_status(error, cause)
    if isinstance(error, httpx2.HTTPError):
        return ModelUnreachable(cause=cause)
    return ModelBadAnswer(cause=cause)


def _of_status(error: errors.APIError, cause: str) -> ProviderError:
    reasons = {detail.get("reason") for detail in _details(error)}
    text = (error.message or "").lower()
    if error.code == 400 and reasons & {"API_KEY_INVALID", "API_KEY_EXPIRED"}:
        return ModelCredentials(cause=cause)
    if error.code == 400 and error.status == "FAILED_PRECONDITION":
        return ModelCredentials(_NOT_SERVED, cause=cause)
    if error.code == 400 and any(size in text for size in _SIZES) and "exceeds" in text:
        return ModelContextTooLong(cause=cause)
    cls = _BY_STATUS.get(error.code) or (ModelBadRequest if _is_client_error(error) else ModelUnreachable)
    return cls(cause=cause, retry_after_s=_retry_after_s(error))


def _is_client_error(error: errors.APIError) -> bool:
    return isinstance(error.code, int) and 400 <= error.code < 500


def _retry_after_s(error: errors.APIError) -> float | None:
    """The vendor's hint: ``google.rpc.RetryInfo`` in the body (``"retryDelay": "23.5s"``), else the HTTP header."""
    for detail in _details(error):
        if str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return hinted_seconds(str(detail.get("retryDelay", "")).removesuffix("s"))
    headers = getattr(error.response, "headers", None) or {}
    return hinted_seconds(headers.get("retry-after", ""))


def _details(error: errors.APIError) -> Iterator[dict[str, Any]]:
    body = error.details if isinstance(error.details, dict) else {}
    inner = body.get("error", body)
    details = inner.get("details") if isinstance(inner, dict) else None
    return (detail for detail in details or () if isinstance(detail, dict))
