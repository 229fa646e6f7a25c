"""Search over sessions: what is found, and that it stays bounded."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.admin import search as searching
from sessions_app.admin.hits import marked
from sessions_app.admin.search import search
from sessions_app.models import Session
from sessions_app.postgres.threads import time_limit
from sessions_app.selectors import said
from tests.admin.rows import NOON, turn, write_session

pytestmark = pytest.mark.django_db


def found(term: str) -> set[str]:
    return set(search(Session.objects.all(), term).sessions.values_list("pk", flat=True))


@pytest.fixture
def some_sessions() -> None:
    ada = User.objects.create(username="ada.lovelace", email="ada@example.com", pk=4711)
    write_session(
        turn(1, words="about platypus"), session_id="0199aa-one", user=ada, title="Lost luggage in Oslo"
    )
    write_session(
        turn(1, words="zebra crossing"),
        session_id="0199bb-two",
        guest_id="guest77",
        summary="A **refund** was promised.",
    )
    write_session(turn(1), session_id="demo_123")


@pytest.mark.parametrize(
    ("term", "ids"),
    [
        ("0199aa-one", {"0199aa-one"}),
        ("0199", {"0199aa-one", "0199bb-two"}),
        ("demo_1", {"demo_123"}),
        ("guest77", {"0199bb-two"}),
        ("ada.love", {"0199aa-one"}),
        ("Ada", {"0199aa-one"}),
        ("ADA@example.com", {"0199aa-one"}),
        ("4711", {"0199aa-one"}),
        ("luggage", {"0199aa-one"}),
        ("Oslo LUGG", {"0199aa-one"}),
        ("refund", {"0199bb-two"}),
        ("luggage refund", set()),
        ("platypus", set()),
        ("text:platypus", {"0199aa-one"}),
        ("text: PLATYPUS about", {"0199aa-one"}),
        ('text:"zebra crossing"', {"0199bb-two"}),
        ("text:answer -zebra -platypus", {"demo_123"}),
        ("text:platypus or zebra", {"0199aa-one", "0199bb-two"}),
        ("text:21:14", set()),  # a tool's output is not what was said
        ("", {"0199aa-one", "0199bb-two", "demo_123"}),
        ("text:", {"0199aa-one", "0199bb-two", "demo_123"}),
    ],
)
@pytest.mark.usefixtures("some_sessions")
def test_finds(term: str, ids: set[str]) -> None:
    assert found(term) == ids


@pytest.mark.parametrize(
    "term",
    [
        "'",
        "\\",
        "a & | b",
        "!:*",
        "(((",
        "\0",
        "%",
        "_",
        "text:'&!(",
        'text:"',
        "😀 ",
        "a" * 5000,
        "9" * 40,
        "日本語",
        "٣",
    ],
)
@pytest.mark.usefixtures("some_sessions")
def test_no_term_is_an_error(term: str) -> None:
    assert isinstance(found(term), set)


@pytest.mark.parametrize(
    "term",
    [
        "2024/118",
        "order 2024/118",
        "10.50",
        "(10.50)",
        "ann@example.com",
        "From ann@example.com: luggage",
        "report.pdf",
        "v2.1",
        "https://example.com/a/b",
        "O'Neil's",
        "e-mail",
        "mail",
    ],
)
def test_what_signs_join_to_one_is_found_as_it_was_written(term: str) -> None:
    """An order's number, an amount, an address, a file: what a lead has in hand."""
    write_session(
        session_id="sought",
        title="From ann@example.com: luggage of order 2024/118, 10.50 EUR, report.pdf",
        summary="O'Neil's e-mail had v2.1 of https://example.com/a/b.",
    )
    write_session(session_id="other", title="Luggage of order 2025/119, 11.50 EUR", summary="A letter.")
    assert found(term) == {"sought"}


@pytest.mark.usefixtures("some_sessions")
def test_search_narrows_what_the_filters_left() -> None:
    filtered = Session.objects.filter(pk="0199bb-two")
    assert set(search(filtered, "0199").sessions.values_list("pk", flat=True)) == {"0199bb-two"}


def test_of_too_many_hits_the_newest_are_given_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "MAX_HITS", 3)
    monkeypatch.setattr(searching, "NEWEST_SESSIONS", 4)
    for number in range(8):
        write_session(session_id=f"s{number}", at=NOON - timedelta(hours=number), title="common words")
    hits = search(Session.objects.all(), "common")
    assert set(hits.sessions.values_list("pk", flat=True)) == {"s0", "s1", "s2", "s3"}
    assert "More than 3" in hits.note


