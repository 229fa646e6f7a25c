"""A client's view against the log: what was lost, changed, repeated, promised and not kept is found."""

from copy import deepcopy

import msgspec
import pytest

from sessions_app.log import events as ev
from tests.chaos.client import Client
from tests.chaos.comparison import check_client, view_is_the_log
from tests.chaos.logged import LoggedSession
from tests.chaos.logs import ASK, MESSAGE, SESSION_ID, events, logged
from tests.chaos.turn import Turn
from tests.chaos.view import Frame, View

START = f"event_{SESSION_ID}_0"


def client_of(session: LoggedSession, *, text: str = "count to 2") -> Client:
    """One that saw the whole session, and asked its question."""
    client = Client("ws://nowhere")
    client.view = seen(deepcopy(session.frames))
    turn = Turn(text, expected="1, 2.", message_id=MESSAGE, asks=[ASK])
    for frame in session.frames:
        turn.see(frame)
    turn.finished = True
    client.turns.append(turn)
    return client


def seen(frames: list[Frame]) -> View:
    view = View(SESSION_ID, start=START)
    for frame in frames:
        view.take(frame)
    return view


def found(view: View) -> str:
    return "\n".join([*map(str, view_is_the_log(view, logged())), *view.wrong, *view.repeated, *view.unkept])


def test_a_client_that_saw_everything_is_content() -> None:
    assert check_client(client_of(logged()), logged()) == []


def test_a_frame_that_was_lost_is_found() -> None:
    assert "the client never saw event_one_6" in found(
        seen([one for one in logged().frames if one["event_id"] != "event_one_6"])
    )


def test_a_frame_with_other_content_is_found() -> None:
    frames = deepcopy(logged().frames)
    next(one for one in frames if one["type"] == "response.output_text.delta")["delta"] = "7, "
    assert "the client saw" in found(seen(frames))
    assert "the deltas joined are '7, 2.'" in found(seen(frames))


def test_a_frame_of_no_record_is_found() -> None:
    frames = logged().frames
    extra = {**frames[-1], "event_id": "event_one_999"}
    assert "which the log does not have" in found(seen([*frames, extra]))


def test_a_repeat_and_a_wrong_order_are_found() -> None:
    frames = logged().frames
    assert "came twice" in found(seen([*frames, frames[-1]]))
    assert "came after" in found(seen([*frames[1:], frames[0]]))


def test_what_was_declared_lost_is_forgotten_but_never_what_was_promised() -> None:
    view = seen(logged().frames[:6])
    view.truncate(START)
    assert view.frames == {}
    assert "event_one_2, a conversation.item.done, was taken back" in found(view)


def test_a_resume_at_another_place_than_asked_for_is_found() -> None:
    view = seen(logged().frames)
    view.greeted({"x_stream": {"last_event_id": START, "resumed": True}}, asked_for=view.last_event_id)
    assert "was answered with" in view.wrong[0]


@pytest.mark.parametrize(
    ("session", "what"),
    [
        (logged([*events()[:1], *events()[9:]]), "acknowledged mine_message is 0 times there"),
        (None, "acknowledged mine_message is 0 times there"),
    ],
)
def test_an_acknowledged_message_that_is_not_there_is_found(session: LoggedSession | None, what: str) -> None:
    assert what in "\n".join(map(str, check_client(client_of(logged()), session)))


def test_other_words_than_were_sent_and_another_answer_than_expected_are_found() -> None:
    assert "has other words" in "\n".join(map(str, check_client(client_of(logged(), text="hello"), logged())))
    client = client_of(logged())
    client.turns[0].expected = "1, 2, 3."
    assert "was answered with '1, 2.'" in "\n".join(map(str, check_client(client, logged())))


def test_a_question_without_an_end_is_found() -> None:
    client = client_of(logged())
    client.turns[0].end = None
    assert "has no end" in "\n".join(map(str, check_client(client, logged())))


@pytest.mark.parametrize(
    ("status", "reason"),
    [("incomplete", "interrupted"), ("cancelled", "interrupted"), ("cancelled", "session_ended")],
)
def test_a_plain_question_that_nobody_stopped_and_that_was_not_answered_is_found(
    status: str, reason: str
) -> None:
    client = client_of(logged())
    client.turns[0].end = {"status": status, "status_details": {"x_reason": reason}, "output": []}
    assert f"ended as {status} ({reason})" in "\n".join(map(str, check_client(client, logged())))


def test_a_question_that_was_answered_with_another_is_taken_in_by_that() -> None:
    client = client_of(logged())
    turn = client.turns[0]
    turn.end = {"status": "cancelled", "status_details": {"x_reason": "nothing_new"}, "output": []}
    assert "ended as cancelled (nothing_new)" in "\n".join(map(str, check_client(client, logged())))
    turn.overtaken = True
    assert check_client(client, logged()) == []
    passed_over = [
        msgspec.structs.replace(event, input_item_ids=[]) if isinstance(event, ev.ResponseStarted) else event
        for event in events()
    ]
    assert "no response took it in" in "\n".join(map(str, check_client(client, logged(passed_over))))


@pytest.mark.parametrize(("fault", "retries"), [("mark", 0), ("", 2)])
def test_an_answer_that_was_rightly_given_up_is_not(fault: str, retries: int) -> None:
    client = client_of(logged())
    turn = client.turns[0]
    turn.fault, turn.retries = fault, retries
    turn.end = {"status": "incomplete", "status_details": {"x_reason": "interrupted"}, "output": []}
    assert "ended as incomplete" not in "\n".join(
        str(one) for one in check_client(client, logged()) if "the log says" not in one.what
    )


def test_what_died_with_its_process_is_excused_only_for_a_client_that_never_came_back() -> None:
    reopened = ev.SessionReopened(model="chaos", cause=ev.ReopenCause.TAKEOVER, skipped=100)
    session = logged([*events()[:4], reopened])
    row = session.rows[-1]
    session.rows[-1] = msgspec.structs.replace(row, first_seq=row.seq, seq=row.seq + 100)
    lost = {**logged().frames[-1], "event_id": "event_one_9"}
    gone = seen([*session.frames, lost])
    assert list(view_is_the_log(gone, session)) == []
    back = seen([*session.frames, lost, {**lost, "event_id": "event_one_106"}])
    assert "event_one_9" in "\n".join(map(str, view_is_the_log(back, session)))
