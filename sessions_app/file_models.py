"""The table of the files that people put into conversations: a row for each, its bytes are in the storage."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class StoredFile(models.Model):
    """A file of somebody's. Its bytes are in the storage ``files`` under ``key``; the row comes before them and goes after them,
    so that no object is ever there that no row knows of."""

    file_id = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,  # `files_unused_of_user` begins with it
    )
    guest_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    external_user_id = models.CharField(max_length=128, blank=True, default="", db_default="")
    """Whose it is, as of a session's columns of these names, until a session has it."""
    session_id = models.CharField(max_length=128, blank=True, default="", db_default="")
    """The session in which it was used: who may enter that one may see it. Empty: it is not used yet. No foreign key: the
    session's own row may be written later."""
    name = models.CharField(max_length=255, blank=True, default="", db_default="")
    media_type = models.CharField(max_length=64)
    size = models.BigIntegerField()
    """In bytes."""
    width = models.IntegerField(default=0, db_default=0)
    height = models.IntegerField(default=0, db_default=0)
    """Of a picture, in pixels."""
    pages = models.IntegerField(default=0, db_default=0)
    """Of a PDF, as far as they can be counted."""
    sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    key = models.CharField(max_length=128)
    """Its name in the storage; tells nothing of what it is."""
    stored = models.BooleanField(default=False, db_default=False)
    """Its bytes are there, whole."""
    created_at = models.DateTimeField(db_default=Now())
    gone_at = models.DateTimeField(null=True, blank=True)
    """It was erased: nobody is shown it, and the next round of the worker's takes its bytes out of the storage."""

    class Meta:
        db_table = "session_files"
        ordering = ("created_at", "file_id")
        verbose_name = "file"
        indexes = (
            models.Index(fields=("session_id",), condition=~models.Q(session_id=""), name="files_of_session"),
            models.Index(fields=("created_at",), condition=models.Q(session_id=""), name="files_unused"),
            models.Index(fields=("user",), condition=models.Q(session_id=""), name="files_unused_of_user"),
            models.Index(
                fields=("guest_id",),
                condition=models.Q(session_id="") & ~models.Q(guest_id=""),
                name="files_unused_of_guest",
            ),
            models.Index(fields=("gone_at",), condition=models.Q(gone_at__isnull=False), name="files_gone"),
        )

    def __str__(self) -> str:
        return self.name or self.file_id
