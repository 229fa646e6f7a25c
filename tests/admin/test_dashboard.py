"""The admin's first page."""

import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.log import events as ev
from sessions_app.log.lifecycle import ACCOUNT_DELETED
from sessions_app.models import (
    Erasure,
    InboxItem,
    RetentionRun,
    ServerProcess,
    Session,
    SessionEvent,
    SessionStatus,
)
from sessions_app.review.dashboard import dashboard
from sessions_app.review.machine_room import machine_room
from sessions_app.selectors.figures import SUM_NAMES, Kept, kept
from tests.admin.rows import call, done, message, result, started, turn, user_says, write_session


@pytest.fixture(autouse=True)
def _forget_figures() -> None:
    """A machine that is busy is slow, and what was slow is kept."""
    kept.forget()


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
    sums = {name: day["totals"][name] for name in (*SUM_NAMES, "tokens")}
    assert sums == {
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
    assert next(tile.value for tile in day["tiles"] if tile.title == "Live now") == "1"


@pytest.mark.django_db
def test_bars_have_no_hole_and_sum_to_the_total() -> None:
    for hours in (0, 5, 5, 22):
        write_session(at=timezone.now() - timedelta(hours=hours, seconds=1))
    bars = dashboard("day")["bars"]
    assert len(bars) == 24
    assert sum(bar.value for bar in bars) == 4
    for key, days in (("week", 7), ("weeks", 14), ("month", 30), ("quarter", 90)):
        assert len(dashboard(key)["bars"]) == days


@pytest.mark.django_db
def test_speed_is_of_the_newest_answers_that_had_a_first_token() -> None:
    answers = [done(f"r{ms}", timings=ev.Timings(first_token_ms=float(ms))) for ms in (100, 200, 300)]
    write_session([*answers, done("none", status="failed")], at=a_while_ago())
    speed = dashboard()["speed"]
    assert (speed.answers, speed.median_ms, speed.p95_ms) == (3, 200.0, 290.0)
    assert list(speed.first_token) == [200.0, 290.0, 298.0]


@pytest.mark.django_db
def test_servers_that_are_alive_are_listed_with_their_sessions() -> None:
    now = timezone.now()
    ServerProcess.objects.create(process_id="a", host="web1", pid=7, expires_at=now + timedelta(seconds=9))
    ServerProcess.objects.create(process_id="b", host="web2", pid=8, expires_at=now - timedelta(seconds=1))
    for number in range(3):
        write_session(session_id=f"s{number}", lease_owner="a")
    servers = {server.name: server.sessions for server in machine_room()["servers"]}
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
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status, attempts)"
            " SELECT 'q', 't', 0, '{}', 'cancelled', 0 FROM generate_series(1, 6000)"
        )
    assert machine_room()["jobs"] == {"todo": 2, "doing": 1, "failed": 1}


def test_the_page_shows_them(viewer: Client) -> None:
    write_session(turn(1), at=a_while_ago(), title="Lost luggage", user=User.objects.create(username="ada"))
    html = viewer.get("/admin/").content.decode()
    for shown in ("Lost luggage", "ada", "420 ms", "Live now", "Latest sessions"):
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


def test_a_lead_is_told_first_what_went_wrong_and_each_figure_leads_to_its_list(admin: Client) -> None:
    write_session([user_says("x"), started(), done(status="failed")], at=a_while_ago(), outcome="unresolved")
    write_session(turn(1), at=a_while_ago(), feedback_down=1, outcome="resolved", sentiment="negative")
    board = dashboard("week")
    figures = {tile.title: (tile.value, tile.link) for tile in board["first"]}
    assert {title: value for title, (value, _) in figures.items()} == {
        "Waiting for you": "0",
        "Failed": "1",
        "Rated bad": "1",
        "Unresolved": "1",
        "Slowest answer": "1.8 s",
    }
    links = [link for _, link in figures.values()]
    links += [tile.link for tile in board["tiles"]] + [bar.link for bar in board["bars"]]
    links += [one["link"] for one in board["models"]]
    links += [share.link for share in (*board["outcomes"], *board["sentiments"])]
    for link in {one for one in links if not one.startswith("#")}:
        page = admin.get(link)
        assert (link, page.status_code) == (link, 200)  # Django sends an unknown filter to ?e=1


@pytest.mark.parametrize("window", ["day", "week"])
def test_the_list_behind_a_figure_has_as_many_rows(admin: Client, window: str) -> None:
    for hours in (1, 25, 30, 80):
        at = timezone.now() - timedelta(hours=hours)
        write_session([user_says("x"), started(), done(status="failed")], at=at)
        write_session(turn(1), at=at, outcome="unresolved", feedback_down=1)
    write_session(at=a_while_ago())
    board = dashboard(window)
    figures = [
        (tile.title, tile.link, int(tile.value)) for tile in (*board["first"][1:4], *board["tiles"][:2])
    ]
    figures += [(bar.label, bar.link, bar.value) for bar in board["bars"] if bar.value]
    for title, link, count in figures:
        assert (title, rows_behind(admin, link)) == (title, count)


