"""The review queue: it hands out the next session that nobody has looked at, each to one reviewer."""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from sessions_app.desk.acts import ActRefused, Reviewer, lock, record, release
from sessions_app.errors import SessionNotFound
from sessions_app.models import (
    ReviewAct,
    ReviewEvent,
    ReviewState,
    Session,
    SessionReview,
    SessionStatus,
)

HELD_FOR = timedelta(minutes=45)
"""Who takes a session and does nothing with it for so long has left it: the next one gets it."""
SKIPPED_FOR = timedelta(hours=12)
"""Whoever skips a session is not given it again for so long; others are."""
MOST_COUNTED = 1_000
_GIVEN_BACK_AT_ONCE = 50
THE_DESK = Reviewer(None, "The queue")
_LOOKED_UP_AT_ONCE = 1_000
# The same words as the migration's (0010); those that ended lately, by the index `sessions_to_erase`.
_LOOK_UP = r"""
WITH late AS (
    SELECT session_id FROM sessions
    WHERE status = 'ended' AND erased_at IS NULL AND end_time > now() - interval '2 days'
        AND user_messages > 0 AND first_words = ''
    LIMIT %s
)
UPDATE sessions s SET first_words = coalesce(nullif((
    SELECT left(btrim(regexp_replace(left(e.content, 960), '\s+', ' ', 'g')), 120) FROM session_events e
    WHERE e.session_id = s.session_id AND e.event_type = 'user_message' ORDER BY e.seq LIMIT 1), ''), '…')
FROM late
WHERE s.session_id = late.session_id AND s.erased_at IS NULL AND s.first_words = ''
"""


def waiting(sessions: QuerySet[Session]) -> QuerySet[Session]:
    """Those of ``sessions`` to be reviewed: ended, something was said, and nobody has begun."""
    return sessions.filter(
        review_state=ReviewState.NEW, status=SessionStatus.ENDED, erased_at__isnull=True
    ).exclude(first_words="")


def waiting_for(sessions: QuerySet[Session], *, reviewer: Reviewer) -> QuerySet[Session]:
    """The same without what the reviewer skipped lately, and what is somebody else's to do."""
    return _open_to(sessions, reviewer).filter(~_skipped_by(reviewer))


def skipped_by(sessions: QuerySet[Session], *, reviewer: Reviewer) -> QuerySet[Session]:
    """What the reviewer skipped lately and nobody has taken up."""
    return _open_to(sessions, reviewer).filter(_skipped_by(reviewer))


def _open_to(sessions: QuerySet[Session], reviewer: Reviewer) -> QuerySet[Session]:
    return waiting(sessions).filter(Q(assignee__isnull=True) | Q(assignee_id=reviewer.user_id))


def _skipped_by(reviewer: Reviewer) -> Exists:
    lately = ReviewEvent.objects.filter(act=ReviewAct.SKIPPED, at__gt=Now() - SKIPPED_FOR)
    return Exists(lately.filter(session=OuterRef("pk"), staff_id=reviewer.user_id))


def count_left(sessions: QuerySet[Session], *, reviewer: Reviewer) -> int:
    """At most `MOST_COUNTED` and one more."""
    return _bounded(waiting_for(sessions, reviewer=reviewer))


def count_skipped(sessions: QuerySet[Session], *, reviewer: Reviewer) -> int:
    """At most `MOST_COUNTED` and one more."""
    return _bounded(skipped_by(sessions, reviewer=reviewer))


def _bounded(sessions: QuerySet[Session]) -> int:
    return sessions.order_by()[: MOST_COUNTED + 1].count()


def take_next(sessions: QuerySet[Session], *, reviewer: Reviewer, skipped: bool = False) -> Session | None:
    """The first of ``sessions``, in their order, that waits and that nobody else is just being given: in review, and assigned to
    the reviewer from now on. ``skipped``: of those that the reviewer skipped. None: there is none left."""
    take_back_abandoned()
    with transaction.atomic():
        found = skipped_by if skipped else waiting_for
        due = found(sessions, reviewer=reviewer).select_related(None)
        session = due.select_for_update(skip_locked=True, of=("self",)).first()
        if session is None:
            return None
        _hand(session.pk, reviewer)
    return session


