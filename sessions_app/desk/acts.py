"""What a reviewer does to a session. Each act is one transaction with its row in ``review_events``; one that changes nothing
leaves none."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from sessions_app.desk.waiting import settle_session, unsettle_session
from sessions_app.errors import SessionNotFound
from sessions_app.models import (
    ReviewAct,
    ReviewEvent,
    ReviewMention,
    ReviewNote,
    ReviewState,
    ReviewTag,
    Session,
    SessionReview,
    SessionTag,
)
from sessions_app.review_models import MAX_NOTE_CHARS, MAX_REASON_CHARS, MAX_TAG_CHARS

MAX_TAGS = 20
"""Of one session."""
MAX_REVIEWERS = 200
MENTION = re.compile(r"(?<![\w@])@([\w.@+-]{1,150})")


class ActRefused(Exception):
    """The act makes no sense; the message says why, to the reviewer."""


class TagsFull(ActRefused):
    """This session takes no more of them; another may."""


@dataclass(frozen=True)
class Reviewer:
    user_id: int | None
    """None: the desk itself, which takes back what nobody finished."""
    name: str


def reviewers() -> QuerySet:  # type: ignore[type-arg]
    """The staff who may review: whom a session can be assigned to, and a note can name."""
    users = get_user_model()._default_manager
    right = Permission.objects.filter(
        codename="review_session", content_type__app_label="sessions_app"
    ).values("pk")
    may = Q(is_superuser=True) | Q(user_permissions__in=right) | Q(groups__permissions__in=right)
    staff = users.filter(pk__in=users.filter(may, is_active=True, is_staff=True).values("pk"))
    return staff.order_by(get_user_model().USERNAME_FIELD)[:MAX_REVIEWERS]


@transaction.atomic
def set_state(
    *, session_id: str, state: ReviewState, by: Reviewer, undoes: ReviewState | None = None
) -> bool:
    """Whether that changed it. Whoever took it from the queue is done with it, unless it is in review. Done settles what of it
    waits for the staff but approvals, and back from done all that waits again. Raises `SessionNotFound`, and `ActRefused` when it is not what is to be undone any more."""
    session = lock(session_id)
    if undoes is not None and session.review_state != undoes:
        raise ActRefused(f"It is {session.get_review_state_display().lower()} by now: nothing was undone.")
    if undoes is not None and not was_last(session_id, by, ReviewAct.STATE, *_OF_THE_QUEUE):
        raise ActRefused("Somebody else has changed it since: nothing was undone.")
    if state != ReviewState.IN_REVIEW:
        _finish(session_id)
    elif undoes is not None:
        _is_not_finished(session)
    old = session.review_state
    if state == ReviewState.DONE:
        settle_session(session_id, by=by.name)
    if old == state:
        return False
    if old == ReviewState.DONE:
        unsettle_session(session_id)
    Session.objects.filter(pk=session_id).update(review_state=state)
    record(session_id, ReviewAct.STATE, by, old=ReviewState(old).label, new=state.label)
    return True


@transaction.atomic
def assign(*, session_id: str, assignee_id: int | None, by: Reviewer) -> bool:
    """Whoever took it from the queue and gives it to a colleague has left it: the colleague has no deadline. Raises `ActRefused` for
    somebody who may not review, and `SessionNotFound`."""
    session = lock(session_id)
    names = {None: "nobody", **{user.pk: user.get_username() for user in reviewers()}}
    if assignee_id not in names:
        raise ActRefused("That person cannot review sessions.")
    if session.assignee_id == assignee_id:
        return False
    old = session.assignee.get_username() if session.assignee else "nobody"
    if assignee_id is not None:
        release(session_id, but_of=assignee_id)
    Session.objects.filter(pk=session_id).update(assignee_id=assignee_id)
    record(session_id, ReviewAct.ASSIGNED, by, old=old, new=names[assignee_id])
    return True


@transaction.atomic
def stepped(*, session_id: str, act: ReviewAct, by: Reviewer) -> None:
    """Somebody has taken the conversation over, or handed it back: the history tells it. Whoever takes over one that is assigned to
    nobody, and may review, has it from then on. Raises `SessionNotFound`."""
    session = lock(session_id)
    record(session_id, act, by)
    may_have_it = act == ReviewAct.TOOK_OVER and session.assignee_id is None
    if may_have_it and any(user.pk == by.user_id for user in reviewers()):
        assign(session_id=session_id, assignee_id=by.user_id, by=by)


@transaction.atomic
def add_tag(*, session_id: str, name: str, by: Reviewer) -> bool:
    """A new name makes a new tag; the same with other capitals is the same. Raises `ActRefused` and `SessionNotFound`."""
    session = lock(session_id)
    name = tag_name(name)
    if not name:
        raise ActRefused("A tag needs a name.")
    given = list(SessionTag.objects.filter(session=session).values_list("tag__name", flat=True))
    if name in given:
        return False
    if len(given) >= MAX_TAGS:
        raise TagsFull(f"A session takes {MAX_TAGS} tags at most.")
    tag, _ = ReviewTag.objects.get_or_create(name=name)
    _, added = SessionTag.objects.get_or_create(
        session=session, tag=tag, defaults={"start_time": session.start_time}
    )
    if added:
        record(session_id, ReviewAct.TAGGED, by, new=str(tag.pk))
    return added


def tag_name(text: str) -> str:
    """As it is kept; empty: it is none."""
    return " ".join(text.replace("\x00", "").replace(",", " ").split()).lower()[:MAX_TAG_CHARS].strip()


@transaction.atomic
def remove_tag(*, session_id: str, name: str, by: Reviewer) -> bool:
    lock(session_id)
    tag = ReviewTag.objects.filter(name=name.replace("\x00", "")).first()
    removed, _ = SessionTag.objects.filter(session_id=session_id, tag=tag).delete() if tag else (0, {})
    if tag and removed:
        record(session_id, ReviewAct.UNTAGGED, by, old=str(tag.pk))
    return bool(removed)


@transaction.atomic
def give_score(*, session_id: str, score: int, reason: str, by: Reviewer) -> bool:
    """1 to 5, with a line of reason. Raises `ActRefused` and `SessionNotFound`."""
    if not 1 <= score <= 5:
        raise ActRefused("The score is a number from 1 to 5.")
    lock(session_id)
    reason = " ".join(reason.replace("\x00", "").split())[:MAX_REASON_CHARS]
    old = SessionReview.objects.filter(pk=session_id).values_list("score", "score_reason").first()
    if old == (score, reason):
        return False
    SessionReview.objects.update_or_create(pk=session_id, defaults={"score": score, "score_reason": reason})
    record(session_id, ReviewAct.SCORED, by, old=str(old[0]) if old and old[0] else "", new=f"{score} of 5")
    return True


@transaction.atomic
def write_note(*, session_id: str, text: str, by: Reviewer) -> ReviewNote:
    """Whom it names with ``@name``, of those who may review, finds it among their mentions. Raises `ActRefused` and
    `SessionNotFound`."""
    lock(session_id)
    text = text.replace("\x00", "").strip()[:MAX_NOTE_CHARS]
    if not text:
        raise ActRefused("A note needs a text.")
    note = ReviewNote.objects.create(
        session_id=session_id, author_id=by.user_id, author_name=by.name, text=text
    )
    named = set(mentioned(text))
    users = [user for user in reviewers() if user.get_username().lower() in named] if named else []
    ReviewMention.objects.bulk_create(ReviewMention(note=note, user=user) for user in users)
    record(session_id, ReviewAct.NOTED, by, new=", ".join(user.get_username() for user in users)[:150])
    return note


def mentioned(text: str) -> list[str]:
    """The names after each @, in lower case; a full stop at the end is the sentence's."""
    return [name.rstrip(".").lower() for name in MENTION.findall(text)]