def test_of_too_many_messages_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "MAX_HITS", 3)
    monkeypatch.setattr(said, "MAX_SESSIONS", 3)
    monkeypatch.setattr(said, "NEWEST_EVENTS", 14)
    for number in range(8):
        write_session(turn(1, words="common"), session_id=f"s{number}")
    hits = search(Session.objects.all(), "text:common")
    assert set(hits.sessions.values_list("pk", flat=True)) == {"s6", "s7"}
    assert "More than 3" in hits.note


def test_the_index_is_not_asked_for_a_word_that_everybody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "MAX_HITS", 3)
    monkeypatch.setattr(said, "MAX_SESSIONS", 3)
    monkeypatch.setattr(said, "COMMON_HITS", 2)
    for number in range(8):
        write_session(turn(1, words="common"), session_id=f"s{number}")
    asked: list[Any] = []
    pairs = said._pairs

    def counted(events: Any) -> Any:
        asked.append(events)
        return pairs(events)

    monkeypatch.setattr(said, "_pairs", counted)
    assert "More than 3" in search(Session.objects.all(), "text:common").note
    assert len(asked) == 1
    monkeypatch.setattr(
        said, "MAX_HITS", 30
    )  # more than there are, however common the word: then all are found
    hits = search(Session.objects.all(), "text:common")
    assert (hits.sessions.count(), hits.note) == (8, "")


def test_a_common_word_is_found_in_few_sessions_whatever_their_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "MAX_HITS", 3)
    monkeypatch.setattr(said, "NEWEST_EVENTS", 1)
    for number in range(8):
        write_session(turn(1, words="common"), session_id=f"s{number}")
    hits = search(Session.objects.filter(pk__in=["s0", "s1"]), "text:common")
    assert set(hits.sessions.values_list("pk", flat=True)) == {"s0", "s1"}
    assert hits.note == ""


def test_a_search_costs_the_same_queries_however_many_sessions_match() -> None:
    counts = []
    for sessions in (3, 60):
        for number in range(sessions):
            write_session(turn(1, words="common"), session_id=f"{sessions}-{number}", title="common")
        with CaptureQueriesContext(connection) as queries:
            search(Session.objects.all(), "common")
            search(Session.objects.all(), "text:common")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_search_that_takes_too_long_finds_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(said, "LIMIT_MS", 30)
    monkeypatch.setattr(searching, "_search", slow)
    write_session(session_id="s")
    hits = search(Session.objects.all(), "anything")
    assert not hits.sessions.exists()
    assert "too long" in hits.note


def test_the_time_limit_ends_with_its_block() -> None:
    def current() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            return str(cursor.fetchone()[0])

    before = current()
    with time_limit(limit_ms=1234):
        assert current() == "1234ms"
    assert current() == before
    with pytest.raises(TimeoutError), time_limit(limit_ms=20), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    assert current() == before


def test_the_list_shows_the_hits_and_the_note(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "MAX_HITS", 1)
    for number in range(3):
        write_session(session_id=f"s{number}", title="Lost luggage", at=NOON + timedelta(minutes=number))
    write_session(session_id="other", title="Something else")
    html = admin.get("/admin/sessions_app/session/", {"q": "luggage"}).content.decode()
    assert "/s2/change/" in html
    assert "/s0/change/" not in html
    assert "/other/change/" not in html
    assert "More than 1 sessions have these words" in html


def test_a_plain_search_leads_to_what_was_said(admin: Client) -> None:
    write_session(turn(1), session_id="talk", title="Lost luggage")

    def links(term: str) -> tuple[str, bool]:
        html = admin.get("/admin/sessions_app/session/", {"q": term, "status": "active"}).content.decode()
        found = re.search(r'class="sx-said-link" href="([^"]*)"', html)
        return (unescape(found.group(1)) if found else "", "No title, summary" in html)

    assert links("luggage") == ("?q=text%3Aluggage&status=active", False)
    assert links("no such words") == ("?q=text%3Ano+such+words&status=active", True)
    assert links("text:luggage") == ("", False)
    assert links("") == ("", False)


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("# Your **\ue000order\ue001** is *late*", "Your <mark>order</mark> is late"),
        ("- `a_b`: [the \ue000shop\ue001](https://x.example/?a)", "a_b: the <mark>shop</mark>"),
        ("2 * 3 and <b>", "2 * 3 and &lt;b&gt;"),
        ("| name | sum |\n|---|---|\n| x | 1 |", " name sum x 1 "),
    ],
)
def test_a_hit_is_in_plain_words(markdown: str, words: str) -> None:
    assert marked(markdown) == words
