"""Moving in from an export as CSV, whatever its rows look like."""

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError

from chat.llm.provider import ToolCallItem, ToolResultItem
from chat.session.history import as_items
from sessions_app.log.replay import read_history, read_records
from sessions_app.log.state import SessionState
from sessions_app.models import EraseActor, Session, SessionEvent
from sessions_app.privacy.erase import By, delete_session, erase_session

from .conftest import Imported

pytestmark = pytest.mark.django_db(transaction=True)

ODD = """\ufeffSession_ID,role,content,timestamp,unused
s2,user,"Second, with a comma",2025-03-01T10:00:02Z,x
s1,user,"Two
lines and a ""quote\"\"\",2025-03-01 10:00:01+00:00,x
s1,assistant,Später: ü,1740823202,x
s1,user,Milliseconds,1740823203500,x
s1,user,Without a zone,2025-03-01T10:00:05,x
s1,assistant,Same time as before,no time at all,x
,user,Nobody's,2025-03-01T10:00:01Z,x
s3,user,Never dated,,x
s4,user
s1,USER,\x00NUL\x00 goes,2025-03-01T10:00:06Z,x

s2,tool,Alone,2025-03-01T10:00:03Z,x
"""


@pytest.fixture
def odd(tmp_path: Path) -> str:
    path = tmp_path / "export.csv"
    path.write_text(ODD, encoding="utf-8")
    return str(path)


def said(session_id: str) -> list[str]:
    rows = SessionEvent.objects.filter(session_id=session_id, content__isnull=False).order_by("seq")
    return [str(content) for content in rows.values_list("content", flat=True)]


def test_odd_rows(imported: Imported, odd: str) -> None:
    told = imported("--file", odd)
    assert "2 sessions imported, 7 events" in told
    assert said("s1") == [
        'Two\nlines and a "quote"',
        "Später: ü",
        "Milliseconds",
        "Without a zone",
        "NUL goes",
        "Same time as before",
    ]
    assert said("s2") == ["Second, with a comma"]
    for why in (
        "1 sessions: no session id",
        "2 sessions: nothing in it could be taken (in s3, s4)",
        "1 rows: no time that can be read, and none before it (in s3)",
        "1 rows: no content (in s4)",
        "1 rows: a result of a tool that was not called (in s2)",
    ):
        assert f"left out, {why}" in told
    records = read_records(session_id="s1", after=0)
    assert [record.seq for record in records] == list(range(1, 9))
    times = [record.at for record in records]
    assert times == sorted(times)


