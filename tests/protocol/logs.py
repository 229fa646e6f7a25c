"""Random logs of one session, as the engine may write them: turns of text and tools, cut off or not, with whatever
else happens in between."""

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import strategies as st

from sessions_app.log import events as ev

SESSION_ID = "a_b.c-7"
"""With the characters that an event_id uses itself."""

BEGAN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
arguments = st.sampled_from(["", "{}", '{"zone": "Europe/Berlin"}', "not json"])
usages = st.builds(ev.Usage, input_tokens=st.integers(0, 99), output_tokens=st.integers(0, 99))

ENDS = [
    ("completed", ""),
    ("cancelled", "client_cancelled"),
    ("incomplete", "max_output_tokens"),
    ("incomplete", "interrupted"),
    ("incomplete", "recitation"),
    ("failed", "model_overloaded"),
    ("failed", ""),
]

OPTIONS: list[ev.JSON] = [
    {},
    {"metadata": {"k": "v"}, "max_output_tokens": "inf"},
    {"conversation": "none"},
]


def numbered(events: list[ev.Event], session_id: str = SESSION_ID) -> list[ev.Record]:
    return [
        ev.Record(session_id, seq, BEGAN_AT + timedelta(microseconds=33_777 * seq), event)
        for seq, event in enumerate(events, start=1)
    ]


class _Names:
    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"


@st.composite
def logs(draw: st.DrawFn, max_turns: int = 3) -> list[ev.Record]:
    names = _Names()
    events: list[ev.Event] = [ev.SessionStarted(model="demo", source="realtime")]
    for _ in range(draw(st.integers(0, max_turns))):
        asked = [_user_message(draw, names) for _ in range(draw(st.integers(0, 2)))]
        answer = _answer(draw, names, [message.item_id for message in asked])
        for bystander in draw(st.lists(st.sampled_from(_BYSTANDERS), max_size=3)):
            answer.insert(draw(st.integers(0, len(answer))), bystander(names))
        events += [*asked, *answer]
        events += _client_results(answer, names)
    return numbered(events)


FILES = [
    ev.FileRef(id=f"file_{'a' * 24}", name="a.png", media_type="image/png", size=9, width=3, height=2),
    ev.FileRef(id=f"file_{'b' * 24}", name="b.pdf", media_type="application/pdf", size=9, pages=1),
]


def _user_message(draw: st.DrawFn, names: _Names) -> ev.UserMessage:
    return ev.UserMessage(
        item_id=names.new("item"),
        text=draw(texts),
        files=draw(st.sampled_from([[], FILES])),
        client_event_id=draw(st.none() | st.just(names.new("client"))),
        previous_item_id=draw(st.none() | st.just("root")),
    )


def _answer(draw: st.DrawFn, names: _Names, asked: list[str]) -> list[ev.Event]:
    response_id, indexes = names.new("resp"), count()
    options = draw(st.sampled_from(OPTIONS))
    events: list[ev.Event] = [
        ev.ResponseStarted(
            response_id=response_id, provider="demo", model="demo", input_item_ids=asked, options=options
        )
    ]
    status, reason = draw(st.sampled_from(ENDS))
    for number in range(draw(st.integers(0, 2))):
        events += _round(draw, names, response_id, number, indexes)
    events += _text(
        draw, names, response_id, next(indexes), "completed" if status == "completed" else "incomplete"
    )
    if draw(st.integers(0, 4)) == 0:  # what the engine never writes: an item left open
        events += _text(draw, names, response_id, next(indexes), None)
    done = ev.ResponseDone(
        response_id=response_id,
        status=ev.ResponseStatus(status),
        reason=reason,
        message=draw(st.sampled_from(["", "Said so."])),
        cause="for staff only",
        model="demo",
        usage=draw(usages),
        timings=ev.Timings(first_token_ms=draw(st.none() | st.just(12.5)), total_ms=99.0),
    )
    return [*events, done]


def _text(draw: st.DrawFn, names: _Names, response_id: str, index: int, status: str | None) -> list[ev.Event]:
    """Deltas and their final message; ``status`` None: no final message."""
    item_id, pieces = names.new("item"), draw(st.lists(texts, max_size=4))
    events: list[ev.Event] = []
    streamed = ""
    for piece in pieces[: draw(st.integers(0, 4))]:
        events.append(
            ev.AssistantDelta(
                response_id=response_id,
                item_id=item_id,
                output_index=index,
                offset=len(streamed),
                text=piece,
            )
        )
        streamed += piece
    if status:
        message = ev.AssistantMessage(
            response_id=response_id,
            item_id=item_id,
            output_index=index,
            text="".join(pieces),
            status=ev.TextStatus(status),
        )
        events.append(message)
    return events


