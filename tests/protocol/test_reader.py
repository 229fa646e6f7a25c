"""What a socket is sent of the log: the projector's frames to the byte; joined where it asks for that, with nothing lost."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.wire.realtime import reader as reader_module
from chat.wire.realtime.projector import Cursor, RealtimeProjector, parse_event_id
from chat.wire.realtime.reader import told_once
from chat.wire.realtime.server import DeltaTemplate, TextDelta, encode
from sessions_app.log import events as ev
from tests.protocol.logs import SESSION_ID, logs
from tests.protocol.reading import SessionWithReaders
from tests.protocol.sdk import held

examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
fewer = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANYWHERE = st.integers(0, 10**6)


def whole(records: Sequence[ev.Record]) -> list[str]:
    projector = RealtimeProjector(SESSION_ID)
    return [encode(frame) for record in records for frame in projector.frames(record)]


def batches(records: list[ev.Record], data: st.DataObject) -> list[list[ev.Record]]:
    cuts = data.draw(st.sets(st.integers(0, len(records)), max_size=6)) | {0, len(records)}
    return [records[start:end] for start, end in pairwise(sorted(cuts))]


def after(records: Sequence[ev.Record], event_id: str) -> tuple[list[ev.Record], Cursor]:
    """What a server reads for a client that comes back: from the response in which its place lies."""
    cursor = parse_event_id(SESSION_ID, event_id)
    starts = [r.seq for r in records if r.seq <= cursor.seq and isinstance(r.event, ev.ResponseStarted)]
    return [record for record in records if record.seq >= (starts[-1] if starts else cursor.seq)], cursor


def told(frames: Sequence[str]) -> dict[str, str]:
    """The text of each item as a client has it that joins deltas."""
    texts: dict[str, str] = defaultdict(str)
    for frame in map(json.loads, frames):
        if frame["type"] == "response.output_text.delta":
            texts[frame["item_id"]] += frame["delta"]
    return texts


def without_texts(frame: str) -> dict[str, Any]:
    """An answer's text, or its length in its place."""

    def stripped(value: Any) -> Any:
        if isinstance(value, list):
            return [stripped(one) for one in value]
        if not isinstance(value, dict):
            return value
        inner = {name: stripped(one) for name, one in value.items()}
        if "text" in inner and inner.get("type") != "input_text":
            inner["text"] = inner.pop("x_text_chars", None) or len(inner["text"])
        return inner

    return cast("dict[str, Any]", stripped(json.loads(frame)))


@examples
@given(
    session_id=st.from_regex(r"[A-Za-z0-9._\-]{1,40}", fullmatch=True),
    text=st.text(),
    seq=st.integers(1, 2**53),
)
def test_a_delta_from_the_template_is_the_encoders_to_the_byte(session_id: str, text: str, seq: int) -> None:
    delta = TextDelta(response_id='resp_"1"', item_id="item_é", output_index=3, delta=text)
    template = DeltaTemplate(delta, f"event_{session_id}_")
    delta.event_id = f"event_{session_id}_{seq}"

    assert template.encode(seq, text) == encode(delta)


@examples
@given(logs(), st.data())
def test_all_sockets_of_a_session_get_the_projectors_frames(
    records: list[ev.Record], data: st.DataObject
) -> None:
    session = SessionWithReaders(readers=3)
    readers = [session.reader() for _ in range(data.draw(st.integers(1, 3)))]
    got: list[list[str]] = [[] for _ in readers]
    for batch in batches(records, data):
        for one, frames in zip(readers, got, strict=True):
            frames.extend(one.texts(batch) if batch else ())

    assert got == [whole(records)] * len(readers)


@fewer
@given(logs(max_turns=2), st.data())
def test_a_socket_that_comes_back_beside_others_gets_exactly_the_rest(
    records: list[ev.Record], data: st.DataObject
) -> None:
    frames, session = whole(records), SessionWithReaders(readers=2)
    there = session.reader()
    for record in records:
        list(there.texts([record]))
    for place, frame in enumerate(frames, start=1):
        rest, cursor = after(records, json.loads(frame)["event_id"])
        assert list(session.reader(cursor).texts(rest)) == frames[place:]


def test_a_frame_is_encoded_once_for_all_sockets() -> None:
    records = records_of_an_answer()
    session = SessionWithReaders(readers=3)
    readers = [session.reader() for _ in range(3)]
    first, *others = [list(one.texts(records)) for one in readers]

    for frames in others:
        assert all(mine is theirs for mine, theirs in zip(first, frames, strict=True))
    assert not any(one._kept for one in reader_module._encoded.values()), "all have taken it"


