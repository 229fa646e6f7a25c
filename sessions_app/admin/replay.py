"""A session played as it went, and where the time of its answers went."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone

from sessions_app.admin import pages
from sessions_app.admin.way import back_to_answer
from sessions_app.log.replay import operator_now
from sessions_app.models import Session
from sessions_app.review.humanize import duration
from sessions_app.review.markdown import plain, render_markdown
from sessions_app.review.replay import JSON, Part, began, beginning_of_part, read_part, steps_of, waterfalls
from sessions_app.review.text import visitor_name

MOST_IN_TABLE = 500


def replay_page(request: HttpRequest, model_admin: Any, session: Session) -> HttpResponse:
    """``at``: the seq at which it opens."""
    after, at = pages.seq_of(request, "after"), pages.seq_of(request, "at")
    if after is None:
        after = beginning_of_part(session_id=session.pk, seq=at) if at else 0
    part = read_part(session_id=session.pk, after=after)
    steps = [step for step in _steps(session, part, after) if step["kind"] != "text"]
    for step in steps:
        step["when"] = duration(step["ms"] / 1000)
    context = {
        "after": after,
        "later": part.later,
        "steps": steps[:MOST_IN_TABLE],
        "more_steps": max(0, len(steps) - MOST_IN_TABLE),
        "waterfalls": waterfalls(part.records),
        **back_to_answer(request, session, at),
    }
    return pages.respond(request, model_admin, session, "replay", context)


def replay_steps(request: HttpRequest, session: Session) -> HttpResponse:
    after = pages.seq_of(request, "after") or 0
    part = read_part(session_id=session.pk, after=after)
    steps = _steps(session, part, after)
    for step in steps:
        for file in step.get("files", ()):
            file["url"] = reverse("admin:sessions_app_session_file", args=[quote(session.pk), file["id"]])
    _render(steps)
    since = began(part.records, part.unreadable)
    for step in steps:
        if step["kind"] != "text":
            at = timezone.localtime(since + timedelta(milliseconds=step["ms"]))
            step["time"] = f"{at:%H:%M:%S}"
    return JsonResponse({"visitor": visitor_name(session), "steps": steps})


def _steps(session: Session, part: Part, after: int) -> list[JSON]:
    operator = operator_now(session_id=session.pk, until=after) if after else ""
    return steps_of(part.records, operator=operator, unreadable=part.unreadable)


def _render(steps: Sequence[JSON]) -> None:
    """What was written, as the transcript has it."""
    left = pages.MARKDOWN_CHARS
    for step in steps:
        if step["kind"] == "whole":
            step["html"] = render_markdown(step["text"]) if len(step["text"]) <= left else plain(step["text"])
            left -= min(len(step["text"]), left)
