"""The plain dialect: messages in, text and errors out."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from chat.errors import FrameError, FrameTooLarge
from chat.session.commands import GiveFeedback
from chat.wire.plain import PlainProjector, plain_error, plain_feedback, plain_message, plain_policy
from sessions_app.log import events as ev
from tests.protocol.logs import numbered


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("Hello", "Hello"),
        ("  two words \n", "  two words \n"),
        ('{"message": "Hello"}', "Hello"),
        (' {"text": "Hello"}', "Hello"),
        ('{"message": "this", "text": "not this"}', "this"),
        ('{"message": 7, "text": "this"}', "this"),
        ('{"message": 7}', '{"message": 7}'),
        ('{"other": "x"}', '{"other": "x"}'),
        ('{"message": "unclosed', '{"message": "unclosed'),
        ('["message"]', '["message"]'),
        ('"quoted"', '"quoted"'),
        ('{"a":' * 5_000, '{"a":' * 5_000),
        ("😀", "😀"),
        ('{"message": "\\ud83d\\ude00"}', "😀"),
    ],
)
def test_a_frame_is_the_message_or_carries_it(frame: str, message: str) -> None:
    assert plain_message(frame) == message


@pytest.mark.parametrize(
    ("frame", "policy"),
    [
        ("Hello", ""),
        ('{"message": "Hello"}', ""),
        ('{"message": "Hello", "policy": "interrupt"}', "interrupt"),
        ('{"text": "Hello", "policy": "reject"}', "reject"),
        ('{"policy": "strict"}', ""),
        ('{"policy": {"Statement": []}, "message": 7}', ""),
    ],
)
def test_a_policy_stands_beside_a_message_alone(frame: str, policy: str) -> None:
    """JSON that is itself what somebody says may have a field of that name."""
    assert plain_policy(frame) == policy


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(FrameError, match="enqueue, interrupt, reject") as caught:
        plain_policy('{"message": "Hello", "policy": "strict"}')

    assert caught.value.param == "policy"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "empty_message"),
        (" \n\t", "empty_message"),
        ('{"message": ""}', "empty_message"),
        ("a\x00b", "invalid_text"),
        ('{"message": "a\\u0000b"}', "invalid_text"),
        ("\ud83d", "invalid_text"),
        ('{"text": "\\ude00"}', "invalid_text"),
    ],
)
def test_what_is_no_message_is_refused_by_its_code(frame: str, code: str) -> None:
    with pytest.raises(FrameError) as caught:
        plain_message(frame)

    assert caught.value.code == code


def test_the_longest_message_is_the_settings(settings: Settings) -> None:
    settings.CHAT_MAX_MESSAGE_CHARS = 3

    assert plain_message("abc") == "abc"
    with pytest.raises(FrameTooLarge, match="has 4 characters; at most 3"):
        plain_message("abcd")


@given(st.text())
def test_whatever_comes_gives_a_message_or_a_frame_error(frame: str) -> None:
    with contextlib.suppress(FrameError):
        assert plain_message(frame)


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        ('{"feedback": "up"}', GiveFeedback(rating="up")),
        ('{"feedback": "none", "item_id": "a"}', GiveFeedback(rating="none", item_id="a")),
        (
            ' {"feedback": "down", "reason": "wrong", "comment": "No."}',
            GiveFeedback(rating="down", reason="wrong", comment="No."),
        ),
        ('{"feedback": "great"}', None),
        ('{"feedback": {"rating": "up"}}', None),
        ('{"feedback": "up", "message": "Hello"}', None),
        ('{"feedback": "up"', None),
        ("feedback: up", None),
    ],
)
def test_a_word_on_an_answer_is_no_message(frame: str, word: GiveFeedback | None) -> None:
    assert plain_feedback(frame) == word


def test_a_comment_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(FrameError) as caught:
        plain_feedback('{"feedback": "down", "comment": "a\\u0000b"}')
    assert (caught.value.code, caught.value.param) == ("invalid_text", "comment")


def test_the_form_of_feedback() -> None:
    down, none = (
        ev.FeedbackGiven(item_id="a", rating=ev.Rating.DOWN, reason="wrong", comment="No."),
        ev.FeedbackGiven(item_id="a", rating=ev.Rating.NONE),
    )
    assert shown(down, none) == ["[feedback] a down wrong: No.", "[feedback] a none"]


def shown(*events: ev.Event) -> list[str]:
    projector = PlainProjector()
    return [frame for record in numbered(list(events)) for frame in projector.frames(record)]


def delta(offset: int, text: str) -> ev.AssistantDelta:
    return ev.AssistantDelta(response_id="r", item_id="a", output_index=0, offset=offset, text=text)


def message(text: str) -> ev.AssistantMessage:
    return ev.AssistantMessage(response_id="r", item_id="a", output_index=0, text=text)


def test_deltas_go_out_as_they_are_and_the_final_text_not_again() -> None:
    assert shown(delta(0, "Hel"), delta(3, "lo\n"), message("Hello\n")) == ["Hel", "lo\n"]


def test_a_text_that_was_not_streamed_goes_out_whole() -> None:
    assert shown(message("Hello")) == ["Hello"]


def test_a_client_that_comes_in_the_middle_of_a_text_sees_the_rest_once() -> None:
    assert shown(delta(3, "lo"), message("Hello")) == ["lo"]


@pytest.mark.parametrize(
    ("status", "reason", "text", "frames"),
    [
        ("completed", "", "", []),
        ("cancelled", "client_cancelled", "", []),
        ("failed", "model_overloaded", "Busy.", ["[error] model_overloaded: Busy."]),
        (
            "incomplete",
            "content_filter",
            "",
            ["[error] content_filter: The model's vendor cut the answer off: its safety filter objected."],
        ),
        (
            "incomplete",
            "recitation",
            "",
            ["[error] recitation: The answer broke off (recitation). Ask again."],
        ),
        ("failed", "", "", ["[error] unknown: The answer broke off (unknown). Ask again."]),
    ],
)
def test_an_answer_that_failed_or_broke_off_ends_in_one_error(
    status: str, reason: str, text: str, frames: list[str]
) -> None:
    done = ev.ResponseDone(response_id="r", status=ev.ResponseStatus(status), reason=reason, message=text)
    assert shown(done) == frames


def test_nothing_else_is_shown() -> None:
    others: list[ev.Event] = [
        ev.UserMessage(item_id="u", text="Hello"),
        ev.OperatorMessage(item_id="o", text="secret", author="ann"),
        ev.ResponseStarted(response_id="r", provider="demo", model="demo"),
        ev.ToolCall(response_id="r", item_id="c", call_id="c", output_index=0, name="n", arguments="{}"),
        ev.ToolResult(item_id="c", call_id="c", name="n", output="o"),
        ev.SessionEnded(reason=ev.EndReason.LEFT),
    ]

    assert shown(*others) == []


def test_the_form_of_an_error() -> None:
    assert plain_error("queue_full", "Wait.") == "[error] queue_full: Wait."
