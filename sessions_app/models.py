"""The tables: ``sessions`` (one row a session), ``session_events`` (append-only), ``server_processes`` (who is alive), and what
is kept of forgetting: who erased, who read, what the retention did."""

from typing import Self

import msgspec
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Value
from django.db.models.fields.json import KT
from django.db.models.functions import Left, Now

from sessions_app.assistant_models import Assistant, AssistantVersion
from sessions_app.file_models import StoredFile
from sessions_app.notice_models import (
    AttentionKind,
    DeliveryState,
    InboxItem,
    MailNotice,
    MailSubscription,
    Settled,
    Topic,
    Webhook,
    WebhookDelivery,
)
from sessions_app.review_models import (
    ReviewAct,
    ReviewEvent,
    ReviewMention,
    ReviewNote,
    ReviewState,
    ReviewTag,
    SavedView,
    SessionReview,
    SessionTag,
)

__all__ = [
    "Assistant",
    "AssistantVersion",
    "AttentionKind",
    "DeliveryState",
    "EraseActor",
    "EraseScope",
    "Erasure",
    "InboxItem",
    "MailNotice",
    "MailSubscription",
    "OpenedView",
    "RetentionRun",
    "ReviewAct",
    "ReviewEvent",
    "ReviewMention",
    "ReviewNote",
    "ReviewState",
    "ReviewTag",
    "SavedView",
    "ServerProcess",
    "Session",
    "SessionEvent",
    "SessionReview",
    "SessionStatus",
    "SessionTag",
    "Settled",
    "StoredFile",
    "SummaryState",
    "Topic",
    "TranscriptOpening",
    "Webhook",
    "WebhookDelivery",
]

ITEM_EVENTS = (
    "user_message",
    "operator_message",
    "assistant_message",
    "tool_call",
    "tool_approval_requested",
    "tool_approval",
    "item_deleted",
)
"""The events that make an item of the conversation, or take it away."""
STEPPED_EVENTS = ("operator_took_over", "operator_handed_back")
"""Items, too: few, so that they have an index of their own."""
BEGUN_EVENTS = ("response_queued", "response_started")
"""With which a response comes into the log."""
PRICED_EVENTS = ("response_done", "history_compacted", "summary_written")


class SessionStatus(models.TextChoices):
    ACTIVE = "active"
    ENDED = "ended"


class SummaryState(models.TextChoices):
    NONE = "none", "not due"
    PENDING = "pending"
    WRITTEN = "written"
    FAILED = "failed"
    SKIPPED = "skipped", "nothing to summarise"


class SessionOutcome(models.TextChoices):
    """`sessions_app.log.events.Resolution`, as a column."""

    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"
    ABANDONED = "abandoned"


