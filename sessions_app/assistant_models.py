"""The tables of the assistants: one row for each, and one for each version of it."""

from django.db import models
from django.db.models.functions import Now


class Assistant(models.Model):
    """Somebody whom people talk with, under a name of the shop's."""

    slug = models.CharField(primary_key=True, max_length=40)
    live = models.PositiveIntegerField(default=0, db_default=0)
    """The version that people get; 0: none yet."""
    active = models.BooleanField(default=True, db_default=True)
    """False: no session begins with it any more; those that did go on."""
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "assistants"
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug


class AssistantVersion(models.Model):
    """How an assistant was when somebody saved it. Never changed and never deleted: sessions go on with theirs."""

    assistant = models.ForeignKey(
        Assistant, on_delete=models.PROTECT, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    """From 1."""
    settings = models.JSONField()
    """`sessions_app.assistant.AssistantSettings`."""
    made_at = models.DateTimeField(db_default=Now())
    made_by = models.CharField(max_length=150)
    """The member of staff's name."""
    published_at = models.DateTimeField(null=True, blank=True)
    """When it last became the one that people get; None: it never did."""
    published_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        db_table = "assistant_versions"
        ordering = ("assistant", "-number")
        constraints = (
            models.UniqueConstraint(fields=("assistant", "number"), name="assistant_versions_once"),
        )

    def __str__(self) -> str:
        return f"{self.assistant_id}, version {self.number}"