def _hand(session_id: str, reviewer: Reviewer) -> None:
    Session.objects.filter(pk=session_id).update(
        review_state=ReviewState.IN_REVIEW, assignee_id=reviewer.user_id
    )
    SessionReview.objects.update_or_create(
        pk=session_id, defaults={"claimed_by_id": reviewer.user_id, "claimed_at": Now()}
    )
    record(session_id, ReviewAct.TAKEN, reviewer)


@transaction.atomic
def skip(*, session_id: str, by: Reviewer) -> None:
    """Back into the queue, for others. Raises `ActRefused` when it is not in review, or somebody else's, and `SessionNotFound`."""
    session = lock(session_id)
    if session.review_state not in (ReviewState.NEW, ReviewState.IN_REVIEW):
        raise ActRefused(f"It is {session.get_review_state_display().lower()} already.")
    if session.assignee_id not in (None, by.user_id):
        raise ActRefused("It is assigned to somebody else.")
    _give_back(session_id)
    record(session_id, ReviewAct.SKIPPED, by)


@transaction.atomic
def take_again(*, session_id: str, by: Reviewer) -> None:
    """What the reviewer just skipped. Raises `ActRefused` when anything was done with it since, and `SessionNotFound`."""
    session = lock(session_id)
    last = _last_act(session_id)
    skipped = last and last.act == ReviewAct.SKIPPED and last.staff_id == by.user_id
    if not skipped or session.review_state != ReviewState.NEW or session.assignee_id is not None:
        raise ActRefused("Somebody has taken it up since: nothing was undone.")
    _hand(session_id, by)


@transaction.atomic
def give_back(*, session_id: str, by: Reviewer) -> bool:
    """What the reviewer was just handed, and has done nothing with, is handed out again, to them as well. Whether it is."""
    try:
        session = lock(session_id)
    except SessionNotFound:
        return False
    last = _last_act(session_id)
    handed = last and last.act == ReviewAct.TAKEN and last.staff_id == by.user_id
    if session.review_state != ReviewState.IN_REVIEW or not handed:
        return False
    _give_back(session_id)
    record(session_id, ReviewAct.STATE, by, old=ReviewState.IN_REVIEW.label, new=ReviewState.NEW.label)
    return True


def _last_act(session_id: str) -> ReviewEvent | None:
    return ReviewEvent.objects.filter(session_id=session_id).order_by("-id").first()


def take_back_abandoned() -> int:
    """Put what was taken and not touched for `HELD_FOR` back into the queue; how many."""
    with transaction.atomic():
        late = Session.objects.filter(review__claimed_at__lt=Now() - HELD_FOR)
        locked = late.select_for_update(skip_locked=True, of=("self",)).order_by("review__claimed_at")
        ids = [session.pk for session in locked.only("pk")[:_GIVEN_BACK_AT_ONCE]]
        still = late.filter(pk__in=ids)  # a note may have been written while they were locked
        for session_id, state in still.values_list("pk", "review_state"):
            if state == ReviewState.IN_REVIEW:
                _give_back(session_id)
                record(session_id, ReviewAct.GIVEN_BACK, THE_DESK)
            else:
                release(session_id)
    return len(ids)


def _give_back(session_id: str) -> None:
    Session.objects.filter(pk=session_id).update(review_state=ReviewState.NEW, assignee=None)
    release(session_id)


def look_up_first_words() -> int:
    """First words that nobody wrote: a process of the release before, which still ran when the column came, left them out, and without
    them a session never comes to the queue. Of the sessions that ended in the last two days; how many lacked theirs, in one page."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, [_LOOKED_UP_AT_ONCE])
        return int(cursor.rowcount)
