"""The reducer, in a real browser, fed with the frames that the server's own projector makes."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.wire.realtime.projector import event_id
from sessions_app.log import events as ev
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import frames_of
from tests.protocol import example_log, logs
from tests.protocol.reading import SessionWithReaders

pytestmark = pytest.mark.django_db

Frame = dict[str, Any]
IN_BROWSER = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

PRELUDE = """
const shown = (state) => JSON.stringify({ ...state, homes: [...state.homes].sort() });
const freeze = (value) => {
  if (value instanceof Map || value === null || typeof value !== "object" || Object.isFrozen(value)) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
};
"""


@pytest.fixture
def tab(open_page: OpenPage) -> ChatPage:
    """Any page of ours: from it the modules can be loaded."""
    tab = open_page()
    tab.go("/login/")
    return tab


def created(session_id: str, **stream: Any) -> Frame:
    session = {"id": session_id, "model": "demo"}
    return {"type": "session.created", "event_id": "evt_1", "session": session, "x_stream": stream}


def reduced(tab: ChatPage, *batches: list[Frame]) -> Any:
    script = """(module, batches) => {
      const state = batches.reduce(module.reduce, module.emptyTranscript());
      return { ...state, homes: undefined, place: undefined };
    }"""
    return tab.module("realtime/transcript", script, list(batches))


def visible(state: Any) -> list[Any]:
    """What a reader sees of it: the words and the states."""
    return [
        (entry["text"], entry["state"])
        if entry["kind"] == "message"
        else (
            entry["status"],
            [(item["kind"], item.get("text"), item.get("status")) for item in entry["items"]],
        )
        for entry in state["entries"]
        if entry["kind"] != "choice"
    ]


def test_a_log_becomes_messages_answers_and_tool_cards(tab: ChatPage) -> None:
    state = reduced(tab, [created(example_log.SESSION_ID), *frames_of(example_log.records())])
    assert visible(state) == [
        ("What time is it in Berlin?", "sent"),
        ("completed", [("tool", None, "completed"), ("text", "It is 14:05 in Berlin.", "completed")]),
        ("failed", [("tool", None, "completed"), ("tool", None, "failed")]),
        ("Apologise for the delay.", "sent"),
        ("A member of staff has joined and answers from here on.", "sent"),
        ("completed", [("text", "It is clear over Berlin.", "completed")]),
        ("A member of staff has left. The assistant answers again.", "sent"),
    ]
    assert state["entries"][0]["removed"]
    answer, failed = state["entries"][1], state["entries"][2]
    assert answer["usage"]["total_tokens"] == 443
    assert answer["items"][0]["durationMs"] == 1.8
    assert failed["message"].startswith("The model is overloaded")
    assert failed["items"][0]["output"] == '{"sky":"clear"}'
    assert "Mars" in failed["items"][1]["problem"]
    assert state["active"] is None


def test_a_past_that_was_told_is_shown(tab: ChatPage) -> None:
    told: list[ev.Event] = [
        ev.UserMessage(item_id="u", text="The weather?"),
        ev.ToolCall(
            item_id="c",
            response_id="",
            call_id="call_1",
            output_index=0,
            name="get_weather",
            arguments="{}",
            location=ev.Location.HISTORY,
        ),
        ev.ToolResult(item_id="o", call_id="call_1", name="get_weather", output="rain"),
        ev.AssistantMessage(item_id="a", response_id="", output_index=0, text="It rains."),
    ]
    state = reduced(tab, [created(logs.SESSION_ID), *frames_of(logs.numbered(told))])
    assert visible(state) == [
        ("The weather?", "sent"),
        ("completed", [("tool", None, "completed")]),
        ("completed", [("text", "It rains.", "completed")]),
    ]
    assert state["entries"][1]["items"][0]["output"] == "rain"


@IN_BROWSER
@given(records=logs.logs())
def test_frames_in_any_portions_give_one_state_and_leave_the_old_one_alone(
    tab: ChatPage, records: list[ev.Record]
) -> None:
    frames = [created(logs.SESSION_ID), *frames_of(records)]
    script = f"""(module, frames) => {{
      {PRELUDE}
      const whole = module.reduce(module.emptyTranscript(), frames);
      let state = module.emptyTranscript();
      for (const frame of frames) state = freeze(module.reduce(freeze(state), [frame]));
      return shown(state) === shown(whole);
    }}"""
    assert tab.module("realtime/transcript", script, frames)


PREPENDED = f"""({{ emptyTranscript, prepend, reduce }}, [hello, head, tail]) => {{
  {PRELUDE}
  const end = freeze(reduce(emptyTranscript(), [hello, ...tail]));
  const whole = reduce(emptyTranscript(), [hello, ...head, ...tail]);
  const of = ({{ entries, active, homes }}) => shown({{ entries, active, homes }});
  return [of(prepend(end, head)), of(whole)];
}}"""


def pages_of(records: list[ev.Record]) -> list[int]:
    """How many records may be a page of their own: where no response is open behind them."""
    running: set[str] = set()
    places = []
    for count, record in enumerate(records, start=1):
        match record.event:
            case ev.ResponseStarted(response_id=response_id):
                running.add(response_id)
            case ev.ResponseDone(response_id=response_id):
                running.discard(response_id)
        if not running:
            places.append(count)
    return places


def assert_read_upwards(tab: ChatPage, records: list[ev.Record], count: int) -> None:
    frames, head = frames_of(records), len(frames_of(records[:count]))
    parts = [created(records[0].session_id), frames[:head], frames[head:]]
    prepended, whole = tab.module("realtime/transcript", PREPENDED, parts)
    assert json.loads(prepended) == json.loads(whole)


@IN_BROWSER
@given(records=logs.logs(), data=st.data())
def test_a_page_that_is_read_later_gives_the_same_as_all_in_order(
    tab: ChatPage, records: list[ev.Record], data: st.DataObject
) -> None:
    if pages := pages_of(records)[:-1]:
        assert_read_upwards(tab, records, data.draw(st.sampled_from(pages)))


def test_a_persons_answer_to_a_question_of_an_earlier_page_stands_below_the_later_one(tab: ChatPage) -> None:
    records = logs.numbered(
        [
            ev.OperatorTookOver(item_id="t", author="ann", shown_as="Support"),
            ev.UserMessage(item_id="one", text="One?"),
            ev.ResponseQueued(response_id="r1", position=1),
            ev.UserMessage(item_id="two", text="Two?"),
            ev.ResponseQueued(response_id="r2", position=2),
            ev.ResponseStarted(response_id="r1", provider="", model="", shown_as="Support"),
            ev.AssistantMessage(
                response_id="r1", item_id="a", output_index=0, text="Both.", author="ann", shown_as="Support"
            ),
            ev.ResponseDone(response_id="r1", status=ev.ResponseStatus.COMPLETED),
            ev.ResponseDone(
                response_id="r2",
                status=ev.ResponseStatus.CANCELLED,
                reason=ev.Reason.ANSWERED_BY_PERSON,
                waited=True,
            ),
        ]
    )
    frames = frames_of(records)
    script = """({ emptyTranscript, prepend, reduce }, [hello, head, tail]) =>
      prepend(reduce(emptyTranscript(), [hello, ...tail]), head).entries.map(({ id }) => id)"""
    for count in (3, 4, 5):
        head = len(frames_of(records[:count]))
        parts = [created(records[0].session_id), frames[:head], frames[head:]]
        assert tab.module("realtime/transcript", script, parts) == ["t", "one", "two", "r2", "r1"]


def test_what_is_said_later_of_an_earlier_page_finds_it(tab: ChatPage) -> None:
    """A question that waits for its turn, a rating, another try, a deletion."""
    records = logs.numbered(
        [
            ev.UserMessage(item_id="q1", text="One?"),
            ev.ResponseStarted(response_id="r1", provider="demo", model="demo", input_item_ids=["q1"]),
            ev.AssistantMessage(
                response_id="r1", item_id="a1", output_index=0, text="No", status=ev.TextStatus.INCOMPLETE
            ),
            ev.ResponseDone(response_id="r1", status=ev.ResponseStatus.FAILED, reason="model_timeout"),
            ev.ResponseQueued(response_id="r2", position=1, retry_of="r1"),
            ev.UserMessage(item_id="q2", text="Two?"),
            ev.ResponseStarted(response_id="r2", provider="demo", model="demo", retry_of="r1"),
            ev.AssistantMessage(response_id="r2", item_id="a2", output_index=0, text="Yes"),
            ev.ResponseDone(response_id="r2", status=ev.ResponseStatus.COMPLETED),
            ev.FeedbackGiven(item_id="a1", rating=ev.Rating.DOWN, reason="wrong", comment=""),
            ev.ItemDeleted(item_id="q1"),
        ]
    )
    for count in pages_of(records)[:-1]:
        assert_read_upwards(tab, records, count)


@IN_BROWSER
@given(records=logs.logs())
def test_a_cut_anywhere_and_a_replay_that_overlaps_change_nothing(
    tab: ChatPage, records: list[ev.Record]
) -> None:
    frames = [created(logs.SESSION_ID), *frames_of(records)]
    script = f"""(module, frames) => {{
      {PRELUDE}
      const upTo = (end) => module.reduce(module.emptyTranscript(), frames.slice(0, end));
      const again = (cut, end) => module.reduce(upTo(cut), [frames[0], ...frames.slice(Math.max(1, cut - 4), end)]);
      const cuts = frames.map((_, index) => index + 1);
      const differs = (cut) =>
        [cut, cut + 1, cut + 2, frames.length].some((end) => shown(again(cut, end)) !== shown(upTo(end)));
      return cuts.filter(differs);
    }}"""
    assert tab.module("realtime/transcript", script, frames) == []


@IN_BROWSER
@given(records=logs.logs())
def test_joined_deltas_are_the_final_text(tab: ChatPage, records: list[ev.Record]) -> None:
    frames = [created(logs.SESSION_ID), *frames_of(records)]
    wanted = [
        part["text"]
        for frame in frames
        if frame["type"] == "response.done" and frame["response"]["conversation_id"]
        for item in frame["response"]["output"]
        if item["type"] == "message"
        for part in item["content"]
    ]
    streamed = [frame for frame in frames if frame["type"] != "response.output_text.done"]
    state = reduced(tab, streamed)
    texts = [
        item["text"]
        for entry in state["entries"]
        for item in entry.get("items", ())
        if item["kind"] == "text" and not entry["id"].startswith("told_")
    ]
    assert texts == wanted


@IN_BROWSER
@given(records=logs.logs())
def test_history_that_is_joined_looks_the_same(tab: ChatPage, records: list[ev.Record]) -> None:
    reader = SessionWithReaders().reader(joined_until=records[-1].seq)
    joined = [json.loads(text) for text in reader.texts(records)]
    hello = created(logs.SESSION_ID)

    assert visible(reduced(tab, [hello, *joined])) == visible(reduced(tab, [hello, *frames_of(records)]))


def test_what_the_server_lost_before_it_was_committed_is_dropped(tab: ChatPage) -> None:
    session = "s1"
    deltas = ["The an", "swer is ", "fourty-", "two"]
    offsets = [sum(map(len, deltas[:index])) for index in range(len(deltas))]
    events: list[ev.Event] = [
        ev.UserMessage(item_id="i1", text="What is it?"),
        ev.ResponseStarted(response_id="r1", provider="demo", model="demo"),
        *(
            ev.AssistantDelta(response_id="r1", item_id="a1", output_index=0, offset=offset, text=text)
            for offset, text in zip(offsets, deltas, strict=True)
        ),
    ]
    frames = frames_of([ev.Record(session, seq, logs.BEGAN_AT, event) for seq, event in enumerate(events, 1)])
    for kept_seq, text in ((6, "The answer is fourty-two"), (4, "The answer is "), (3, "The an")):
        back = created(session, truncated_to=event_id(session, kept_seq))
        state = reduced(tab, [created(session), *frames], [back])
        assert visible(state)[1] == ("in_progress", [("text", text, "streaming")])
        assert state["active"] == "r1"
    state = reduced(tab, [created(session), *frames], [created(session, truncated_to=event_id(session, 1))])
    assert visible(state) == [("What is it?", "sent")]
    assert state["active"] is None


def test_the_new_text_after_a_loss_goes_on_from_the_cut(tab: ChatPage) -> None:
    def log(*texts: str) -> list[Frame]:
        events: list[ev.Event] = [ev.ResponseStarted(response_id="r1", provider="demo", model="demo")]
        offset = 0
        for text in texts:
            events.append(
                ev.AssistantDelta(response_id="r1", item_id="a1", output_index=0, offset=offset, text=text)
            )
            offset += len(text)
        return frames_of([ev.Record("s1", seq, logs.BEGAN_AT, event) for seq, event in enumerate(events, 1)])

    seen, kept = log("one ", "two ", "lost"), log("one ", "two ", "three")
    back = created("s1", truncated_to=event_id("s1", 3))
    state = reduced(tab, [created("s1"), *seen], [back, kept[-1]])
    assert visible(state)[0][1] == [("text", "one two three", "streaming")]


def test_what_this_page_wrote_is_pending_then_sent_or_refused(tab: ChatPage) -> None:
    content = [{"type": "input_text", "text": "Hello"}]
    item = {"id": "i1", "type": "message", "role": "user", "content": content}
    local = {"type": "local.message", "item": item, "at": "2026-03-01T12:00:00Z"}
    refused = {"type": "local.refused", "item_id": "i1", "message": "Full.", "retryable": True}
    done = {"type": "conversation.item.done", "event_id": "event_s1_1", "item": item}
    added = {**done, "type": "conversation.item.added", "event_id": "event_s1_1.1"}
    start = created("s1")
    assert visible(reduced(tab, [start, local])) == [("Hello", "pending")]
    assert visible(reduced(tab, [start, local, added])) == [("Hello", "pending")]
    assert visible(reduced(tab, [start, local, added, done, refused])) == [("Hello", "sent")]
    assert visible(reduced(tab, [start, local, refused])) == [("Hello", "refused")]
    assert visible(reduced(tab, [start, local, refused, local])) == [("Hello", "pending")]


def test_an_aside_is_not_shown(tab: ChatPage) -> None:
    aside = ev.ResponseStarted(
        response_id="r1", provider="demo", model="demo", options={"conversation": "none"}
    )
    text = ev.AssistantMessage(response_id="r1", item_id="a1", output_index=0, text="Hidden")
    events: list[ev.Event] = [
        aside,
        text,
        ev.ResponseDone(response_id="r1", status=ev.ResponseStatus.COMPLETED),
    ]
    frames = frames_of([ev.Record("s1", seq, logs.BEGAN_AT, event) for seq, event in enumerate(events, 1)])
    assert reduced(tab, [created("s1"), *frames])["entries"] == []


def test_places_are_ordered_and_foreign_ids_are_none(tab: ChatPage) -> None:
    script = """({ START, isAfter, parsePlace, placeId }) => {
      const id = "a_1.b";
      const ids = [`event_${id}_1.1`, `event_${id}_1.2`, `event_${id}_1.10`, `event_${id}_1`, `event_${id}_2.1`];
      const places = [START, ...ids.map((one) => parsePlace(id, one))];
      const ordered = places.every((one, index) => index === 0 || isAfter(one, places[index - 1]));
      const foreign = ["evt_1", "event_other_1", `event_${id}_x`, `event_${id}_1.1.1`, undefined];
      return [ordered, ids.map((one) => placeId(id, parsePlace(id, one)) === one), foreign.map((one) => parsePlace(id, one))];
    }"""
    ordered, back, foreign = tab.module("realtime/place", script)
    assert ordered
    assert all(back)
    assert foreign == [None] * 5
