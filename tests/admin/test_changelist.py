"""The session list: what it shows, what it finds, what it costs."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from sessions_app.admin import changelist
from sessions_app.admin.sessions import SessionAdmin
from sessions_app.log import events as ev
from sessions_app.models import Session, SessionStatus, SummaryState
from tests.admin.rows import NOON, done, started, turn, user_says, write_session

LIST = "/admin/sessions_app/session/"


def page(client: Client, query: str = "") -> str:
    """The list with the empty sessions, which most of these are."""
    response = client.get(f"{LIST}?show=all&{query.removeprefix('?')}")
    assert response.status_code == 200, response
    return response.content.decode()


def many(count: int) -> None:
    users = [User.objects.create(username=f"user{number}-{count}") for number in range(5)]
    Session.objects.bulk_create(
        Session(
            session_id=f"s{count}-{number}", user=users[number % 5], start_time=NOON - timedelta(hours=number)
        )
        for number in range(count)
    )


def ids_shown(html: str) -> set[str]:
    return {
        session_id
        for session_id in Session.objects.values_list("pk", flat=True)
        if f"/session/{session_id}/change/" in html
    }


def test_a_row_tells_what_a_reviewer_looks_for(admin: Client) -> None:
    ada = User.objects.create(username="ada")
    write_session(
        turn(1),
        user=ada,
        model="gemini:gemini-3.8-flash",
        title="Lost luggage",
        status=SessionStatus.ENDED,
        duration_seconds=192.4,
        summary_state=SummaryState.WRITTEN,
    )
    html = page(admin)
    for shown in (
        "Lost luggage",
        "question 1",  # the first words, below the title
        "New",
        "ada",
        "4 Mar, 12:00" if timezone.localdate().year == 2026 else "4 Mar 2026, 12:00",
        "3 min 12 s",
        ">340<",
        "gemini-3.8-flash",
    ):
        assert shown in html
    rows = html.split('id="result_list"')[1].split("</table>")[0]
    assert "Ended" not in rows
    assert "Live" not in rows


def test_guests_and_programs_are_told_apart(admin: Client) -> None:
    write_session(session_id="one", guest_id="c0ffee5599aa")
    write_session(session_id="two")
    html = page(admin)
    assert "Guest c0ffee55" in html
    assert "Anonymous" in html


def test_the_list_costs_the_same_queries_for_5_and_for_200_sessions(admin: Client) -> None:
    counts = []
    for sessions in (5, 200):
        Session.objects.all().delete()
        many(sessions)
        page(admin)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page(admin)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    # The visitor's session and user, what the menu counts, views, staff, what there is to narrow by, count, the page, the rows' tags
    assert counts[0] == 9


def test_the_list_does_not_fetch_the_long_columns(admin: Client) -> None:
    write_session(summary="S" * 100)
    with CaptureQueriesContext(connection) as queries:
        page(admin)
    assert not any('"sessions"."summary"' in query["sql"] for query in queries)


def test_nothing_counts_or_sorts_the_whole_table(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelist, "BOUND", 60)
    many(70)
    with CaptureQueriesContext(connection) as queries:
        html = page(admin)
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counts
    of_the_list = [sql for sql in counts if "inbox_items" not in sql and "review_mentions" not in sql]
    assert of_the_list
    assert all("LIMIT 61" in sql for sql in of_the_list)
    assert all("LIMIT" in sql for sql in counts)
    assert "the first 60 of" in html


def test_beyond_the_bound_there_is_no_page(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelist, "BOUND", 60)
    many(170)
    assert admin.get(f"{LIST}?show=all&p=2").status_code == 200
    beyond = admin.get(f"{LIST}?show=all&p=3")
    assert (beyond.status_code, beyond.context["cl"].page_num) == (200, 2)


def test_who_empties_the_last_page_stays_in_the_list_as_it_is_filtered(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever emptied it: what is done next is not done in another list."""
    monkeypatch.setattr(SessionAdmin, "list_per_page", 2)
    for number in range(5):
        write_session(turn(1), session_id=f"s{number}", at=NOON - timedelta(hours=number), status="ended")
    there = f"{LIST}?review=new&p=3"
    last = admin.get(there).context["cl"]
    assert [one.pk for one in last.result_list] == ["s4"]
    shown = admin.post(there, {"action": "mark_done", "_selected_action": ["s4"]}, follow=True)
    assert "1 session done." in shown.content.decode()
    assert [one.pk for one in shown.context["cl"].result_list] == ["s2", "s3"]
    assert [chip.words for chip in shown.context["desk"].chips] == ["New"]
    assert admin.get(f"{LIST}?review=new&p=x").context["cl"].page_num == 1


