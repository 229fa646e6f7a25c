"""The search in past sessions: finds what was said, in one's own sessions and in no others."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from sessions_app.log.events import AssistantDelta, OperatorMessage, ToolResult
from sessions_app.models import EraseActor, Session, SessionEvent
from sessions_app.privacy.erase import By, erase_session
from sessions_app.selectors import search
from sessions_app.selectors.search import search_sessions
from tests.tools.conftest import MakeSession, answered, asked

pytestmark = pytest.mark.django_db(transaction=True)


def find(registry: Registry, query: str, *, session_id: str = "now", **who: Any) -> list[str]:
    return [one["session_id"] for one in ask(registry, query, session_id=session_id, **who)["sessions"]]


def ask(
    registry: Registry, query: str, *, session_id: str = "now", limit: int = 5, **who: Any
) -> dict[str, Any]:
    outcome = call(registry, query, session_id=session_id, limit=limit, **who)
    assert outcome.outcome == "ok", outcome.output
    found: dict[str, Any] = msgspec.json.decode(outcome.output)
    return found


def call(registry: Registry, query: str, *, session_id: str = "now", limit: int = 5, **who: Any) -> Any:
    arguments = msgspec.json.encode({"query": query, "limit": limit}).decode()
    context = ToolContext(session_id=session_id, call_id="c1", **who)
    return asyncio.run(run_tool(registry, name="search_my_sessions", arguments=arguments, context=context))


@pytest.fixture
def ann() -> int:
    return int(get_user_model().objects.create_user("ann").pk)


@pytest.fixture
def bob() -> int:
    return int(get_user_model().objects.create_user("bob").pk)


def test_nobody_finds_what_is_anothers(
    shipped: Registry, make_session: MakeSession, ann: int, bob: int
) -> None:
    make_session("of_ann", asked("my zebra"), user_id=ann)
    make_session("of_bob", asked("my zebra"), user_id=bob)
    make_session("of_g1", asked("my zebra"), guest_id="g1")
    make_session("of_g2", asked("my zebra"), guest_id="g2")
    make_session("nobodys", asked("my zebra"))
    assert find(shipped, "zebra", user_id=ann) == ["of_ann"]
    assert find(shipped, "zebra", user_id=bob) == ["of_bob"]
    assert find(shipped, "zebra", guest_id="g1") == ["of_g1"]
    assert find(shipped, "zebra", guest_id="g2") == ["of_g2"]
    assert find(shipped, "zebra", guest_id="g3") == []
    assert find(shipped, "zebra", user_id=bob + 1) == []
    assert sorted(find(shipped, "zebra", user_id=ann, guest_id="g1")) == ["of_ann", "of_g1"]
    outcome = call(shipped, "zebra")
    assert outcome.outcome == "error"
    assert "The user is not known here" in outcome.output


def test_what_was_erased_is_not_found_by_what_stands_in_its_place(
    shipped: Registry, make_session: MakeSession, ann: int
) -> None:
    make_session("s1", asked("my zebra"), user_id=ann)
    make_session("s2", asked("Has my zebra been erased?"), user_id=ann)
    erase_session(session_id="s1", by=By(actor=EraseActor.OWNER))
    assert find(shipped, "erased", user_id=ann) == ["s2"]


def test_a_shops_customer_finds_what_is_theirs_and_the_shop_all_of_it(
    shipped: Registry, make_session: MakeSession, ann: int, bob: int
) -> None:
    customers = {
        "of_kim": (ann, "kim"),
        "of_lee": (ann, "lee"),
        "of_another_kim": (bob, "kim"),
        "of_ann": (ann, ""),
    }
    for session_id, (account, customer) in customers.items():
        make_session(session_id, asked("my zebra"), user_id=account)
        Session.objects.filter(pk=session_id).update(external_user_id=customer)
    assert find(shipped, "zebra", account_id=ann, external_user_id="kim") == ["of_kim"]
    assert find(shipped, "zebra", account_id=bob, external_user_id="kim") == ["of_another_kim"]
    assert find(shipped, "zebra", account_id=bob, external_user_id="lee") == []
    assert find(shipped, "zebra", external_user_id="kim") == []
    assert sorted(find(shipped, "zebra", user_id=ann, account_id=ann)) == ["of_ann", "of_kim", "of_lee"]


def test_a_guests_session_that_became_a_users_is_the_users_alone(
    shipped: Registry, make_session: MakeSession, ann: int
) -> None:
    make_session("s1", asked("my zebra"), guest_id="g1")
    Session.objects.filter(pk="s1").update(user_id=ann)
    assert find(shipped, "zebra", guest_id="g1") == []
    assert find(shipped, "zebra", user_id=ann) == ["s1"]


def test_staff_search_their_own_sessions_like_everybody(
    shipped: Registry, make_session: MakeSession, ann: int, bob: int
) -> None:
    make_session("of_bob", asked("my zebra"), user_id=bob)
    assert find(shipped, "zebra", user_id=ann, is_staff=True) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("zebra", ["answer", "question"]),
        ("ZEBRA", ["answer", "question"]),
        ("striped zebra", ["question"]),
        ('"zebra striped"', []),
        ('"striped zebra"', ["question"]),
        ("lion or zebra", ["answer", "lion", "question"]),
        ("zebra -striped", ["answer"]),
        ("zebr", []),
        ("größe", ["umlaut"]),
        ("naïve@example.com", []),
        ("zebra\x00", ["answer", "question"]),
        ("'; DROP TABLE sessions; --", []),
        ("zebra & | ! ( :*", ["answer", "question"]),
    ],
)
def test_the_query_is_read_like_a_web_search(
    shipped: Registry, make_session: MakeSession, ann: int, query: str, found: list[str]
) -> None:
    make_session("question", asked("A striped zebra?"), user_id=ann)
    make_session("answer", answered("The zebra eats grass."), user_id=ann)
    make_session("lion", asked("lion"), user_id=ann)
    make_session("umlaut", asked("Welche Größe?"), user_id=ann)
    assert sorted(find(shipped, query, user_id=ann)) == found


def test_only_what_user_and_model_said_is_searched(
    shipped: Registry, make_session: MakeSession, ann: int
) -> None:
    delta = AssistantDelta(response_id="r1", item_id="i1", output_index=0, offset=0, text="zebra")
    output = ToolResult(item_id="i2", call_id="c1", name="t", output="zebra")
    word = OperatorMessage(item_id="i3", text="zebra", author="boss")
    make_session("s1", delta, output, word, user_id=ann)
    assert find(shipped, "zebra", user_id=ann) == []


def test_a_find_tells_the_session_and_its_newest_match(
    shipped: Registry, make_session: MakeSession, ann: int
) -> None:
    started = timezone.now() - timedelta(days=3)
    log = (asked("old zebra"), answered("something else"), answered("The zebra " + "eats grass " * 200))
    make_session("s1", *log, user_id=ann, title="Animals", started=started)
    found = ask(shipped, "zebra", user_id=ann)
    (match,) = found["sessions"]
    assert found["note"] == "These are all."
    assert (match["session_id"], match["title"], match["messages"]) == ("s1", "Animals", 2)
    assert match["role"] == "assistant"
    assert match["snippet"].startswith("**zebra** eats grass eats grass")
    assert len(match["snippet"]) < 400
    assert match["started_at"][:19] == started.isoformat()[:19]
    assert match["said_at"] > match["started_at"]


def test_the_newest_come_first_and_what_the_limit_leaves_out_is_said(
    shipped: Registry, make_session: MakeSession, ann: int
) -> None:
    for number in range(4):
        make_session(f"s{number}", asked("zebra"), user_id=ann)
    found = ask(shipped, "zebra", user_id=ann, limit=3)
    assert [one["session_id"] for one in found["sessions"]] == ["s3", "s2", "s1"]
    assert found["note"].startswith("These are the 3 newest; there are more.")
    assert ask(shipped, "zebra", user_id=ann, limit=4)["note"] == "These are all."
    assert "No message" in ask(shipped, "lion", user_id=ann)["note"]


def test_the_session_that_asks_is_not_searched(
    shipped: Registry, make_session: MakeSession, ann: int
) -> None:
    make_session("now", asked("find the zebra"), user_id=ann)
    make_session("past", asked("zebra"), user_id=ann)
    assert find(shipped, "zebra", session_id="now", user_id=ann) == ["past"]
    tool = shipped.get("search_my_sessions")
    assert tool
    assert "this session is not searched" in tool.spec.description


@pytest.mark.parametrize("query", ["", "   ", "!?", '""', "\x00"])
def test_a_query_without_a_word_is_an_error(shipped: Registry, query: str) -> None:
    outcome = call(shipped, query, guest_id="g1")
    assert (outcome.outcome, outcome.output) == ("error", "The query holds no word. Give at least one.")


@pytest.mark.parametrize("limit", [0, 21, -1])
def test_the_limit_has_limits(shipped: Registry, limit: int) -> None:
    outcome = call(shipped, "zebra", limit=limit, guest_id="g1")
    assert outcome.outcome == "error"
    assert "`$.limit`" in outcome.output


def test_a_search_that_takes_too_long_is_given_up(
    shipped: Registry, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_session("s1", asked("zebra " * 1000), guest_id="g1")
    real = search._newest_sessions

    def slow(*args: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")
        return real(*args)

    monkeypatch.setattr(search, "LIMIT_MS", 50)
    monkeypatch.setattr(search, "_newest_sessions", slow)
    outcome = call(shipped, "zebra", guest_id="g1")
    assert (outcome.outcome, outcome.output) == (
        "error",
        "The search took too long. Use more, or rarer, words.",
    )
    assert outcome.duration_ms < 2000


def test_the_time_limit_ends_with_the_search(make_session: MakeSession) -> None:
    make_session("s1", asked("zebra"), guest_id="g1")
    search_sessions(text="zebra", user_id=None, guest_id="g1")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_the_index_on_the_text_is_used(make_session: MakeSession, ann: int) -> None:
    """Among the messages of a user of many sessions a rare word is found through the index; two queries in all."""
    _fill(ann)
    with CaptureQueriesContext(connection) as queries:
        result = search_sessions(text="zebra", user_id=ann, guest_id="", limit=3)
    assert (len(result.matches), result.more) == (3, True)
    reads = [query["sql"] for query in queries.captured_queries if "session_events" in query["sql"]]
    assert len(reads) == 2
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {reads[0]}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Bitmap Index Scan on session_events_words" in plan, plan
    assert "Seq Scan on session_events" not in plan, plan


def _fill(user_id: int) -> None:
    other_id = get_user_model().objects.create_user("other").pk
    sessions = Session.objects.bulk_create(
        Session(session_id=f"s{number}", user_id=user_id if number % 3 else other_id) for number in range(300)
    )
    SessionEvent.objects.bulk_create(
        SessionEvent(
            session=session,
            first_seq=seq,
            seq=seq,
            role="user",
            event_type="user_message",
            content=" ".join(f"word{(seq * 7 + number * step) % 997}" for step in range(20))
            + (" zebra" if seq == 1 else ""),
            created_at=timezone.now(),
        )
        for number, session in enumerate(sessions)
        for seq in range(1, 21)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('session_events_words')")  # as autovacuum does
        cursor.execute("ANALYZE sessions")
        cursor.execute("ANALYZE session_events")
