"""The page of privacy against what there is."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.management import get_commands
from procrastinate.contrib.django import app

from realtime_ai.env import BASE_DIR, settings_of_all

PAGE = (BASE_DIR / "docs" / "privacy.md").read_text(encoding="utf-8")


def test_its_commands_and_variables_exist() -> None:
    commands = set(re.findall(r"manage\.py (\w+)", PAGE))
    assert {"erase", "export", "retention"} <= commands <= set(get_commands())
    named = set(re.findall(r"`(RETENTION_\w+)`", PAGE))
    assert named == {one.variable for one in settings_of_all() if one.variable.startswith("RETENTION_")}


def test_the_hour_of_the_nightly_job_is_its_own() -> None:
    hour, minute = re.findall(r"every night at (\d\d):(\d\d) UTC", PAGE)[0]
    cron = next(
        task.cron for (name, _), task in app.periodic_registry.periodic_tasks.items() if name == "retain"
    )
    assert cron == f"{int(minute)} {int(hour)} * * *"


@pytest.mark.django_db
def test_its_permissions_exist() -> None:
    named = set(re.findall(r"`(?:sessions_app \\\| session \\\| )?(Can [a-z ]+)`", PAGE))
    assert len(named) == 4
    assert named <= set(Permission.objects.values_list("name", flat=True))
