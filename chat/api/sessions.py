"""``/api/sessions``: one's own conversations, read and changed by programs."""

import time
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Router

from chat.api.callers import SECRET, Caller, caller
from chat.api.documents import TEXT, body_of, content, parameters, query, told
from chat.api.shapes import (
    SAFE_INT,
    Changes,
    Ended,
    Events,
    Rated,
    Sessions,
    SessionShown,
    Summary,
    Transcript,
    Word,
)
from chat.page import own_session, views
from chat.page.feedback import feedback
from chat.runtime import carried_out, runtime
from chat.session.commands import EndSession
from sessions_app.errors import SessionOver
from sessions_app.log.events import SummaryWritten
from sessions_app.models import Session, SessionStatus, SummaryState
from sessions_app.review.conversation import markdown_of, messages_of
from sessions_app.review.downloads import file_response
from sessions_app.review.reader import summary_event
from sessions_app.review.told import encode, read_told

router = Router(tags=["sessions"])
MOST_EVENTS = 500
_ENDS_WITHIN_S = 5.0
_LOOK_S = 0.05

After = Annotated[int, Query(ge=0, le=SAFE_INT, description="The seq of the last event that is known.")]
Limit = Annotated[int, Query(ge=1, le=MOST_EVENTS)]
Secret = Annotated[str, Query(alias=SECRET, description="Of a session that is nobody's: it lets in.")]
JSON_TYPE = "application/json"

_LIST_QUERY = parameters(
    query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 30}, "Sessions in a page."),
    query("cursor", TEXT, "The `next_cursor` of the page before."),
    query("q", TEXT, "Words that were said, or that it is called by."),
)


def caller_of(request: HttpRequest) -> Caller:
    found: Caller = request.auth  # type: ignore[attr-defined]  # ninja's
    return found


@router.get(
    "",
    response=told(Sessions),
    operation_id="listSessions",
    summary="List sessions",
    openapi_extra=_LIST_QUERY,
    url_name="sessions",
)
def list_sessions(request: HttpRequest) -> HttpResponseBase:
    """Those that are pinned first, then by when somebody last spoke; a key's as they were begun."""
    return views.sessions(request)


@router.get(
    "/{session_id}",
    response=told(SessionShown, 404),
    operation_id="getSession",
    summary="Look at one",
    url_name="session",
)
def get_session(request: HttpRequest, session_id: str) -> HttpResponseBase:
    return own_session.one(request, session_id=session_id)


@router.patch(
    "/{session_id}",
    response=told(SessionShown, 403, 404),
    operation_id="changeSession",
    summary="Name it, pin it",
    openapi_extra=body_of(Changes),
)
def change_session(request: HttpRequest, session_id: str) -> HttpResponseBase:
    return own_session.one(request, session_id=session_id)


@router.delete(
    "/{session_id}",
    response=told(None, 403, 404, status=204),
    operation_id="deleteSession",
    summary="Erase it",
)
def delete_session(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """What was said is nowhere any more. It cannot be undone."""
    return own_session.one(request, session_id=session_id)


@router.post(
    "/{session_id}/end",
    auth=caller,
    response=told(Ended, 403, 404),
    operation_id="endSession",
    summary="End it now",
)
def end_session(request: HttpRequest, session_id: str, secret: Secret = "") -> Ended:
    """Without waiting until everybody has left. An answer that runs is stopped; the next word begins the session anew. One that
    has ended stays so."""
    session = caller_of(request).session(session_id)
    if session.status == SessionStatus.ACTIVE:
        try:
            carried_out(_end(session_id))
        except SessionOver:
            pass
        else:
            _wait_for_end(session)
    session.refresh_from_db(fields=["status"])
    return Ended(id=session_id, status=SessionStatus(session.status))


async def _end(session_id: str) -> None:
    await (await runtime()).gallery.act(session_id, EndSession())


def _wait_for_end(session: Session) -> None:
    due = time.monotonic() + _ENDS_WITHIN_S
    while time.monotonic() < due:
        session.refresh_from_db(fields=["status"])
        if session.status == SessionStatus.ENDED:
            return
        time.sleep(_LOOK_S)


@router.get(
    "/{session_id}/events",
    auth=caller,
    response=told(Events, 404),
    operation_id="listEvents",
    summary="Read its log",
)
def list_events(
    request: HttpRequest,
    session_id: str,
    after: After = 0,
    limit: Limit = 200,
    deltas: bool = False,
    secret: Secret = "",
) -> HttpResponse:
    """Its events behind a seq, as far as they are stored. `deltas`: the pieces of the answers, too, whose texts stand in
    `assistant_message`. A page may hold fewer than `limit`: go on at `after` while there is `more`. Seqs count upwards, and some
    are missing: what only staff are told. An event with a `first_seq` takes the place of all that was seen from there on."""
    session = caller_of(request).session(session_id)
    page = read_told(session_id=session.pk, after=after, limit=limit, deltas=deltas)
    return HttpResponse(encode(page._asdict()), content_type=JSON_TYPE)


@router.get(
    "/{session_id}/transcript",
    auth=caller,
    response=told(Transcript, 404),
    operation_id="getTranscript",
    summary="Read what was said",
    openapi_extra=content(200, "OK", text_markdown=TEXT),
)
def get_transcript(
    request: HttpRequest, session_id: str, form: Literal["json", "md"] = "json", secret: Secret = ""
) -> HttpResponseBase:
    """As the conversation goes on now: messages in JSON, or Markdown to read."""
    session = caller_of(request).session(session_id)
    if form == "md":
        pieces, kind = markdown_of(session), "text/markdown; charset=utf-8"
        return file_response(request, pieces, content_type=kind, filename=f"{session_id}.md")
    messages = list(messages_of(session))
    return HttpResponse(encode({"id": session_id, "messages": messages}), content_type=JSON_TYPE)


@router.get(
    "/{session_id}/summary",
    auth=caller,
    response=told(Summary, 404),
    operation_id="getSummary",
    summary="Read its summary",
)
def get_summary(request: HttpRequest, session_id: str, secret: Secret = "") -> Summary:
    """Written some seconds after the session has ended; while it is `pending`, the last one."""
    session = caller_of(request).session(session_id)
    written = summary_event(session)
    told_by = written if isinstance(written, SummaryWritten) else None
    return Summary(
        state=SummaryState(session.summary_state),
        title=session.title,
        summary=session.summary,
        intent=session.intent,
        topics=session.topics,
        outcome=session.outcome or "",
        language=session.language,
        open_questions=told_by.open_questions if told_by else [],
        follow_ups=told_by.follow_ups if told_by else [],
    )


@router.post(
    "/{session_id}/feedback",
    response=told(Rated, 403, 404),
    operation_id="giveFeedback",
    summary="Rate an answer",
    openapi_extra=body_of(Word),
    url_name="session-feedback",
)
def give_feedback(request: HttpRequest, session_id: str) -> HttpResponseBase:
    """Whether the session has ended or not. The last word on an answer counts."""
    return feedback(request, session_id=session_id)
