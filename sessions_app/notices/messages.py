"""What a receiver is told: made from the log at the time of sending, so that nothing of it is kept in a second place."""

from datetime import UTC, datetime

import msgspec

from sessions_app.log import events as ev
from sessions_app.models import Session, WebhookDelivery
from sessions_app.selectors.inbox import read_events

PING = "ping"
"""The topic of a message that is sent to try the way: it is of no session, and nobody chooses it."""


def message_of(delivery: WebhookDelivery) -> bytes:
    """The body: ``type``, ``timestamp`` and ``data``. The same in every try, as long as its session is not erased."""
    if delivery.topic == PING:
        return _body(delivery, {})
    session = Session.objects.defer("summary").filter(pk=delivery.session_id).first()
    data: ev.JSON = {"session_id": delivery.session_id, "seq": delivery.seq}
    if session is not None:
        record = read_events([(delivery.session_id, delivery.seq)]).get((delivery.session_id, delivery.seq))
        words = delivery.webhook.with_words and session.erased_at is None
        data |= _whose(session) | (_facts(record.event, words=words) if record else {})
    return _body(delivery, data)


def _body(delivery: WebhookDelivery, data: ev.JSON) -> bytes:
    return msgspec.json.encode({"type": delivery.topic, "timestamp": _iso(delivery.at), "data": data})


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whose(session: Session) -> ev.JSON:
    """No name and no address: whoever is told knows their own users by these."""
    return {
        "model": session.model,
        "user_id": session.user_id,
        "external_user_id": session.external_user_id or None,
        "started_at": _iso(session.start_time),
    }


def _facts(event: ev.Event, *, words: bool) -> ev.JSON:
    match event:
        case ev.SessionEnded():
            return {"reason": event.reason}
        case ev.SummaryWritten():
            return _summary(event, words=words)
        case ev.SummaryFailed():
            return {"attempts": event.attempts}
        case ev.ToolApprovalRequested():
            said = {"asks": event.asks, "arguments": event.arguments} if words else {}
            return {"approval_id": event.item_id, "tool": event.name, "approvals": event.approvals, **said}
        case ev.ResponseDone():
            return {"response_id": event.response_id, "status": event.status, "reason": event.reason}
        case ev.FeedbackGiven():
            said = {"comment": event.comment} if words else {}
            updated = event.replaces != ev.Rating.NONE
            return {
                "item_id": event.item_id,
                "rating": event.rating,
                "reason": event.reason,
                "updated": updated,
                **said,
            }
    return {}


_LABELS = ("outcome", "sentiment", "language", "quality")
_WORDS = ("title", "summary", "intent", "topics", "open_questions", "follow_ups")


def _summary(event: ev.SummaryWritten, *, words: bool) -> ev.JSON:
    names = (*_LABELS, *_WORDS) if words else _LABELS
    return {name: getattr(event, name, None) for name in names}
