"""The assistants as they stand: what a process keeps in memory, and what the admin shows."""

import logging
from dataclasses import dataclass

from django.db.models import F

from sessions_app.assistant import AssistantSettings, assistant_of, readable_part_of
from sessions_app.models import Assistant, AssistantVersion

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KeptVersion:
    slug: str
    version: int
    settings: AssistantSettings


def live_assistants() -> dict[str, KeptVersion | None]:
    """By slug: the version that people get; None for one that nobody gets any more. One that was never published is not among
    them: drafts say nothing of what the settings have under their name."""
    begun = Assistant.objects.exclude(active=True, live=0)
    found: dict[str, KeptVersion | None] = dict.fromkeys(begun.values_list("slug", flat=True))
    live = AssistantVersion.objects.filter(assistant__active=True, number=F("assistant__live"))
    return {**found, **{one.assistant_id: _kept(one) for one in live.order_by()}}


def assistant_version(*, slug: str, version: int) -> KeptVersion | None:
    """Any version, whoever gets it."""
    row = AssistantVersion.objects.filter(assistant_id=slug, number=version).first()
    return _kept(row) if row else None


def readable_part(*, slug: str, version: int) -> AssistantSettings | None:
    """What this build reads of a version; None where it is not there."""
    row = AssistantVersion.objects.filter(assistant_id=slug, number=version).first()
    return readable_part_of(row.settings) if row else None


def _kept(row: AssistantVersion) -> KeptVersion | None:
    """None, with a line in the log, for what this build cannot read."""
    try:
        settings = assistant_of(row.settings)
    except ValueError as error:
        logger.warning("%s cannot be read: %s", row, error)
        return None
    return KeptVersion(slug=row.assistant_id, version=row.number, settings=settings)