def _round(
    draw: st.DrawFn, names: _Names, response_id: str, number: int, indexes: "count[int]"
) -> list[ev.Event]:
    """A model round that ends in tool calls: their indexes may come before that of the round's text."""
    call_indexes = [next(indexes) for _ in range(draw(st.integers(1, 2)))]
    text_index = next(indexes)
    calls = [_call(draw, names, response_id, number, index) for index in call_indexes]
    results: list[ev.Event] = []
    if draw(st.integers(0, 3)) == 0:
        results += _approval(names, response_id, next(indexes))
    for call in draw(st.permutations([call for call in calls if call.location == "server"])):
        if draw(st.integers(0, 7)):  # one in eight is left without a result
            results.append(_result(draw, call))
    return [*_text(draw, names, response_id, text_index, "completed"), *calls, *results]


def _call(draw: st.DrawFn, names: _Names, response_id: str, number: int, index: int) -> ev.ToolCall:
    return ev.ToolCall(
        response_id=response_id,
        item_id=names.new("item"),
        call_id=names.new("call"),
        output_index=index,
        name="get_time",
        arguments=draw(arguments),
        round=number,
        location=draw(st.sampled_from([ev.Location.SERVER, ev.Location.CLIENT])),
        approval_id=names.new("apr_of_old") if draw(st.booleans()) else None,  # one yes runs one call
        extra={"gemini": {"thought_signature": "secret"}},
    )


def _approval(names: _Names, response_id: str, index: int) -> list[ev.Event]:
    """A question whether a tool may run, and somebody's answer."""
    asked = ev.ToolApprovalRequested(
        response_id=response_id,
        item_id=names.new("apr"),
        call_id=names.new("call"),
        output_index=index,
        name="pay",
        arguments="{}",
        extra={"gemini": {"thought_signature": "secret"}},
    )
    answer = ev.ToolApproval(item_id=names.new("item"), approval_id=asked.item_id, approve=True, by="ann")
    return [asked, answer]


def _result(draw: st.DrawFn, call: ev.ToolCall) -> ev.ToolResult:
    return ev.ToolResult(
        item_id=call.item_id,
        call_id=call.call_id,
        name=call.name,
        output=draw(texts),
        outcome=draw(st.sampled_from(list(ev.Outcome))),
        duration_ms=1.5,
        response_id=call.response_id,
    )


def _client_results(events: list[ev.Event], names: _Names) -> list[ev.Event]:
    return [
        ev.ToolResult(item_id=names.new("item"), call_id=event.call_id, name=event.name, output="42")
        for event in events
        if isinstance(event, ev.ToolCall) and event.location == "client"
    ]


_BYSTANDERS = [
    lambda names: ev.UserMessage(item_id=names.new("item"), text="and then?"),
    lambda names: ev.OperatorMessage(item_id=names.new("item"), text="be kind", author="ann"),
    lambda names: ev.OperatorWhispered(item_id=names.new("item"), text="psst", author="ann"),
    lambda names: ev.WhisperWithdrawn(item_id=names.new("item"), author="ann"),
    lambda names: ev.OperatorTookOver(item_id=names.new("item"), author="ann", shown_as="Support"),
    lambda names: ev.OperatorHandedBack(item_id=names.new("item"), author="ann", shown_as="Support"),
    lambda names: ev.AssistantMessage(
        item_id=names.new("item"), response_id="", output_index=0, text="so it was"
    ),
    lambda names: ev.ToolCall(
        item_id=names.new("item"),
        response_id="",
        call_id=names.new("call"),
        output_index=0,
        name="get_time",
        arguments="{}",
        location=ev.Location.HISTORY,
    ),
    lambda names: ev.ItemDeleted(item_id=names.new("item")),
    lambda _names: ev.VersionChosen(version="item_1", instead_of="item_2"),
    lambda _names: ev.FeedbackGiven(item_id="item_1", rating=ev.Rating.DOWN, comment="no"),
    lambda names: ev.ConnectionOpened(connection_id=names.new("conn"), dialect="plain"),
    lambda names: ev.ConnectionClosed(connection_id=names.new("conn"), close_code=1006),
    lambda _names: ev.SessionUpdated(config={"instructions": "be brief"}),
    lambda _names: ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER),
    lambda _names: ev.SessionEnded(reason=ev.EndReason.LEFT),
    lambda _names: ev.SummaryWritten(summary="s", title="t", model="demo"),
    lambda _names: ev.SummaryFailed(error="e", attempts=1),
]
