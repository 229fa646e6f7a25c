"""chat.checks: a misconfigured model, worker or door is told before it hurts."""

import pytest
from django.core.checks import CheckMessage, run_checks
from procrastinate.contrib.django import app
from pytest_django.fixtures import Settings

from chat import checks


def ids(messages: list[CheckMessage]) -> list[str]:
    for message in messages:
        assert message.hint, f"{message.id} does not say what to do"
    return [str(message.id) for message in messages]


def test_this_projects_own_settings_pass() -> None:
    assert [m for m in run_checks() if str(m.id).startswith("chat.")] == []


@pytest.mark.parametrize("spec", ["gemini:some-flash", "unheard-of:x", "demo:with-a-name"])
def test_a_model_that_cannot_answer_is_an_error(settings: Settings, spec: str) -> None:
    settings.CHAT_GEMINI_API_KEY = None
    settings.CHAT_LLM_MODEL = spec
    assert ids(checks.check_models(None)) == ["chat.E001"]


def test_so_is_one_that_cannot_summarise(settings: Settings) -> None:
    settings.CHAT_SUMMARY_MODEL = "unheard-of:x"
    (message,) = checks.check_models(None)
    assert message.id == "chat.E002"
    assert message.msg.startswith("CHAT_SUMMARY_MODEL=unheard-of:x:")
    settings.CHAT_SUMMARY_MODEL = "demo"
    assert checks.check_models(None) == []


def test_listening_through_a_transaction_pooler_is_an_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "PORT", 6543)
    assert checks.check_worker(None) == []
    settings.CHAT_WORKER_LISTEN = True
    assert ids(checks.check_worker(None)) == ["chat.E003"]
    monkeypatch.setitem(settings.DATABASES["default"], "PORT", 5432)
    assert checks.check_worker(None) == []


def test_a_worker_must_not_count_as_dead_between_two_heartbeats(settings: Settings) -> None:
    settings.CHAT_WORKER_HEARTBEAT_SECONDS = 16
    assert ids(checks.check_worker(None)) == ["chat.E004"]
    settings.CHAT_WORKER_HEARTBEAT_SECONDS = 15
    assert checks.check_worker(None) == []


@pytest.mark.parametrize("seconds", [0, 7, 61, 120])
def test_the_upkeep_has_to_divide_a_minute(settings: Settings, seconds: int) -> None:
    settings.CHAT_UPKEEP_SECONDS = seconds
    assert ids(checks.check_worker(None)) == ["chat.E005"]


def test_missing_upkeep_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(app.periodic_registry.periodic_tasks, ("rescue_jobs", ""))
    (message,) = checks.check_upkeep(None)
    assert message.id == "chat.W001"
    assert "rescue_jobs" in message.msg


def test_guests_are_warned_of_where_it_is_deployed(settings: Settings) -> None:
    settings.CHAT_GUESTS_ALLOWED = True
    assert "chat.W002" in ids(
        [m for m in run_checks(include_deployment_checks=True) if str(m.id).startswith("chat.")]
    )
    settings.CHAT_GUESTS_ALLOWED = False
    assert checks.check_guests(None) == []
