"""What holds of the wire for every log."""

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.wire.plain import PlainProjector
from chat.wire.realtime.projector import RealtimeProjector, parse_event_id
from chat.wire.realtime.server import encode
from sessions_app.log import events as ev
from sessions_app.log.rows import decode_row, encode_rows
from tests.protocol.logs import SESSION_ID, logs
from tests.protocol.sdk import held

examples = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frames_of(records: Sequence[ev.Record]) -> list[str]:
    projector = RealtimeProjector(SESSION_ID)
    return [encode(frame) for record in records for frame in projector.frames(record)]


def parsed(records: Sequence[ev.Record]) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in frames_of(records)]


def resumed(records: Sequence[ev.Record], last_event_id: str) -> list[str]:
    """As a server does it: read from the start of the cursor's response, prime, then send."""
    cursor = parse_event_id(SESSION_ID, last_event_id)
    starts = [r.seq for r in records if r.seq <= cursor.seq and isinstance(r.event, ev.ResponseStarted)]
    first_seq = starts[-1] if starts else cursor.seq
    projector = RealtimeProjector(SESSION_ID)
    return [
        encode(frame)
        for record in records
        if record.seq >= first_seq
        for frame in projector.frames_after(record, cursor)
    ]


@examples
@given(logs())
def test_every_frame_validates_against_the_vendors_types(records: list[ev.Record]) -> None:
    for frame in frames_of(records):
        held(frame)


@examples
@given(logs())
def test_event_ids_are_unique_and_in_order(records: list[ev.Record]) -> None:
    cursors = [parse_event_id(SESSION_ID, frame["event_id"]) for frame in parsed(records)]
    places = [(cursor.seq, cursor.index or 1_000_000) for cursor in cursors]

    assert places == sorted(set(places))


@examples
@given(logs())
def test_the_last_frame_of_a_record_has_the_records_own_id(records: list[ev.Record]) -> None:
    projector = RealtimeProjector(SESSION_ID)
    for record in records:
        ids = [frame.event_id for frame in projector.frames(record)]
        own_id = f"event_{SESSION_ID}_{record.seq}"
        assert ids[-1:] in ([], [own_id])
        assert ids[:-1] == [f"{own_id}.{index}" for index in range(1, len(ids))]


@examples
@given(logs(max_turns=2))
def test_a_client_cut_off_after_any_frame_gets_exactly_the_rest(records: list[ev.Record]) -> None:
    whole = frames_of(records)
    for place, frame in enumerate(whole, start=1):
        assert resumed(records, json.loads(frame)["event_id"]) == whole[place:]


@examples
@given(logs(max_turns=2))
def test_the_place_of_any_record_can_be_resumed_from_also_if_it_gave_no_frame(
    records: list[ev.Record],
) -> None:
    for record in records:
        rest = resumed(records, f"event_{SESSION_ID}_{record.seq}")
        assert rest == frames_of(records)[len(frames_of(records)) - len(rest) :]
        assert len(frames_of(records[: record.seq])) + len(rest) == len(frames_of(records))


@examples
@given(logs(), st.data())
def test_frames_from_the_stored_rows_are_the_live_ones(records: list[ev.Record], data: st.DataObject) -> None:
    """The log stores runs of deltas as one row; where a run is cut depends on when the writer flushed."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(records)), max_size=6)) | {0, len(records)})
    batches = [records[start:end] for start, end in pairwise(cuts)]
    stored = [record for batch in batches for row in encode_rows(batch) for record in decode_row(row)]

    assert frames_of(stored) == frames_of(records)


@examples
@given(logs())
def test_joined_deltas_are_the_final_text(records: list[ev.Record]) -> None:
    joined: dict[str, str] = defaultdict(str)
    for frame in parsed(records):
        if frame["type"].endswith(".delta"):
            joined[frame["item_id"]] += frame["delta"]
        if frame["type"] == "response.output_text.done":
            assert joined[frame["item_id"]] == frame["text"]
        if frame["type"].endswith("arguments.done"):
            assert joined[frame["item_id"]] == frame["arguments"]
    messages = [record.event for record in records if isinstance(record.event, ev.AssistantMessage)]
    final = {message.item_id: message.text for message in messages if message.response_id}
    assert {item_id: joined[item_id] for item_id in final} == final


@examples
@given(logs())
def test_whatever_is_opened_is_closed_before_its_response_is_done(records: list[ev.Record]) -> None:
    open_items: set[str] = set()
    open_parts: set[str] = set()
    for frame in parsed(records):
        match frame["type"]:
            case "response.output_item.added":
                open_items.add(frame["item"]["id"])
            case "response.output_item.done":
                open_items.remove(frame["item"]["id"])
                assert frame["item"].get("status") != "in_progress"
            case "response.content_part.added":
                open_parts.add(frame["item_id"])
            case "response.content_part.done":
                open_parts.remove(frame["item_id"])
            case "response.done":
                assert not open_items | open_parts


@examples
@given(logs())
def test_response_done_tells_the_whole_output_in_order(records: list[ev.Record]) -> None:
    done_items: list[tuple[int, dict[str, Any]]] = []
    for frame in parsed(records):
        if frame["type"] == "response.output_item.done":
            done_items.append((frame["output_index"], frame["item"]))
        if frame["type"] == "response.done":
            assert frame["response"]["output"] == [
                item for _, item in sorted(done_items, key=lambda entry: entry[0])
            ]
            done_items = []


@examples
@given(logs())
def test_every_item_is_done_as_it_was_added(records: list[ev.Record]) -> None:
    added: dict[str, dict[str, Any]] = {}
    for frame in parsed(records):
        if frame["type"] == "conversation.item.added":
            added[frame["item"]["id"]] = frame
        if frame["type"] == "conversation.item.done":
            before = added.pop(frame["item"]["id"])
            assert before.get("previous_item_id") == frame.get("previous_item_id")
            assert before["item"].get("x_created_at") == frame["item"].get("x_created_at")
    assert not added


@examples
@given(logs())
def test_nothing_that_is_for_staff_or_vendor_reaches_a_client(records: list[ev.Record]) -> None:
    said = "".join(frames_of(records))

    assert "thought_signature" not in said
    assert "for staff only" not in said


@examples
@given(logs(), st.data())
def test_a_plain_client_sees_each_text_once_from_the_moment_it_came(
    records: list[ev.Record], data: st.DataObject
) -> None:
    came_at = data.draw(st.just(0) | st.integers(0, len(records)))
    projector = PlainProjector()
    shown, began_at = defaultdict[str, str](str), dict[str, int]()
    for record in records[came_at:]:
        frames, event = projector.frames(record), record.event
        match event:
            case ev.AssistantDelta():
                began_at.setdefault(event.item_id, event.offset)
                shown[event.item_id] += "".join(frames)
            case ev.AssistantMessage() if event.response_id:
                shown[event.item_id] += "".join(frames)
                assert shown[event.item_id] == event.text[began_at.get(event.item_id, 0) :]
            case ev.ResponseDone():
                assert len(frames) == (event.status in ("failed", "incomplete"))
            case ev.ToolApprovalRequested():
                assert frames == ["[approval] pay needs a person's yes before it runs; staff can give it."]
            case ev.SteppedEvent():
                assert [frame.split(" ", 1)[0] for frame in frames] == ["[staff]"]
            case ev.FeedbackGiven():
                assert frames == ["[feedback] item_1 down no"]
            case _:
                assert frames == []