class Sentiment(models.TextChoices):
    """`sessions_app.log.events.Sentiment`, as a column."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class Session(models.Model):
    """One conversation. Counters are written in the commit of the events that they count."""

    session_id = models.CharField(primary_key=True, max_length=128)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="ai_sessions",
        db_index=False,  # `sessions_of_user` begins with it
    )
    guest_id = models.CharField(max_length=64, blank=True, default="")
    external_user_id = models.CharField(max_length=128, blank=True, default="", db_default="")
    """Where ``user`` is a shop: its own name for the one who talked."""
    status = models.CharField(max_length=16, choices=SessionStatus, default=SessionStatus.ACTIVE)
    source = models.CharField(max_length=16, blank=True, default="")
    start_time = models.DateTimeField(db_default=Now())
    end_time = models.DateTimeField(null=True, blank=True)
    duration_seconds = models.FloatField(null=True, blank=True)
    end_reason = models.CharField(max_length=32, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    last_event_at = models.DateTimeField(db_default=Now())

    model = models.CharField(max_length=128, blank=True, default="")
    assistant = models.CharField(max_length=40, blank=True, default="", db_default="")
    """With whom it was begun, as its `SessionStarted` has it; empty: the settings' default."""

    title = models.CharField(max_length=200, blank=True, default="")
    """What its user calls it (``named``), else the last summary's."""
    named = models.BooleanField(default=False, db_default=False)
    pinned = models.BooleanField(default=False, db_default=False)
    """Above the others in its user's list."""
    summary = models.TextField(blank=True, default="")
    summary_state = models.CharField(max_length=16, choices=SummaryState, default=SummaryState.NONE)
    summary_seq = models.BigIntegerField(null=True, blank=True)

    first_words = models.CharField(max_length=120, blank=True, default="", db_default="")
    """The beginning of what the user said first; empty: nobody has said anything. Written once, with that message."""
    review_state = models.CharField(
        max_length=16, choices=ReviewState, default=ReviewState.NEW, db_default=ReviewState.NEW
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,  # `sessions_of_assignee` begins with it
    )

    topics = ArrayField(models.TextField(), default=list, db_default=Value([]), blank=True)
    """This and the next five are the last summary's."""
    intent = models.TextField(blank=True, default="", db_default="")
    outcome = models.CharField(max_length=16, choices=SessionOutcome, blank=True, default="", db_default="")
    sentiment = models.CharField(max_length=16, choices=Sentiment, blank=True, default="", db_default="")
    language = models.CharField(max_length=16, blank=True, default="", db_default="")
    quality = models.SmallIntegerField(null=True, blank=True)
    """Of the assistant's help, 1 to 5."""

    last_seq = models.BigIntegerField(default=0, db_default=0)
    user_messages = models.IntegerField(default=0, db_default=0)
    assistant_messages = models.IntegerField(default=0, db_default=0)
    tool_calls = models.IntegerField(default=0, db_default=0)
    responses = models.IntegerField(default=0, db_default=0)
    failed_responses = models.IntegerField(default=0, db_default=0)
    input_tokens = models.BigIntegerField(default=0, db_default=0)
    output_tokens = models.BigIntegerField(default=0, db_default=0)
    cost_microusd = models.BigIntegerField(default=0, db_default=0)
    """Millionths of a US dollar, as far as it is known: answers, compactions and summaries."""
    unpriced = models.IntegerField(default=0, db_default=0)
    """Answers, compactions and summaries whose cost is not known, and not in ``cost_microusd``."""
    feedback_up = models.IntegerField(default=0, db_default=0)
    """Answers that the user's last word on them calls good."""
    feedback_down = models.IntegerField(default=0, db_default=0)

    lease_owner = models.CharField(max_length=64, blank=True, default="", db_default="")
    lease_epoch = models.BigIntegerField(default=0, db_default=0)

    erased_at = models.DateTimeField(null=True, blank=True)
    """Its words are gone since then, and nobody opens it any more: docs/decisions/0063."""
    tool_data_erased_at = models.DateTimeField(null=True, blank=True)
    """The same of its tools' arguments and results alone; it goes on like any other."""

    class Meta:
        db_table = "sessions"
        ordering = ("-start_time", "-session_id")
        permissions = (
            ("erase_session", "Can erase what was said in a session"),
            ("review_session", "Can review a session"),
            ("operate_session", "Can step into a session"),
        )
        indexes = (
            models.Index(fields=("-start_time", "-session_id"), name="sessions_newest"),
            models.Index(fields=("user", "-start_time"), name="sessions_of_user"),
            models.Index(
                fields=("guest_id", "-start_time"), condition=~models.Q(guest_id=""), name="sessions_of_guest"
            ),
            models.Index(
                fields=("user", "external_user_id", "-start_time"),
                condition=~models.Q(external_user_id=""),
                name="sessions_of_external_user",
            ),
            models.Index(
                fields=("lease_owner",),
                condition=models.Q(status=SessionStatus.ACTIVE),
                name="sessions_active",
            ),
            # These serve the admin's filters and search: docs/decisions/0005-admin-at-a-million-rows.md
            models.Index(fields=("model", "-start_time"), name="sessions_of_model"),
            models.Index(
                fields=("assistant", "-start_time"),
                condition=~models.Q(assistant=""),
                name="sessions_of_assistant",
            ),
            # Who has said nothing is not counted: with the words in the index no row is read for that.
            models.Index(
                fields=("-start_time",),
                include=("first_words",),
                condition=models.Q(failed_responses__gt=0),
                name="sessions_with_errors",
            ),
            models.Index(
                fields=("summary_state", "-start_time"),
                condition=~models.Q(summary_state=SummaryState.WRITTEN),
                name="sessions_without_summary",
            ),
            models.Index(
                fields=("-start_time",),
                include=("first_words",),
                condition=models.Q(feedback_down__gt=0),
                name="sessions_rated_bad",
            ),
            models.Index(
                fields=("-start_time",),
                include=("first_words",),
                condition=models.Q(feedback_up__gt=0),
                name="sessions_rated_good",
            ),
            models.Index(
                fields=("outcome", "-start_time"),
                include=("first_words",),
                condition=~models.Q(outcome=""),
                name="sessions_by_outcome",
            ),
            models.Index(
                fields=("sentiment", "-start_time"),
                include=("first_words",),
                condition=~models.Q(sentiment=""),
                name="sessions_by_sentiment",
            ),
            GinIndex(SearchVector("title", "summary", config="simple"), name="sessions_text"),
            # What retention looks for. Its columns change when a session opens or ends, not with each commit of events.
            models.Index(
                fields=("end_time",),
                condition=models.Q(erased_at__isnull=True, status=SessionStatus.ENDED),
                name="sessions_to_erase",
            ),
            # The desk's: docs/decisions/0070. `first_words` and `review_state` change once or twice in a session's life.
            models.Index(
                fields=("-start_time", "-session_id"),
                condition=~models.Q(first_words=""),
                name="sessions_spoken",
            ),
            models.Index(
                fields=("-start_time", "-session_id"),
                condition=models.Q(review_state=ReviewState.NEW, status=SessionStatus.ENDED)
                & ~models.Q(first_words=""),
                name="sessions_to_review",
            ),
            models.Index(
                fields=("review_state", "-start_time"),
                condition=~models.Q(review_state=ReviewState.NEW),
                name="sessions_of_review_state",
            ),
            models.Index(
                fields=("assignee", "-start_time"),
                condition=models.Q(assignee__isnull=False),
                name="sessions_of_assignee",
            ),
        )

    def __str__(self) -> str:
        return self.heading

    @property
    def heading(self) -> str:
        """What people call it: never an id."""
        if self.erased_at:
            return "Erased session"
        return self.title or self.first_words or "Nothing was said"

    @property
    def beginning(self) -> str:
        """The first words, where the title does not tell them."""
        told = self.title.rstrip(".… ")
        return self.first_words if told and not self.first_words.startswith(told) else ""


