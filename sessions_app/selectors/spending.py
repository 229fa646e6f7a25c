"""What the models were paid for a user or a guest: the sum over their sessions since a moment."""

from datetime import datetime

from django.db.models import BigIntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from sessions_app.models import PRICED_EVENTS, Session, SessionEvent


def spent_since(*, user_id: int | None, guest_id: str, since: datetime) -> int:
    """Millionths of a US dollar, as far as they are known. A user's sessions, else those of the guest's cookie.

    The index `session_events_priced` holds only what was paid for, so this reads as many rows as there were answers
    since then in the sessions that had an event since then.
    """
    whose = Session.objects.filter(user_id=user_id) if user_id else Session.objects.filter(guest_id=guest_id)
    sessions = whose.filter(last_event_at__gte=since).order_by().values("session_id")
    paid = SessionEvent.objects.filter(
        session_id__in=sessions, event_type__in=PRICED_EVENTS, created_at__gte=since
    )
    cost = Cast(KT("payload__cost_microusd"), BigIntegerField())
    return int(paid.order_by().aggregate(spent=Sum(cost))["spent"] or 0)
