"""How a failure of any vendor, or of what stands before it, is told in our words (`chat.errors.ProviderError`).

One table for all: a gateway gives one vendor's failures in another's shape. The vendor's own words go into ``cause``, for
staff; the error itself bounds them and takes our keys out.
"""

import re

import httpx2

from chat.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelContextTooLong,
    ModelCredentials,
    ModelNotFound,
    ModelOverloaded,
    ModelQuota,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
    ProviderError,
)
from chat.providers.failure_words import Told, told_by_answer

Class = type[ProviderError]

_BY_CODE: dict[str, Class] = {
    "API_KEY_INVALID": ModelCredentials,
    "API_KEY_EXPIRED": ModelCredentials,
    "invalid_api_key": ModelCredentials,
    "unsupported_country_region_territory": ModelCredentials,
    "billing_not_active": ModelCredentials,
    "insufficient_quota": ModelQuota,
    "rate_limit_exceeded": ModelQuota,
    "context_length_exceeded": ModelContextTooLong,
    "exceed_context_size_error": ModelContextTooLong,
    "string_above_max_length": ModelContextTooLong,
    "model_not_found": ModelNotFound,
    "model_decommissioned": ModelNotFound,
    "server_is_overloaded": ModelOverloaded,
    "slow_down": ModelOverloaded,
    "invalid_prompt": ModelRefused,
    "content_filter": ModelRefused,
    "content_policy_violation": ModelRefused,
    "bio_policy": ModelRefused,
    "misalignment_policy_violation": ModelRefused,
    "tool_use_failed": ModelBadAnswer,
    "output_parse_failed": ModelBadAnswer,
}
"""These are right whatever the status."""
_BY_STATUS: dict[int, Class] = {
    401: ModelCredentials,
    402: ModelQuota,
    403: ModelCredentials,
    404: ModelNotFound,
    408: ModelTimeout,
    413: ModelContextTooLong,
    429: ModelQuota,
    498: ModelOverloaded,
    499: ModelUnreachable,
    504: ModelTimeout,
}
_BY_KIND: dict[str, Class] = {
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
    "server_error": ModelOverloaded,
    "RESOURCE_EXHAUSTED": ModelQuota,
    "UNAVAILABLE": ModelOverloaded,
    "INTERNAL": ModelOverloaded,
    "DEADLINE_EXCEEDED": ModelTimeout,
}
"""Kinds that say no more than a status; they count where there is none, in the middle of a stream."""
_NOT_SERVED = (
    "The model's vendor does not serve this server's account or region. Its operator has to settle that."
)
_NOT_SERVED_CODES = {"unsupported_country_region_territory", "billing_not_active"}

_WORDED = {None, 400, 422, 500}
"""Statuses that many give for anything, so that the words have to do."""
_TOO_LONG = re.compile(
    r"maximum context length|context (window|size|length|limit)|exceeds? the .{0,20}context|prompt is too long"
    r"|too many tokens|exceeds? the maximum number of tokens|(token count|payload size).*exceeds",
    re.IGNORECASE | re.DOTALL,
)
_NO_MONEY = re.compile(
    r"credit balance|usage limits|spend limit|insufficient (balance|credits?|funds|quota)|(no|out of) credits",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"\bmodels?\b.{0,120}?(does not exist|not found|not a valid model)|(unknown|no such|invalid) model\b"
    r"|not a valid model",
    re.IGNORECASE | re.DOTALL,
)


def cause_of(error: BaseException) -> str:
    """In one line, with what is behind it: some SDKs say no more than that the connection failed."""
    behind = error.__cause__
    told = f" ({type(behind).__name__}: {behind})" if behind is not None else ""
    return f"{type(error).__name__}: {error}{told}"


def provider_error(error: Exception, *unreachable: type[Exception]) -> ProviderError:
    """For whatever an SDK raised while it opened or read a stream; ``unreachable``: its own names for a lost connection."""
    if isinstance(error, ProviderError):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response) and response.status_code != 200:
        return failure(told_by(response))
    if isinstance(error, (httpx2.HTTPError, httpx2.StreamError, *unreachable)):
        return ModelUnreachable(cause=cause_of(error))
    return ModelBadAnswer(cause=cause_of(error))


def told_by(response: httpx2.Response) -> Told:
    """A response that the SDK has read, since it is an error."""
    return told_by_answer(response.status_code, response.headers, response.content.decode(errors="replace"))


def failure(told: Told) -> ProviderError:
    """The `ProviderError` for what was told."""
    cls = _class_of(told)
    not_served = _NOT_SERVED_CODES & set(told.codes) or _is_precondition(told)
    return cls(
        _NOT_SERVED if not_served else None,
        cause=told.cause,
        retry_after_s=told.retry_after_s,
        ask_again=not _is_spent(told),
    )


def _class_of(told: Told) -> Class:
    """413 comes first: Groq says it, with the code of its rate limit, for what can never fit into a minute's tokens."""
    status = told.status
    if status == 413:
        return ModelContextTooLong
    if _is_precondition(told):
        return ModelCredentials
    by_code = next((_BY_CODE[code] for code in told.codes if code in _BY_CODE), None)
    if cls := by_code or (_by_words(told.message) if status in _WORDED else None):
        return cls
    if status is None:
        return next((_BY_KIND[code] for code in told.codes if code in _BY_KIND), ModelUnreachable)
    return _BY_STATUS.get(status) or _by_hundred(status)


def _by_words(message: str) -> Class | None:
    if _TOO_LONG.search(message):
        return ModelContextTooLong
    if _NO_MONEY.search(message):
        return ModelQuota
    return ModelNotFound if _NO_MODEL.search(message) else None


def _by_hundred(status: int) -> Class:
    """A redirect is not followed; every 5xx may be over in a moment."""
    if status >= 500:
        return ModelOverloaded
    return ModelBadRequest if status >= 400 else ModelUnreachable


def _is_precondition(told: Told) -> bool:
    return told.status == 400 and "FAILED_PRECONDITION" in told.codes


def _is_spent(told: Told) -> bool:
    """Money, not a rate: waiting does not bring it back."""
    return told.status == 402 or "insufficient_quota" in told.codes or bool(_NO_MONEY.search(told.message))
