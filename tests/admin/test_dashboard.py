"""The admin's first page."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.log import events as ev
from sessions_app.models import ServerProcess, Session, SessionEvent, SessionStatus
from sessions_app.review.dashboard import dashboard
from tests.admin.rows import done, started, turn, user_says, write_session


def a_while_ago(minutes: float = 10) -> datetime:
    return timezone.now() - timedelta(minutes=minutes)


@pytest.mark.django_db
def test_figures_are_of_the_window() -> None:
    priced = done(cost_microusd=1_500, usage=ev.Usage(input_tokens=300, output_tokens=40))
    write_session([*turn(1)[:-1], priced], at=a_while_ago(), status=SessionStatus.ENDED)
    write_session([user_says("x"), started(), done(status="failed")], at=a_while_ago(30))
    write_session(turn(1), at=timezone.now() - timedelta(days=3), status=SessionStatus.ENDED)
    write_session(turn(1), at=timezone.now() - timedelta(days=30), status=SessionStatus.ENDED)
    day, weeks = dashboard("day"), dashboard("weeks")
    assert day["totals"] == {
        "sessions": 2,
        "with_errors": 1,
        "messages": 2,
        "answers": 2,
        "failed": 1,
        "input_tokens": 300,
        "output_tokens": 40,
        "tokens": 340,
        "cost_microusd": 1_500,
        "unpriced": 1,
    }
    assert weeks["totals"]["sessions"] == 3
    assert day["live"] == 1


@pytest.mark.django_db
def test_bars_have_no_hole_and_sum_to_the_total() -> None:
    for hours in (0, 5, 5, 22):
        write_session(at=timezone.now() - timedelta(hours=hours, seconds=1))
    bars = dashboard("day")["bars"]
    assert len(bars) == 24
    assert sum(bar.sessions for bar in bars) == 4
    assert max(bar.height for bar in bars) == 100.0
    assert len(dashboard("weeks")["bars"]) == 14


@pytest.mark.django_db
def test_speed_is_of_the_newest_answers_that_had_a_first_token() -> None:
    answers = [done(f"r{ms}", timings=ev.Timings(first_token_ms=float(ms))) for ms in (100, 200, 300)]
    write_session([*answers, done("none", status="failed")], at=a_while_ago())
    speed = dashboard()["speed"]
    assert (speed.answers, speed.median_ms, speed.p95_ms) == (3, 200.0, 290.0)


@pytest.mark.django_db
def test_servers_that_are_alive_are_listed_with_their_sessions() -> None:
    now = timezone.now()
    ServerProcess.objects.create(process_id="a", host="web1", pid=7, expires_at=now + timedelta(seconds=9))
    ServerProcess.objects.create(process_id="b", host="web2", pid=8, expires_at=now - timedelta(seconds=1))
    for number in range(3):
        write_session(session_id=f"s{number}", lease_owner="a")
    servers = {server.name: server.sessions for server in dashboard()["servers"]}
    assert servers.get("web1:7") == 3
    assert "web2:8" not in servers


@pytest.mark.django_db
def test_jobs_are_counted_by_state() -> None:
    with connection.cursor() as cursor:
        for status in ("todo", "todo", "doing", "failed", "succeeded"):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status, attempts)"
                " VALUES ('q', 't', 0, '{}', %s, 0)",
                [status],
            )
    assert dashboard()["jobs"] == {"todo": 2, "doing": 1, "failed": 1}


def test_the_page_shows_them(viewer: Client) -> None:
    write_session(turn(1), at=a_while_ago(), title="Lost luggage", user=User.objects.create(username="ada"))
    html = viewer.get("/admin/").content.decode()
    for shown in ("Lost luggage", "ada", "420 ms", "Live now", "Server processes", "Latest sessions"):
        assert shown in html
    assert "last 14 days" in viewer.get("/admin/?window=weeks").content.decode()
    assert "last 24 hours" in viewer.get("/admin/?window=nonsense").content.decode()


def test_an_empty_database_is_no_error(viewer: Client) -> None:
    assert "No session yet" in viewer.get("/admin/").content.decode()


def test_who_may_not_see_sessions_sees_none_of_it(nobody: Client) -> None:
    write_session(turn(1), at=a_while_ago(), title="Lost luggage")
    html = nobody.get("/admin/").content.decode()
    assert "Lost luggage" not in html
    assert "Live now" not in html


def test_the_page_costs_the_same_queries_for_5_and_for_200_sessions(admin: Client) -> None:
    counts = []
    for sessions in (5, 200):
        SessionEvent.objects.all().delete()
        Session.objects.all().delete()
        user = User.objects.create(username=f"u{sessions}")
        for number in range(sessions):
            write_session(at=a_while_ago(number), user=user)
        with CaptureQueriesContext(connection) as queries:
            admin.get("/admin/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_what_is_not_as_staff_would_want_it_stands_on_the_first_page(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("sessions_app.hooks._notice_sources", [lambda: said])
    assert 'aria-label="Warnings"' not in admin_client.get("/admin/").content.decode()
    said.append("MCP server 'notes' is not connected: <gone>")
    page = admin_client.get("/admin/").content.decode()
    assert "MCP server &#x27;notes&#x27; is not connected: &lt;gone&gt;" in page
