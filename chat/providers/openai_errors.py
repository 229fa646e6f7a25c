"""What the openai SDK raises, in our words (`chat.errors.ProviderError`), for OpenAI and for those who copy its API.

The vendor's own words go into ``cause``, for staff; the error itself bounds them and takes our keys out.
"""

import re
from collections.abc import Sequence
from typing import Any

import httpx2
import openai

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
from chat.providers.failures import cause_of, hinted_seconds

_BY_CODE: dict[str, type[ProviderError]] = {
    "invalid_api_key": ModelCredentials,
    "unsupported_country_region_territory": ModelCredentials,
    "billing_not_active": ModelCredentials,
    "insufficient_quota": ModelQuota,
    "rate_limit_exceeded": ModelQuota,
    "context_length_exceeded": ModelContextTooLong,
    "string_above_max_length": ModelContextTooLong,
    "model_not_found": ModelNotFound,
    "model_decommissioned": ModelNotFound,
    "server_error": ModelOverloaded,
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
_BY_STATUS: dict[int, type[ProviderError]] = {
    401: ModelCredentials,
    402: ModelCredentials,
    403: ModelCredentials,
    404: ModelNotFound,
    408: ModelTimeout,
    413: ModelContextTooLong,
    429: ModelQuota,
    498: ModelOverloaded,
    499: ModelUnreachable,
    504: ModelTimeout,
}
_NOT_SERVED = (
    "The model's vendor does not serve this server's account or region. Its operator has to settle that."
)
_MESSAGES = {
    "unsupported_country_region_territory": _NOT_SERVED,
    "billing_not_active": _NOT_SERVED,
}
_TOO_LONG = re.compile(
    r"maximum context length|context (window|size|length)|exceeds? the .{0,20}context|prompt is too long|too many tokens",
    re.IGNORECASE,
)
"""As OpenAI, vLLM, llama.cpp, Ollama and Groq say it where they give no code."""
_TRY_AGAIN = re.compile(r"try again in (?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?", re.IGNORECASE)


def provider_error(error: Exception) -> ProviderError:
    """The `ProviderError` for whatever the SDK raised while it opened or read a stream."""
    cause = cause_of(error)
    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError | httpx2.StreamError):
        return ModelUnreachable(cause=cause)
    if isinstance(error, openai.APIError):
        return _of_api(error, cause)
    return ModelBadAnswer(cause=cause)


def vendor_error(code: str | None, message: str | None) -> ProviderError:
    """For an error that the vendor tells in the middle of a stream."""
    cls = _class_of([code or ""], None, message or "")
    cause = f"{code}: {message}"
    return cls(_MESSAGES.get(code or ""), cause=cause, retry_after_s=_hint_s(message or ""))


def _of_api(error: openai.APIError, cause: str) -> ProviderError:
    status = getattr(error, "status_code", None)
    codes = [str(error.code or ""), str(error.type or "")]
    message = _MESSAGES.get(codes[0])
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    retry_after_s = _header_s(headers)
    if retry_after_s is None:
        retry_after_s = _hint_s(str(error.message))
    return _class_of(codes, status, str(error.message))(message, cause=cause, retry_after_s=retry_after_s)


def _class_of(codes: Sequence[str], status: int | None, message: str) -> type[ProviderError]:
    """413 comes first: Groq says it, with the code of its rate limit, for what can never fit into a minute's tokens.

    In the middle of a stream there is no status; some put its number where OpenAI has a code.
    """
    if status == 413:
        return ModelContextTooLong
    for code in codes:
        if code in _BY_CODE:
            return _BY_CODE[code]
    if status is None and codes[0].isdecimal():
        status = int(codes[0])
    if status in {None, 400, 422, 500} and _TOO_LONG.search(message):
        return ModelContextTooLong
    if status is None:
        return ModelUnreachable
    fallback: type[ProviderError] = ModelUnreachable
    if status >= 500:
        fallback = ModelOverloaded
    elif status >= 400:
        fallback = ModelBadRequest
    return _BY_STATUS.get(status, fallback)


def _header_s(headers: Any) -> float | None:
    milliseconds = hinted_seconds(headers.get("retry-after-ms", ""))
    return milliseconds / 1000 if milliseconds is not None else hinted_seconds(headers.get("retry-after", ""))


def _hint_s(message: str) -> float | None:
    """``Please try again in 1m2.5s.``, as OpenAI and Groq write it."""
    found = _TRY_AGAIN.search(message)
    if not found or not any(found.groups()):
        return None
    seconds = (hinted_seconds(found[2] or "") or 0.0) / (1000 if found[3] == "ms" else 1)
    return 60.0 * int(found[1] or 0) + seconds
