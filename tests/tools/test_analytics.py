"""A session's figures come from its log."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from sessions_app.errors import SessionNotFound
from sessions_app.log.events import (
    Outcome,
    ResponseDone,
    ResponseStatus,
    Timings,
    ToolCall,
    ToolResult,
    Usage,
)
from sessions_app.models import Session
from sessions_app.selectors.analytics import Spread, ToolUse, session_analytics
from tests.tools.conftest import MakeSession, answered, asked

pytestmark = pytest.mark.django_db(transaction=True)


def done(status: str, *, first_ms: float | None = None, total_ms: float = 0.0, **usage: int) -> ResponseDone:
    timings = Timings(first_token_ms=first_ms, total_ms=total_ms)
    return ResponseDone(
        response_id="r1", status=ResponseStatus(status), usage=Usage(**usage), timings=timings
    )


def called(name: str, call_id: str) -> ToolCall:
    return ToolCall(
        response_id="r1",
        item_id=f"item_{call_id}",
        call_id=call_id,
        output_index=0,
        name=name,
        arguments="{}",
    )


def result(name: str, call_id: str, outcome: str = "ok", duration_ms: float = 0.0) -> ToolResult:
    return ToolResult(
        item_id=f"item_{call_id}",
        call_id=call_id,
        name=name,
        output="x",
        outcome=Outcome(outcome),
        duration_ms=duration_ms,
    )


LOG = (
    asked("What time is it?"),
    called("get_time", "c1"),
    called("get_time", "c2"),
    result("get_time", "c1", duration_ms=10.0),
    result("get_time", "c2", "error", duration_ms=30.0),
    answered("Late."),
    done("completed", first_ms=100.0, total_ms=1000.0, input_tokens=10, output_tokens=5, cached_tokens=4),
    asked("And now?"),
    answered("Later."),
    done("completed", first_ms=300.0, total_ms=3000.0, input_tokens=20, output_tokens=6, reasoning_tokens=2),
    asked("Stop"),
    done("cancelled", first_ms=200.0, total_ms=60_000.0),
    asked("Pay"),
    called("pay", "c3"),
    result("pay", "c3", "unknown"),
    done("failed"),
    called("get_time", "c4"),
)


def test_the_figures_are_those_of_the_log(make_session: MakeSession) -> None:
    make_session("s1", *LOG)
    make_session("s2", *LOG)
    figures = session_analytics(session_id="s1")
    assert (figures.user_messages, figures.assistant_messages, figures.events) == (4, 2, len(LOG))
    assert figures.responses == {"completed": 2, "cancelled": 1, "failed": 1}
    assert (figures.input_tokens, figures.output_tokens) == (30, 11)
    assert (figures.cached_tokens, figures.reasoning_tokens) == (4, 2)
    assert figures.first_token == Spread(median_ms=200.0, longest_ms=300.0)
    assert figures.whole_answer == Spread(median_ms=2000.0, longest_ms=3000.0)
    assert figures.tools == {
        "get_time": ToolUse(calls=3, ok=1, error=1, total_ms=40.0, longest_ms=30.0),
        "pay": ToolUse(calls=1, unknown=1),
    }


def test_a_session_in_which_nothing_happened_has_figures_too(make_session: MakeSession) -> None:
    make_session("s1")
    figures = session_analytics(session_id="s1")
    assert (figures.responses, figures.tools, figures.cached_tokens) == ({}, {}, 0)
    assert figures.first_token == figures.whole_answer == Spread(median_ms=None, longest_ms=None)


def test_the_duration_runs_until_the_end(make_session: MakeSession) -> None:
    make_session("s1", started=timezone.now() - timedelta(seconds=90))
    assert session_analytics(session_id="s1").duration_seconds == pytest.approx(90, abs=5)
    Session.objects.update(duration_seconds=12.5)
    assert session_analytics(session_id="s1").duration_seconds == 12.5


def test_an_unknown_session_is_not_found() -> None:
    with pytest.raises(SessionNotFound):
        session_analytics(session_id="none")


def test_the_number_of_queries_does_not_grow_with_the_log(make_session: MakeSession) -> None:
    make_session("s1", *LOG * 20)
    with CaptureQueriesContext(connection) as queries:
        session_analytics(session_id="s1")
    assert len(queries) == 3


def test_the_tool_tells_of_its_own_session_and_takes_no_other(
    shipped: Registry, make_session: MakeSession
) -> None:
    make_session("s1", *LOG)
    make_session("s2", asked("other"))
    context = ToolContext(session_id="s2", call_id="c1")
    outcome = asyncio.run(run_tool(shipped, name="get_session_analytics", arguments="{}", context=context))
    figures = msgspec.json.decode(outcome.output)
    assert (figures["session_id"], figures["user_messages"]) == ("s2", 1)
    arguments = '{"session_id": "s1"}'
    outcome = asyncio.run(
        run_tool(shipped, name="get_session_analytics", arguments=arguments, context=context)
    )
    assert outcome.outcome == "error"
