"""What the summary says on a session's page: its findings, its earlier versions, and the form for another one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from sessions_app import hooks
from sessions_app.admin.deciding import answered, may_operate
from sessions_app.errors import DecisionRefused, SessionsError
from sessions_app.log import events as ev
from sessions_app.models import Session, SessionStatus, SummaryState
from sessions_app.review import humanize
from sessions_app.review.markdown import render_markdown
from sessions_app.review.reader import summaries_told, summary_event

LEAD_CHARS = 400
"""Of the summary's beginning; the page cuts it to a few lines."""
_SUMMARY_WORDS = {"written": "Written", "pending": "Pending", "failed": "Failed", "skipped": "Empty"}
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


@dataclass(frozen=True, kw_only=True)
class Writers:
    """Who may be asked for a summary. ``usual``: who is when nobody is named; ``problem``: why that one cannot be."""

    usual: str
    problem: str
    models: list[str]


def writers_for(session: Session) -> Writers:
    usual, problem = hooks.usual_writer(session.model)
    models = [model for model in hooks.models_offered() if model != usual]
    return Writers(usual=usual, problem=problem, models=models if problem or not usual else [usual, *models])


def summary_shown(session: Session) -> dict[str, Any]:
    """What the summary's part of the page says to everybody."""
    told = summaries_told(session)
    versions = [_version(record) for record in told if isinstance(record.event, ev.SummaryWritten)]
    html = render_markdown(session.summary) if session.summary else ""
    shown = versions[0].html if versions else html
    return {
        "session": session,
        "findings": versions[0] if versions else None,
        "versions": versions[1:],
        "summary_html": html,
        "lead": " ".join(unescape(strip_tags(shown)).split())[:LEAD_CHARS],
        "summary_mark": _mark_of(session),
        "summary_words": _summary_words(session, told),
    }


def summary_context(request: HttpRequest, session: Session) -> dict[str, Any]:
    due = session.summary_state in (SummaryState.WRITTEN, SummaryState.FAILED)
    may_ask = due and session.status == SessionStatus.ENDED and not session.erased_at and may_operate(request)
    writers = writers_for(session) if may_ask else None
    return {**summary_shown(session), "may_write_again": may_ask, "writers": writers}


@require_POST
def write_again(request: HttpRequest, session: Session) -> HttpResponse:
    """Takes ``model`` (empty: who is asked without a choice) and ``back``, the query of the page. Raises PermissionDenied."""
    if not may_operate(request):
        raise PermissionDenied
    model = request.POST.get("model", "").replace("\x00", "").strip()
    try:
        wanted = _wanted(session, model)
        hooks.run_again(
            hooks.Again(session_id=session.pk, by=request.user.get_username(), anew=True, model=wanted)
        )
    except (DecisionRefused, SessionsError) as error:
        return answered(request, session, f"Nothing was done. {error.message}", went_well=False)
    return answered(
        request, session, "Another summary is being written. This one is kept until then, and after."
    )


def _wanted(session: Session, model: str) -> str:
    """Raises `DecisionRefused`: nobody else is asked in its place."""
    writers = writers_for(session)
    if model not in ("", writers.usual):
        return model
    if writers.problem:
        raise DecisionRefused(f"{writers.usual} cannot be asked: {writers.problem} Choose another model.")
    return model if model in hooks.models_offered() else ""


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


def _mark_of(session: Session) -> tuple[str, str] | None:
    """(state, word) of the summary; None while none is due, and where there is none any more."""
    if session.erased_at:
        return None
    word = _SUMMARY_WORDS.get(session.summary_state)
    return (session.summary_state, word) if word else None


@dataclass(frozen=True)
class SummaryWords:
    """Who wrote the summary, or why it failed; ``stale``: the session was reopened after it was written."""

    author: str = ""
    error: str = ""
    stale: bool = False


def _summary_words(session: Session, told: Sequence[ev.Record]) -> SummaryWords:
    if session.summary_state == SummaryState.NONE and not session.summary:
        return SummaryWords()
    stale = bool(session.summary) and session.status == SessionStatus.ACTIVE
    known = session.summary_state == SummaryState.WRITTEN and told
    match told[0].event if known else summary_event(session):
        case ev.SummaryWritten(model=model):
            return SummaryWords(author=model, stale=stale)
        case ev.SummaryFailed(error=error, attempts=attempts):
            return SummaryWords(error=f"{error} (after {attempts} attempts)", stale=stale)
    return SummaryWords(stale=stale)
