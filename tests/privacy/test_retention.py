"""The retention: what is due, what a run does, what it leaves behind; and the commands."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from chat.tasks import retain
from sessions_app import hooks
from sessions_app.models import EraseActor, Erasure, RetentionRun, Session, SessionStatus, TranscriptOpening
from sessions_app.privacy import retention
from sessions_app.privacy.erase import By, erase_sessions
from sessions_app.privacy.export import export_person
from sessions_app.privacy.people import user_named
from sessions_app.privacy.retention import Retention, count_due, forget_owners
from tests.admin.rows import call, write_session

from .words import MARK, rows_with, session_full_of

pytestmark = pytest.mark.django_db(transaction=True)


def ended(session_id: str, *, days_ago: float, **fields: Any) -> Session:
    at = timezone.now() - timedelta(days=days_ago)
    return session_full_of(f"{MARK}{session_id}", session_id, start_time=at, end_time=at, **fields)


def run() -> RetentionRun:
    one = Retention()
    while one.step():
        pass
    one.run.refresh_from_db()
    return one.run


def with_words() -> list[str]:
    return [one for one in ("old", "new", "open") if rows_with(f"{MARK}{one}")]


def test_without_a_setting_everything_is_kept() -> None:
    ended("old", days_ago=5000)
    finished = run()
    assert (finished.words, finished.tool_data, finished.sessions, finished.failed) == (0, 0, 0, 0)
    assert finished.finished_at
    assert count_due() == {}
    assert with_words() == ["old"]


def test_words_go_when_their_session_ended_long_enough_ago(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP_SIZE", 1)
    settings.SESSIONS_RETENTION_DAYS = 30
    ended("old", days_ago=31)
    ended("older", days_ago=100)
    ended("new", days_ago=29)
    ended("open", days_ago=100, status=SessionStatus.ACTIVE)
    assert count_due() == {"words": 2}
    assert run().words == 2
    assert with_words() == ["new", "open"]
    assert set(Erasure.objects.values_list("scope", "actor")) == {("words", "retention")}
    assert run().words == 0


def test_tool_data_goes_sooner_and_again_after_another_visit(settings: Any) -> None:
    settings.SESSIONS_RETENTION_TOOL_DAYS = 7
    at = timezone.now() - timedelta(days=8)
    fields: dict[str, Any] = {"status": SessionStatus.ENDED, "start_time": at, "end_time": at}
    write_session([call(arguments=f'"{MARK}"')], session_id="tools", **fields)
    write_session(session_id="none", **fields)
    assert run().tool_data == 1
    assert rows_with(MARK) == []
    assert count_due() == {"tool_data": 0}
    Session.objects.filter(pk="tools").update(
        end_time=timezone.now() - timedelta(days=7, hours=1), tool_data_erased_at=at
    )
    assert count_due() == {"tool_data": 1}


def test_whole_sessions_go_with_all_that_names_them(settings: Any) -> None:
    settings.SESSIONS_RETENTION_SESSION_DAYS = 365
    ended("old", days_ago=400)
    ended("new", days_ago=300)
    TranscriptOpening.objects.create(session_id="old", staff_name="grace", view="transcript")
    assert run().sessions == 1
    assert list(Session.objects.values_list("session_id", flat=True)) == ["new"]
    assert not TranscriptOpening.objects.exists()
    assert Erasure.objects.get().scope == "session"


def test_one_that_fails_is_counted_and_does_not_keep_the_others(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(session_id: str) -> None:
        if session_id == "old":
            raise RuntimeError("not this one")

    monkeypatch.setattr(hooks, "_session_erased", [refuse])
    settings.SESSIONS_RETENTION_DAYS = 30
    ended("old", days_ago=31)
    ended("new", days_ago=32)
    finished = run()
    assert (finished.words, finished.failed, bool(finished.finished_at)) == (1, 1, True)


def test_one_that_takes_the_database_too_long_does_not_keep_the_others_either(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be met again the next night, and those behind it never."""

    def refuse(session_id: str) -> None:
        if session_id == "old":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 10")
                cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(hooks, "_session_erased", [refuse])
    settings.SESSIONS_RETENTION_DAYS = 30
    ended("old", days_ago=31)
    ended("new", days_ago=32)
    finished = run()
    assert (finished.words, finished.failed, bool(finished.finished_at)) == (1, 1, True)
    tally = erase_sessions(["old"], by=By(actor=EraseActor.COMMAND))
    assert (tally.erased, tally.failed) == (0, 1)