@pytest.mark.parametrize("window", ["day", "week"])
def test_behind_each_reason_and_each_tool_are_the_conversations_that_it_counts(
    admin: Client, window: str
) -> None:
    for reason in ("model_timeout", "model_timeout", "tool_rounds"):
        failed = done(status="failed", reason=reason)
        write_session([user_says("x"), started(), failed], at=a_while_ago(), title=f"Of {reason}")
    broken = [user_says("x"), started(), call(name="lamp"), result(name="lamp", outcome=ev.Outcome.ERROR)]
    write_session([*broken, done()], at=a_while_ago(), title="Broken lamp")
    write_session(turn(1), at=a_while_ago(), title="Time")
    old = timezone.now() - timedelta(days=30)
    write_session([*broken, done("resp_1", status="failed", reason="model_timeout")], at=old, title="Old")
    board = dashboard(window)
    counted = {words: (one.sessions, link) for words, one, link in board["failures"]}
    assert {words: sessions for words, (sessions, _) in counted.items()} == {
        "Model timeout": 2,
        "Tool rounds": 1,
    }
    for sessions, link in counted.values():
        assert rows_behind(admin, link) == sessions
    links = {one.name: (link, failed_link) for one, link, failed_link in board["tools"]}
    for name, (used, wrong) in {"lamp": (1, 1), "get_time": (1, 0)}.items():
        assert [rows_behind(admin, link) for link in links[name]] == [used, wrong]
    page = admin.get(links["lamp"][0]).content.decode()
    assert "Broken lamp" in page
    assert "Old" not in re.findall(r"<strong>([^<]*)</strong>", page)


@pytest.mark.parametrize(
    "query",
    ["tool=", "failure=y&start_time__gte=no", "tool_failed=z&start_time_from=2026-99-99"],
)
def test_a_figures_filter_with_nonsense_finds_nothing(admin: Client, query: str) -> None:
    write_session(turn(1), at=a_while_ago())
    page = admin.get(f"/admin/sessions_app/session/?{query}", follow=True)
    assert page.status_code == 200


@pytest.mark.django_db
def test_a_figure_is_compared_with_the_time_before(viewer: Client) -> None:
    for hours in (1, 2, 30, 31, 32):
        write_session(turn(1), at=timezone.now() - timedelta(hours=hours), outcome="unresolved")
    for hours in (1, 2):
        failed = [user_says("x"), started(), done(status="failed")]
        write_session(failed, at=timezone.now() - timedelta(hours=hours))
    write_session(turn(1), at=timezone.now() - timedelta(hours=80))
    board = dashboard("day")
    told = {
        tile.title: (tile.arrow, tile.change) for tile in (*board["first"], *board["tiles"]) if tile.change
    }
    assert told["Failed"] == ("\N{UPWARDS ARROW}", "2 more than before")
    assert told["Unresolved"] == ("\N{DOWNWARDS ARROW}", "1 fewer than before")
    assert told["Rated bad"] == ("=", "as many as before")
    assert told["Conversations"] == ("\N{UPWARDS ARROW}", "1 more than before")
    assert "2 more than before" in viewer.get("/admin/").content.decode()


def test_what_went_wrong_is_listed_with_its_place(viewer: Client) -> None:
    failed = [user_says("x"), started(), done(status="failed", reason="model_timeout")]
    bad = write_session([*failed, *turn(2)], at=a_while_ago(), title="Lamp", feedback_down=1)
    write_session(turn(1), at=a_while_ago(20), title="Well")
    write_session(turn(1), at=a_while_ago(5), title="Open", outcome="unresolved")
    write_session(failed, at=timezone.now() - timedelta(days=3), title="Long ago")
    troubles = dashboard("day")["troubles"]
    assert [(one.session.title, list(one.marks), one.seq) for one in troubles] == [
        ("Lamp", ["No answer: model timeout", "Rated bad"], 3),
        ("Open", ["Unresolved"], None),
    ]
    html = viewer.get("/admin/").content.decode()
    assert f"/admin/sessions_app/session/{bad.pk}/change/?hit=3" in html
    page = viewer.get(f"/admin/sessions_app/session/{bad.pk}/change/?hit=3").content.decode()
    assert re.search(r'id="seq-2" data-done="3"', page)


