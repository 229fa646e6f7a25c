"""What staff do with assistants: save a version, put one before the people, go back to one, retire."""

import msgspec
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from sessions_app import hooks
from sessions_app.assistant import AssistantSettings
from sessions_app.models import Assistant, AssistantVersion
from sessions_app.postgres.threads import after_commit


def save_version(*, slug: str, settings: AssistantSettings, by: str) -> AssistantVersion:
    """A new version, of a new assistant where there is none of that name; nobody gets it until it is published. What is the
    same as the last one is that one."""
    with transaction.atomic():
        assistant, _ = Assistant.objects.get_or_create(slug=slug)
        assistant = Assistant.objects.select_for_update().get(pk=assistant.pk)
        kept = msgspec.json.decode(msgspec.json.encode(settings))  # as it comes back, with lists
        last = assistant.versions.order_by("-number").first()
        if last is not None and last.settings == kept:
            return last
        number = (assistant.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        return AssistantVersion.objects.create(assistant=assistant, number=number, settings=kept, made_by=by)


def publish(*, slug: str, version: int, by: str) -> AssistantVersion:
    """The version that new sessions get from now on; an older one, too. Raises `AssistantVersion.DoesNotExist`."""
    with transaction.atomic():
        assistant = Assistant.objects.select_for_update().get(pk=slug)
        chosen = assistant.versions.get(number=version)
        assistant.live, assistant.active = version, True
        assistant.save(update_fields=["live", "active"])
        assistant.versions.filter(number=version).update(published_at=Now(), published_by=by)
        after_commit(hooks.assistants_changed)
    return chosen


def retire(*, slug: str) -> None:
    """No session begins with it any more."""
    with transaction.atomic():
        Assistant.objects.filter(pk=slug).update(active=False)
        after_commit(hooks.assistants_changed)