def rows_of(*rows: tuple[str, str]) -> str:
    """A CSV of one session, a second between two rows."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(["session_id", "role", "content", "timestamp"])
    for second, (role, content) in enumerate(rows):
        writer.writerow(["s1", role, content, f"2025-03-01T10:00:{second:02}Z"])
    return out.getvalue()


ROME, OSLO = (
    '{"id": "c1", "name": "rain", "args": {"in": "Rome"}}',
    '{"id": "c2", "name": "wind", "args": {}}',
)


@pytest.mark.parametrize(
    ("given", "came"),
    [
        ([ROME, OSLO, "wet", "calm"], ["wet", "calm"]),
        ([ROME, OSLO, '{"name": "wind", "is": 3}', "wet"], ["wet", '{"name": "wind", "is": 3}']),
        ([ROME, ROME, '{"call_id": "c1", "is": 1}', "dry"], ['{"call_id": "c1", "is": 1}', "dry"]),
        ([ROME, OSLO, "calm"], ["The result was not kept.", "calm"]),
        ([ROME, "wet", OSLO, "calm"], ["wet", "calm"]),
        ([ROME, OSLO, "wet", ROME, "calm", "dry"], ["wet", "calm", "dry"]),
        ([ROME, OSLO, ROME], ["The result was not kept."] * 3),
    ],
)
def test_each_of_several_calls_has_its_own_result(
    imported: Imported, tmp_path: Path, given: list[str], came: list[str]
) -> None:
    path = tmp_path / "calls.csv"
    rows = [("tool_call" if one in (ROME, OSLO) else "tool", one) for one in given]
    path.write_text(rows_of(("user", "Weather?"), *rows, ("assistant", "So it is.")))
    assert "left out" not in imported("--file", str(path))
    items = as_items(SessionState(read_history(session_id="s1")).items.waiting.values())
    calls = [one for one in items if isinstance(one, ToolCallItem)]
    outputs = {one.call_id: one.output for one in items if isinstance(one, ToolResultItem)}
    assert [call.name for call in calls] == [
        "rain" if one == ROME else "wind" for one in given if one in (ROME, OSLO)
    ]
    assert [outputs[call.call_id] for call in calls] == came


@pytest.mark.parametrize("erase", [erase_session, delete_session])
def test_what_was_erased_here_does_not_come_back(
    imported: Imported, odd: str, erase: Callable[..., bool]
) -> None:
    imported("--file", odd)
    assert erase(session_id="s1", by=By(actor=EraseActor.OWNER))
    told = imported("--file", odd)
    assert "left out, 1 sessions: it was erased here (in s1)" in told
    assert "Two\nlines" not in "".join(said("s1"))
    assert "1 sessions were here already" in told


def test_a_second_run_changes_nothing(imported: Imported, odd: str) -> None:
    imported("--file", odd)
    before = list(SessionEvent.objects.order_by("pk").values())
    assert "2 sessions were here already" in imported("--file", odd)
    assert list(SessionEvent.objects.order_by("pk").values()) == before


def test_rows_of_sessions_may_be_mixed(imported: Imported, tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    rows = [f"s{n % 5},user,Message {n},2025-03-01T10:{n:02}:00Z" for n in range(50)]
    path.write_text("session_id,event_type,content,created_at\n" + "\n".join(reversed(rows)))
    assert "5 sessions imported, 50 events" in imported("--file", str(path))
    assert said("s3") == [f"Message {n}" for n in range(3, 50, 5)]
    assert Session.objects.filter(user_messages=10).count() == 5


@pytest.mark.parametrize(
    ("column", "numbers", "order"),
    [
        ("id", "9 10 11", "one two three"),
        ("seq", "9 10 11", "one two three"),
        ("id", "b a b", "three two one"),
    ],
)
def test_rows_of_one_time_come_by_their_number_whichever_way_the_export_was_sorted(
    imported: Imported, tmp_path: Path, column: str, numbers: str, order: str
) -> None:
    said_at_once = zip(("one", "two", "three"), numbers.split(), strict=True)
    rows = [f"{number},s1,user,{words},2025-03-01 10:00:00" for words, number in said_at_once]
    path = tmp_path / "newest-first.csv"
    path.write_text("\n".join([f"{column},session_id,role,content,created_at", *reversed(rows)]))
    imported("--file", str(path))
    assert said("s1") == order.split()


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
def test_a_time_that_is_none_in_utc_is_that_of_the_row_before(
    imported: Imported, tmp_path: Path, at: str
) -> None:
    """As a "for ever" is written."""
    path = tmp_path / "for-ever.csv"
    path.write_text(
        f"session_id,role,content,created_at\ns1,user,One,2025-03-01T10:00:00Z\ns1,user,Two,{at}\ns2,user,Three,2025-03-01\n"
    )
    assert "2 sessions imported, 3 events" in imported("--file", str(path))
    assert said("s1") == ["One", "Two"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has to name the columns"),
        ("a,b,c\n1,2,3\n", "has to name the columns"),
        ("session_id,content\ns1,Hello\n", "has to name the columns"),
    ],
)
def test_what_is_no_export_is_refused(imported: Imported, tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "none.csv"
    path.write_text(text)
    with pytest.raises(CommandError, match=why):
        imported("--file", str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        imported("--file", str(tmp_path / "not-there.csv"))
