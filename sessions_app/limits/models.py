"""Three small tables that may be lost at any time: PostgreSQL keeps them unlogged."""

from django.db import models


class Level(models.Model):
    """How much one subject has used of one bound; it drains evenly."""

    subject = models.CharField(primary_key=True, max_length=200)
    used = models.FloatField()
    per_second = models.FloatField()
    """So much drains in a second."""
    at = models.DateTimeField()
    """When ``used`` was right."""
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.subject}: {self.used:g}"


class Hold(models.Model):
    """How many of something one process holds for one subject at the moment, as it last said."""

    subject = models.CharField(max_length=200)
    process = models.CharField(max_length=64)
    held = models.IntegerField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["subject", "process"], name="limits_hold_of_a_process"),
        )

    def __str__(self) -> str:
        return f"{self.subject} in {self.process}: {self.held}"


class CacheEntry(models.Model):
    """Django's cache, which libraries keep their own limits and used codes in (`sessions_app.limits.cache`)."""

    key = models.CharField(primary_key=True, max_length=250)
    value = models.JSONField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "cache entries"

    def __str__(self) -> str:
        return self.key
