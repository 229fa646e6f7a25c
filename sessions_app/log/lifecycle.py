"""Opening, ending and sweeping sessions: the rare writes, on Django's own connection."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Extract, Now

from sessions_app import hooks
from sessions_app.conf import conf
from sessions_app.errors import JournalFenced, SessionElsewhere, SessionNotFound
from sessions_app.log import events as ev
from sessions_app.log.journal_sql import Append, append_statement
from sessions_app.log.replay import read_history
from sessions_app.log.rows import UNREADABLE
from sessions_app.log.settle import takeover
from sessions_app.log.state import SessionState
from sessions_app.models import ServerProcess, Session, SessionStatus
from sessions_app.postgres.outage import is_away

logger = logging.getLogger(__name__)


ACCOUNT_DELETED = "(account deleted)"
"""The external user of a session whose user is no more: it was somebody's, so it is not open to who holds its secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """Who asks for a session: a user, a guest with a signed cookie, both (a guest who signed in), or neither."""

    user_id: int | None = None
    guest_id: str = ""
    external_user_id: str = ""
    """One of the user's own users: none of the others' sessions are theirs. Empty: the user, whose are all of them."""
    secret_of: str = ""
    """The session whose secret they hold: it lets them in while that session is no user's."""

    @property
    def person_id(self) -> int | None:
        """The user, where it is they who talk: in the name of a shop's account its customers do."""
        return None if self.external_user_id else self.user_id

    def as_owner(self) -> "Visitor":
        """Whose a session is that they begin."""
        guest_id = "" if self.user_id is not None else self.guest_id
        return Visitor(user_id=self.user_id, guest_id=guest_id, external_user_id=self.external_user_id)

    def owns(self, owner: "Visitor", session_id: str) -> bool:
        """Whether a session of ``owner``'s is theirs to enter; as `_MINE` has it in SQL, and `visible_to` for Django."""
        if owner.user_id is not None:
            return owner.user_id == self.user_id and self.external_user_id in ("", owner.external_user_id)
        if owner.external_user_id:  # `ACCOUNT_DELETED`
            return False
        return self.secret_of == session_id or (owner.guest_id != "" and owner.guest_id == self.guest_id)


@dataclass(frozen=True, kw_only=True)
class OpenedSession:
    session_id: str
    epoch: int
    last_seq: int
    created: bool
    was_ended: bool
    model: str
    owner: Visitor
    assistant: str

    @property
    def begins(self) -> bool:
        """Nothing of it is in the log: it is new, or its process died before the first event was stored."""
        return self.last_seq == 0


@dataclass(frozen=True, kw_only=True)
class Owner:
    visitor: Visitor
    is_staff: bool


_MINE = """
    sessions.erased_at IS NULL AND
    (sessions.user_id IS NOT DISTINCT FROM %(user_id)s AND sessions.user_id IS NOT NULL
         AND %(external_user_id)s IN ('', sessions.external_user_id)
     OR sessions.user_id IS NULL AND sessions.external_user_id = ''
         AND (sessions.session_id = %(secret_of)s OR sessions.guest_id <> '' AND sessions.guest_id = %(guest_id)s))
"""
_FREE = """
    (sessions.lease_owner IN ('', %(process_id)s) OR NOT EXISTS (
        SELECT FROM server_processes p WHERE p.process_id = sessions.lease_owner AND p.expires_at > now()))
"""
_TAKE = """
    SET lease_owner = %(process_id)s, lease_epoch = sessions.lease_epoch + 1,
        status = 'active', end_time = NULL, duration_seconds = NULL, end_reason = ''
"""
_RETURNING = """
    RETURNING session_id, lease_epoch, last_seq, model, assistant, user_id, guest_id, external_user_id,
              (SELECT status FROM old) AS old_status
"""
_OLD = "WITH old AS (SELECT status FROM sessions WHERE session_id = %(session_id)s)"
_OPEN_OR_CREATE = f"""
{_OLD}
INSERT INTO sessions (session_id, user_id, guest_id, external_user_id, status, source, model, assistant, end_reason,
                      title, summary, summary_state, lease_owner, lease_epoch)
VALUES (%(session_id)s, %(user_id)s, %(new_guest_id)s, %(external_user_id)s, 'active', %(source)s, %(model)s,
        %(assistant)s, '', '', '', 'none', %(process_id)s, 1)
ON CONFLICT (session_id) DO UPDATE {_TAKE} WHERE {_MINE} AND {_FREE} {_RETURNING}
"""  # noqa: S608 - built from constants alone
_OPEN = f"""
{_OLD}
UPDATE sessions {_TAKE} WHERE session_id = %(session_id)s AND {_MINE} AND {_FREE} {_RETURNING}
"""
_OPEN_UNENDED = f"""
{_OLD}
UPDATE sessions {_TAKE} WHERE session_id = %(session_id)s AND status = 'active' AND {_MINE} AND {_FREE} {_RETURNING}
"""


