"""What holds of the Responses stream for every log, and what it makes of a try that another one takes the place of."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.wire.realtime.projector import RealtimeProjector
from chat.wire.realtime.server import TextDelta
from chat.wire.responses.objects import encode
from chat.wire.responses.projector import STEP, ResponseProjector
from sessions_app.log import events as ev
from sessions_app.log.rows import decode_row, encode_rows
from tests.protocol.logs import SESSION_ID, logs, numbered
from tests.responses.sdk import checked, checked_response

examples = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Frame = dict[str, Any]


def started_in(records: Sequence[ev.Record]) -> list[tuple[int, str]]:
    return [
        (record.seq, record.event.response_id)
        for record in records
        if isinstance(record.event, ev.ResponseStarted) and not record.event.retry_of
    ]


def frames_of(records: Sequence[ev.Record], first_seq: int, response_id: str) -> list[Frame]:
    projector = ResponseProjector(SESSION_ID, response_id)
    frames = [frame for record in records if record.seq >= first_seq for frame in projector.events(record)]
    return [msgspec.json.decode(encode(frame)) for frame in frames]


@examples
@given(logs())
def test_every_event_is_one_of_the_vendors(records: list[ev.Record]) -> None:
    for place, response_id in started_in(records):
        projector = ResponseProjector(SESSION_ID, response_id)
        for record in records[place - 1 :]:
            for event in projector.events(record):
                checked(msgspec.json.decode(encode(event)))
            if projector.response:
                checked_response(msgspec.json.decode(encode(projector.response)))


@examples
@given(logs())
def test_numbers_rise_and_name_one_event_each(records: list[ev.Record]) -> None:
    for place, response_id in started_in(records):
        numbers = [frame["sequence_number"] for frame in frames_of(records, place, response_id)]
        assert numbers[0] == 0
        assert numbers == sorted(set(numbers))


@examples
@given(logs(), st.data())
def test_the_stored_rows_give_the_live_events(records: list[ev.Record], data: st.DataObject) -> None:
    """Whatever the log had flushed together: so the events after any number are the same at any later time."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(records)), max_size=6)) | {0, len(records)})
    batches = [records[start:end] for start, end in pairwise(cuts)]
    stored = [record for batch in batches for row in encode_rows(batch) for record in decode_row(row)]
    for place, response_id in started_in(records):
        assert frames_of(stored, place, response_id) == frames_of(records, place, response_id)


@examples
@given(logs())
def test_the_text_is_that_of_the_realtime_socket(records: list[ev.Record]) -> None:
    """Of each item: the joined deltas, what ends it, and the response's output."""
    realtime = RealtimeProjector(SESSION_ID)
    there: dict[str, str] = defaultdict(str)
    for record in records:
        for delta in realtime.frames(record):
            if isinstance(delta, TextDelta):
                there[delta.item_id] += delta.delta
    told = set[str]()
    for place, response_id in started_in(records):
        here: dict[str, str] = defaultdict(str)
        frames = frames_of(records, place, response_id)
        for frame in frames:
            if frame["type"] == "response.output_text.delta":
                here[frame["item_id"]] += frame["delta"]
            elif frame["type"] == "response.output_text.done":
                assert frame["text"] == here[frame["item_id"]]
        assert here == {item_id: there.get(item_id, "") for item_id in here}
        told |= here.keys()
        last = frames[-1].get("response", {})
        for item in last.get("output", []):
            if item["type"] == "message":
                assert item["content"][0]["text"] == here[item["id"]]
    assert told >= there.keys()


@examples
@given(logs())
def test_all_that_is_opened_is_closed_before_the_end(records: list[ev.Record]) -> None:
    for place, response_id in started_in(records):
        frames = frames_of(records, place, response_id)
        added = [one["output_index"] for one in frames if one["type"] == "response.output_item.added"]
        done = [one["output_index"] for one in frames if one["type"] == "response.output_item.done"]
        assert len(added) == len(set(added))
        if "response" in frames[-1] and frames[-1]["response"]["status"] not in ("queued", "in_progress"):
            assert sorted(added) == sorted(done)


# A try that a dying process cut off


def said(response_id: str, item_id: str, *texts: str, status: ev.TextStatus) -> list[ev.Event]:
    deltas = [
        ev.AssistantDelta(
            response_id=response_id,
            item_id=item_id,
            output_index=0,
            offset=sum(map(len, texts[:place])),
            text=text,
        )
        for place, text in enumerate(texts)
    ]
    whole = ev.AssistantMessage(
        response_id=response_id, item_id=item_id, output_index=0, text="".join(texts), status=status
    )
    return [*deltas, whole]


