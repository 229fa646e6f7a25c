"""Moving in from an export as CSV, whatever its rows look like."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError

from sessions_app.log.replay import read_records
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
