"""What is asked while somebody waits reads a handful of rows of a long session, whatever the planner makes of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app.log import events as ev
from sessions_app.log.feedback import find_answer
from sessions_app.log.lifecycle import Visitor, append_now, open_session
from sessions_app.log.pages import page_start, recent_start
from sessions_app.log.replay import (
    EarlierIds,
    before_event,
    find_ids,
    find_item,
    fold_start,
    kept_until,
    read_finished,
    read_records,
    summary_before,
)
from sessions_app.models import Session
from sessions_app.selectors.recent import recent_sessions

pytestmark = pytest.mark.django_db(transaction=True)

SESSION = "a-long-one"
TURNS = 12_000
"""With five rows each: where the planner, left to itself, walks the session by its unique index."""
FEW = 40
"""Rows that one statement may look at beyond those that it gives."""

_SEED = """
INSERT INTO session_events (session_id, first_seq, seq, role, event_type, content, payload, created_at)
SELECT %(session)s, seq, seq, role, event_type, content, payload::jsonb, now()
FROM generate_series(1, %(turns)s) AS turn, LATERAL (VALUES
    (turn * 5 - 4, 'user', 'user_message', 'a question',
     format('{"item_id": "item_u%%s", "client_event_id": "evt_%%s", "respond": true}', turn, turn)),
    (turn * 5 - 3, 'assistant', 'response_started', NULL,
     format('{"response_id": "resp_%%s", "provider": "demo", "model": "demo"}', turn)),
    (turn * 5 - 2, 'tool', 'tool_call', '{}',
     format('{"response_id": "resp_%%s", "item_id": "item_t%%s", "call_id": "call_%%s", "output_index": 0,'
            '"name": "get_time", "location": "server"}', turn, turn, turn)),
    (turn * 5 - 1, 'tool', 'tool_result', 'noon',
     format('{"item_id": "item_t%%s", "call_id": "call_%%s", "name": "get_time"}', turn, turn)),
    (turn * 5, 'assistant', 'response_done', NULL,
     format('{"response_id": "resp_%%s", "status": "completed"}', turn))
) AS made (seq, role, event_type, content, payload)
"""


@pytest.fixture
def long_session() -> str:
    """A session of 60,000 rows, of which the planner knows."""
    open_session(session_id=SESSION, visitor=Visitor(), process_id="proc_test", model="demo")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM session_events WHERE session_id = %s", [SESSION])
        cursor.execute(_SEED, {"session": SESSION, "turns": TURNS})
        cursor.execute("ANALYZE session_events")
    Session.objects.filter(pk=SESSION).update(last_seq=TURNS * 5)
    return SESSION


def looked_at(plan: dict[str, Any]) -> float:
    """The rows that the plan's scans read, kept or not."""
    rows = 0.0
    if "Scan" in plan["Node Type"] and "Relation Name" in plan:
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        rows = plan["Actual Loops"] * (plan["Actual Rows"] + removed)
    return rows + sum(looked_at(part) for part in plan.get("Plans", ()))


def plans_of(ask: Callable[[], Any]) -> list[tuple[str, dict[str, Any]]]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        ask()
    statements = [
        query["sql"] for query in captured.captured_queries if query["sql"].startswith(("SELECT", "WITH"))
    ]
    plans = []
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
            found = cursor.fetchone()[0]
        plans.append((statement, (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))
    assert plans
    return plans


HOT: dict[str, tuple[Callable[[], Any], int]] = {
    "the item that a message names": (
        lambda: find_ids(
            session_id=SESSION,
            through_seq=TURNS * 5,
            item_ids=["item_u7", "item_t8000"],
            client_event_id="evt_9",
        ),
        1,
    ),
    "an id that stands nowhere": (
        lambda: find_ids(
            session_id=SESSION, through_seq=TURNS * 5, item_ids=["item_no"], client_event_id="evt_no"
        ),
        0,
    ),
    "an answer to be rated": (lambda: find_answer(session_id=SESSION, item_id="item_t5000"), 2),
    "the last answer": (lambda: find_answer(session_id=SESSION, item_id=None), 2 * 500),
    "an item": (lambda: find_item(session_id=SESSION, item_id="item_t5000"), 1),
    "a page of a replay": (lambda: read_records(session_id=SESSION, after=30_000, limit=100), 200),
    "how far a reader may go on": (lambda: kept_until(session_id=SESSION, seq=30_000), 1),
    "where a reader begins": (lambda: fold_start(session_id=SESSION, seq=30_000), 1),
    "what lies before an event": (lambda: before_event(session_id=SESSION, seq=30_000), 1),
    "where the last page begins": (lambda: recent_start(session_id=SESSION, until=TURNS * 5), 4 * 60),
    "where a page before begins": (lambda: page_start(session_id=SESSION, until=30_000), 4 * 60),
    "a page that is finished": (
        lambda: read_finished(session_id=SESSION, after=30_000, until=30_100),
        100,
    ),
    "the summary before an item": (
        lambda: summary_before(session_id=SESSION, item_id="item_u7", seq=30_000),
        0,
    ),
    "somebody's own sessions": (lambda: recent_sessions(user_id=None, guest_id="g1"), 1),
}


def test_what_is_asked_while_somebody_waits_looks_at_a_handful_of_rows(long_session: str) -> None:
    del long_session
    walks = [
        f"{what}: {looked_at(plan):.0f} rows for {statement}"
        for what, (ask, given) in HOT.items()
        for statement, plan in plans_of(ask)
        if looked_at(plan) > given + FEW
    ]
    assert walks == []


def test_an_item_and_its_result_are_found_and_a_deleted_one_is_not(long_session: str) -> None:
    made, result = find_item(session_id=long_session, item_id="item_t5000")
    assert made is not None
    assert result is not None
    assert isinstance(made.event, ev.ToolCall)
    assert isinstance(result.event, ev.ToolResult)
    assert (made.seq, result.seq) == (24_998, 24_999)

    said = ev.UserMessage(item_id="item_late", text="late", client_event_id="evt_late")
    opened = open_session(
        session_id=long_session, visitor=Visitor(secret_of=long_session), process_id="proc_test", model="demo"
    )
    events = (said, ev.ItemDeleted(item_id="item_late"))
    append_now(session_id=long_session, epoch=opened.epoch, last_seq=opened.last_seq, events=events)
    assert find_item(session_id=long_session, item_id="item_late") == (None, None)

    def look(through_seq: int) -> EarlierIds:
        ids = ["item_late", "item_u7"]
        return find_ids(
            session_id=long_session, through_seq=through_seq, item_ids=ids, client_event_id="evt_late"
        )

    last = opened.last_seq + 2
    found = look(last)
    assert found.items == {"item_u7": 31}
    assert found.client_events == {"evt_late": opened.last_seq + 1}
    assert look(last - 1).items == {"item_u7": 31, "item_late": last - 1}
    assert look(last - 2).client_events == {}
