"""Erasing: the words of a session go, in its log as well; its places, times and figures stay, and a record of who did it.

Through the one door of the append-only trigger: docs/decisions/0063-erasing-is-an-update-through-one-door.md.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Left, Now

from sessions_app import hooks
from sessions_app.errors import SessionNotFound
from sessions_app.files.keeping import forget_files, unused_files
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor, end_for_erasure
from sessions_app.models import (
    EraseActor,
    EraseScope,
    Erasure,
    InboxItem,
    MailNotice,
    ReviewAct,
    ReviewEvent,
    ReviewNote,
    ReviewTag,
    Session,
    SessionEvent,
    SessionReview,
    SessionStatus,
    SessionTag,
    StoredFile,
    SummaryState,
    TranscriptOpening,
    WebhookDelivery,
)
from sessions_app.postgres.outage import is_away
from sessions_app.privacy.people import Person
from sessions_app.privacy.redact import Erased, IdMask, without_tool_data, without_words

logger = logging.getLogger(__name__)

PAGE_ROWS = 200
_DOOR = "SELECT set_config('sessions.erasing', %s, true)"
_PUT = """
UPDATE session_events AS e SET content = r.content, payload = r.payload::jsonb
FROM unnest(%(seqs)s::bigint[], %(contents)s::text[], %(payloads)s::text[]) AS r(seq, content, payload)
WHERE e.session_id = %(session_id)s AND e.seq = r.seq
"""
Redaction = Callable[[str, str | None, ev.JSON], Erased | None]
"""Given an event's type, content and payload: what is kept, or None to leave it as it is."""


@dataclass(frozen=True, kw_only=True)
class By:
    """Who erases."""

    actor: EraseActor
    staff_id: int | None = None


@dataclass(kw_only=True)
class Tally:
    erased: int = 0
    failed: int = 0
    """They are as they were; the server's log says why."""
    left: int = 0
    """Not looked at yet."""


def erase_session(*, session_id: str, by: By, where: Q | None = None) -> bool:
    """Erase what was said in a session, all of it in one transaction. An active one is ended first, whoever holds it.

    False, and nothing done, when it is erased already or is not as ``where`` wants it. Raises `SessionNotFound`.
    """
    _fence(session_id, where or Q())
    with transaction.atomic():
        session = _locked(session_id, where)
        if session is None or session.erased_at is not None:
            return False
        if session.status == SessionStatus.ACTIVE:
            end_for_erasure(session)
        mask = IdMask()
        _redact(
            session_id, lambda event_type, content, payload: without_words(event_type, content, payload, mask)
        )
        Session.objects.filter(pk=session_id).update(
            title="",
            named=False,
            summary="",
            first_words="",
            topics=[],
            intent="",
            language="",
            summary_state=SummaryState.SKIPPED,
            summary_seq=None,
            erased_at=Now(),
            tool_data_erased_at=Now(),
        )
        _erase_reviews(session_id)
        forget_notices(session_id)
        forget_files(StoredFile.objects.filter(session_id=session_id))
        _record(session_id, EraseScope.WORDS, by)
        hooks.session_erased(session_id)
    return True


def erase_tool_data(*, session_id: str, by: By, where: Q | None = None) -> bool:
    """The same of what tools were given and gave, in a session that has ended; it can be opened again like any other."""
    with transaction.atomic():
        session = _locked(session_id, where)
        if session is None or session.erased_at is not None or session.status == SessionStatus.ACTIVE:
            return False
        changed = _redact(session_id, without_tool_data)
        Session.objects.filter(pk=session_id).update(tool_data_erased_at=Now())
        if changed:
            _record(session_id, EraseScope.TOOL_DATA, by)
    return bool(changed)


def delete_session(*, session_id: str, by: By, where: Q | None = None) -> bool:
    """Delete an ended session with all its figures; the record of it is all that stays."""
    with transaction.atomic():
        session = _locked(session_id, where)
        if session is None or session.status == SessionStatus.ACTIVE:
            return False
        hooks.session_erased(session_id)
        _erase_reviews(session_id)
        SessionEvent.objects.filter(session_id=session_id).delete()
        TranscriptOpening.objects.filter(session_id=session_id).delete()
        forget_notices(session_id)
        forget_files(StoredFile.objects.filter(session_id=session_id))
        Session.objects.filter(pk=session_id).delete()
        _record(session_id, EraseScope.SESSION, by)
    return True