def test_what_went_wrong_is_walked_along_in_its_own_order(viewer: Client) -> None:
    """Not by when they began: what is merely unresolved stands last."""
    failed = [user_says("x"), started(), done(status="failed", reason="model_timeout")]
    write_session(turn(1), at=a_while_ago(1), session_id="open", outcome="unresolved")
    write_session(failed, at=a_while_ago(5), session_id="newer")
    write_session(turn(1), at=a_while_ago(10), session_id="well")
    write_session(failed, at=a_while_ago(20), session_id="older")
    html = unescape(viewer.get("/admin/").content.decode())
    page = "/admin/sessions_app/session"
    assert f"{page}/newer/change/?hit=3&dashboard=day:troubles" in html

    def led(session_id: str, where: str) -> str:
        return viewer.get(f"{page}/{session_id}/{where}-session/?dashboard=day:troubles")["Location"]

    assert led("newer", "next") == f"{page}/older/change/?hit=3&dashboard=day%3Atroubles"
    assert led("older", "next") == f"{page}/open/change/?dashboard=day%3Atroubles"
    assert led("open", "next") == "/admin/?window=day"
    assert led("open", "previous") == f"{page}/older/change/?hit=3&dashboard=day%3Atroubles"
    assert led("well", "next").startswith(f"{page}/newer/change/")
    assert led("well", "previous") == "/admin/?window=day"
    latest = viewer.get(f"{page}/newer/next-session/?dashboard=day")["Location"]
    assert latest == f"{page}/well/change/?dashboard=day"


def test_the_slowest_answers_are_walked_along_in_their_order(viewer: Client) -> None:
    for session_id, minutes, took in (("slow", 9, 9_000.0), ("slower", 5, 90_000.0), ("quick", 7, 900.0)):
        timed = done(timings=ev.Timings(first_token_ms=1.0, total_ms=took))
        events = [user_says("x"), started(), message("y"), timed]
        write_session(events, at=a_while_ago(minutes), session_id=session_id)
    html = unescape(viewer.get("/admin/").content.decode())
    page = "/admin/sessions_app/session"
    assert f"{page}/slower/change/?hit=4&dashboard=day:slowest" in html

    def led(session_id: str, where: str) -> str:
        return viewer.get(f"{page}/{session_id}/{where}-session/?dashboard=day:slowest")["Location"]

    assert led("slower", "next") == f"{page}/slow/change/?hit=4&dashboard=day%3Aslowest"
    assert led("slow", "next") == f"{page}/quick/change/?hit=4&dashboard=day%3Aslowest"
    assert led("quick", "next") == "/admin/?window=day"


def test_rows_say_who_it_was_and_what_has_been_done(viewer: Client) -> None:
    failed = [user_says("x"), started(), done(status="failed")]
    ada = User.objects.create(username="ada")
    omar = User.objects.create(username="omar")
    write_session(failed, at=a_while_ago(), session_id="s1", user=ada, review_state="done", assignee=omar)
    write_session(failed, at=a_while_ago(), session_id="s2", guest_id="0123456789abcdef")
    for session_id, settled_by in (("s1", ""), ("s2", "grace")):
        InboxItem.objects.create(
            session_id=session_id,
            kind="failed_answer",
            ref="resp_1",
            seq=3,
            at=a_while_ago(),
            settled_at=a_while_ago(1) if settled_by else None,
            settled_how="dismissed" if settled_by else "",
            settled_by=settled_by,
        )
    html = viewer.get("/admin/").content.decode()
    rows = html.split('id="dash-troubles"')[1].split("</ul>")[0].split("<li data-row>")[1:]
    (first,) = [row for row in rows if "/s1/" in row]
    (second,) = [row for row in rows if "/s2/" in row]
    assert "<small><bdi>ada</bdi> &middot;" in first
    assert "desk-done" in first
    assert "omar" in first
    assert "Put away" not in first
    assert "<small><bdi>Guest 01234567</bdi> &middot;" in second
    assert "Put away by grace" in second
    assert "cell-review" not in second


def test_who_it_was_is_told_as_in_the_list(viewer: Client) -> None:
    """Who was erased has no name here either, and whose account is gone was no anonymous one."""
    failed = [user_says("x"), started(), done(status="failed")]
    ada = User.objects.create(username="ada")
    write_session(failed, at=a_while_ago(), session_id="s1", user=ada, erased_at=a_while_ago())
    write_session(failed, at=a_while_ago(), session_id="s2", external_user_id=ACCOUNT_DELETED)
    html = viewer.get("/admin/").content.decode()
    assert "ada" not in re.findall(r"<bdi>(.*?)</bdi>", html)
    assert html.count("<bdi>Erased</bdi>") == html.count("<bdi>Account deleted</bdi>") == 2


