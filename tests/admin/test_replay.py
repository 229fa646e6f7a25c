"""A session as it went: its steps at their times, and where the time of its answers went."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from sessions_app.log import events as ev
from sessions_app.log.folding import Answer, fold
from sessions_app.models import SessionEvent
from sessions_app.review.replay import beginning_of_part, read_part, steps_of, waterfalls
from tests.admin.rows import (
    NOON,
    call,
    deltas,
    done,
    message,
    records_of,
    result,
    started,
    turn,
    user_says,
    write_session,
)

PAGE = "/admin/sessions_app/session/s1/replay/"


def timed(*events: tuple[float, ev.Event]) -> list[ev.Record]:
    """(milliseconds, event)."""
    return [
        ev.Record("s1", seq, NOON + timedelta(milliseconds=ms), event)
        for seq, (ms, event) in enumerate(events, start=1)
    ]


def test_steps_keep_their_times_and_deltas_of_a_moment_are_one() -> None:
    one, two, three = deltas("a", "b", "c")
    steps = steps_of(timed((0, user_says("Hi")), (500, started()), (900, one), (930, two), (1200, three)))
    assert [(step["ms"], step["kind"], step.get("text")) for step in steps] == [
        (0.0, "said", "Hi"),
        (500.0, "start", None),
        (900.0, "text", "ab"),
        (1200.0, "text", "c"),
    ]


def test_joined_steps_give_the_very_text() -> None:
    texts = [f"word {number} " for number in range(50)]
    pieces = deltas(*texts)
    steps = steps_of(timed(*((number * 13.0, piece) for number, piece in enumerate(pieces))))
    assert "".join(step["text"] for step in steps) == "".join(texts)
    assert len(steps) < len(texts)


def test_of_what_a_tool_was_given_and_gave_it_is_told_what_is_left_out() -> None:
    long, short = "x" * 2_500, '{"zone": "Asia/Tokyo"}'
    steps = steps_of(timed((0, call(arguments=long)), (5, result(output=long)), (9, call("call_2"))))
    cut = "x" * 2_000 + "\n[cut: 2,000 of 2,500 characters are shown]"
    assert [step["text"] for step in steps] == [cut, cut, short]


def test_cuts_and_what_a_whisper_was_are_told() -> None:
    steps = steps_of(
        timed(
            (0, ev.ConnectionOpened(connection_id="c", dialect="realtime")),
            (10, ev.OperatorWhispered(item_id="w", text="psst", author="ann")),
            (20, ev.ConnectionClosed(connection_id="c", close_code=1006)),
            (30, ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER)),
        )
    )
    assert [step.get("mark") for step in steps] == ["back", None, "cut", "back"]
    assert (steps[1]["who"], steps[1]["whispered"]) == ("ann", True)


def test_a_rating_comes_when_it_was_given_to_the_answer_it_is_about() -> None:
    bad = ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.DOWN, reason="not_true", comment="Lies")
    steps = steps_of(records_of("s1", [user_says("Hi"), started(), message("Hello"), done(), bad]))
    assert (steps[-1]["kind"], steps[-1]["rates"], steps[-1]["mark"]) == ("rated", "item_a", "bad")
    assert "not true: Lies" in steps[-1]["text"]


def test_who_waits_for_a_person_is_not_said_to_ask_for_more() -> None:
    queued = ev.ResponseQueued(response_id="resp_2", position=1)
    taken = ev.OperatorTookOver(item_id="t", author="ann", shown_as="A person")
    back = ev.OperatorHandedBack(item_id="b", author="ann", shown_as="A person")
    steps = steps_of(records_of("s1", [taken, queued, back, queued]))
    assert steps[1]["text"] == "The customer asked ann for an answer"
    assert "asked for more" in steps[3]["text"]
    later = steps_of(records_of("s1", [queued]), operator="ann")
    assert "asked ann for an answer" in later[0]["text"]


@pytest.mark.django_db
def test_files_are_played_too(viewer: Client) -> None:
    picture = ev.FileRef(id="file_1", name="<shoe>.png", media_type="image/png", size=9, width=4, height=3)
    write_session([ev.UserMessage(item_id="u", text="", files=[picture])], session_id="s1")
    (step,) = viewer.get("/admin/sessions_app/session/s1/replay.json").json()["steps"]
    assert step["files"] == [
        {
            "id": "file_1",
            "name": "<shoe>.png",
            "width": 4,
            "height": 3,
            "url": "/admin/sessions_app/session/s1/files/file_1",
        }
    ]
    assert "[&lt;shoe&gt;.png]" in viewer.get(PAGE).content.decode()


def bars(*events: tuple[float, ev.Event]) -> list[tuple[str, float, float]]:
    (answer,) = waterfalls(timed(*events))
    return [(bar.label, bar.start_ms, bar.end_ms) for bar in answer.bars]


def test_where_the_time_of_an_answer_went() -> None:
    first, second = deltas("It is ", "noon.")
    assert bars(
        (0, user_says("Time?")),
        (100, ev.ResponseStarted(response_id="resp_1", provider="p", model="m", input_item_ids=["item_u"])),
        (
            300,
            ev.ModelAttemptFailed(
                response_id="resp_1", model="p:m", code="model_overloaded", next_model="q:n"
            ),
        ),
        (500, call()),
        (800, result()),
        (1000, first),
        (1600, second),
        (1700, message("It is noon.")),
        (1750, done()),
    ) == [
        ("Waited for its turn", 0.0, 100.0),
        ("p:m failed: model_overloaded", 100.0, 300.0),
        ("Tool " + call().name, 500.0, 800.0),
        ("To the first word", 800.0, 1000.0),
        ("Writing", 1000.0, 1600.0),
        ("End", 1750.0, 1750.0),
    ]


def test_an_answer_that_is_torn_has_none() -> None:
    assert waterfalls(timed((0, started()))) == []
    assert waterfalls(timed((0, done()))) == []


@pytest.mark.django_db
def test_folded_deltas_are_played_at_their_own_times() -> None:
    pieces = deltas("one ", "two ", "three")
    events: list[ev.Event] = [user_says("Count"), started(), *pieces, message("one two three"), done()]
    write_session(events, session_id="s1")
    before = steps_of(read_part(session_id="s1").records)
    fold([Answer("s1", "item_a", 3, 6)])
    assert steps_of(read_part(session_id="s1").records) == before


@pytest.mark.django_db
def test_a_long_session_is_played_in_parts_that_tear_no_answer() -> None:
    events: list[ev.Event] = []
    for number in range(30):
        response_id = f"resp_{number}"
        events += [
            user_says(f"question {number}", f"item_u{number}"),
            started(response_id),
            message(f"answer {number}", response_id=response_id, item_id=f"item_a{number}"),
            done(response_id),
        ]
    write_session(events, session_id="s1")
    after, parts = 0, []
    while True:
        part = read_part(session_id="s1", after=after, most=50)
        parts.append(part.records)
        if part.later is None:
            break
        assert isinstance(part.records[-1].event, ev.ResponseDone)
        after = part.later
    assert [record.seq for records in parts for record in records] == list(range(1, len(events) + 1))
    assert len(parts) > 2


def test_the_page_reads_without_a_script(viewer: Client, django_assert_max_num_queries: Any) -> None:
    attack = "<script>alert(1)</script>"
    events: list[ev.Event] = [user_says(attack), started(), call(), result(), message("Noon."), done()]
    write_session(events, session_id="s1")
    with django_assert_max_num_queries(15):
        page = viewer.get(PAGE).content.decode()
    assert "Where the time went" in page
    assert "Tool get_time" in page or "Tool " in page
    assert "What happened when" in page
    assert attack not in page
    steps = viewer.get("/admin/sessions_app/session/s1/replay.json").json()["steps"]
    assert steps[0]["text"] == attack, "the script shows it as text"


def test_it_is_for_who_may_see_sessions(client: Client, db: None) -> None:
    write_session([user_says("Hi")], session_id="s1")
    assert client.get(PAGE).status_code == 302
    assert client.get("/admin/sessions_app/session/s1/replay.json").status_code == 302


def test_records_of_one_moment_hurt_nobody() -> None:
    records = records_of("s1", [user_says("Hi"), started(), message("Hello"), done()])
    (answer,) = waterfalls(records)
    assert all(0 <= x <= 1000 for _, x, _ in answer.scaled)


def test_what_a_model_wrote_is_played_as_the_transcript_has_it(viewer: Client) -> None:
    write_session(
        [user_says("**Hi**"), started(), *deltas("**b", "old**"), message("**bold** <b>x</b>"), done()],
        session_id="s1",
    )
    steps = viewer.get(f"{PAGE.removesuffix('/')}.json").json()["steps"]
    whole = next(step for step in steps if step["kind"] == "whole")
    assert whole["html"] == "<p><strong>bold</strong> &lt;b&gt;x&lt;/b&gt;</p>\n"
    said = next(step for step in steps if step["kind"] == "said")
    assert (said["text"], said["time"], said.get("html")) == ("**Hi**", "12:00:00", None)


def test_an_answer_leads_to_its_place_in_the_replay_and_back(viewer: Client) -> None:
    write_session([user_says("x"), started(), message("y"), done()], session_id="s1")
    transcript = viewer.get("/admin/sessions_app/session/s1/change/").content.decode()
    assert f'href="{PAGE}?at=2"' in transcript
    replay = viewer.get(f"{PAGE}?at=2").content.decode()
    assert "/admin/sessions_app/session/s1/change/?hit=2" in replay


@pytest.mark.django_db
def test_a_place_far_on_is_in_the_part_that_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions_app.review.replay.MOST_RECORDS", 20)
    write_session([event for number in range(9) for event in turn(number)], session_id="s1")
    assert beginning_of_part(session_id="s1", seq=20) == 0
    after = beginning_of_part(session_id="s1", seq=60)
    part = read_part(session_id="s1", after=after, most=20)
    assert isinstance(part.records[0].event, ev.UserMessage)
    assert any(record.seq == 60 for record in part.records)


@pytest.mark.django_db
def test_a_place_behind_what_a_takeover_found_lost_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was asked before it, and the takeover is the first event, which stands for many seqs."""
    monkeypatch.setattr("sessions_app.review.replay.MOST_RECORDS", 20)
    lost = ev.SessionReopened(model="demo", source="", cause=ev.ReopenCause.TAKEOVER, skipped=500)
    write_session([lost, *turn(1)], session_id="s1")
    for seq in (100, 501):
        part = read_part(session_id="s1", after=beginning_of_part(session_id="s1", seq=seq))
        assert part.records[0].event == lost


@pytest.mark.django_db
def test_a_part_does_not_end_with_a_turn_that_never_began() -> None:
    """Its end is not that of the answer during which it left the queue."""
    waits = [
        ev.ResponseQueued(response_id="resp_w", position=1),
        done("resp_w", "cancelled", reason="cancelled", waited=True),
    ]
    events = [user_says("Hi"), started(), message("Hello"), done()]
    write_session([*events, user_says("Go on", "item_u2"), started("resp_2"), *waits], session_id="s1")
    part = read_part(session_id="s1", most=8)
    assert [record.seq for record in part.records] == [1, 2, 3, 4]


def test_an_event_that_cannot_be_read_leaves_the_others_to_be_played(viewer: Client) -> None:
    session = write_session([user_says("before"), user_says("after", "item_2")], session_id="s1")
    SessionEvent.objects.create(
        session=session,
        first_seq=3,
        seq=3,
        role="system",
        event_type="from_the_future",
        created_at=session.start_time,
    )
    assert viewer.get(PAGE).status_code == 200
    steps = viewer.get("/admin/sessions_app/session/s1/replay.json").json()["steps"]
    assert [step["text"] for step in steps[:2]] == ["before", "after"]
    assert "from_the_future" in steps[2]["text"]