def erase_person(*, person: Person, by: By, limit: int | None = None) -> Tally:
    """Erase all sessions of a person, each in a transaction of its own, at most ``limit``, and the files that they sent and did
    not use."""
    owner = Visitor(
        user_id=person.user_id, guest_id=person.guest_id, external_user_id=person.external_user_id
    )
    forget_files(unused_files(owner))
    sessions = person.sessions().filter(erased_at__isnull=True)
    tally = erase_sessions(_ids(sessions, limit), by=by)
    tally.left = sessions.count() - tally.failed if limit is not None else 0
    return tally


def erase_sessions(session_ids: Iterable[str], *, by: By) -> Tally:
    """Each in a transaction of its own: one that cannot be erased keeps no other, and one that is not there any more is none."""
    tally = Tally()
    for session_id in session_ids:
        try:
            tally.erased += erase_session(session_id=session_id, by=by)
        except SessionNotFound:
            continue
        except Exception as error:
            if is_away(error):
                raise
            logger.exception("session %s: cannot be erased", session_id)
            tally.failed += 1
    return tally


def _ids(sessions: QuerySet[Session], limit: int | None) -> Iterator[str]:
    """In pages by key: those that are erased meanwhile leave the list, and one that cannot be must not be met again."""
    after, seen = "", 0
    ids = sessions.values_list("session_id", flat=True)
    while page := list(ids.filter(session_id__gt=after)[:PAGE_ROWS]):
        for session_id in page:
            if limit is not None and seen >= limit:
                return
            yield session_id
            seen += 1
        after = page[-1]


def _fence(session_id: str, where: Q) -> None:
    """Take an active session from its holder, before the lock: the holder's journal writes many sessions in one statement, which
    waits for no session whose epoch is not its own any more."""
    active = Session.objects.filter(where, pk=session_id, status=SessionStatus.ACTIVE, erased_at__isnull=True)
    if active.exists():
        hooks.session_erasing(session_id)
        active.update(lease_epoch=F("lease_epoch") + 1)


def _locked(session_id: str, where: Q | None) -> Session | None:
    """Held against whoever would open, end, write to or fold it."""
    found = Session.objects.select_for_update().filter(pk=session_id).first()
    if found is None:
        raise SessionNotFound
    if where is not None and not Session.objects.filter(where, pk=session_id).exists():
        return None
    return found


def _redact(session_id: str, redaction: Redaction) -> int:
    """Page by page, so that a long session takes no more memory than a short one; how many events were changed.

    Texts are not read: what stands instead of one depends on whether there is one.
    """
    changed, after = 0, 0
    rows = SessionEvent.objects.filter(session_id=session_id).order_by("seq")
    texts = rows.annotate(text=Left("content", 1))
    with connection.cursor() as cursor:
        cursor.execute(_DOOR, [session_id])
        while page := list(
            texts.filter(seq__gt=after).values_list("seq", "event_type", "text", "payload")[:PAGE_ROWS]
        ):
            after = page[-1][0]
            kept = [(seq, redaction(event_type, text, payload)) for seq, event_type, text, payload in page]
            changes = [(seq, erased) for seq, erased in kept if erased is not None]
            params: dict[str, Any] = {
                "session_id": session_id,
                "seqs": [seq for seq, _ in changes],
                "contents": [erased.content for _, erased in changes],
                "payloads": [msgspec.json.encode(erased.payload).decode() for _, erased in changes],
            }
            cursor.execute(_PUT, params)
            changed += len(changes)
        cursor.execute(_DOOR, [""])
    return changed


def _erase_reviews(session_id: str) -> None:
    """What reviewers wrote of it, and tags that no other session has; what they did, without a word of it, stays."""
    ReviewNote.objects.filter(session_id=session_id).delete()
    SessionTag.objects.filter(session_id=session_id).delete()
    SessionReview.objects.filter(session_id=session_id).update(score_reason="")
    given = ReviewEvent.objects.filter(session_id=session_id, act=ReviewAct.TAGGED)
    tags = ReviewTag.objects.filter(pk__in={int(key) for key in given.values_list("new", flat=True)})
    tags.filter(~Exists(SessionTag.objects.filter(tag=OuterRef("pk")))).delete()


def forget_notices(session_id: str) -> None:
    """Nothing of it waits for anybody any more; that others were told of it stays, without what they said."""
    InboxItem.objects.filter(session_id=session_id).delete()
    MailNotice.objects.filter(session_id=session_id).delete()
    WebhookDelivery.objects.filter(session_id=session_id).update(answer="", attempts=[])


def _record(session_id: str, scope: EraseScope, by: By) -> None:
    Erasure.objects.create(session_id=session_id, scope=scope, actor=by.actor, staff_id=by.staff_id)