def test_an_erased_session_says_whose_it_was_for_two_days(settings: Any) -> None:
    """So that nobody gets a new budget by erasing what the old one was spent on."""
    ada = User.objects.create_user("ada")
    for days, session_id in ((1, "fresh"), (3, "past")):
        at = timezone.now() - timedelta(days=days)
        write_session(session_id=session_id, user=ada, guest_id="g", erased_at=at)
    write_session(session_id="live", user=ada)
    assert forget_owners() == 1
    owned = Session.objects.filter(user=ada).order_by("pk").values_list("session_id", flat=True)
    assert list(owned) == ["fresh", "live"]
    assert Session.objects.get(pk="past").guest_id == ""


async def test_the_worker_does_it_every_night(settings: Any) -> None:
    from sessions_app.postgres.threads import in_db_thread

    settings.SESSIONS_RETENTION_DAYS = 30
    await in_db_thread(lambda: ended("old", days_ago=31))
    await retain.func(timestamp=0)
    assert await in_db_thread(lambda: RetentionRun.objects.get().words) == 1


# The commands


def told(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command(*args, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_a_dry_run_changes_nothing(settings: Any) -> None:
    settings.SESSIONS_RETENTION_DAYS = 30
    ended("old", days_ago=31)
    words = told("retention", "--dry-run")
    assert "RETENTION_DAYS=30" in words
    assert "words: 1 sessions would be erased" in words
    assert not RetentionRun.objects.exists()
    assert with_words() == ["old"]
    assert "words of 1 sessions" in told("retention")
    assert with_words() == []


def test_erase_by_session_user_and_guest() -> None:
    quillon = User.objects.create_user("quillon")
    session_full_of(MARK, "s1")
    session_full_of(MARK, "s2", user=quillon)
    session_full_of(MARK, "s3", guest_id="g1")
    assert "would be erased" in told("erase", "--session", "s1", "--dry-run")
    assert "1 sessions would be erased" in told("erase", "--user", "quillon", "--dry-run")
    assert not Erasure.objects.exists()
    assert "s1: erased." in told("erase", "--session", "s1")
    assert "s1: erased already." in told("erase", "--session", "s1")
    assert "1 sessions erased." in told("erase", "--guest", "g1")
    assert "The account is deleted." in told("erase", "--user", "quillon", "--account")
    assert rows_with(MARK) == []
    assert rows_with("quillon") == []
    assert set(Erasure.objects.values_list("actor", flat=True)) == {"command"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--session", "none"],
        ["--user", "none"],
        ["--session", "s1", "--account"],
        ["--guest", "g1", "--external", "x"],
        [],
    ],
)
def test_erase_says_what_it_cannot_do(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        told("erase", *arguments)


def test_one_of_a_users_own_users_is_erased_and_exported_alone() -> None:
    shop = User.objects.create_user("shop")
    session_full_of(f"{MARK}one", "s1", user=shop, external_user_id="customer-1")
    session_full_of(f"{MARK}two", "s2", user=shop, external_user_id="customer-2")
    person = user_named("shop", external_user_id="customer-1")
    exported = "".join(export_person(person))
    assert f"{MARK}one" in exported
    assert f"{MARK}two" not in exported
    assert '"external_user_id":"customer-1"' in exported.splitlines()[0]
    assert "shop" not in exported.splitlines()[0]
    assert "1 sessions erased." in told("erase", "--user", "shop", "--external", "customer-1")
    assert rows_with(f"{MARK}one") == []
    assert rows_with(f"{MARK}two")
    Session.objects.filter(pk="s1").update(erased_at=timezone.now() - timedelta(days=3))
    forget_owners()
    assert rows_with("customer-1") == []


def test_export_writes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    ada = User.objects.create_user("ada")
    session_full_of("mine", "s1", user=ada)
    path = tmp_path / "ada.ndjson"
    told("export", "--user", "ada", "--output", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().count('"type":"session"') == 1
    with pytest.raises(CommandError):
        told("export", "--user", "ada", "--output", str(path))


def test_the_admins_own_log_forgets_the_name_of_an_account_that_is_erased() -> None:
    ada, boss = User.objects.create(username="ada-lovelace"), User.objects.create(username="boss")
    for about in (ada, boss):
        LogEntry.objects.create(
            user=boss,
            content_type=ContentType.objects.get_for_model(User),
            object_id=str(about.pk),
            object_repr=str(about),
            action_flag=CHANGE,
        )
    call_command("erase", user="ada-lovelace", account=True)
    assert sorted(LogEntry.objects.values_list("object_repr", flat=True)) == ["(account deleted)", "boss"]