INDEXED_CHARS = 100_000
"""Of a message, by whose words it is found. PostgreSQL's tsvector holds 1 MB, words twice where a hyphen joins them, and the
index would refuse the event of a longer text."""
SEARCH_CONFIG = "simple"
"""No stemming, no stop words: any language."""


def words_said(*more: models.Value) -> SearchVector:
    """Of a message, by which it is found; alone it is the expression of the index `session_events_words`."""
    return SearchVector(Left("content", INDEXED_CHARS), *more, config=SEARCH_CONFIG)


class SessionEvent(models.Model):
    """One event, or one run of deltas, of a session. Rows are never updated (a trigger refuses it)."""

    event_id = models.BigAutoField(primary_key=True)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="events", db_index=False)
    first_seq = models.BigIntegerField()
    seq = models.BigIntegerField()
    role = models.CharField(max_length=16)
    event_type = models.CharField(max_length=32)
    content = models.TextField(null=True)  # noqa: DJ001 - NULL says that the event has no text, '' that it is empty
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "session_events"
        ordering = ("session_id", "seq")
        constraints = (
            models.UniqueConstraint(fields=("session", "seq"), name="session_events_seq_once"),
            models.CheckConstraint(
                condition=models.Q(first_seq__gte=1, first_seq__lte=models.F("seq")),
                name="session_events_seq_run",
            ),
        )
        indexes = (
            GinIndex(
                words_said(),
                name="session_events_words",
                condition=models.Q(event_type__in=("user_message", "assistant_message")),
            ),
            models.Index(
                fields=("-created_at",),
                condition=models.Q(event_type="response_done"),
                name="session_events_answers",
            ),
            # Where a conversation is rebuilt from, and what was there before: docs/decisions/0019.
            models.Index(
                fields=("session", "-seq"),
                condition=models.Q(event_type="history_compacted"),
                name="session_events_compacted",
            ),
            # By the item first: a client of the Responses API names an item without its session.
            models.Index(
                KT("payload__item_id"),
                models.F("session"),
                condition=models.Q(event_type__in=ITEM_EVENTS),
                name="session_events_by_item",
            ),
            models.Index(
                KT("payload__response_id"),
                condition=models.Q(event_type__in=BEGUN_EVENTS),
                name="session_events_responses",
            ),
            models.Index(
                KT("payload__request_key"),
                condition=models.Q(payload__has_key="request_key"),
                name="session_events_requests",
            ),
            models.Index(
                models.F("session"),
                KT("payload__item_id"),
                condition=models.Q(event_type="tool_result"),
                name="session_events_results",
            ),
            models.Index(
                models.F("session"),
                KT("payload__item_id"),
                condition=models.Q(event_type="feedback_given"),
                name="session_events_feedback",
            ),
            models.Index(
                fields=("session", "-seq"),
                condition=models.Q(event_type__in=STEPPED_EVENTS),
                name="session_events_stepped",
            ),
            models.Index(
                fields=("session", "-seq"),
                condition=models.Q(event_type="summary_written"),
                name="session_events_summaries",
            ),
            models.Index(
                models.F("session"),
                KT("payload__client_event_id"),
                condition=models.Q(payload__has_key="client_event_id"),
                name="session_events_client_ids",
            ),
            models.Index(
                fields=("session", "created_at"),
                condition=models.Q(event_type__in=PRICED_EVENTS),
                name="session_events_priced",
            ),
        )

    def __str__(self) -> str:
        return f"{self.session_id} #{self.seq} {self.event_type}"

    @classmethod
    def of(cls, row: msgspec.Struct) -> Self:
        """The unsaved event that a ``log.rows.Row`` is."""
        return cls(**msgspec.structs.asdict(row))


