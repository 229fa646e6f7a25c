"""The pages of one session: its transcript, the raw rows of its log, and a tool call's yes or no."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from sessions_app import hooks
from sessions_app.admin.desk import panel_context
from sessions_app.admin.erasing import erasure_of, may_erase
from sessions_app.admin.person_address import person_url
from sessions_app.admin.summaries import summary_context
from sessions_app.admin.walk import way_of
from sessions_app.admin.way import OF, way_context
from sessions_app.errors import DecisionRefused, SessionsError
from sessions_app.log.events import AssistantDelta, SummaryFailed, SummaryWritten
from sessions_app.log.lifecycle import ACCOUNT_DELETED
from sessions_app.models import Session, SessionEvent, SessionStatus, SummaryState
from sessions_app.review import humanize
from sessions_app.review.forms import FORMS
from sessions_app.review.markdown import plain, render_markdown
from sessions_app.review.reader import count_connections, page_with, read_page, summary_event
from sessions_app.review.transcript import Answer, Entry, Text

PERMISSIONS = ("sessions_app.operate_session", "sessions_app.change_session")
"""Either lets a member of staff decide: the second is the older one."""
OPERATE = "sessions_app.operate_session"
MAX_REASON_CHARS = 500


def may_decide(request: HttpRequest) -> bool:
    return any(request.user.has_perm(one) for one in PERMISSIONS)


def may_operate(request: HttpRequest) -> bool:
    return request.user.has_perm(OPERATE)


@require_POST
def decide(request: HttpRequest, session: Session, approval_id: str) -> HttpResponse:
    """Takes ``approve`` (yes or no), ``reason``, and ``back`` (the query of the transcript's page) from the form.

    Raises PermissionDenied.
    """
    if not may_decide(request):
        raise PermissionDenied
    approve = request.POST.get("approve") == "yes"
    try:
        hooks.decide_approval(
            hooks.Decision(
                session_id=session.pk,
                approval_id=approval_id,
                approve=approve,
                by=request.user.get_username(),
                staff_id=request.user.pk,
                reason=request.POST.get("reason", "").replace("\x00", "").strip()[:MAX_REASON_CHARS],
            )
        )
    except (DecisionRefused, SessionsError) as error:
        return answered(request, session, f"Nothing was decided. {error.message}", went_well=False)
    return answered(
        request, session, "Approved: the tool runs now." if approve else "Refused: the model is told."
    )


def answered(request: HttpRequest, session: Session, words: str, *, went_well: bool = True) -> HttpResponse:
    """To the page's own script, which shows it where one is; else the page anew, with the words above."""
    if request.accepts("application/json") and not request.accepts("text/html"):
        return JsonResponse({"words": words}, status=200 if went_well else 409)
    (messages.success if went_well else messages.error)(request, words)
    page = reverse("admin:sessions_app_session_change", args=[quote(session.pk)])
    return HttpResponseRedirect(f"{page}?{request.POST.get('back', '')}")


MARKDOWN_CHARS = 100_000
"""Markdown rendered on one page (0.3 s of prose, 3 s of the worst); what comes after it stands as plain text."""
EVENT_ROWS = 100
EVENT_CHARS = 4_000
_MAX_SEQ = 2**62
# A second wall behind the cleaning of what people and models wrote: no inline script, nothing of another server's.
# The theme's Alpine evaluates its attributes ('unsafe-eval') and sets its colours in a style element.
_SUMMARY_WORDS = {"written": "Written", "pending": "Pending", "failed": "Failed", "skipped": "Empty"}


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    hint: str = ""


def visitor_name(session: Session) -> str:
    if session.erased_at:
        return "Erased"
    if session.user and session.external_user_id:
        return f"{session.external_user_id} of {session.user.get_username()}"
    if session.user:
        return session.user.get_username()
    if session.external_user_id == ACCOUNT_DELETED:
        return "Account deleted"
    return f"Guest {session.guest_id[:8]}" if session.guest_id else "Anonymous"


def summary_mark(session: Session) -> tuple[str, str] | None:
    """(state, word) of the summary; None while none is due, and where there is none any more."""
    if session.erased_at:
        return None
    word = _SUMMARY_WORDS.get(session.summary_state)
    return (session.summary_state, word) if word else None


def transcript_page(request: HttpRequest, model_admin: Any, session: Session) -> HttpResponse:
    hit = seq_of(request, "hit")
    after, before = seq_of(request, "after") or 0, seq_of(request, "before")
    page = page_with(session, hit) if hit else read_page(session, after=after, before=before)
    render_texts(page.entries)
    context = {
        "live": not page.later and not session.erased_at,
        "may_operate": may_operate(request),
        "nonce": secrets.token_hex(16),
        "page": page,
        "facts": _facts(session),
        "summary_html": render_markdown(session.summary) if session.summary else "",
        "summary_mark": summary_mark(session),
        "summary_words": _summary_words(session),
        **summary_context(request, session),
        "latest": session.last_seq + 1,
        "may_decide": may_decide(request),
        "hit": hit,
        "words": request.GET.get("words", "")[:MAX_REASON_CHARS],
        **panel_context(request, session),
    }
    return respond(request, model_admin, session, "transcript", context)


def events_page(request: HttpRequest, model_admin: Any, session: Session) -> HttpResponse:
    with_deltas = request.GET.get("deltas") == "1"
    after = seq_of(request, "after") or 0
    rows = SessionEvent.objects.filter(session_id=session.pk, seq__gt=after).order_by("seq")
    if not with_deltas:
        rows = rows.exclude(event_type=AssistantDelta.event_type)
    rows = rows.defer("content").annotate(text=Left("content", EVENT_CHARS + 1))
    found = list(rows[: EVENT_ROWS + 1])
    context = {
        "events": found[:EVENT_ROWS],
        "later": found[EVENT_ROWS - 1].seq if len(found) > EVENT_ROWS else None,
        "with_deltas": with_deltas,
        "after": after,
        "event_chars": EVENT_CHARS,
        "event_chars_slice": f":{EVENT_CHARS}",
    }
    return respond(request, model_admin, session, "events", context)


def respond(
    request: HttpRequest, model_admin: Any, session: Session, name: str, context: dict[str, Any]
) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    shared = {
        **model_admin.admin_site.each_context(request),
        "title": session.heading,
        "model_admin": model_admin,
        "session": session,
        "visitor": visitor_name(session),
        "person_url": person_url(session, **{OF: session.pk}, **way_of(request)),
        **way_context(request),
        "tab": name,
        "forms": FORMS,
        "may_erase": may_erase(request),
        "erasure": erasure_of(session),
    }
    return TemplateResponse(request, f"admin/sessions_app/session/{name}.html", {**shared, **context})


def seq_of(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    digits = value[:20]  # as many are more than any seq, and Python itself refuses to read thousands
    return min(int(digits), _MAX_SEQ) if value.isascii() and value.isdigit() else None


def render_texts(entries: Sequence[Entry]) -> None:
    left = MARKDOWN_CHARS
    for entry in entries:
        for item in entry.items if isinstance(entry, Answer) else ():
            if isinstance(item, Text):
                item.html = render_markdown(item.text) if len(item.text) <= left else plain(item.text)
                left -= min(len(item.text), left)


def _cost(session: Session) -> tuple[str, str]:
    if not session.unpriced:
        return humanize.usd(session.cost_microusd), ""
    calls = f"{session.unpriced:,} {'call' if session.unpriced == 1 else 'calls'} at an unknown price"
    return (
        (humanize.usd(session.cost_microusd), f"and {calls}") if session.cost_microusd else ("unknown", calls)
    )


def cost_hint(session: Session) -> str:
    """What the figure is made of."""
    known = f"US dollars, by the price list: {humanize.usd(session.cost_microusd)} for answers and summaries"
    if not session.unpriced:
        return known
    return f"{known}; {session.unpriced:,} of them at an unknown price: no price is known for their model"


def _facts(session: Session) -> list[Fact]:
    connections = count_connections(session)
    tokens = session.input_tokens + session.output_tokens
    figures = [
        Fact("Messages", f"{session.user_messages:,} in, {session.assistant_messages:,} out"),
        Fact("Answers", humanize.exact(session.responses)),
        Fact("Failed answers", humanize.exact(session.failed_responses)),
        Fact(
            "Tokens",
            humanize.compact(tokens),
            f"{session.input_tokens:,} in, {session.output_tokens:,} out",
        ),
        Fact("Cost", *_cost(session)),
        Fact("Tool calls", humanize.exact(session.tool_calls)),
        Fact("Connections", "not counted" if connections is None else humanize.exact(connections)),
        Fact("Duration", humanize.duration(session.duration_seconds) or "not ended"),
    ]
    return [fact for fact in figures if fact.value]


@dataclass(frozen=True)
class SummaryWords:
    """Who wrote the summary, or why it failed; ``stale``: the session was reopened after it was written."""

    author: str = ""
    error: str = ""
    stale: bool = False


def _summary_words(session: Session) -> SummaryWords:
    if session.summary_state == SummaryState.NONE and not session.summary:
        return SummaryWords()
    stale = bool(session.summary) and session.status == SessionStatus.ACTIVE
    match summary_event(session):
        case SummaryWritten(model=model):
            return SummaryWords(author=model, stale=stale)
        case SummaryFailed(error=error, attempts=attempts):
            return SummaryWords(error=f"{error} (after {attempts} attempts)", stale=stale)
    return SummaryWords(stale=stale)
