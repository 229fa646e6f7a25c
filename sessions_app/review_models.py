"""The tables of the review desk: what staff make of a session. Its state and its assignee stand on the session's own row,
where the list's indexes are (docs/decisions/0070-the-desk-beside-the-log.md)."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

SESSION = "sessions_app.Session"
MAX_TAG_CHARS = 40
MAX_NOTE_CHARS = 5_000
MAX_REASON_CHARS = 300


class ReviewState(models.TextChoices):
    NEW = "new", "New"
    IN_REVIEW = "in_review", "In review"
    DONE = "done", "Done"
    FLAGGED = "flagged", "Flagged"


class ReviewAct(models.TextChoices):
    """What a reviewer can do, as the history tells it."""

    STATE = "state", "set the state"
    ASSIGNED = "assigned", "assigned"
    TAGGED = "tagged", "added a tag"
    UNTAGGED = "untagged", "took a tag away"
    SCORED = "scored", "scored"
    NOTED = "noted", "wrote a note"
    TAKEN = "taken", "took it from the queue"
    SKIPPED = "skipped", "skipped it"
    GIVEN_BACK = "given_back", "was away too long: back into the queue"
    TOOK_OVER = "took_over", "took the conversation over"
    HANDED_BACK = "handed_back", "handed the conversation back"


def _staff(**fields: Any) -> models.ForeignKey:  # type: ignore[type-arg]
    """The account may go; what it did stays, with the name it had."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", **fields
    )


class SessionReview(models.Model):
    """What else is known of a session's review; a row once somebody scored it or took it from the queue."""

    session = models.OneToOneField(
        SESSION, primary_key=True, on_delete=models.CASCADE, related_name="review", db_index=False
    )
    score = models.SmallIntegerField(null=True, blank=True)
    """1 to 5."""
    score_reason = models.CharField(max_length=MAX_REASON_CHARS, blank=True, default="")
    claimed_by = _staff(blank=True)
    """Who took it from the queue; without ``claimed_at`` they have finished."""
    claimed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "session_reviews"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(score__isnull=True) | models.Q(score__range=(1, 5)),
                name="session_reviews_score",
            ),
        )
        indexes = (
            models.Index(
                fields=("claimed_at",),
                condition=models.Q(claimed_at__isnull=False),
                name="session_reviews_claimed",
            ),
        )

    def __str__(self) -> str:
        return str(self.pk)


class ReviewEvent(models.Model):
    """One act of a reviewer. Rows are never updated (a trigger refuses it), so none holds a word that may have to go: of a tag
    it has the key, of a note nothing but whom it names."""

    session = models.ForeignKey(
        SESSION, on_delete=models.CASCADE, related_name="review_events", db_index=False
    )
    staff = _staff()
    staff_name = models.CharField(max_length=150)
    act = models.CharField(max_length=16, choices=ReviewAct)
    old = models.CharField(max_length=150, blank=True, default="")
    new = models.CharField(max_length=150, blank=True, default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "review_events"
        ordering = ("-id",)
        indexes = (models.Index(fields=("session", "-id"), name="review_events_of_session"),)

    def __str__(self) -> str:
        return f"{self.staff_name} {self.act}: {self.session_id}"


class ReviewNote(models.Model):
    session = models.ForeignKey(SESSION, on_delete=models.CASCADE, related_name="review_notes")
    author = _staff(db_index=False)
    author_name = models.CharField(max_length=150)
    text = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "review_notes"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.author_name}: {self.session_id}"


class ReviewMention(models.Model):
    """A note names a member of staff, who has not seen it while ``seen_at`` is empty."""

    note = models.ForeignKey(ReviewNote, on_delete=models.CASCADE, related_name="mentions")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "review_mentions"
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("note", "user"), name="review_mentions_once"),)
        indexes = (models.Index(fields=("user", "-id"), name="review_mentions_of_user"),)

    def __str__(self) -> str:
        return f"{self.note_id} -> {self.user_id}"


class ReviewTag(models.Model):
    name = models.CharField(max_length=MAX_TAG_CHARS, unique=True)

    class Meta:
        db_table = "review_tags"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class SessionTag(models.Model):
    session = models.ForeignKey(SESSION, on_delete=models.CASCADE, related_name="review_tags", db_index=False)
    tag = models.ForeignKey(ReviewTag, on_delete=models.CASCADE, related_name="+", db_index=False)
    start_time = models.DateTimeField()
    """The session's, which never changes: the newest of a tag are found by it."""

    class Meta:
        db_table = "session_tags"
        constraints = (models.UniqueConstraint(fields=("session", "tag"), name="session_tags_once"),)
        indexes = (models.Index(fields=("tag", "-start_time"), name="session_tags_newest"),)

    def __str__(self) -> str:
        return f"{self.session_id}: {self.tag_id}"


class SavedView(models.Model):
    """A filter of the session list under a name: one member of staff's own, or everybody's."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2_000, blank=True, default="")
    """As it stands in the list's address."""
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "saved_views"
        ordering = ("name", "id")
        constraints = (models.UniqueConstraint(fields=("owner", "name"), name="saved_views_once"),)

    def __str__(self) -> str:
        return self.name