def open_session(
    *,
    session_id: str,
    visitor: Visitor,
    process_id: str,
    model: str,
    source: str = "",
    assistant: str = "",
    create: bool = True,
    reopen: bool = True,
) -> OpenedSession:
    """Take the lease of a session for ``process_id``, making (``create``) or reopening the session; one round trip.

    ``reopen`` False: only one that goes on, and none is made. Raises `SessionNotFound` (also for another's session) and
    `SessionElsewhere` (with the process that holds it; with none for a session that must not be reopened).
    """
    params = {
        "session_id": session_id,
        "user_id": visitor.user_id,
        "guest_id": visitor.guest_id,
        "new_guest_id": visitor.as_owner().guest_id,
        "external_user_id": visitor.external_user_id,
        "secret_of": visitor.secret_of,
        "process_id": process_id,
        "model": model,
        "source": source,
        "assistant": assistant,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_UNENDED if not reopen else _OPEN_OR_CREATE if create else _OPEN, params)
        row = cursor.fetchone()
    if row is None:
        raise _why_not(session_id, visitor)
    return _opened(row)


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """A session under an id that was made a moment ago, which nobody else can know of yet."""

    session_id: str
    owner: Visitor
    model: str
    source: str = ""
    assistant: str = ""


_MAKE = """
INSERT INTO sessions (session_id, user_id, guest_id, external_user_id, status, source, model, assistant, end_reason,
                      title, summary, summary_state, lease_owner, lease_epoch)
SELECT session_id, user_id, guest_id, external_user_id, 'active', source, model, assistant, '', '', '', 'none',
       %(process_id)s, 1
FROM json_to_recordset(%(rows)s::json) AS new(
    session_id text, user_id bigint, guest_id text, external_user_id text, source text, model text, assistant text)
ON CONFLICT (session_id) DO UPDATE SET lease_epoch = sessions.lease_epoch
    WHERE sessions.lease_owner = excluded.lease_owner AND sessions.lease_epoch = excluded.lease_epoch
RETURNING session_id
"""


def make_sessions(sessions: Sequence[NewSession], *, process_id: str) -> set[str]:
    """Make their rows, with the lease at its first epoch, in one round trip; the ids of those that ``process_id`` holds now.

    A row that an earlier try has made counts, so whoever lost the answer may ask again; one that anybody has opened since does not.
    """
    rows = [
        {
            "session_id": one.session_id,
            "user_id": one.owner.user_id,
            "guest_id": one.owner.guest_id,
            "external_user_id": one.owner.external_user_id,
            "source": one.source,
            "model": one.model,
            "assistant": one.assistant,
        }
        for one in sessions
    ]
    with connection.cursor() as cursor:
        cursor.execute(_MAKE, {"rows": msgspec.json.encode(rows).decode(), "process_id": process_id})
        return {str(row[0]) for row in cursor.fetchall()}


def _opened(row: Sequence[Any]) -> OpenedSession:
    session_id, epoch, last_seq, model, assistant, user_id, guest_id, external_user_id, old_status = row
    return OpenedSession(
        session_id=session_id,
        epoch=epoch,
        last_seq=last_seq,
        created=old_status is None,
        was_ended=old_status == SessionStatus.ENDED,
        model=model,
        owner=Visitor(user_id=user_id, guest_id=guest_id, external_user_id=external_user_id).as_owner(),
        assistant=assistant,
    )


