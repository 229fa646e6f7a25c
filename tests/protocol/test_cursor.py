"""Names of places in the stream."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidCursor
from chat.wire.realtime.projector import Cursor, event_id, parse_event_id

session_ids = st.from_regex(r"[A-Za-z0-9._~-]{1,20}", fullmatch=True)


@given(session_ids, st.integers(1, 10**17), st.none() | st.integers(1, 999))
def test_a_name_is_read_back_as_the_place_it_was_made_from(
    session_id: str, seq: int, index: int | None
) -> None:
    assert parse_event_id(session_id, event_id(session_id, seq, index)) == Cursor(seq, index)


def test_the_place_before_everything_has_a_name() -> None:
    assert parse_event_id("s", "event_s_0") == Cursor(0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "event_s_",
        "event_s_-1",
        "event_s_1.",
        "event_s_1.0",
        "event_s_01",
        "event_s_0.1",
        "event_s_1.1.1",
        "event_s_1 ",
        "event_s_1\n",
        "event_s_\u0661",
        "event_s_" + "9" * 40,
        "evt_4f2c",
        "s_1",
        "EVENT_s_1",
    ],
)
def test_what_is_no_place_is_refused_with_a_word_on_what_to_do(text: str) -> None:
    with pytest.raises(InvalidCursor, match="begins with 'event_s_'") as caught:
        parse_event_id("s", text)

    assert (caught.value.code, caught.value.param) == ("invalid_cursor", "last_event_id")
    assert caught.value.close_code == 4400, "no code on which a client tries the same again"


@pytest.mark.parametrize(
    ("session_id", "text"),
    [
        ("a", "event_a_1_7"),
        ("a_1", "event_a_7"),
        ("a", "event_b_7"),
        ("a.1", "event_a_7.1"),
        ("a_1", "event_a_1_7_2"),
    ],
)
def test_a_place_in_another_sessions_stream_is_refused(session_id: str, text: str) -> None:
    with pytest.raises(InvalidCursor):
        parse_event_id(session_id, text)


@given(st.text(), st.text())
def test_nothing_but_an_invalid_cursor_is_raised(session_id: str, rest: str) -> None:
    for text in (rest, f"event_{session_id}_{rest}"):
        with contextlib.suppress(InvalidCursor):
            parse_event_id(session_id, text)
