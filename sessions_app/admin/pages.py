"""The pages of one session: its transcript, and the raw rows of its log."""

import secrets
from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from sessions_app.admin.deciding import MAX_REASON_CHARS, may_decide, may_operate
from sessions_app.admin.desk import left_in_queue, panel_context
from sessions_app.admin.erasing import erasure_of, may_erase
from sessions_app.admin.facts import facts, line
from sessions_app.admin.person_address import person_url
from sessions_app.admin.summaries import summary_context
from sessions_app.admin.walk import way_of
from sessions_app.admin.way import OF, back_to_replay, place_in, way_context
from sessions_app.log.events import AssistantDelta
from sessions_app.models import Session, SessionEvent, SessionStatus
from sessions_app.review.forms import FORMS
from sessions_app.review.markdown import plain, render_markdown
from sessions_app.review.reader import page_with, read_page
from sessions_app.review.text import visitor_name
from sessions_app.review.transcript import PARAGRAPH, Answer, Entry, Text

MARKDOWN_CHARS = 100_000
"""Markdown rendered on one page (0.3 s of prose, 3 s of the worst); what comes after it stands as plain text."""
EVENT_ROWS = 100
EVENT_CHARS = 4_000
_MAX_SEQ = 2**62


def transcript_page(request: HttpRequest, model_admin: Any, session: Session) -> HttpResponse:
    hit = seq_of(request, "hit")
    after, before = seq_of(request, "after"), seq_of(request, "before")
    if after is None and before is None and session.status == SessionStatus.ACTIVE:
        before = session.last_seq + 1  # one that goes on opens where it moves
    page = page_with(session, hit) if hit else read_page(session, after=after or 0, before=before)
    render_texts(page.entries)
    context = {
        "live": not page.later and not session.erased_at,
        "may_operate": may_operate(request),
        "nonce": secrets.token_hex(16),
        "page": page,
        "facts": facts(session),
        **summary_context(request, session),
        "latest": session.last_seq + 1,
        "may_decide": may_decide(request),
        "hit": hit,
        "words": request.GET.get("words", "")[:MAX_REASON_CHARS],
        **panel_context(request, session),
        **back_to_replay(request, session),
        "left_in_queue": left_in_queue(request, model_admin),
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
        "person_url": person_url(session, **{OF: session.pk}, **place_in(request), **way_of(request)),
        **way_context(request),
        "tab": name,
        "line": line(session),
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
        if not isinstance(entry, Answer):
            continue
        for item in entry.items:
            if isinstance(item, Text):
                text, item.tail = item.text, ""
                if item.status == "partial" and not entry.done:
                    text, _, item.tail = item.text.rpartition(PARAGRAPH)
                item.html = render_markdown(text) if len(text) <= left else plain(text)
                left -= min(len(text), left)