class ServerProcess(models.Model):
    """A server process that may hold leases. It is alive while ``expires_at`` (the database's clock) is ahead."""

    process_id = models.CharField(primary_key=True, max_length=64)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    channel = models.CharField(max_length=128, blank=True, default="")
    started_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "server_processes"

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class EraseScope(models.TextChoices):
    """What of a session was erased."""

    WORDS = "words", "words"
    TOOL_DATA = "tool_data", "tool data"
    SESSION = "session", "whole session"


class EraseActor(models.TextChoices):
    OWNER = "owner", "the owner"
    STAFF = "staff", "staff"
    COMMAND = "command", "a command"
    RETENTION = "retention", "the retention"


class Erasure(models.Model):
    """That something was erased, when, and by whom; never what it was. It outlives the session's row."""

    session_id = models.CharField(max_length=128, db_index=True)
    scope = models.CharField(max_length=16, choices=EraseScope)
    actor = models.CharField(max_length=16, choices=EraseActor)
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "session_erasures"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.session_id}: {self.scope}"


class OpenedView(models.TextChoices):
    TRANSCRIPT = "transcript"
    EVENTS = "events", "event log"
    DOWNLOAD = "download"


class TranscriptOpening(models.Model):
    """A member of staff read a session."""

    session_id = models.CharField(max_length=128)
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    staff_name = models.CharField(max_length=150)
    view = models.CharField(max_length=16, choices=OpenedView)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "transcript_openings"
        ordering = ("-id",)
        indexes = (models.Index(fields=("session_id", "-at"), name="openings_of_session"),)

    def __str__(self) -> str:
        return f"{self.staff_name}: {self.session_id}"


class Onlooker(models.Model):
    """A member of staff has the page of a session open, now: a socket, whose process says so again and again."""

    connection_id = models.CharField(primary_key=True, max_length=64)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="+")
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    seen_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "session_onlookers"

    def __str__(self) -> str:
        return self.connection_id


class RetentionRun(models.Model):
    """One run of the retention, as it went."""

    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    words = models.IntegerField(default=0)
    """Sessions whose words were erased."""
    tool_data = models.IntegerField(default=0)
    sessions = models.IntegerField(default=0)
    """Deleted with all their figures."""
    failed = models.IntegerField(default=0)
    """Sessions that could not be erased; the server's log says why."""

    class Meta:
        db_table = "retention_runs"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"
