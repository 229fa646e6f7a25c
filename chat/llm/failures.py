"""How a failure of any vendor, or of what stands before it, is told in our words (`chat.errors.ProviderError`).

One table for all: a gateway gives one vendor's failures in another's shape. The vendor's own words go into ``cause``, for
staff; the error itself bounds them and takes our keys out.
"""

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import msgspec

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
from chat.llm.provider import JSON
from chat.llm.sse import is_page, words_of_page

# What a vendor or a gateway says of a failure, whatever shape it gives it: words, codes, and when to come
# back.


_WORDS = ("message", "detail", "error_description", "error", "errors", "msg", "title", "fault", "reason")
"""Where the sentence stands, the likeliest first."""
_CODES = ("code", "type", "status", "reason")
_MAX_DEPTH = 6
_TRY_AGAIN = re.compile(
    r"(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)? ?(?:milliseconds?|ms|seconds?|minutes?|hours?|days?|[dhms])(?![a-z]) ?)+)",
    re.IGNORECASE,
)
_TIME = re.compile(r"([\d.]+) ?(ms|milli|[dhms])", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True)
class Told:
    message: str
    codes: tuple[str, ...] = ()
    """Names that stand for the failure, the most specific first."""
    status: int | None = None
    """HTTP's; within a stream, the number that stands in its place."""
    retry_after_s: float | None = None

    @property
    def cause(self) -> str:
        """For staff, in one line."""
        names = " ".join(name for name in self.codes if name != str(self.status))
        number = "" if self.status is None else f"HTTP {self.status}"
        head = " ".join(filter(None, (number, names)))
        return f"{head}: {self.message}" if head else self.message


def told_by_answer(status: int, headers: Mapping[str, str], body: str) -> Told:
    """An HTTP answer that is an error."""
    return _told(_decoded(body), status, headers)


def told_in_stream(body: Any) -> Told:
    """An error object, or what holds one, in the middle of a stream or in the place of one."""
    told = _told(body, None, {})
    number = next((int(code) for code in told.codes if re.fullmatch("[1-5][0-9][0-9]", code)), None)
    return Told(told.message, told.codes, number, told.retry_after_s)


def _told(body: Any, status: int | None, headers: Mapping[str, str]) -> Told:
    while isinstance(body, list) and len(body) == 1:
        body = body[0]
    message = _words_in(body) or (body if isinstance(body, str) else json.dumps(body))
    hint = _retry_info(body)
    if hint is None:
        hint = _header_s(headers)
    if hint is None:
        hint = _reset_s(body)
    if hint is None:
        hint = _sentence_s(message)
    return Told(message, tuple(dict.fromkeys(_codes_in(body))), status, hint)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return words_of_page(text) if is_page(text) else " ".join(text.split()) or "(no words)"


def _words_in(value: Any, depth: int = 0) -> str:
    """FastAPI's list of faults gives each with its place, so that the field's name is among the words; OpenRouter puts
    what the model's own vendor said beside its own sentence."""
    if depth > _MAX_DEPTH or not value:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (_words_in(one, depth + 1) for one in value)))
    if not isinstance(value, dict):
        return ""
    words = next(filter(None, (_words_in(value.get(key), depth + 1) for key in _WORDS)), "")
    place = ".".join(str(step) for step in value["loc"]) if isinstance(value.get("loc"), list) else ""
    raw = value["metadata"].get("raw") if isinstance(value.get("metadata"), dict) else ""
    return ": ".join(filter(None, (place, words, raw if isinstance(raw, str) else "")))


def _codes_in(body: Any, depth: int = 0) -> Iterator[str]:
    """The inner ones first: an error object's, then its details', then those around it."""
    if not isinstance(body, dict) or depth > _MAX_DEPTH:
        return
    yield from _codes_in(body.get("error"), depth + 1)
    details = body.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("reason"), str):
            yield detail["reason"]
    for key in _CODES:
        value = body.get(key)
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if re.fullmatch(r"[\w.:/-]{1,80}", text) and text != "error":
            yield text


def _retry_info(body: Any) -> float | None:
    """``google.rpc.RetryInfo``: ``"retryDelay": "23.5s"``."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    details = inner.get("details") if isinstance(inner, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return _seconds(str(detail.get("retryDelay", "")).removesuffix("s"))
    return None


def _reset_s(body: Any) -> float | None:
    """OpenRouter's ``metadata.headers``: ``"X-RateLimit-Reset": "1741305600000"``, in milliseconds since 1970."""
    value: Any = body
    for key in ("error", "metadata", "headers", "X-RateLimit-Reset"):
        value = value.get(key) if isinstance(value, dict) else None
    at_ms = _seconds(str(value))
    return None if at_ms is None else max(0.0, at_ms / 1000 - time.time())


def _header_s(headers: Mapping[str, str]) -> float | None:
    """``retry-after-ms``, else ``retry-after`` in seconds, a fraction of one included, or as a date."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("retry-after", "")
    seconds = _seconds(given)
    return _until(given) if seconds is None else seconds


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _sentence_s(message: str) -> float | None:
    """``Please try again in 1h1m2.5s.``, as OpenAI and Groq write it, ``Please retry after 26 seconds.``, as Azure does."""
    found = _TRY_AGAIN.search(message)
    if not found:
        return None
    return _seconds(
        str(sum(float(number) * _UNIT_S[unit.lower()] for number, unit in _TIME.findall(found[1])))
    )


def _seconds(text: str) -> float | None:
    """None for what is no finite number."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def whole(count: object) -> int:
    """A count of tokens: some servers give a float, or null; what is none must not fail an answer."""
    if isinstance(count, int | float) and math.isfinite(count):
        return max(0, int(count))
    return 0


def error_in(event: JSON) -> Any:
    """The error that stands in the place of a chunk; None: there is none."""
    return event.get("error") or None


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
    "model_not_found": ModelNotFound,
    "model_decommissioned": ModelNotFound,
    "server_is_overloaded": ModelOverloaded,
    "slow_down": ModelOverloaded,
    "invalid_prompt": ModelRefused,
    "content_filter": ModelRefused,
    "content_policy_violation": ModelRefused,
    "image_content_policy_violation": ModelRefused,
    "bio_policy": ModelRefused,
    "misalignment_policy_violation": ModelRefused,
    "tool_use_failed": ModelBadAnswer,
    "output_parse_failed": ModelBadAnswer,
    **dict.fromkeys(
        (
            "invalid_image",
            "invalid_image_format",
            "invalid_base64_image",
            "invalid_image_url",
            "image_too_large",
            "image_too_small",
            "image_parse_error",
            "invalid_image_mode",
            "image_file_too_large",
            "unsupported_image_media_type",
            "empty_image_file",
        ),
        ModelBadRequest,
    ),
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
    r"maximum context length|context (window|size|length|limit)|exceeds? the .{0,20}context|(prompt|input) is too long"
    r"|too many tokens|exceeds? the maximum number of tokens|(token count|payload size|input length).*exceeds"
    r"|maximum (prompt|model) length|model token limit|range of input length|prompt exceeds max|model max length"
    r"|`inputs` tokens \+ `max_new_tokens`|invalid '(input|messages)\b[^']*': string too long",
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
