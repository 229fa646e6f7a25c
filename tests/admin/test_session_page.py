"""The pages of one session: who may see them, what they show, that nothing on them is alive."""

import re
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.log import events as ev
from sessions_app.models import Session, SessionEvent, SessionStatus, SummaryState
from tests.admin.rows import (
    NOON,
    call,
    deltas,
    done,
    message,
    result,
    started,
    turn,
    user_says,
    write_session,
)

LIST = "/admin/sessions_app/session/"
ATTACK = "<script>alert('x')</script><img src=x onerror=alert(1)>"


def url(session: Session, page: str = "change/") -> str:
    return f"{LIST}{session.pk.replace('_', '_5F')}/{page}"


def html_of(client: Client, session: Session, page: str = "change/") -> str:
    response = client.get(url(session, page))
    assert response.status_code == 200
    return response.content.decode()


def visible(html: str) -> str:
    """The text between the tags of the session's part of the page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html.split('class="sx"')[1]))


def test_what_the_user_thinks_of_an_answer_stands_under_it(viewer: Client) -> None:
    bad = ev.FeedbackGiven(
        item_id="item_1", rating=ev.Rating.DOWN, reason="off_topic", comment=f"No. {ATTACK}"
    )
    events = [*turn(1), *turn(2), bad]
    session = write_session(events)
    html = html_of(viewer, session)
    text = visible(html)
    assert text.index("answer 1") < text.index("Bad answer, says the customer off topic: No.")
    assert text.index("off topic") < text.index("question 2")
    assert ATTACK not in html


def test_a_word_that_comes_much_later_stands_under_its_answer_too(viewer: Client) -> None:
    """On another page of the transcript than the answer."""
    good = ev.FeedbackGiven(item_id="item_1", rating=ev.Rating.UP)
    events = [*(event for number in range(1, 60) for event in turn(number)), good]
    session = write_session(events, status=SessionStatus.ENDED)
    first = html_of(viewer, session)
    assert "answer 59" not in first
    assert visible(first).index("answer 1") < visible(first).index("Good answer, says the customer")
    last = html_of(viewer, session, f"change/?before={session.last_seq + 1}")
    assert "The customer called an earlier answer good" in visible(last)


def test_a_rating_that_was_taken_back_is_not_shown(viewer: Client) -> None:
    words = [
        ev.FeedbackGiven(item_id="item_1", rating=ev.Rating.DOWN),
        ev.FeedbackGiven(item_id="item_1", rating=ev.Rating.NONE, replaces=ev.Rating.DOWN),
    ]
    assert "says the user" not in html_of(viewer, write_session([*turn(1), *words]))


def test_a_conversation_reads_from_top_to_bottom(viewer: Client) -> None:
    session = write_session(
        [ev.SessionStarted(model="gemini:flash"), *turn(1), ev.SessionEnded(reason=ev.EndReason.LEFT)],
        title="A title",
    )
    text = visible(html_of(viewer, session))
    order = [
        "Session started",
        "question 1",
        "Assistant gemini:flash",
        "get_time",
        "Asia/Tokyo",
        "21:14",
        "answer 1",
        "Session ended",
    ]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)
    for figure in ("first token 420 ms", "total 1.8 s", "300 + 40 tokens", "12 ms"):
        assert figure in text


def test_an_answer_shows_who_failed_before_it_and_why(viewer: Client) -> None:
    failed = ev.ModelAttemptFailed(
        response_id=started().response_id,
        model="gemini:gone",
        code="model_quota_exceeded",
        cause="429 <b>RESOURCE_EXHAUSTED</b>",
        attempt=2,
        next_model="gemini:flash",
        delay_s=1.5,
    )
    last = msgspec.structs.replace(failed, next_model="", delay_s=0.0, attempt=0)
    text = visible(html_of(viewer, write_session([started(), failed, last, message("Hi"), done()])))
    assert "gemini:gone model_quota_exceeded Attempt 2 failed, gemini:flash was asked after 1.5 s" in text
    assert "&lt;b&gt;RESOURCE_EXHAUSTED" in text
    assert "Passed over, nobody was left to ask" in text


def test_markdown_of_answers_and_summary_is_rendered_and_the_users_is_not(viewer: Client) -> None:
    session = write_session(
        [user_says("**not bold**"), started(), message("**bold**"), done()],
        summary="- a *point*",
        summary_state=SummaryState.WRITTEN,
    )
    html = html_of(viewer, session)
    assert "<strong>bold</strong>" in html
    assert "<em>point</em>" in html
    assert "**not bold**" in html


def test_the_summary_says_its_state_and_who_wrote_it(viewer: Client) -> None:
    written = ev.SummaryWritten(summary="Short.", title="T", model="gemini:flash-lite")
    fields: dict[str, Any] = {"summary": "Short.", "summary_state": "written", "summary_seq": 8}
    fields["title"] = "T"
    session = write_session([*turn(1), written], status=SessionStatus.ENDED, **fields)
    text = visible(html_of(viewer, session))
    assert text.index("Short.") < text.index("question 1")
    assert "Written by gemini:flash-lite" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("none", "The summary is written after the session ends."),
        ("pending", "The summary is being written."),
        ("skipped", "Nothing was said in this session."),
        ("failed", "The summary could not be written."),
    ],
)
def test_a_missing_summary_is_explained(viewer: Client, state: str, words: str) -> None:
    assert words in visible(html_of(viewer, write_session(summary_state=state)))


def test_a_failed_summary_tells_staff_why(viewer: Client) -> None:
    session = write_session(
        [*turn(1), ev.SummaryFailed(error="429 quota", attempts=5)], summary_state="failed"
    )
    assert "429 quota (after 5 attempts)" in visible(html_of(viewer, session))


def test_a_summary_from_before_a_reopening_is_marked(viewer: Client) -> None:
    fields: dict[str, Any] = {"summary": "Old.", "summary_state": "written", "summary_seq": 1}
    assert "From before it was reopened" in html_of(viewer, write_session(turn(1), **fields))
    ended = write_session(turn(1), status=SessionStatus.ENDED, **fields)
    assert "From before it was reopened" not in html_of(viewer, ended)


@pytest.mark.parametrize(
    ("status", "reason", "shown"),
    [
        ("cancelled", "client_cancelled", "Stopped client_cancelled"),
        ("incomplete", "max_output_tokens", "Incomplete max_output_tokens"),
        ("failed", "model_timeout", "Failed model_timeout"),
    ],
)
def test_an_answer_that_did_not_complete_says_how_and_why(
    viewer: Client, status: str, reason: str, shown: str
) -> None:
    ending = done(status=status, reason=reason, message="Try again.", cause="no event for 45 s")
    text = visible(
        html_of(
            viewer, write_session([started(), *deltas("Hal"), message("Hal", status="incomplete"), ending])
        )
    )
    assert shown in text
    assert "Try again." in text
    assert "no event for 45 s" in text


def test_an_answer_in_flight_is_shown_as_far_as_it_got(viewer: Client) -> None:
    text = visible(
        html_of(viewer, write_session([user_says("go"), started(), *deltas("As far ", "as this")]))
    )
    assert "As far as this" in text
    assert "Partial" in text
    assert "In progress" in text


def test_tool_calls_are_folded(viewer: Client) -> None:
    html = html_of(
        viewer, write_session([started(), call(side_effects=True), result(outcome="unknown"), done()])
    )
    assert re.search(r"<details class=\"sx-tool\" id=\"seq-2\">", html)
    assert "outcome unknown" in html
    assert "side effects" in html


def test_facts_are_counted(viewer: Client) -> None:
    session = write_session(
        [ev.ConnectionOpened(connection_id="c", dialect="plain"), *turn(1), *turn(2)], duration_seconds=75
    )
    text = visible(html_of(viewer, session))
    for fact in (
        "Messages 2 in, 2 out",
        "Tokens 680 600 in, 80 out",
        "Tool calls 2",
        "Connections 1",
        "Duration 1 min 15 s",
    ):
        assert fact in text


@pytest.mark.parametrize("page", ["change/", "events/", "events/?deltas=1"])
def test_nothing_that_anyone_wrote_is_alive(admin: Client, page: str) -> None:
    events: list[ev.Event] = [
        user_says(ATTACK),
        ev.OperatorMessage(item_id="o", text=ATTACK, author=ATTACK),
        started(),
        call(name=ATTACK, arguments=ATTACK),
        result(name=ATTACK, output=ATTACK),
        message(f"{ATTACK} [x](javascript:alert(1)) ![x](https://evil.example/x.png)"),
        done(status="failed", reason=ATTACK, message=ATTACK, cause=ATTACK, model=ATTACK),
        started("resp_2"),
        *deltas(ATTACK, response_id="resp_2", item_id="item_2"),
        ev.SummaryFailed(error=ATTACK, attempts=1),
    ]
    session = write_session(
        events, title=ATTACK, summary=ATTACK, summary_state="failed", model=ATTACK[:100], guest_id=ATTACK[:60]
    )
    html = html_of(admin, session, page)
    assert "<script>alert" not in html
    assert "<img" not in html.split('class="sx"')[1]
    assert "<img src=x" not in html
    assert "javascript:alert(1)&quot;" not in html
    assert 'href="javascript' not in html
    assert "&lt;script&gt;alert" in html
    listed = admin.get(LIST).content.decode()
    assert "<script>alert" not in listed
    assert "<img src=x" not in listed
    dashboard = admin.get("/admin/").content.decode()
    assert "<script>alert" not in dashboard


def test_a_long_session_is_read_in_pages_of_the_same_cost(admin: Client) -> None:
    ended = SessionStatus.ENDED
    small = write_session(turn(1), status=ended)
    long = [event for number in range(1250) for event in turn(number)]
    big = write_session(long, title="Long", status=ended)
    assert big.last_seq == 10_000
    costs = []
    for session in (small, big):
        with CaptureQueriesContext(connection) as queries:
            html_of(admin, session)
        costs.append(len(queries))
    assert costs[0] == costs[1]
    first = html_of(admin, big)
    assert len(first) < 400_000
    assert "question 0 " in first
    assert "question 1249 " not in first
    later = re.search(r'href="(\?after=\d+)"', first)
    assert later
    second = admin.get(url(big) + later[1]).content.decode()
    assert "question 0 " not in second
    assert "?before=" in second
    end = re.search(r'href="(\?before=10001)"', first)
    assert end
    assert "question 1249 " in admin.get(url(big) + end[1]).content.decode()


def test_a_long_one_that_goes_on_opens_where_it_moves(viewer: Client) -> None:
    session = write_session([event for number in range(60) for event in turn(number)], title="Long")
    last = html_of(viewer, session)
    assert "question 59 " in last
    assert "question 0 " not in last
    assert 'id="live"' in last
    assert "question 0 " in html_of(viewer, session, "change/?after=0")


@pytest.mark.parametrize(
    "query", ["after=99999999999999999999999", "before=0", "before=x", "after=-1", "before=٣"]
)
def test_nonsense_in_the_address_is_no_error(viewer: Client, query: str) -> None:
    session = write_session(turn(1))
    assert viewer.get(f"{url(session)}?{query}").status_code == 200
    assert viewer.get(f"{url(session, 'events/')}?{query}").status_code == 200


@pytest.mark.parametrize("session_id", ["demo_123", "a~b.c-d", "add", "x_2Fy", "-._~"])
def test_any_session_id_can_be_looked_at(viewer: Client, session_id: str) -> None:
    session = write_session(turn(1), session_id=session_id)
    listed = viewer.get(LIST).content.decode()
    link = re.search(r'<a href="([^"]*/change/[^"]*)"', listed)
    assert link
    html = viewer.get(link[1]).content.decode()
    assert "question 1" in html
    for page in re.findall(r'href="(/admin/sessions_app/session/[^"]+/(?:events/|transcript\.\w+))"', html):
        response = viewer.get(page)
        assert response.status_code == 200, page
        told = b"".join(response).decode() if response.streaming else response.content.decode()
        assert session.session_id in told + response.headers.get("Content-Disposition", "")


def test_an_unknown_session_is_not_found(viewer: Client) -> None:
    for page in ("change/", "events/", "transcript.md", "transcript.json"):
        assert viewer.get(f"{LIST}nothing/{page}").status_code == 404


def test_the_raw_events_stand_in_order_with_their_payloads(viewer: Client) -> None:
    session = write_session(turn(1))
    html = html_of(viewer, session, "events/")
    assert "assistant_delta" not in html
    assert re.findall(r'<tr id="seq-(\d+)">', html) == ["1", "2", "3", "4", "7", "8"]
    assert "&quot;first_token_ms&quot;: 420.0" in html
    assert "5&ndash;6" in html_of(viewer, session, "events/?deltas=1")


def test_a_huge_event_is_cut_on_the_page_of_events(viewer: Client) -> None:
    session = write_session([user_says("x" * 30_000)])
    html = html_of(viewer, session, "events/")
    assert html.count("x" * 1000) <= 4
    assert "cut at 4,000 characters" in html


def test_raw_events_are_paged(viewer: Client) -> None:
    session = write_session([user_says(f"m{number}", f"i{number}") for number in range(250)])
    first = html_of(viewer, session, "events/")
    assert 'id="seq-100"' in first
    assert 'id="seq-101"' not in first
    assert 'id="seq-101"' in html_of(viewer, session, "events/?after=100")


PAGES = ("", "change/", "events/", "transcript.md", "transcript.json")


def all_urls(session: Session) -> list[str]:
    return [LIST, *(url(session, page) for page in PAGES[1:])]


def test_staff_without_the_permission_are_refused(nobody: Client) -> None:
    session = write_session(turn(1))
    assert [nobody.get(page).status_code for page in all_urls(session)] == [403] * 5


def test_who_is_not_staff_is_sent_to_sign_in(client: Client, db: None) -> None:
    session = write_session(turn(1))
    for page in all_urls(session):
        response = client.get(page)
        assert response.status_code == 302
        assert "/admin/login/" in response["Location"]


@pytest.mark.parametrize("who", ["admin", "viewer"])
def test_nobody_can_write(who: str, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(who)
    session = write_session(turn(1), title="Before")
    before = (Session.objects.count(), SessionEvent.objects.count())
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}add/", {"session_id": "new"}).status_code == 403
    assert client.post(url(session), {"title": "After", "_save": "1"}).status_code == 403
    assert client.post(url(session, "events/"), {}).status_code == 403
    assert client.get(url(session, "delete/")).status_code == 403
    assert client.post(url(session, "delete/"), {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [session.pk], "post": "yes"})
    session.refresh_from_db()
    assert session.title == "Before"
    assert (Session.objects.count(), SessionEvent.objects.count()) == before


@pytest.mark.parametrize("page", ["change/", "events/"])
def test_even_a_script_that_got_through_could_not_run(viewer: Client, page: str) -> None:
    policy = viewer.get(url(write_session(turn(1)), page))["Content-Security-Policy"]
    scripts = next(rule for rule in policy.split("; ") if rule.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert "default-src 'none'" in policy


def test_head_is_answered_like_get(viewer: Client) -> None:
    assert viewer.head(url(write_session(turn(1)))).status_code == 200


def test_times_are_told_with_their_date(viewer: Client) -> None:
    text = visible(html_of(viewer, write_session(turn(1), end_time=NOON.replace(hour=13))))
    assert "Wednesday, 4 March 2026" in text
    assert "4 Mar 2026, 12:00:00 to 13:00:00" in text


def test_what_is_asked_while_a_person_has_the_word_waits_for_that_person(viewer: Client) -> None:
    queued = ev.ResponseQueued(response_id="resp_9", position=1, item_ids=["item_u"])
    took = ev.OperatorTookOver(item_id="item_t", author="grace", shown_as="Staff")
    back = ev.OperatorHandedBack(item_id="item_h", author="grace", shown_as="Staff")
    held = visible(html_of(viewer, write_session([took, queued])))
    assert "The customer asked grace for an answer" in held
    long = [event for number in range(40) for event in turn(number)]
    later = write_session([took, *long, queued])
    assert "The customer asked grace for an answer" in visible(html_of(viewer, later))
    free = visible(html_of(viewer, write_session([took, back, queued])))
    assert "waits for the answer" not in free
    assert "it is answered next" in free


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"responses": 1, "cost_microusd": 0, "unpriced": 1}, "cost unknown"),
        ({"responses": 0, "cost_microusd": 0, "unpriced": 1}, "cost unknown"),
        ({"responses": 0, "cost_microusd": 20_000, "unpriced": 0}, "$0.020"),
        ({"responses": 0, "cost_microusd": 0, "unpriced": 0}, ""),
    ],
)
def test_the_line_of_figures_tells_a_cost_where_the_list_has_one(
    viewer: Client, fields: dict[str, Any], told: str
) -> None:
    """What a summary cost is one, and "unknown" alone says nothing of what."""
    html = html_of(viewer, write_session([user_says("x")], **fields))
    line = visible(f'class="sx"{html.split(chr(34) + "sx" + chr(34))[1].partition("desk-ids")[0]}')
    assert ("cost" in line or "$" in line) is bool(told)
    assert told in line


def test_the_conversation_begins_below_a_line_of_figures_and_the_rest_is_folded(viewer: Client) -> None:
    failed = [user_says("x", "item_x"), started("resp_f"), done("resp_f", status="failed")]
    html = html_of(viewer, write_session([*turn(1), *failed], summary="Short.", summary_state="written"))
    head, _, rest = html.split('class="sx"')[1].partition('class="desk-ids"')
    assert "3 messages" in visible(f'class="sx"{head}')
    assert "1 failed" in visible(f'class="sx"{head}')
    assert "Connections" not in head
    folded = rest.partition("</details>")[0]
    assert "<dt>Connections</dt>" in folded
