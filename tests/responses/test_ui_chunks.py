"""What holds of the AI SDK's stream for every log: its client takes each chunk, and reads the words that all others read."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given

from chat.wire.responses.projector import ResponseProjector
from chat.wire.ui.chunks import UiProjector
from chat.wire.ui.messages import Answer, conversation_of
from sessions_app.log import events as ev
from tests.protocol.logs import SESSION_ID, logs
from tests.responses.test_projector import examples, frames_of, started_in

Chunk = dict[str, Any]


def chunks_of(records: Sequence[ev.Record], first_seq: int, response_id: str) -> list[Chunk]:
    frames, chunks = ResponseProjector(SESSION_ID, response_id), UiProjector(response_id)
    return [
        chunk
        for record in records
        if record.seq >= first_seq
        for frame in frames.events(record)
        for chunk in chunks.chunks(frame)
    ]


def words_of(chunks: Sequence[Chunk]) -> dict[str, str]:
    words: dict[str, str] = defaultdict(str)
    for chunk in chunks:
        if chunk["type"] == "text-delta":
            words[chunk["id"]] += chunk["delta"]
    return words


@examples
@given(logs())
def test_the_words_are_those_of_the_responses_stream(records: list[ev.Record]) -> None:
    for place, response_id in started_in(records):
        told: dict[str, str] = defaultdict(str)
        for frame in frames_of(records, place, response_id):
            if frame["type"] == "response.output_text.delta":
                told[frame["item_id"]] += frame["delta"]
        assert words_of(chunks_of(records, place, response_id)) == told


@examples
@given(logs())
def test_nothing_is_told_of_what_was_not_begun_or_is_over(records: list[ev.Record]) -> None:
    for place, response_id in started_in(records):
        open_texts, known_calls, over = set[str](), set[str](), False
        for number, chunk in enumerate(chunks_of(records, place, response_id)):
            kind = chunk["type"]
            assert not over
            assert (kind == "start") == (number == 0)
            if kind == "text-start":
                assert chunk["id"] not in open_texts
                open_texts.add(chunk["id"])
            elif kind in ("text-delta", "text-end"):
                assert chunk["id"] in open_texts
                open_texts -= {chunk["id"]} if kind == "text-end" else set()
            elif kind == "tool-input-available":
                known_calls.add(chunk["toolCallId"])
            elif kind.startswith(("tool-output", "tool-approval")):
                assert chunk["toolCallId"] in known_calls
            over = kind in ("finish", "abort", "error")
            assert not (over and open_texts)


def _is_question(record: ev.Record) -> bool:
    return isinstance(record.event, ev.ToolApprovalRequested)


@examples
@given(logs())
def test_the_history_is_the_stream_folded(records: list[ev.Record]) -> None:
    messages = {message["id"]: message for message in conversation_of(SESSION_ID, records, None)}
    for place, response_id in started_in(records):
        event = records[place - 1].event
        assert isinstance(event, ev.ResponseStarted)
        if event.continues or event.options.get("conversation") == "none" or _goes_on(records, response_id):
            continue
        answer = Answer(response_id)
        for chunk in chunks_of(records, place, response_id):
            answer.take(chunk)
        if answer.message["parts"]:
            assert messages[response_id] == answer.message


def _goes_on(records: Sequence[ev.Record], response_id: str) -> bool:
    return any(getattr(record.event, "continues", None) == response_id for record in records) or any(
        _is_question(record) for record in records
    )
