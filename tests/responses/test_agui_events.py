"""What holds of AG-UI's events for every log: its clients' verifier lets them pass, they are the words that all others read, and
who joins in the middle has in the end what who was there has."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.wire.agui.events import AguiProjector
from chat.wire.agui.messages import History, Run, fold, snapshot
from chat.wire.agui.stream import told_on
from chat.wire.realtime.projector import RealtimeProjector
from chat.wire.realtime.server import TextDelta
from chat.wire.responses.objects import StreamEvent
from chat.wire.responses.projector import ResponseProjector
from sessions_app.log import events as ev
from sessions_app.log.lookup import Place
from tests.protocol.logs import SESSION_ID, logs, numbered
from tests.responses.test_projector import again, cut_off, examples, started_in

Event = dict[str, Any]
generations = st.booleans()


def frames_by_record(
    records: Sequence[ev.Record], first_seq: int, response_id: str
) -> Iterator[list[StreamEvent]]:
    projector = ResponseProjector(SESSION_ID, response_id)
    for record in records[first_seq - 1 :]:
        yield projector.events(record)


def events_of(
    records: Sequence[ev.Record], first_seq: int, response_id: str, *, newer: bool = True
) -> list[Event]:
    events = AguiProjector("thread", "run", newer=newer)
    return [
        event
        for frames in frames_by_record(records, first_seq, response_id)
        for frame in frames
        for event in events.events(frame)
    ]


class Verifier:
    """The order that clients hold a run to. `verifyEvents` of npm's ``@ag-ui/client`` 1.0 and 0.0.59."""

    def __init__(self) -> None:
        self.began = self.ended = False
        self.open: set[str] = set()

    def take(self, event: Event) -> None:
        kind = event["type"]
        assert None not in event.values()
        assert not self.ended
        assert self.began or kind in ("RUN_STARTED", "RUN_ERROR")
        match kind.split("_"):
            case ["RUN", "STARTED"]:
                assert not self.began
                self.began = True
            case ["RUN", "ERROR"]:
                self.ended = True
            case ["RUN", "FINISHED"]:
                assert not self.open
                self.ended = True
            case [*_, "START"]:
                assert self._name(event) not in self.open
                self.open.add(self._name(event))
            case [*_, "CONTENT" | "ARGS"]:
                assert self._name(event) in self.open
            case [*_, "END"]:
                self.open.remove(self._name(event))
            case ["TOOL", "CALL", "RESULT"] | ["MESSAGES", "SNAPSHOT"]:
                pass
            case _:
                raise AssertionError(f"{kind} is not one of ours")

    def _name(self, event: Event) -> str:
        return str(event.get("toolCallId") or event["messageId"])


@examples
@given(logs(), generations)
def test_the_verifier_lets_every_run_pass(records: list[ev.Record], newer: bool) -> None:
    for place, response_id in started_in(records):
        verifier = Verifier()
        for event in events_of(records, place, response_id, newer=newer):
            verifier.take(event)


@examples
@given(logs())
def test_the_older_generation_is_told_nothing_that_ends_it(records: list[ev.Record]) -> None:
    for place, response_id in started_in(records):
        for event in events_of(records, place, response_id, newer=False):
            outcome = event.get("outcome", {})
            assert outcome.get("type") in (None, "success", "interrupt")
            assert "pendingToolCallIds" not in outcome


@examples
@given(logs(), generations)
def test_every_event_is_one_of_the_vendors(records: list[ev.Record], newer: bool) -> None:
    core = pytest.importorskip("ag_ui.core", reason="ag-ui-protocol is not installed")
    pydantic = pytest.importorskip("pydantic")
    types = pydantic.TypeAdapter(core.Event)
    history = History("thread", None, newer=newer)
    for record in records:
        history.take(record)
    told = [snapshot(history.messages())]
    for place, response_id in started_in(records):
        told += events_of(records, place, response_id, newer=newer)
    for event in told:
        parsed = types.validate_python(event)
        assert parsed.model_dump(by_alias=True, mode="json") == event  # no key is unknown, none is null
        assert parsed.model_extra == {}


@examples
@given(logs())
def test_the_words_are_those_of_the_realtime_socket(records: list[ev.Record]) -> None:
    there: dict[str, str] = defaultdict(str)
    realtime = RealtimeProjector(SESSION_ID)
    for record in records:
        for frame in realtime.frames(record):
            if isinstance(frame, TextDelta):
                there[frame.item_id] += frame.delta
    here: dict[str, str] = defaultdict(str)
    for place, response_id in started_in(records):
        for event in events_of(records, place, response_id):
            if event["type"] == "TEXT_MESSAGE_CONTENT":
                here[event["messageId"]] += event["delta"]
    assert {name: text for name, text in here.items() if text} == {
        name: text for name, text in there.items() if text
    }


