"""sessions_app.postgres.outage: away, busy or refused, by SQLSTATE and severity alone, however the error was wrapped."""

import logging

import psycopg
import pytest
from django.db import InternalError, OperationalError
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout

from sessions_app.postgres.outage import Outage, Verdict, verdict
from tests.support.moody_proxy import Fatal


def psycopg_error(sqlstate: str) -> psycopg.Error:
    return psycopg.errors.lookup(sqlstate)("as the server said it")


AWAY = ("08006", "08P01", "25006", "53300", "53100", "57P01", "57P03", "58030", "XX000")
BUSY = ("40001", "40P01", "55P03", "57014")
REFUSED = ("22021", "23505", "42501", "42P01", "54000", "0A000", "P0001", "25P02")


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [(state, Verdict.AWAY) for state in AWAY]
    + [(state, Verdict.BUSY) for state in BUSY]
    + [(state, Verdict.REFUSED) for state in REFUSED],
)
def test_the_state_decides_whatever_class_the_driver_gives_it(sqlstate: str, expected: Verdict) -> None:
    error = psycopg_error(sqlstate)
    assert verdict(error) is expected
    for wrapper in (InternalError("django's"), OperationalError("django's"), ConnectorException()):
        wrapper.__cause__ = error
        assert verdict(wrapper) is expected


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("gone"), PoolTimeout("full"), psycopg.InterfaceError()]
)
def test_an_error_without_an_answer_is_away(error: Exception) -> None:
    assert verdict(error) is Verdict.AWAY


@pytest.mark.parametrize("error", [psycopg.DataError("NUL"), psycopg.ProgrammingError("types"), ValueError()])
def test_an_error_of_our_own_is_none_of_the_database(error: Exception) -> None:
    assert verdict(error) is Verdict.REFUSED


def test_a_fatal_ends_the_connection_whatever_its_state_is(monkeypatch: pytest.MonkeyPatch) -> None:
    error = psycopg_error("42501")
    monkeypatch.setattr(type(error), "diag", property(lambda _: _Diag("FATAL")))
    assert verdict(error) is Verdict.AWAY
    monkeypatch.setattr(type(error), "diag", property(lambda _: _Diag("ERROR")))
    assert verdict(error) is Verdict.REFUSED


class _Diag:
    def __init__(self, severity: str) -> None:
        self.severity_nonlocalized = severity


def test_an_outage_is_told_once_and_once_more_when_it_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = Outage()
    now = 100.0
    monkeypatch.setattr("sessions_app.postgres.outage.time.monotonic", lambda: now)
    with caplog.at_level(logging.WARNING, logger="sessions_app"):
        outage.wrote()
        assert caplog.messages == []
        for _ in range(20):
            outage.noticed(psycopg_error("25006"))
        outage.wrote()  # one part of the process is back; the others are not
        outage.noticed(psycopg_error("25006"))
        assert caplog.messages == ["the database is away, trying again: as the server said it"]
        now += 12.0
        outage.wrote()
        outage.wrote()
        assert caplog.messages[1:] == ["the database is back after 12.0 s"]


def test_a_message_of_a_pooler_is_read_as_the_server_wrote_it() -> None:
    """What the tests' proxy sends is well-formed: its state and severity are the last thing to be guessed at."""
    message = Fatal("XX000", "lost").as_message()
    assert message[:1] == b"E"
    assert int.from_bytes(message[1:5], "big") == len(message) - 1