def unknown_names(note: ReviewNote) -> list[str]:
    """Those after an @ that are nobody's who may review."""
    told = {mention.user.get_username().lower() for mention in note.mentions.select_related("user")}
    return [name for name in dict.fromkeys(mentioned(note.text)) if name and name not in told]


def mark_seen(*, user_id: int, note_ids: Iterable[int]) -> None:
    mentions = ReviewMention.objects.filter(user_id=user_id, note_id__in=list(note_ids), seen_at__isnull=True)
    mentions.update(seen_at=Now())


def lock(session_id: str) -> Session:
    """Raises `SessionNotFound`, also for one that was erased."""
    sessions = Session.objects.select_for_update(of=("self",)).select_related("assignee")
    found = sessions.filter(pk=session_id, erased_at__isnull=True).first()
    if found is None:
        raise SessionNotFound
    return found


_OF_THE_QUEUE = (ReviewAct.TAKEN, ReviewAct.SKIPPED, ReviewAct.GIVEN_BACK)
"""These set the state, too."""


def was_last(session_id: str, by: Reviewer, *of: ReviewAct) -> bool:
    """Whether the last act of these kinds was theirs: what is as they left it may have been changed by a colleague, and made so again."""
    done = ReviewEvent.objects.filter(session_id=session_id, act__in=of).order_by("-id")
    return done.values_list("staff_id", flat=True).first() == by.user_id


def release(session_id: str, *, but_of: int | None = None) -> None:
    """``but_of``: whose claim stays."""
    claims = SessionReview.objects.filter(pk=session_id, claimed_at__isnull=False)
    claims = claims if but_of is None else claims.exclude(claimed_by_id=but_of)
    claims.update(claimed_at=None, claimed_by=None)


def _finish(session_id: str) -> None:
    """Whoever took it from the queue is done with it; who that was is known for as long as it may be undone."""
    SessionReview.objects.filter(pk=session_id, claimed_at__isnull=False).update(claimed_at=None)


def _is_not_finished(session: Session) -> None:
    """It is theirs from the queue as it was, so that it goes back there when they leave it."""
    theirs = SessionReview.objects.filter(pk=session.pk, claimed_by__isnull=False)
    theirs.filter(claimed_by_id=session.assignee_id).update(claimed_at=Now())


def record(session_id: str, act: ReviewAct, by: Reviewer, *, old: str = "", new: str = "") -> None:
    """Whoever acts on what they took from the queue is still at it."""
    ReviewEvent.objects.create(
        session_id=session_id, staff_id=by.user_id, staff_name=by.name, act=act, old=old[:150], new=new[:150]
    )
    if by.user_id is not None:
        SessionReview.objects.filter(
            pk=session_id, claimed_by_id=by.user_id, claimed_at__isnull=False
        ).update(claimed_at=Now())