def cut_off(response_id: str = "resp_1", **options: Any) -> list[ev.Event]:
    done = ev.ResponseDone(
        response_id=response_id, status=ev.ResponseStatus.INCOMPLETE, reason=ev.Reason.INTERRUPTED
    )
    return [
        ev.ResponseStarted(response_id=response_id, provider="demo", model="demo", **options),
        *said(response_id, f"item_{response_id}", "Hel", "lo", status=ev.TextStatus.INCOMPLETE),
        done,
    ]


def again(response_id: str, retry_of: str, attempt: int = 2) -> list[ev.Event]:
    return [
        ev.ResponseStarted(
            response_id=response_id, provider="demo", model="demo", retry_of=retry_of, attempt=attempt
        ),
        *said(response_id, f"item_{response_id}", "Good ", "day", status=ev.TextStatus.COMPLETED),
        ev.ResponseDone(response_id=response_id, status=ev.ResponseStatus.COMPLETED),
    ]


def test_the_next_try_goes_on_under_the_same_id_and_behind_what_was_shown() -> None:
    records = numbered([*cut_off(), ev.SessionReopened(model="demo", skipped=0), *again("resp_2", "resp_1")])
    frames = frames_of(records, 1, "resp_1")
    ends = [frame["type"] for frame in frames if frame["type"] in ("response.completed", "response.failed")]
    assert ends == ["response.completed"]
    last = frames[-1]["response"]
    assert last["id"] == "resp_1"
    assert [(item["status"], item["content"][0]["text"]) for item in last["output"]] == [
        ("incomplete", "Hello"),
        ("completed", "Good day"),
    ]


def test_numbers_are_those_of_the_log_so_that_what_was_lost_is_not_numbered_anew() -> None:
    records = numbered([*cut_off(), *again("resp_2", "resp_1")])
    later = [msgspec.structs.replace(one, seq=one.seq + 1000) if one.seq > 5 else one for one in records]
    numbers = [frame["sequence_number"] for frame in frames_of(later, 1, "resp_1")]
    assert max(number for number in numbers if number < 1000) < 5 * STEP
    assert min(number for number in numbers if number > 5 * STEP) >= 1000 * STEP


def test_the_session_that_ends_ends_what_nobody_tried_again() -> None:
    records = numbered([*cut_off(), ev.SessionEnded(reason=ev.EndReason.ORPHANED)])
    frames = frames_of(records, 1, "resp_1")
    assert frames[-1]["type"] == "response.failed"
    assert frames[-1]["response"]["x_reason"] == "interrupted"
    assert frames[-1]["sequence_number"] == (records[-1].seq - 1) * STEP


def test_another_answer_ends_it_as_well() -> None:
    other = ev.ResponseStarted(response_id="resp_9", provider="demo", model="demo")
    frames = frames_of(numbered([*cut_off(), other]), 1, "resp_1")
    assert frames[-1]["type"] == "response.failed"


def test_what_may_have_had_an_effect_is_not_waited_for() -> None:
    """Nobody tries it again: so it is over at once."""
    started, *text, done = cut_off()
    call = ev.ToolCall(
        response_id="resp_1",
        item_id="item_call",
        call_id="call_1",
        output_index=1,
        name="pay",
        arguments="{}",
        side_effects=True,
    )
    frames = frames_of(numbered([started, call, *text, done]), 1, "resp_1")
    assert frames[-1]["type"] == "response.failed"
    assert [item["status"] for item in frames[-1]["response"]["output"]] == ["incomplete", "failed"]


def test_the_third_try_is_the_last() -> None:
    tries = [*cut_off(), *cut_off("resp_2", retry_of="resp_1", attempt=2)]
    waits = frames_of(numbered(tries), 1, "resp_1")
    ends = frames_of(numbered([*tries, *cut_off("resp_3", retry_of="resp_2", attempt=3)]), 1, "resp_1")
    assert waits[-1]["type"] == "response.output_item.done"
    assert ends[-1]["type"] == "response.failed"
    assert len(ends[-1]["response"]["output"]) == 3


def test_a_response_that_waits_is_created_before_it_is_queued() -> None:
    queued = ev.ResponseQueued(response_id="resp_1", position=1)
    records = numbered([queued, *again("resp_1", "")])
    types = [frame["type"] for frame in frames_of(records, 1, "resp_1")][:3]
    assert types == ["response.created", "response.queued", "response.in_progress"]
    dropped = ev.ResponseDone(
        response_id="resp_1", status=ev.ResponseStatus.CANCELLED, reason="session_ended", waited=True
    )
    last = frames_of(numbered([queued, dropped]), 1, "resp_1")[-1]
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "cancelled")
