"""The tables of what waits for the staff, and of who is told of what happens: written in the commit of the cause
(`sessions_app.log.attention`)."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

SESSION = "sessions_app.Session"


class AttentionKind(models.TextChoices):
    """What waits for a person of the staff."""

    CUSTOMER = "customer", "waiting customer"
    APPROVAL = "approval", "approval"
    FAILED_TOOL = "failed_tool", "failed tool"
    FAILED_ANSWER = "failed_answer", "failed answer"
    BUDGET = "budget", "stopped by a budget"
    BAD_RATING = "bad_rating", "bad rating"
    FAILED_SUMMARY = "failed_summary", "failed summary"


class Settled(models.TextChoices):
    """Why it does not wait any more."""

    LOG = "log", "decided, answered, tried again or taken back"
    DISMISSED = "dismissed", "dismissed"
    REVIEWED = "reviewed", "done with its session"


class InboxItem(models.Model):
    """Something that waits for the staff, written in the commit of the event that causes it: `sessions_app.log.attention`.

    It holds no words; what is shown of it is read from the log, so that erasing the log is enough.
    """

    session = models.ForeignKey(SESSION, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=16, choices=AttentionKind)
    ref = models.TextField()
    """What it is about, by its id in the log: an item or a response."""
    response_id = models.TextField(blank=True, default="", db_default="")
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_how = models.CharField(max_length=16, choices=Settled, blank=True, default="", db_default="")
    settled_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    """The member of staff who dismissed it, or was done with its session; or, also while it waits, who asked for another try."""
    waits_for = models.CharField(max_length=150, blank=True, default="", db_default="")
    """Of a customer: the member of staff who has taken the conversation over, and whose it is alone."""
    agreed = ArrayField(
        models.TextField(), default=list, db_default=models.Value([], ArrayField(models.TextField()))
    )
    """Of an approval that takes several: who said yes so far."""

    class Meta:
        db_table = "inbox_items"
        ordering = ("at", "id")
        verbose_name = "item of the inbox"
        constraints = (models.UniqueConstraint(fields=("session", "kind", "ref"), name="inbox_items_once"),)
        indexes = (
            models.Index(fields=("at", "id"), condition=models.Q(settled_at__isnull=True), name="inbox_open"),
            models.Index(
                fields=("kind", "at", "id"),
                condition=models.Q(settled_at__isnull=True),
                name="inbox_open_kinds",
            ),
            models.Index(
                fields=("settled_at",), condition=models.Q(settled_at__isnull=False), name="inbox_settled"
            ),
        )

    def __str__(self) -> str:
        return f"{self.session_id}: {self.kind}"


class Topic(models.TextChoices):
    """What others can be told of, by a webhook or by e-mail."""

    SESSION_ENDED = "session.ended", "a conversation has ended"
    SUMMARY_WRITTEN = "summary.written", "a summary was written"
    SUMMARY_FAILED = "summary.failed", "a summary could not be written"
    APPROVAL_REQUESTED = "approval.requested", "an approval waits"
    ANSWER_FAILED = "answer.failed", "an answer failed"
    ANSWER_STOPPED = "answer.stopped", "a budget stopped an answer"
    FEEDBACK_GIVEN = "feedback.given", "a user rated an answer"


class Webhook(models.Model):
    """An address of somebody else's server that is told of what happens."""

    name = models.CharField(max_length=100)
    url = models.CharField(max_length=500, verbose_name="address")
    topics = ArrayField(models.CharField(max_length=32, choices=Topic), default=list)
    active = models.BooleanField(default=True)
    with_words = models.BooleanField(default=False, verbose_name="with words")
    """Whether what people and models said is sent along."""
    secret = models.TextField(editable=False)
    """Sealed: `sessions_app.notices.secrets`."""
    old_secret = models.TextField(blank=True, default="", db_default="", editable=False)
    """The one before it, sealed as well; empty: there is none that messages are still signed with."""
    old_until = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    """The first try in vain after the last message that was taken; None: the last try was not in vain."""
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "webhooks"
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "waiting"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "failed"
    REPLACED = "replaced", "told by the next one"


class WebhookDelivery(models.Model):
    """One message to one webhook, written in the commit of its cause. Its body is made from the log when it is sent."""

    # No constraint: a webhook that is deleted while the journal writes must not make it fail.
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False
    )
    message_id = models.UUIDField(unique=True, default=uuid.uuid4, db_default=RandomUUID())
    """The same in every try, so that who gets it twice can tell."""
    topic = models.CharField(max_length=32, choices=Topic)
    session_id = models.CharField(max_length=128)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    state = models.CharField(
        max_length=16, choices=DeliveryState, default=DeliveryState.WAITING, db_default=DeliveryState.WAITING
    )
    tries = models.IntegerField(default=0, db_default=0)
    """All of them, also those before it was delivered again."""
    tries_before = models.IntegerField(default=0, db_default=0)
    """So many of them before it was delivered again: what is waited between two tries begins anew there."""
    tried_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    """None: as soon as a worker comes to it, or never."""
    status_code = models.IntegerField(null=True, blank=True)
    answer = models.CharField(max_length=500, blank=True, default="", db_default="")
    """The beginning of what the receiver said, or why nobody could be asked."""
    attempts = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    """The last tries, the newest at the end: `sessions_app.notices.deliveries.Attempt`."""

    class Meta:
        db_table = "webhook_deliveries"
        ordering = ("-id",)
        verbose_name_plural = "webhook deliveries"
        indexes = (
            models.Index(fields=("webhook", "-id"), name="deliveries_of_webhook"),
            models.Index(fields=("state", "-id"), name="deliveries_by_state"),
            models.Index(fields=("at",), name="deliveries_by_age"),
            models.Index(fields=("session_id",), name="deliveries_of_session"),
        )

    def __str__(self) -> str:
        return f"{self.topic}: {self.session_id}"


class MailSubscription(models.Model):
    """What a member of staff wants to hear of by e-mail."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    topics = ArrayField(models.CharField(max_length=32, choices=Topic), default=list, blank=True)
    minutes = models.PositiveSmallIntegerField(default=15)
    """Between two mails: what comes meanwhile shares the next one."""
    sent_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "mail_subscriptions"

    def __str__(self) -> str:
        return str(self.user)


class MailNotice(models.Model):
    """Something that a member of staff is to hear of in their next mail."""

    # No constraint, as with `WebhookDelivery.webhook`.
    subscription = models.ForeignKey(
        MailSubscription, on_delete=models.CASCADE, related_name="notices", db_constraint=False
    )
    session = models.ForeignKey(SESSION, on_delete=models.CASCADE, related_name="+", db_index=False)
    topic = models.CharField(max_length=32, choices=Topic)
    seq = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "mail_notices"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.topic}: {self.session_id}"