def rows_behind(admin: Client, link: str) -> int:
    return int(admin.get(link).context["cl"].result_count)


@pytest.mark.django_db
def test_what_was_used_and_what_failed_is_told_by_model_reason_and_tool() -> None:
    priced = done(cost_microusd=1_500, usage=ev.Usage(input_tokens=300, output_tokens=40))
    write_session([*turn(1)[:-1], priced], at=a_while_ago(), model="openai:gpt-5.1")
    write_session(
        [user_says("x"), started(), done(status="failed", reason="model_timeout")],
        at=a_while_ago(30),
        model="demo",
    )
    board = dashboard("week")
    assert [(one["name"], one["sessions"], one["failed"]) for one in board["models"]] == [
        ("gpt-5.1", 1, 0),
        ("demo", 1, 1),
    ]
    assert [(words, one.answers, one.sessions) for words, one, _ in board["failures"]] == [
        ("Model timeout", 1, 1)
    ]
    assert [(one.name, one.calls, one.failed, one.median_ms) for one, _, _ in board["tools"]] == [
        ("get_time", 1, 0, 12.0)
    ]


@pytest.mark.django_db
def test_the_chart_has_an_axis_and_says_each_value(admin: Client) -> None:
    for number in range(7):
        write_session(turn(1), at=a_while_ago(number + 1))
    chart = dashboard("week")["chart"]
    assert [tick.text for tick in chart.ticks] == ["0", "2", "4", "6", "8"]
    tallest = max(chart.bars, key=lambda one: one.height)
    assert tallest.bar.value == 7
    assert tallest.y > chart.ticks[-1].y
    html = admin.get("/admin/?window=week").content.decode()
    assert f"{tallest.bar.label}: 7 conversations, 0 with failed answers" in html
    assert html.count('<th scope="row"><a href=') >= 7


def test_shares_make_up_a_whole(db: None) -> None:
    for outcome in ("resolved", "unresolved", "abandoned"):
        write_session(turn(1), at=a_while_ago(), outcome=outcome)
    shares = dashboard()["outcomes"]
    assert sum(share.per_cent for share in shares) == 100
    assert [share.start for share in shares] == [0, 33, 67]


def test_what_took_long_is_kept_for_a_minute_and_what_was_quick_is_not() -> None:
    now = [0.0]
    asked: list[float] = []

    def find(takes_s: float) -> float:
        now[0] += takes_s
        asked.append(now[0])
        return now[0]

    figures = Kept()
    for _ in range(2):
        figures.get("quick", lambda: find(0.1), clock=lambda: now[0])
    assert len(asked) == 2
    found = {figures.get("slow", lambda: find(1.0), clock=lambda: now[0]) for _ in range(3)}
    assert (len(found), len(asked)) == (1, 3)
    now[0] += 61
    figures.get("slow", lambda: find(1.0), clock=lambda: now[0])
    assert len(asked) == 4
    figures.forget()
    figures.get("slow", lambda: find(1.0), clock=lambda: now[0])
    assert len(asked) == 5


@pytest.mark.parametrize("window", ["day", "quarter"])
def test_the_page_makes_few_queries(admin: Client, window: str) -> None:
    write_session(turn(1), at=a_while_ago())
    with CaptureQueriesContext(connection) as queries:
        admin.get(f"/admin/?window={window}")
    assert len(queries) <= 15


def test_the_machine_room_is_a_page_of_its_own_for_who_may_see_it(admin: Client, viewer: Client) -> None:
    page = "/admin/sessions_app/serverprocess/"
    html = admin.get(page).content.decode()
    for shown in ("Server processes", "Jobs", "Webhooks", "Retention", "Sessions without their summary"):
        assert shown in html
    assert viewer.get(page).status_code == 403
    assert "Machine room" not in viewer.get("/admin/").content.decode()


def test_the_figures_of_a_retention_run_lead_to_what_that_run_erased(admin: Client) -> None:
    now = timezone.now()
    for days, session_id in ((3, "before"), (1, "then"), (0, "since")):
        at = now - timedelta(days=days)
        Erasure.objects.create(session_id=session_id, scope="words", actor="retention", at=at)
    begun, over = now - timedelta(days=1, minutes=1), now - timedelta(hours=23)
    RetentionRun.objects.create(started_at=begun, finished_at=over, words=1)
    html = admin.get("/admin/sessions_app/serverprocess/").content.decode()
    (address,) = re.findall(r'href="([^"]+scope__exact=words[^"]*)"', html)
    listed = admin.get(address.replace("&amp;", "&")).content.decode()
    assert [one for one in ("before", "then", "since") if f"{one}</" in listed] == ["then"]