def visible_to(visitor: Visitor, *, at: str = "") -> Q:
    """The filter for a visitor's right to open a session: their own, their guest cookie's, or the one whose secret they hold.

    One that was erased is nobody's any more. ``at``: where sessions stand from the model asked for, such as ``session__``.
    """
    there = Q(**{f"{at}erased_at__isnull": True})
    nobodys = Q(**{f"{at}session_id": visitor.secret_of})
    if visitor.guest_id:
        nobodys |= Q(**{f"{at}guest_id": visitor.guest_id})
    nobodys &= Q(**{f"{at}user__isnull": True, f"{at}external_user_id": ""})
    if visitor.user_id is None:
        return there & nobodys
    own = Q(**{f"{at}user_id": visitor.user_id})
    if visitor.external_user_id:
        own &= Q(**{f"{at}external_user_id": visitor.external_user_id})
    return there & (nobodys | own)


def owner_of(*, session_id: str) -> Owner:
    """Whose session it is: ``visitor`` may enter it. Raises `SessionNotFound`, also for one that was erased."""
    session = Session.objects.select_related("user").filter(pk=session_id, erased_at__isnull=True).first()
    if session is None:
        raise SessionNotFound
    own = session.external_user_id == ""  # else it is with somebody whom staff let in
    return Owner(visitor=_owner(session), is_staff=bool(own and session.user and session.user.is_staff))


def owners_of(*, session_ids: Iterable[str]) -> dict[str, Visitor]:
    """Whose sessions they are; one that does not exist, or was erased, is not in it."""
    there = Session.objects.filter(erased_at__isnull=True, session_id__in=list(session_ids)).order_by()
    return {
        session_id: Visitor(
            user_id=user_id, guest_id=guest_id, external_user_id=external_user_id, secret_of=session_id
        )
        for session_id, user_id, guest_id, external_user_id in there.values_list(
            "session_id", "user_id", "guest_id", "external_user_id"
        )
    }


def _owner(session: Session) -> Visitor:
    return Visitor(
        user_id=session.user_id,
        guest_id=session.guest_id,
        external_user_id=session.external_user_id,
        secret_of=session.session_id,
    )


def adopt_sessions(*, guest_id: str, user_id: int) -> int:
    """A guest has signed in: their sessions are the user's from now on. How many there were."""
    if not guest_id:
        return 0
    return Session.objects.filter(user__isnull=True, guest_id=guest_id).update(user_id=user_id)


def leave_to_nobody(*, user_id: int) -> None:
    """The user's account is about to be deleted: nobody enters their sessions any more, by whatever they still hold."""
    Session.objects.filter(user_id=user_id).update(guest_id="", external_user_id=ACCOUNT_DELETED)


def _why_not(session_id: str, visitor: Visitor) -> Exception:
    mine = Session.objects.filter(visible_to(visitor), session_id=session_id)
    owner = mine.values_list("lease_owner", flat=True).first()
    return SessionNotFound() if owner is None else SessionElsewhere(owner)


def append_now(*, session_id: str, epoch: int, last_seq: int, events: Sequence[ev.Event]) -> int:
    """Append to a session that no journal writes, on Django's connection and in its transaction; the new last seq.

    Raises `JournalFenced` when the epoch or the end of the log is not as given.
    """
    records = _records(session_id, last_seq, events)
    with connection.cursor() as cursor:
        cursor.execute(*append_statement([Append(session_id, epoch, records)]))
        if cursor.fetchone() is None:
            raise JournalFenced
    return records[-1].seq


def _records(session_id: str, last_seq: int, events: Sequence[ev.Event]) -> list[ev.Record]:
    now, records = datetime.now(UTC), []
    for event in events:
        last_seq += 1 + (event.skipped if isinstance(event, ev.SessionReopened) else 0)
        records.append(ev.Record(session_id, last_seq, now, event))
    return records


def end_session(*, session_id: str, epoch: int, last_seq: int, reason: str) -> None:
    """End a session whose log is at ``last_seq``: its end, duration and what the hooks do (the summary job) commit together.

    An end that an earlier try has written counts, so whoever lost the answer may ask again. Raises `JournalFenced` when another
    process took the session meanwhile.
    """
    try:
        with transaction.atomic():
            seq = append_now(
                session_id=session_id,
                epoch=epoch,
                last_seq=last_seq,
                events=[ev.SessionEnded(reason=ev.EndReason(reason))],
            )
            _mark_ended(session_id, reason)
            hooks.session_ended(session_id, seq)
    except JournalFenced:
        ended = Session.objects.filter(session_id=session_id, status=SessionStatus.ENDED, lease_epoch=epoch)
        if not ended.filter(last_seq__gt=last_seq).exists():
            raise


