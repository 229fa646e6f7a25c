"""What users think of answers: which answer is meant, what was said of it before, and a word on one of a session that has ended."""

from collections.abc import Callable
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.fields.json import KT

from sessions_app.log import events as ev
from sessions_app.log.lifecycle import append_now
from sessions_app.log.replay import find_item
from sessions_app.log.rows import COLUMNS, Row, decode_row
from sessions_app.models import Session, SessionEvent, SessionStatus

_NEAR_ROWS = 500


class Answer(NamedTuple):
    """An item of the log that may be rated, if it is an answer of ours."""

    item_id: str
    is_ours: bool
    """A response of this session said it: no user, no tool, and no client that tells of another model."""
    last: ev.FeedbackGiven | None
    """The last word on it."""
    last_seq: int
    """That word's; 0: there is none."""
    words: int
    """How often it was rated."""


def find_answer(*, session_id: str, item_id: str | None) -> Answer | None:
    """By index, whatever the session's length; ``item_id`` None: the last answer. None where there is no such item, or it was
    deleted."""
    item_id = item_id or _last_answer(session_id)
    record = find_item(session_id=session_id, item_id=item_id)[0] if item_id else None
    if item_id is None or record is None:
        return None
    ours = isinstance(record.event, ev.AssistantMessage) and record.event.response_id != ""
    rows = [Row(*row) for row in feedback_on(session_id, [item_id]).values_list(*COLUMNS)]
    last = max(rows, key=lambda row: row.seq, default=None)
    event = decode_row(last)[0].event if last else None
    word = event if isinstance(event, ev.FeedbackGiven) else None
    return Answer(item_id, ours, word, last.seq if last else 0, len(rows))


def feedback_on(session_id: str, item_ids: list[str]) -> QuerySet[SessionEvent]:
    """In no order, so that the planner looks into `session_events_feedback`."""
    rows = SessionEvent.objects.filter(session_id=session_id, event_type=ev.FeedbackGiven.event_type)
    return rows.annotate(item=KT("payload__item_id")).filter(item__in=item_ids).order_by()


def _last_answer(session_id: str) -> str | None:
    """Near the log's end, where it must stand: nobody rates an answer by heart after so much else."""
    newest = SessionEvent.objects.filter(session_id=session_id).order_by("-seq")
    rows = newest.values_list("event_type", KT("payload__response_id"), KT("payload__item_id"))[:_NEAR_ROWS]
    said = ev.AssistantMessage.event_type
    return next((item_id for kind, response_id, item_id in rows if kind == said and response_id), None)


def rate_ended(
    *,
    session_id: str,
    item_id: str | None,
    say: Callable[[Answer | None], ev.FeedbackGiven | None],
) -> bool:
    """Append what ``say`` makes of the answer, if anything, to a session that has ended; what it raises goes through. False, and
    nothing done, for one that goes on or is erased."""
    with transaction.atomic():
        ended = Session.objects.filter(status=SessionStatus.ENDED, erased_at__isnull=True)
        session = ended.select_for_update(no_key=True).filter(pk=session_id).first()
        if session is None:
            return False
        if event := say(find_answer(session_id=session_id, item_id=item_id)):
            append_now(
                session_id=session_id, epoch=session.lease_epoch, last_seq=session.last_seq, events=[event]
            )
    return True