def test_a_page_far_down_is_the_one_that_follows(admin: Client) -> None:
    Session.objects.bulk_create(
        Session(session_id=f"s{n:03}", start_time=NOON + timedelta(minutes=n // 2), first_words="Hello")
        for n in range(320)
    )
    shown = []
    for page in range(1, 8):
        html = admin.get("/admin/sessions_app/session/", {"p": page}).content.decode()
        shown += re.findall(r"/session/(s\d{3})/change/", html)
    assert list(dict.fromkeys(shown)) == [f"s{n:03}" for n in reversed(range(320))]


@pytest.mark.parametrize(
    "query", ["errors=yes", "feedback=bad", "feedback=good", "outcome__exact=unresolved"]
)
def test_what_a_filter_finds_is_counted_in_its_index(admin: Client, query: str) -> None:
    """Else a large list is counted by reading a row here and there all over the table."""
    marks = {"failed_responses": 1, "feedback_down": 1, "feedback_up": 1, "outcome": "unresolved"}
    Session.objects.bulk_create(
        Session(session_id=f"s{n}", start_time=NOON, first_words="Hello", **({} if n % 20 else marks))
        for n in range(400)
    )
    with CaptureQueriesContext(connection) as made:
        admin.get(f"/admin/sessions_app/session/?{query}")
    count = next(one["sql"] for one in made.captured_queries if one["sql"].startswith("SELECT COUNT(*)"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("ANALYZE sessions")
        cursor.execute(f"EXPLAIN {count}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Only Scan" in plan


def test_the_size_of_a_large_list_is_the_databases_estimate(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changelist, "BOUND", 60)
    many(70)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sessions")
    assert "about 70" in page(admin)
    assert "about" not in page(admin, "?errors=no").split('id="changelist"')[1].split("narrow the list")[0]


def test_another_order_is_for_lists_that_are_not_too_long(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_session(turn(1), session_id="few")
    write_session([*turn(1), *turn(2)], session_id="more", at=NOON - timedelta(days=1))
    by_tokens = "?o=-7"
    assert page(admin, by_tokens).index("/more/change/") < page(admin, by_tokens).index("/few/change/")
    monkeypatch.setattr(changelist, "BOUND", 1)
    html = page(admin, by_tokens)
    assert html.index("/few/change/") < html.index("/more/change/")
    assert "Narrow the list" in html


def test_oldest_first_needs_no_bound(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelist, "BOUND", 1)
    write_session(session_id="new")
    write_session(session_id="old", at=NOON - timedelta(days=1))
    html = page(admin, "?o=3")  # the first column is the boxes of who may erase
    assert html.index("/old/change/") < html.index("/new/change/")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=active", {"live"}),
        ("model=openai:gpt", {"live"}),
        ("summary_state__exact=failed", {"guest"}),
        ("errors=yes", {"guest"}),
        ("errors=no", {"live", "user"}),
        ("feedback=bad", {"guest"}),
        ("feedback=good", {"guest", "user"}),
        ("feedback=nonsense", {"live", "user", "guest"}),
        ("outcome__exact=unresolved", {"user"}),
        ("sentiment__exact=negative", {"user"}),
        ("who=user", {"user"}),
        ("who=guest", {"guest"}),
        ("who=anonymous", {"live"}),
        ("start_time_from=2026-03-04", {"live", "user"}),
        ("start_time_to=2026-03-03", {"guest"}),
        ("start_time_from=2026-03-03&start_time_to=2026-03-03", {"guest"}),
        ("start_time_from=nonsense", {"live", "user", "guest"}),
        ("start_time__year=2026&start_time__month=3&start_time__day=3", {"guest"}),
        ("errors=yes&who=user", set()),
    ],
)
def test_filters(admin: Client, query: str, found: set[str]) -> None:
    ended = SessionStatus.ENDED
    write_session(session_id="live", model="openai:gpt")
    write_session(
        session_id="user",
        user=User.objects.create(username="ada"),
        status=ended,
        model="demo",
        outcome="unresolved",
        sentiment="negative",
        feedback_up=1,
    )
    good, bad = (ev.FeedbackGiven(item_id=one, rating=one) for one in (ev.Rating.UP, ev.Rating.DOWN))
    write_session(
        [user_says("hi"), started(), done(status="failed"), good, bad],
        session_id="guest",
        at=NOON.replace(day=3, hour=23),
        guest_id="g1",
        status=ended,
        summary_state=SummaryState.FAILED,
    )
    assert ids_shown(page(admin, f"?{query}")) == found


def test_the_models_to_choose_from_are_those_in_use(admin: Client) -> None:
    for number, model in enumerate(("openai:gpt", "demo", "demo", "gemini:flash", "")):
        write_session(session_id=f"m{number}", model=model)
    html = page(admin)
    options = html.split('name="model"')[1].split("</select>")[0]
    assert [name for name in ("demo", "gemini:flash", "openai:gpt") if f'value="{name}"' in options] == [
        "demo",
        "gemini:flash",
        "openai:gpt",
    ]


def test_periods_lead_from_years_to_days(admin: Client) -> None:
    write_session(session_id="a")
    write_session(session_id="b", at=NOON.replace(year=2025, month=11, day=30))
    years = page(admin)
    assert escape("?show=all&start_time__year=2025") in years
    assert escape("?show=all&start_time__year=2026") in years
    months = page(admin, "?start_time__year=2025")
    assert escape("?show=all&start_time__month=11&start_time__year=2025") in months
    assert escape("?show=all&start_time__month=10&start_time__year=2025") not in months
    days = page(admin, "?start_time__year=2026&start_time__month=3")
    assert escape("?show=all&start_time__day=4&start_time__month=3&start_time__year=2026") in days
    assert escape("?show=all&start_time__day=5&start_time__month=3&start_time__year=2026") not in days
    assert ids_shown(days) == {"a"}


def test_a_choice_of_one_period_is_none(admin: Client) -> None:
    write_session(session_id="a")
    assert 'aria-label="Period"' not in page(admin)
    write_session(session_id="b", at=NOON - timedelta(days=2))
    assert escape("?show=all&start_time__day=4&start_time__month=3&start_time__year=2026") in page(admin)
    write_session(session_id="c", at=NOON - timedelta(days=32))
    months = page(admin)
    assert escape("?show=all&start_time__month=2&start_time__year=2026") in months
    assert escape('?show=all&start_time__year=2026"') not in months


def test_a_filter_says_what_is_chosen_in_it(admin: Client) -> None:
    html = page(admin, "?review=flagged&status__exact=ended&errors=yes")
    said = re.findall(r'<summary>([^<]+) <span class="filter-chosen">([^<]+)</span>', html)
    assert {("Review", "Flagged"), ("Status", "Ended"), ("Errors", "With failed answers")} <= set(said)


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ("start_time_from=2026-03-04", ["s2", "s1"]),
        ("start_time_from=2026-03-03", ["s2", "s1", "s0", "before"]),
        ("start_time_from=", ["s2", "s1", "s0", "before"]),
        ("start_time_to=2026-03-04&start_time__lt=2026-03-04T13:00:00Z", ["s1"]),
        ("start_time_to=2026-03-05&start_time__lt=2026-03-04T13:00:00Z", ["s2", "s1"]),
        ("start_time_to=2026-03-04&start_time__lt=2026-03-05T00:00:00Z", ["s2", "s1"]),
    ],
)
def test_a_day_that_is_chosen_after_a_figure_led_here_is_what_counts(
    admin: Client, days: str, found: list[str]
) -> None:
    """A figure leads to the very time, which the filter does not show: whoever chooses another day means that day."""
    for number in range(3):
        write_session(turn(1), session_id=f"s{number}", at=NOON + timedelta(hours=number - 1, minutes=45))
    write_session(turn(1), session_id="before", at=NOON - timedelta(days=1))
    answer = admin.get(f"{LIST}?{days}&start_time__gte=2026-03-04T12:00:00Z", follow=True)
    assert [session.pk for session in answer.context["cl"].result_list] == found


def test_periods_keep_the_other_filters(admin: Client) -> None:
    write_session(session_id="a")
    write_session(session_id="b", at=NOON.replace(year=2025))
    assert escape("?errors=no&show=all&start_time__year=2026") in page(admin, "?errors=no")


@pytest.mark.parametrize(
    "query",
    [
        "start_time__year=2026&start_time__month=13",
        "start_time__year=9999",
        "start_time__year=9999&start_time__month=12",
        "start_time__year=x",
        "p=x",
        "p=-1",
        "p=0",
    ],
)
def test_nonsense_in_the_address_is_no_error(admin: Client, query: str) -> None:
    write_session()
    assert admin.get(f"{LIST}?{query}", follow=True).status_code == 200


def test_one_that_goes_on_says_how_long_already(admin: Client) -> None:
    began = timezone.now() - timedelta(minutes=3, seconds=20)
    write_session(session_id="s1", at=began, cost_microusd=1_404, unpriced=1, responses=2)
    html = page(admin)
    assert ">so far 3 min<" in html
    assert ">$0.001 +<" in html
    assert 'title="$0.001404 + unknown. US dollars' in html


@pytest.mark.parametrize(
    ("title", "first_words", "beginning"),
    [
        ("A refund", "Where is my money?", "Where is my money?"),
        ("Where is my…", "Where is my money?", ""),
        ("", "Where is my money?", ""),
    ],
)
def test_a_row_tells_the_first_words_where_the_title_does_not(
    admin: Client, title: str, first_words: str, beginning: str
) -> None:
    write_session(turn(1), title=title, first_words=first_words)
    html = page(admin)
    assert html.count(f"<small>{first_words}</small>") == bool(beginning)
    assert escape(title or first_words) in html
