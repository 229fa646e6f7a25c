"""What the summary says on a session's page: its findings, its earlier versions, and the button for another one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from sessions_app import hooks
from sessions_app.errors import DecisionRefused, SessionsError
from sessions_app.log import events as ev
from sessions_app.models import Session, SessionStatus, SummaryState
from sessions_app.review import humanize
from sessions_app.review.markdown import render_markdown
from sessions_app.review.reader import summary_versions

_PERMISSION = "sessions_app.operate_session"
_OUTCOME_TONES = {"resolved": "success", "unresolved": "danger", "abandoned": "warning"}
_SENTIMENT_TONES = {"positive": "success", "neutral": "neutral", "negative": "danger"}


@dataclass(frozen=True)
class Mark:
    word: str
    tone: str


@dataclass(frozen=True)
class Version:
    at: datetime
    title: str
    html: SafeString | str
    made: str
    """Who wrote it, and who asked for it."""
    marks: list[Mark]
    lines: list[tuple[str, list[str]]]


def may_operate(request: HttpRequest) -> bool:
    return request.user.has_perm(_PERMISSION)


def summary_context(request: HttpRequest, session: Session) -> dict[str, Any]:
    versions = [_version(record) for record in summary_versions(session)]
    due = session.summary_state in (SummaryState.WRITTEN, SummaryState.FAILED)
    may_ask = due and session.status == SessionStatus.ENDED and not session.erased_at and may_operate(request)
    return {
        "findings": versions[0] if versions else None,
        "versions": versions[1:],
        "may_write_again": may_ask,
        "models": hooks.models_offered() if may_ask else [],
    }


@require_POST
def write_again(request: HttpRequest, session: Session) -> HttpResponse:
    """Takes ``model`` (empty: as before) and ``back``, the query of the page. Raises PermissionDenied."""
    if not may_operate(request):
        raise PermissionDenied
    model = request.POST.get("model", "").replace("\x00", "").strip()
    again = hooks.Again(session_id=session.pk, by=request.user.get_username(), anew=True, model=model)
    try:
        hooks.run_again(again)
    except (DecisionRefused, SessionsError) as error:
        messages.error(request, f"Nothing was done. {error.message}")
    else:
        messages.success(
            request, "Another summary is being written. Look again in a moment; this one is kept."
        )
    page = reverse("admin:sessions_app_session_change", args=[quote(session.pk)])
    return HttpResponseRedirect(f"{page}?{request.POST.get('back', '')}")


def _version(record: ev.Record) -> Version:
    event = record.event
    assert isinstance(event, ev.SummaryWritten)
    return Version(
        at=record.at,
        title=event.title,
        html=render_markdown(event.summary),
        made=" \N{MIDDLE DOT} ".join(_made(event)),
        marks=list(_marks(event)),
        lines=list(_lines(event)),
    )


def _made(event: ev.SummaryWritten) -> Iterator[str]:
    yield event.model
    if event.chunks > 1:
        yield f"read in {event.chunks} parts"
    if event.cost_microusd:
        yield humanize.usd(event.cost_microusd)
    if event.author:
        yield f"asked for by {event.author}"


def _marks(event: ev.SummaryWritten) -> Iterator[Mark]:
    if event.outcome:
        yield Mark(event.outcome.value.capitalize(), _OUTCOME_TONES[event.outcome])
    if event.sentiment:
        yield Mark(f"User {event.sentiment.value}", _SENTIMENT_TONES[event.sentiment])
    if event.quality:
        tone = "success" if event.quality >= 4 else "warning" if event.quality == 3 else "danger"
        yield Mark(f"Help {event.quality} of 5", tone)
    if event.language:
        yield Mark(event.language, "neutral")
    for topic in event.topics:
        yield Mark(topic, "info")


def _lines(event: ev.SummaryWritten) -> Iterator[tuple[str, list[str]]]:
    named = (
        ("Wanted", [event.intent]),
        ("Still open", event.open_questions),
        ("To do", event.follow_ups),
        ("Why this mark", [event.quality_reason]),
    )
    for name, lines in named:
        if said := [line for line in lines if line]:
            yield name, said
