"""A session played as it went, and where the time of its answers went."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from sessions_app.admin import pages
from sessions_app.models import Session
from sessions_app.review.humanize import duration
from sessions_app.review.replay import read_part, steps_of, waterfalls

MOST_IN_TABLE = 500


def replay_page(request: HttpRequest, model_admin: Any, session: Session) -> HttpResponse:
    after = pages.seq_of(request, "after") or 0
    part = read_part(session_id=session.pk, after=after)
    steps = [step for step in steps_of(part.records) if step["kind"] != "text"]
    for step in steps:
        step["when"] = duration(step["ms"] / 1000)
    context = {
        "after": after,
        "later": part.later,
        "steps": steps[:MOST_IN_TABLE],
        "more_steps": max(0, len(steps) - MOST_IN_TABLE),
        "waterfalls": waterfalls(part.records),
    }
    return pages.respond(request, model_admin, session, "replay", context)


def replay_steps(request: HttpRequest, session: Session) -> HttpResponse:
    part = read_part(session_id=session.pk, after=pages.seq_of(request, "after") or 0)
    return JsonResponse({"visitor": pages.visitor_name(session), "steps": steps_of(part.records)})
