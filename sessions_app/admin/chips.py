"""The filters of a list in words, each with the way to take it away; and so what a list is called that has no name of its own.

It reads the address alone: naming a list on a session's page asks the database nothing, but for an assignee's name.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from django.contrib.auth import get_user_model
from django.db.models import TextChoices
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode

from sessions_app.admin.periods import day_of
from sessions_app.admin.search import words_said_in
from sessions_app.models import ReviewState, Sentiment, SessionOutcome, SummaryState

MAX_QUERY_CHARS = 2_000
_SINCE = ("start_time_from", "start_time__gte")
_UNTIL = ("start_time_to", "start_time__lt")
_PERIOD = ("start_time__year", "start_time__month", "start_time__day")


@dataclass(frozen=True)
class Chip:
    words: str
    without: str
    """The list's query without it."""


def chips_of(query: str) -> list[Chip]:
    """In the order of `_WORDS`; what is no filter of the list has none."""
    given = dict(parse_qsl(query[:MAX_QUERY_CHARS]))
    found = []
    for names, in_words in _WORDS.items():
        values = [given.get(name, "") for name in names]
        if any(values) and (words := in_words(*values)):
            left = [(name, value) for name, value in given.items() if name not in (*names, "p", "e")]
            found.append(Chip(words, urlencode(left)))
    return found


def in_words(query: str) -> str:
    """All of them in a line; empty: the list is not narrowed."""
    return ", ".join(chip.words for chip in chips_of(query))


def _searched(words: str) -> str:
    said = words_said_in(words)
    return f"Search: “{words}”" if said is None else f"Said: “{said.strip()}”"


def _choice(choices: type[TextChoices], prefix: str = "") -> Callable[[str], str]:
    def words(value: str) -> str:
        label = str(choices(value).label) if value in choices.values else value
        return f"{prefix}{label.lower()}" if prefix else label[:1].upper() + label[1:]

    return words


def _one_of(**words: str) -> Callable[[str], str]:
    return lambda value: words.get(value, "")


def _assignee(value: str) -> str:
    if value in ("me", "nobody"):
        return "Mine" if value == "me" else "Assigned to nobody"
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
    users = get_user_model()
    name = users.objects.filter(pk=number).values_list(users.USERNAME_FIELD, flat=True).first()
    return f"Assigned to {name or 'somebody who is gone'}"


def _since(day: str, at: str) -> str:
    return _moment("Since", day, at)


def _until(day: str, at: str) -> str:
    return _moment("Until", day, at)


def _moment(word: str, day: str, at: str) -> str:
    """The very time, where the address has it; what is neither narrows nothing."""
    try:
        moment = parse_datetime(at)
    except ValueError:
        return ""
    date = day_of(day)
    if moment and timezone.is_aware(moment):
        return f"{word} {formats.date_format(timezone.localtime(moment), 'j M Y, H:i')}"
    return f"{word} {formats.date_format(date, 'j M Y')}" if date else ""


def _period(year: str, month: str, day: str) -> str:
    if not year.isdigit():
        return ""
    try:
        date = dt.date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return ""
    return formats.date_format(date, "j M Y" if day else "F Y" if month else "Y")


_WORDS: dict[tuple[str, ...], Callable[..., str]] = {
    ("q",): _searched,
    ("review",): _choice(ReviewState),
    ("assignee",): _assignee,
    ("tag",): lambda value: f"Tag: {value}",
    ("status__exact",): _one_of(active="Live", ended="Ended"),
    ("errors",): _one_of(yes="With failed answers", no="Without failed answers"),
    ("feedback",): _one_of(bad="Rated bad", good="Rated good"),
    ("outcome__exact",): _choice(SessionOutcome),
    ("sentiment__exact",): _choice(Sentiment, "User: "),
    ("summary_state__exact",): _choice(SummaryState, "Summary: "),
    ("model",): lambda value: f"Model: {value.partition(':')[2] or value}",
    ("assistant",): lambda value: f"Assistant: {value}",
    ("failure",): lambda value: f"Failed for: {value.replace('_', ' ')}",
    ("tool",): lambda value: f"Tool: {value}",
    ("tool_failed",): lambda value: f"Tool that failed: {value}",
    ("who",): _one_of(user="Signed-in users", guest="Guests", anonymous="Anonymous programs"),
    _PERIOD: _period,
    _SINCE: _since,
    _UNTIL: _until,
    ("show",): _one_of(all="Empty ones too", empty="Only empty ones"),
}
"""By the names that a filter has in the list's address."""