@examples
@given(logs(), generations, st.data())
def test_who_joins_after_any_record_has_in_the_end_what_was_said(
    records: list[ev.Record], newer: bool, data: st.DataObject
) -> None:
    for place, response_id in started_in(records):
        batches = list(frames_by_record(records, place, response_id))
        cut = data.draw(st.integers(1, len(batches)))
        run = Run(Place(SESSION_ID, response_id, place), lambda: AguiProjector("thread", "run", newer=newer))
        for frame in (frame for frames in batches[:cut] for frame in frames):
            run.tell(frame)
        messages = [dict(message) for message in run.messages]
        verifier = Verifier()
        verifier.take(run.events.began())
        rest = [run.ended] if run.ended else run.events.open_texts()
        rest += [event for frames in batches[cut:] for frame in frames for event in run.events.events(frame)]
        for event in rest:
            verifier.take(event)
            _heard(messages, event)
        told: list[Event] = []
        for event in events_of(records, place, response_id, newer=newer):
            fold(told, event)
        dropped = {message["id"] for message in told} - {message["id"] for message in messages}
        assert [message for message in told if message["id"] not in dropped] == messages
        assert not dropped or dropped <= _broken_off(batches)


def _heard(messages: list[Event], event: Event) -> None:
    """As a client does: a message that is begun again goes on."""
    if event["type"] == "TEXT_MESSAGE_START" and any(one["id"] == event["messageId"] for one in messages):
        return
    fold(messages, event)


def _broken_off(batches: Sequence[Sequence[StreamEvent]]) -> set[str]:
    """What was said when something was cut off that another item follows."""
    run = Run(Place(SESSION_ID, "", 0), lambda: AguiProjector("thread", "run", newer=True))
    gone = set[str]()
    for frame in (frame for frames in batches for frame in frames):
        before = {message["id"] for message in run.messages}
        run.tell(frame)
        gone |= before - {message["id"] for message in run.messages}
    return gone


@examples
@given(logs())
def test_the_history_is_the_stream_folded(records: list[ev.Record]) -> None:
    history = History("thread", None, newer=True)
    for record in records:
        if not isinstance(record.event, ev.AssistantDelta):
            history.take(record)
    kept = history.messages()
    for place, response_id in started_in(records):
        event = records[place - 1].event
        assert isinstance(event, ev.ResponseStarted)
        if event.options.get("conversation") == "none":
            continue
        run = Run(Place(SESSION_ID, response_id, place), lambda: AguiProjector("thread", "run", newer=True))
        for frames in frames_by_record(records, place, response_id):
            for frame in frames:
                run.tell(frame)
        told = [one for one in run.messages if not _was_left_open(records, one["id"])]
        assert [one for one in kept if one in told] == told


def _was_left_open(records: Sequence[ev.Record], item_id: str) -> bool:
    """A text that has deltas and no message, which the engine never leaves."""
    made = {
        getattr(one.event, "item_id", "") for one in records if not isinstance(one.event, ev.AssistantDelta)
    }
    return item_id not in made and not item_id.endswith(".result")


def test_a_try_that_took_the_place_of_another_is_all_that_is_shown() -> None:
    history = History("thread", None, newer=True)
    for record in numbered([*cut_off(), *again("resp_2", "resp_1")]):
        history.take(record)
    assert [message["content"] for message in history.messages()] == ["Good day"]
    (run,) = history.runs
    assert run.events.began()["runId"] == "resp_1"


def test_who_was_shown_the_try_that_died_is_told_to_drop_it() -> None:
    asked = ev.UserMessage(item_id="m1", text="Hi")
    records = numbered([asked, *cut_off(), *again("resp_2", "resp_1")])
    history = History("thread", None, newer=True)
    projector = ResponseProjector(SESSION_ID, "resp_1")
    first = len(records) - len(again("resp_2", "resp_1"))
    for record in records[:first]:
        history.take(record)
    (run,) = history.runs
    messages = history.messages()
    assert [message["content"] for message in messages] == ["Hi", "Hello"]
    for place, record in enumerate(records[1:], start=1):
        for frame in projector.events(record):
            for event in told_on(run, history, frame) if place >= first else ():
                if event["type"] == "MESSAGES_SNAPSHOT":
                    messages = event["messages"]
                fold(messages, event)
    assert [message["content"] for message in messages] == ["Hi", "Good day"]


def test_a_long_conversation_is_told_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.wire.agui.messages.MOST_BYTES", 200)
    messages = [{"id": f"m{number}", "role": "user", "content": "x" * 40} for number in range(9)]
    assert snapshot(messages)["messages"] == messages[-2:]
    assert snapshot(messages[:1])["messages"] == messages[:1]