def end_for_erasure(session: Session) -> None:
    """End an active session, whoever holds it: its holder can write nothing from here on. No hook hears of it, for there is
    nothing to sum up.

    In the transaction that erases it, with ``session``'s row locked; its ``last_seq`` and ``lease_epoch`` move on.
    """
    ending = [
        *takeover(_state_to_erase(session.pk), model=session.model, cause=ev.ReopenCause.ERASED),
        ev.SessionEnded(reason=ev.EndReason.ERASED),
    ]
    session.lease_epoch += 1
    session.save(update_fields=["lease_epoch"])
    session.last_seq = append_now(
        session_id=session.pk, epoch=session.lease_epoch, last_seq=session.last_seq, events=ending
    )
    _mark_ended(session.pk, ev.EndReason.ERASED)


def _state_to_erase(session_id: str) -> SessionState:
    """Where an event cannot be read nothing is settled: nobody goes on from there, and the words have to go all the same."""
    try:
        return SessionState(read_history(session_id=session_id))
    except UNREADABLE:
        logger.exception("session %s: it is erased without settling what was in flight", session_id)
        return SessionState()


def _mark_ended(session_id: str, reason: str) -> None:
    age = ExpressionWrapper(Now() - F("start_time"), output_field=DurationField())
    Session.objects.filter(session_id=session_id).update(
        status=SessionStatus.ENDED,
        end_time=Now(),
        duration_seconds=Extract(age, "epoch"),
        end_reason=reason,
        lease_owner="",
    )


def orphans_exist() -> bool:
    """Whether `sweep_orphans` would find any."""
    return _orphans().exists()


def _orphans() -> "QuerySet[Session]":
    alive_or_recent = ServerProcess.objects.filter(
        expires_at__gt=Now() - timedelta(seconds=conf().grace_seconds)
    )
    active = Session.objects.filter(status=SessionStatus.ACTIVE)
    return active.exclude(lease_owner__in=alive_or_recent.values("process_id"))


Spare = Callable[[Sequence[ev.Record]], bool]
"""Given an orphan's log (`read_history`): whether it is to be left alone, for a server process to take over."""


def sweep_orphans(*, limit: int = 100, spare: Spare | None = None, spared: set[str] | None = None) -> int:
    """End the sessions whose process is gone for longer than the grace; returns how many (at most ``limit``).

    What was in flight is settled first: an answer cut off is closed as interrupted, a tool call as unknown. What
    ``spare`` leaves alone is added to ``spared``, and what is in there already is not looked at.
    """
    orphans = _orphans()
    spared = set() if spared is None else spared
    ids = list(orphans.exclude(session_id__in=spared).values_list("session_id", flat=True)[:limit])
    return sum(_swept(orphans, session_id, spare, spared) for session_id in ids)


def _swept(orphans: Any, session_id: str, spare: Spare | None, spared: set[str]) -> bool:
    """One session that cannot be ended must not keep the ones behind it from their end."""
    try:
        return _end_orphan(orphans, session_id, spare, spared)
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("session %s: the sweep cannot end it", session_id)
        return False


def _end_orphan(orphans: Any, session_id: str, spare: Spare | None, spared: set[str]) -> bool:
    with transaction.atomic():
        session = (
            orphans.select_for_update(skip_locked=True, of=("self",)).filter(session_id=session_id).first()
        )
        if session is None:  # somebody came back, or another sweep has it
            return False
        records = read_history(session_id=session_id)
        if spare and spare(records):
            spared.add(session_id)
            return False
        session.lease_epoch += 1
        session.save(update_fields=["lease_epoch"])
        last_seq = append_now(
            session_id=session_id,
            epoch=session.lease_epoch,
            last_seq=session.last_seq,
            events=takeover(SessionState(records), model=session.model, cause=ev.ReopenCause.ORPHANED),
        )
        end_session(
            session_id=session_id, epoch=session.lease_epoch, last_seq=last_seq, reason=ev.EndReason.ORPHANED
        )
    return True
