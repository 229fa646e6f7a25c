"""What a vendor or a gateway says of a failure, whatever shape it gives it: words, codes, and when to come back."""

import json
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from chat.messages import JSON
from chat.providers.sse import is_page, words_of_page

_WORDS = ("message", "detail", "error_description", "error", "errors", "msg", "title", "fault", "reason")
"""Where the sentence stands, the likeliest first."""
_CODES = ("code", "type", "status", "reason")
_MAX_DEPTH = 6
_TRY_AGAIN = re.compile(r"try again in (?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?", re.IGNORECASE)


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
    """``Please try again in 1m2.5s.``, as OpenAI and Groq write it."""
    found = _TRY_AGAIN.search(message)
    if not found or not any(found.groups()):
        return None
    seconds = (_seconds(found[2] or "") or 0.0) / (1000 if found[3] == "ms" else 1)
    return 60.0 * int(found[1] or 0) + seconds


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
