"""chat.jobs.retry: how often, how soon, and what is said when it is over."""

import asyncio
from datetime import UTC, datetime

import pytest
from procrastinate.jobs import Job
from pytest_django.fixtures import Settings

from chat.errors import (
    ModelBadRequest,
    ModelContextTooLong,
    ModelCredentials,
    ModelOverloaded,
    ModelRefused,
    ModelTimeout,
)
from chat.jobs.retry import SummaryRetry, cause_for_staff, wait_s, will_retry
from chat.llm.catalog import ProviderNotConfigured
from sessions_app.errors import DatabaseAway


def job(attempts: int) -> Job:
    return Job(
        queue="summaries", lock=None, queueing_lock=None, task_name="summarise_session", attempts=attempts
    )


def seconds_until_retry(error: BaseException, attempts: int) -> float | None:
    decision = SummaryRetry().get_retry_decision(exception=error, job=job(attempts))
    if decision is None:
        return None
    assert decision.retry_at is not None
    return (decision.retry_at - datetime.now(UTC)).total_seconds()


def test_the_wait_grows_threefold_with_some_jitter() -> None:
    for attempts, seconds in enumerate((10, 30, 90, 270)):
        waits = {round(seconds_until_retry(ModelOverloaded(), attempts) or 0, 6) for _ in range(20)}
        assert len(waits) > 1
        assert all(seconds * 0.8 - 1 <= wait <= seconds * 1.2 for wait in waits)


def test_the_tries_are_counted(settings: Settings) -> None:
    assert seconds_until_retry(ModelOverloaded(), 3) is not None
    assert seconds_until_retry(ModelOverloaded(), 4) is None
    settings.CHAT_SUMMARY_ATTEMPTS = 2
    assert seconds_until_retry(ModelOverloaded(), 0) is not None
    assert seconds_until_retry(ModelOverloaded(), 1) is None


@pytest.mark.parametrize("error", [ModelRefused(), ModelContextTooLong(), ModelBadRequest()])
def test_what_would_fail_the_same_way_is_not_tried_again(error: Exception) -> None:
    assert not will_retry(error, 1)


@pytest.mark.parametrize(
    "error",
    [ModelTimeout(), DatabaseAway(), RuntimeError("a bug"), ModelCredentials(), ProviderNotConfigured()],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert will_retry(error, 1)


def test_a_refused_key_is_retried_slowly_for_somebody_has_to_set_another() -> None:
    assert 160 <= wait_s(ModelCredentials(), 1) <= 240
    assert wait_s(ProviderNotConfigured(), 4) == 3600


def test_the_vendors_wish_counts_up_to_an_hour() -> None:
    assert wait_s(ModelOverloaded(retry_after_s=77.5), 1) == 77.5
    assert wait_s(ModelOverloaded(retry_after_s=1e9), 1) == 3600
    assert wait_s(ModelOverloaded(retry_after_s=1.0), 1) >= 8


def test_a_stopping_workers_job_goes_on_at_once_even_in_its_last_attempt() -> None:
    wait = seconds_until_retry(asyncio.CancelledError(), 99)
    assert wait is not None
    assert wait <= 0


def test_the_cause_names_the_error_and_never_a_key(settings: Settings) -> None:
    settings.CHAT_GEMINI_API_KEY = "AIza-very-secret"
    error = ModelCredentials(cause="key AIza-very-secret\nis not valid\x00")
    assert cause_for_staff(error) == "model_bad_credentials: key [key] is not valid"
    assert cause_for_staff(ModelTimeout()) == f"model_timeout: {ModelTimeout().message}"
    assert cause_for_staff(ValueError("x" * 1000)).startswith("ValueError: xxx")
    assert len(cause_for_staff(ValueError("x" * 1000))) == 500
