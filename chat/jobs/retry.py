"""When a failed summary is tried again, and what staff are told when it is not."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from chat.conf import conf
from chat.errors import ModelCredentials, ProviderError
from chat.llm.catalog import ProviderNotConfigured
from chat.redaction import redacted
from sessions_app.errors import DatabaseAway
from sessions_app.log.rows import storable

_GROWTH = 3
_JITTER = 0.2
_NEEDS_SOMEBODY = (ModelCredentials, ProviderNotConfigured)
"""A key or a model has to be set by somebody first: retried all the same, but this much slower."""
_SLOWER = 20
_MAX_WAIT_S = 3600.0
_MAX_CAUSE_CHARS = 500


class SessionGoesOn(Exception):
    """Somebody has looked in since staff asked for another version of its summary: that is written once they are gone."""


class SummaryRetry(BaseRetryStrategy):
    """Exponential backoff, ``CHAT_SUMMARY_ATTEMPTS`` tries in all; none for what would fail the same way again."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        attempt = job.attempts + 1
        if isinstance(exception, asyncio.CancelledError):  # the worker stops: the next one goes on at once
            return RetryDecision(retry_at=datetime.now(UTC))
        if not will_retry(exception, attempt):
            return None
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=wait_s(exception, attempt)))


class NotDeliveredError(Exception):
    """A webhook was not taken; ``wait_s`` until the next try."""

    def __init__(self, words: str, wait_s: float) -> None:
        super().__init__(words)
        self.wait_s = wait_s


class DeliveryRetry(BaseRetryStrategy):
    """The job says itself when to try again, and it ends when it gives up; any other fault is the database's or ours."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        wait_s = (
            exception.wait_s if isinstance(exception, NotDeliveredError) else conf().summary_retry_seconds
        )
        if isinstance(exception, asyncio.CancelledError):
            wait_s = 0.0
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=wait_s))


def will_retry(error: BaseException, attempt: int) -> bool:
    """Whether attempt number ``attempt`` (from 1), which failed with ``error``, is followed by another.

    What is not an error of the model is retried too: a fault that the next release mends. A database that is away is no
    fault of the summary's, however often it happens, and no more is a visit.
    """
    if isinstance(error, DatabaseAway | SessionGoesOn):
        return True
    if attempt >= conf().summary_attempts:
        return False
    return not isinstance(error, ProviderError) or error.retryable or isinstance(error, _NEEDS_SOMEBODY)


def wait_s(error: BaseException, attempt: int) -> float:
    """Seconds until the next try, jittered; not less than the vendor asked for, and an hour at most."""
    wait: float = conf().summary_retry_seconds * _GROWTH ** (attempt - 1)
    if isinstance(error, DatabaseAway | SessionGoesOn):
        wait = conf().summary_retry_seconds
    wait *= random.uniform(1 - _JITTER, 1 + _JITTER)
    if isinstance(error, _NEEDS_SOMEBODY):
        wait *= _SLOWER
    asked = error.retry_after_s if isinstance(error, ProviderError) else None
    return min(max(wait, asked or 0.0), _MAX_WAIT_S)


def cause_for_staff(error: BaseException) -> str:
    """One line that says what went wrong, safe to store, without our keys."""
    if isinstance(error, ProviderError):
        text = f"{error.code}: {error.cause or error.message}"
    else:
        text = f"{type(error).__name__}: {error}"
    text = " ".join(storable(redacted(text)).split())
    return text[:_MAX_CAUSE_CHARS]
