"""Deliveries of webhooks: what is to be sent, and what came of it. The row is written with its cause (`sessions_app.log.attention`)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from sessions_app.log.rows import storable
from sessions_app.models import DeliveryState, Session, Topic, Webhook, WebhookDelivery
from sessions_app.notices.messages import PING, message_of
from sessions_app.notices.renewal import keys_of
from sessions_app.selectors.inbox import rated_again

ANSWER_CHARS = 300
ATTEMPT_ANSWER_CHARS = 1_000
ATTEMPTS_KEPT = 10
"""So many of a delivery's last tries are kept, also over a *Deliver again*."""
KEEP = timedelta(days=30)
_PAGE = 5_000
_QUEUE = """
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args)
VALUES ('webhooks', 'deliver_webhook', -10, jsonb_build_object('delivery_id', %s::bigint))
"""
_SOONER = """
UPDATE procrastinate_jobs SET scheduled_at = NULL
WHERE queue_name = 'webhooks' AND status = 'todo' AND task_name = 'deliver_webhook' AND scheduled_at > now()
    AND (args ->> 'delivery_id')::bigint = %s
"""
SWITCHED_OFF = "The webhook is switched off."
NO_KEY = "Its secret cannot be read any more, because SECRET_KEY was changed. Make a new one."


@dataclass(frozen=True, kw_only=True)
class Due:
    """A message to send now."""

    delivery_id: int
    webhook_id: int
    message_id: str
    url: str
    keys: Sequence[bytes]
    """Each signs it: the webhook's, and for a day the one before."""
    body: bytes
    tries: int
    """So many before this one, since it was last asked for."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try, as `WebhookDelivery.attempts` keeps it."""

    at: datetime
    """When it was over."""
    status_code: int | None = None
    took_ms: int = 0
    answer: str = ""
    url: str = ""
    """Where it went; empty: it was made before that was written down."""
    headers: dict[str, str] = {}
    """What was sent along, without all of the signature."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one try."""

    status_code: int | None = None
    """None: nobody answered."""
    words: str = ""
    """The beginning of the answer, or why there is none."""
    gone: bool = False
    """The receiver wants no more of them."""
    took_ms: int = 0
    sent: Mapping[str, str] = field(default_factory=dict)
    """The headers of the try, without all of the signature; empty: nothing was sent."""

    @property
    def taken(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


def due_delivery(delivery_id: int) -> Due | None:
    """None where there is nothing to send: it was sent, given up, or is not there any more. One whose webhook was deleted while it
    was written is forgotten here."""
    waiting = WebhookDelivery.objects.select_related("webhook").filter(state=DeliveryState.WAITING)
    delivery = waiting.filter(pk=delivery_id).first()
    if delivery is None:
        webhook = Webhook.objects.filter(pk=OuterRef("webhook_id"))
        waiting.filter(~Exists(webhook), pk=delivery_id).delete()
        return None
    if delivery.topic == Topic.FEEDBACK_GIVEN and rated_again([(delivery.session_id, delivery.seq)]):
        waiting.filter(pk=delivery_id).update(state=DeliveryState.REPLACED, next_try_at=None)
        return None
    keys = keys_of(delivery.webhook)
    if not delivery.webhook.active or not keys:
        words = NO_KEY if delivery.webhook.active else SWITCHED_OFF
        waiting.filter(pk=delivery_id).update(state=DeliveryState.FAILED, answer=words)
        if delivery.webhook.active:
            _note_health(delivery.webhook_id, taken=False)
        return None
    return Due(
        delivery_id=delivery_id,
        webhook_id=delivery.webhook_id,
        message_id=message_id_of(delivery),
        url=delivery.webhook.url,
        keys=keys,
        body=message_of(delivery),
        tries=delivery.tries - delivery.tries_before,
    )


def message_id_of(delivery: WebhookDelivery) -> str:
    """The header ``webhook-id``."""
    return f"msg_{delivery.message_id.hex}"


def note_answer(due: Due, answer: Answer, *, gives_up: bool, wait_s: float = 0.0) -> None:
    """``wait_s``: until the next try, where there is one."""
    state = DeliveryState.WAITING
    if answer.taken:
        state = DeliveryState.DELIVERED
    elif gives_up or answer.gone:
        state = DeliveryState.FAILED
    with transaction.atomic():
        locked = WebhookDelivery.objects.select_for_update().filter(pk=due.delivery_id)
        before, session_id = locked.values_list("attempts", "session_id").first() or ([], "")
        # looked at behind the lock: an erasure is either over, or takes these words along
        words = "" if _is_forgotten(session_id) else storable(answer.words)
        attempt = Attempt(
            at=timezone.now(),
            status_code=answer.status_code,
            took_ms=answer.took_ms,
            answer=words[:ATTEMPT_ANSWER_CHARS],
            url=due.url,
            headers=dict(answer.sent),
        )
        WebhookDelivery.objects.filter(pk=due.delivery_id).update(
            state=state,
            tries=F("tries") + 1,
            tried_at=Now(),
            next_try_at=Now() + timedelta(seconds=wait_s) if state == DeliveryState.WAITING else None,
            status_code=answer.status_code,
            answer=words[:ANSWER_CHARS],
            attempts=[*before, msgspec.to_builtins(attempt)][-ATTEMPTS_KEPT:],
        )
        if answer.gone:
            Webhook.objects.filter(pk=due.webhook_id).update(active=False)
        _note_health(due.webhook_id, taken=answer.taken)


def _is_forgotten(session_id: str) -> bool:
    """Whether what was said there is erased: a receiver may quote it. A ping is of no session."""
    there = Session.objects.filter(pk=session_id, erased_at__isnull=True)
    return bool(session_id) and not there.exists()


def _note_health(webhook_id: int, *, taken: bool) -> None:
    """Its row is written only where that changes."""
    changes = Webhook.objects.filter(pk=webhook_id, failing_since__isnull=not taken)
    changes.update(failing_since=None if taken else Now())


def failing(webhooks: QuerySet[Webhook]) -> QuerySet[Webhook]:
    """Those whose last try was in vain; one that is switched off is tried no more."""
    return webhooks.filter(active=True, failing_since__isnull=False)


def counts_of_a_day(webhook_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Of each webhook, how many messages of the last 24 hours are in which state."""
    rows = WebhookDelivery.objects.filter(webhook_id__in=webhook_ids, at__gte=Now() - timedelta(days=1))
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    grouped = rows.order_by().values("webhook_id", "state").annotate(count=Count("pk"))
    for webhook_id, state, count in grouped.values_list("webhook_id", "state", "count"):
        counts[webhook_id][state] = count
    return counts


def attempts_of(delivery: WebhookDelivery) -> list[Attempt]:
    """Its last tries, the newest first."""
    return msgspec.convert(delivery.attempts, list[Attempt])[::-1]


def deliver_again(delivery: WebhookDelivery) -> bool:
    """For staff, whatever became of it: the same message once more, now, tried as often as a new one. What came of the tries
    before is kept, and they count. False: it is on its way already, or a later message tells of it."""
    fresh = {
        "state": DeliveryState.WAITING,
        "tries_before": F("tries"),
        "answer": "",
        "status_code": None,
        "next_try_at": None,
    }
    with transaction.atomic():
        found = WebhookDelivery.objects.select_for_update().filter(pk=delivery.pk).first()
        if found is None or found.state == DeliveryState.REPLACED:
            return False
        with connection.cursor() as cursor:
            if found.state != DeliveryState.WAITING:
                cursor.execute(_QUEUE, [delivery.pk])
            else:
                cursor.execute(_SOONER, [delivery.pk])
                if not cursor.rowcount:
                    return False
        WebhookDelivery.objects.filter(pk=delivery.pk).update(**fresh)
    return True


def deliver_ping(webhook: Webhook) -> WebhookDelivery:
    """A message that nothing caused, to try the way: queued, signed and written down as any other."""
    with transaction.atomic():
        delivery = WebhookDelivery.objects.create(
            webhook=webhook, topic=PING, session_id="", seq=0, at=timezone.now()
        )
        with connection.cursor() as cursor:
            cursor.execute(_QUEUE, [delivery.pk])
    return delivery


def forget_deliveries() -> int:
    """Those that are older than 30 days; how many there were, in one page of them."""
    old = WebhookDelivery.objects.filter(at__lt=Now() - KEEP).order_by("at").values("pk")[:_PAGE]
    return WebhookDelivery.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0]