def records_of_an_answer(text: str = "one two three") -> list[ev.Record]:
    at, words = datetime(2026, 3, 1, tzinfo=UTC), text.split(" ")
    events: list[ev.Event] = [
        ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo", input_item_ids=["item_q"])
    ]
    offset = 0
    for word in words:
        events.append(
            ev.AssistantDelta(
                response_id="resp_1", item_id="item_a", output_index=0, offset=offset, text=word
            )
        )
        offset += len(word)
    events += [
        ev.AssistantMessage(response_id="resp_1", item_id="item_a", output_index=0, text="".join(words)),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
    ]
    return [ev.Record(SESSION_ID, seq, at, event) for seq, event in enumerate(events, start=1)]


@examples
@given(logs(max_turns=3), ANYWHERE, st.data())
def test_joined_history_tells_the_same_text_and_every_place_in_it_is_one_of_the_log(
    records: list[ev.Record], until: int, data: st.DataObject
) -> None:
    one = SessionWithReaders().reader(joined_until=until % (len(records) + 1))
    history = [frame for batch in batches(records, data) if batch for frame in one.texts(batch)]
    frames = whole(records)
    by_id = {json.loads(frame)["event_id"]: frame for frame in frames}

    assert told(history) == told(frames)
    for frame in history:
        held(frame)
        event = json.loads(frame)
        if event["type"] != "response.output_text.delta":
            assert without_texts(frame) == without_texts(by_id[event["event_id"]])
    deltas = [frame for frame in frames if "output_text.delta" in frame]
    others = [json.loads(frame)["event_id"] for frame in history if "output_text.delta" not in frame]
    assert others == [json.loads(frame)["event_id"] for frame in frames if frame not in deltas]
    assert {json.loads(frame)["event_id"] for frame in history} <= set(by_id)


@fewer
@given(logs(max_turns=2), ANYWHERE, st.booleans())
def test_a_client_cut_off_in_joined_history_comes_back_and_has_exactly_all(
    records: list[ev.Record], until: int, joins_again: bool
) -> None:
    until %= len(records) + 1
    frames = whole(records)
    ids = [json.loads(frame)["event_id"] for frame in frames]
    history = list(SessionWithReaders().reader(joined_until=until).texts(records))
    for place, frame in enumerate(history, start=1):
        rest, cursor = after(records, json.loads(frame)["event_id"])
        back = (
            list(SessionWithReaders().reader(cursor, joined_until=until if joins_again else 0).texts(rest))
            if rest
            else []
        )
        if not joins_again:
            assert back == frames[ids.index(json.loads(frame)["event_id"]) + 1 :]
        assert told([*history[:place], *back]) == told(frames)


def test_a_long_run_of_old_deltas_is_one_frame_and_what_follows_it_repeats_no_text() -> None:
    records = records_of_an_answer("word " * 2_000 + "end")
    text = "word" * 2_000 + "end"
    history = list(SessionWithReaders().reader(joined_until=records[-1].seq).texts(records))

    deltas = [json.loads(frame) for frame in history if "output_text.delta" in frame]
    assert [(one["delta"], one["event_id"]) for one in deltas] == [
        (text, f"event_{SESSION_ID}_{len(records) - 2}")
    ]
    assert sum(map(len, history)) < len(text) + 4_000
    assert sum(f'"x_text_chars":{len(text)}' in frame for frame in history) == 5


def test_what_goes_on_while_the_client_reads_is_not_joined() -> None:
    records = records_of_an_answer()
    frames = list(SessionWithReaders().reader(joined_until=3).texts(records))

    assert [json.loads(one)["delta"] for one in frames if "output_text.delta" in one] == ["onetwo", "three"]
    assert frames[-1] == whole(records)[-1], "what ends now is told as ever"


def test_a_text_beyond_the_bound_is_told_by_its_deltas_alone(settings: Any) -> None:
    settings.CHAT_REPEATED_TEXT_CHARS = 10
    short, long = records_of_an_answer("one two th"), records_of_an_answer("one two three")

    assert list(SessionWithReaders().reader().texts(short)) == whole(short)
    frames = list(SessionWithReaders().reader().texts(long))
    assert told(frames) == {"item_a": "onetwothree"}
    ends = [frame for frame in frames if "onetwothree" in frame or '"x_text_chars":11' in frame]
    assert len(ends) == 5
    assert not any("onetwothree" in frame for frame in ends)
    for frame in frames:
        held(frame)


def test_what_a_client_has_put_there_keeps_its_text() -> None:
    record = records_of_an_answer()[0]
    given_text = ev.AssistantMessage(response_id="", item_id="item_g", output_index=0, text="said before")
    records = [ev.Record(SESSION_ID, 1, record.at, given_text)]

    assert list(SessionWithReaders().reader(joined_until=1).texts(records)) == whole(records)


@examples
@given(logs())
def test_told_once_leaves_alone_what_is_short_enough(records: list[ev.Record]) -> None:
    projector = RealtimeProjector(SESSION_ID)
    frames = [frame for record in records for frame in projector.frames(record)]

    assert [encode(told_once(frame, 10**9)) for frame in frames] == whole(records)
