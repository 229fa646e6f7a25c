"""All that is one person's, as lines of JSON: first the account, then each session with what was said in it.

What is written for staff alone (causes of failures in a vendor's words, a vendor's opaque data) is not part of it.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from django.contrib.auth import get_user_model

from sessions_app.files.keeping import files_in, unused_files
from sessions_app.log.events import ToolApproval
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.rows import Row
from sessions_app.models import Session, StoredFile
from sessions_app.privacy.people import Person
from sessions_app.review.reader import read_rows
from sessions_app.review.told import CLIENT, FOR_STAFF, STAFF

_PAGE = 100
_SESSION_FIELDS = (
    "session_id",
    "external_user_id",
    "status",
    "source",
    "model",
    "title",
    "named",
    "pinned",
    "summary",
    "topics",
    "intent",
    "outcome",
    "sentiment",
    "language",
    "start_time",
    "end_time",
    "duration_seconds",
    "end_reason",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "responses",
    "failed_responses",
    "input_tokens",
    "output_tokens",
    "cost_microusd",
    "feedback_up",
    "feedback_down",
    "erased_at",
    "tool_data_erased_at",
)
_USER_FIELDS = ("username", "email", "first_name", "last_name", "date_joined", "last_login")
_FOR_STAFF = (FOR_STAFF | {"error"}) - {"sentiment"}
"""As of the log over HTTP; but what a model made of somebody's mood is about them."""
_WORDS_FOR_STAFF = ("model_attempt_failed", "operator_whispered", "whisper_withdrawn", "summary_failed")


def export_person(person: Person) -> Iterator[str]:
    """Pieces of whole lines; the server holds one page of one session at a time."""
    yield _line("person", **_account(person))
    owner = Visitor(
        user_id=person.user_id, guest_id=person.guest_id, external_user_id=person.external_user_id
    )
    yield from map(_file, unused_files(owner))
    sessions, after = person.sessions(), ""
    while page := list(sessions.filter(session_id__gt=after)[:_PAGE]):
        for session in page:
            yield from _session(session)
        after = page[-1].session_id


def _account(person: Person) -> dict[str, Any]:
    account: dict[str, Any] = {"guest_id": person.guest_id} if person.guest_id else {}
    if person.external_user_id:  # the account is their shop's, not theirs
        return account | {"external_user_id": person.external_user_id}
    user = get_user_model().objects.filter(pk=person.user_id).first() if person.user_id else None
    return account | ({name: getattr(user, name) for name in _USER_FIELDS} if user else {})


def _session(session: Session) -> Iterator[str]:
    yield _line("session", **{name: getattr(session, name) for name in _SESSION_FIELDS})
    if session.erased_at:
        return
    yield from map(_file, files_in([session.session_id]))
    for rows in read_rows(session):
        yield "".join(_event(session.session_id, row) for row in rows)


def _file(file: StoredFile) -> str:
    """Its bytes are to be had where it says, by whoever is given this."""
    return _line(
        "file",
        session_id=file.session_id,
        id=file.file_id,
        name=file.name,
        media_type=file.media_type,
        bytes=file.size,
        sha256=file.sha256,
        created_at=file.created_at,
        href=f"/api/files/{file.file_id}",
    )


def _event(session_id: str, row: Row) -> str:
    payload = {name: value for name, value in row.payload.items() if name not in _FOR_STAFF}
    if row.event_type == ToolApproval.event_type:  # that a person decided, and not which of the staff
        payload["by"] = CLIENT if payload.get("by") == CLIENT else STAFF
    return _line(
        "event",
        session_id=session_id,
        seq=row.seq,
        at=row.created_at,
        role=row.role,
        event=row.event_type,
        content=None if row.event_type in _WORDS_FOR_STAFF else row.content,
        payload=payload,
    )


def _line(kind: str, **fields: Any) -> str:
    return msgspec.json.encode({"type": kind, **fields}).decode() + "\n"
