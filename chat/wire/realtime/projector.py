"""From the log to the wire: what a client is shown is a pure function of the session's records.

Live and replayed frames come out of the same fold, so a client that resumes gets the very bytes that it missed.
"""

import re
from datetime import datetime

import msgspec
from msgspec import UNSET

from chat.errors import InvalidCursor
from chat.llm.provider import JSON
from chat.wire.codes import sentence_for
from chat.wire.realtime import server as se
from chat.wire.realtime.objects import (
    FailedAttempt,
    Item,
    ItemStatus,
    McpCallItem,
    QueuePlace,
    ResponseObject,
    approval_request_item,
    assistant_item,
    final_response_status,
    final_status,
    function_call_item,
    item_of,
    mcp_call_item,
    status_details,
    timings_object,
    usage_object,
    with_result,
)
from sessions_app.errors import ReplayGap
from sessions_app.log import events as ev

_PLACE = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([1-9][0-9]{0,5}))?")


class Cursor(msgspec.Struct, frozen=True):
    """The last frame that a client has. ``index`` None: all frames of record ``seq``; else its first ``index`` ones.

    A record of seq n gives any number of frames. The ``event_id`` of the last is ``event_{session_id}_{n}``, of those
    before it ``event_{session_id}_{n}.1``, ``.2``, ...: a client that was cut off after any frame can say where.

    Seq 0 is the place before the first record.
    """

    seq: int
    index: int | None = None


def event_id(session_id: str, seq: int, index: int | None = None) -> str:
    return f"event_{session_id}_{seq}" if index is None else f"event_{session_id}_{seq}.{index}"


def parse_event_id(session_id: str, text: str) -> Cursor:
    """Raises `InvalidCursor` for what is no place in this session's stream.

    A session id may hold ``_`` and ``.``, so its end is known only from the id itself, never by splitting.
    """
    prefix = f"event_{session_id}_"
    place = _PLACE.fullmatch(text.removeprefix(prefix)) if text.startswith(prefix) else None
    if place is None or (place[1] == "0" and place[2]):
        raise InvalidCursor(
            "last_event_id is not an event_id of this session's stream. Give the last one that you received that "
            f"begins with {prefix!r}, or leave it out.",
            param="last_event_id",
        )
    return Cursor(int(place[1]), int(place[2]) if place[2] else None)


Frames = list[se.ServerEvent]

NO_RESULT = "The response ended before this tool gave a result."


class OpenItem:
    """An output item that is not done; ``texts`` are its deltas so far, ``call`` what a server's tool was asked."""

    __slots__ = ("at", "call", "item_id", "length", "output_index", "previous_item_id", "template", "texts")

    def __init__(self, item_id: str, output_index: int, previous_item_id: str | None, at: datetime) -> None:
        self.item_id = item_id
        self.output_index = output_index
        self.previous_item_id = previous_item_id
        self.at = at
        self.texts: list[str] = []
        self.length = 0
        self.call: McpCallItem | None = None
        self.template: se.DeltaTemplate | None = None

    def add(self, text: str) -> None:
        self.texts.append(text)
        self.length += len(text)


class OpenResponse:
    """One response from `ResponseStarted` to `ResponseDone`; each method gives the frames of one event."""

    def __init__(self, started: ev.ResponseStarted, session_id: str) -> None:
        self.response_id = started.response_id
        self._object = _response_object(started, session_id)
        self._in_conversation = self._object.conversation_id is not None
        self._open: dict[str, OpenItem] = {}
        self._calls: dict[str, OpenItem] = {}
        self._output: list[tuple[int, Item]] = []
        self._failed_attempts: list[FailedAttempt] = []
        self._last_item_id = started.after_item_id or next(reversed(started.input_item_ids), None)
        self._person = started.shown_as

    def created(self) -> Frames:
        return [se.ResponseCreated(response=self._object)]

    def delta(self, event: ev.AssistantDelta, at: datetime) -> Frames:
        """Raises `ReplayGap` when the text before it was not given."""
        text = self._open.get(event.item_id)
        length = text.length if text else 0
        if event.offset != length:
            raise ReplayGap(f"Item {event.item_id} goes on at character {event.offset}, not at {length}.")
        if text is None:
            return self._open_text(event.item_id, event.output_index, event.text, at)
        return [self._text_delta(text, event.text)] if event.text else []

    def further_delta(self, event: ev.AssistantDelta) -> OpenItem | None:
        """Take a delta of a text that is under way, without making its one frame; None, and nothing done, for another's."""
        text = self._open.get(event.item_id)
        if text is None or event.offset != text.length or not event.text:
            return None
        text.add(event.text)
        return text

    def message(self, event: ev.AssistantMessage, at: datetime) -> Frames:
        """What was not streamed goes out as one more delta, so that joined deltas always are the final text."""
        text, frames = self._open.get(event.item_id), Frames()
        if text is None:
            frames = self._open_text(event.item_id, event.output_index, event.text, at)
            text = self._open[event.item_id]
        elif len(event.text) > text.length:
            frames = [self._text_delta(text, event.text[text.length :])]
        return frames + self._close_text(text, event.text, final_status(event.status))

    def call(self, event: ev.ToolCall, at: datetime) -> Frames:
        return (
            self._client_call(event, at)
            if event.location == ev.Location.CLIENT
            else self._server_call(event, at)
        )

    def waits_for(self, call_id: str) -> bool:
        """True while a tool of the server's has this call and gave no result yet."""
        return call_id in self._calls

    def result(self, event: ev.ToolResult) -> Frames:
        """Raises KeyError unless the response waits for it."""
        opened = self._calls.pop(event.call_id)
        assert opened.call is not None
        outcome = se.McpCompleted if event.outcome == ev.Outcome.OK else se.McpFailed
        frames: Frames = [outcome(item_id=opened.item_id, output_index=opened.output_index)]
        return frames + self._done(opened, with_result(opened.call, event))

    def approval_requested(self, event: ev.ToolApprovalRequested, at: datetime) -> Frames:
        """Complete as soon as it is there; the answer comes after the response."""
        opened, item = self._add(event.item_id, event.output_index, at), approval_request_item(event, at)
        return self._added(opened, item) + self._done(opened, item)

    def item_deleted(self, event: ev.ItemDeleted) -> None:
        """What stands behind that item stands behind the one before it now."""
        if self._last_item_id == event.item_id:
            self._last_item_id = event.after_item_id

    def attempt_failed(self, event: ev.ModelAttemptFailed) -> None:
        """Told at the end, with `done`: which model failed and how, but not its vendor's words."""
        self._failed_attempts.append(FailedAttempt(model=event.model, code=event.code))

    def done(self, event: ev.ResponseDone) -> Frames:
        frames = Frames()
        for opened in list(self._open.values()):
            frames += self._break_off(opened)
        self._output.sort(key=lambda entry: entry[0])
        response = msgspec.structs.replace(
            self._object,
            status=final_response_status(event.status),
            status_details=status_details(event),
            output=[item for _, item in self._output],
            usage=usage_object(event.usage, event.cost_microusd),
            x_model=_short(event.model) or self._object.x_model,
            x_failed_attempts=self._failed_attempts or UNSET,
            x_message=sentence_for(event) or UNSET,
            x_timings=timings_object(event.timings),
        )
        return [*frames, se.ResponseDone(response=response)]

    # Items

    def _add(self, item_id: str, output_index: int, at: datetime) -> OpenItem:
        opened = OpenItem(item_id, output_index, self._last_item_id, at)
        self._open[item_id] = opened
        self._last_item_id = item_id
        return opened

    def _added(self, opened: OpenItem, item: Item) -> Frames:
        frames: Frames = [
            se.OutputItemAdded(response_id=self.response_id, output_index=opened.output_index, item=item)
        ]
        if self._in_conversation:
            frames.append(se.ItemAdded(previous_item_id=opened.previous_item_id, item=item))
        return frames

    def _done(self, opened: OpenItem, item: Item) -> Frames:
        del self._open[opened.item_id]
        self._output.append((opened.output_index, item))
        frames: Frames = []
        if self._in_conversation:
            frames.append(se.ItemDone(previous_item_id=opened.previous_item_id, item=item))
        frames.append(
            se.OutputItemDone(response_id=self.response_id, output_index=opened.output_index, item=item)
        )
        return frames

    def _break_off(self, opened: OpenItem) -> Frames:
        """The log should have closed it; a client waits for it all the same."""
        if opened.call is None:
            return self._close_text(opened, "".join(opened.texts), "incomplete")
        call_id = next(call_id for call_id, call in self._calls.items() if call is opened)
        result = ev.ToolResult(
            item_id=opened.item_id,
            call_id=call_id,
            name=opened.call.name,
            output=NO_RESULT,
            outcome=ev.Outcome.UNKNOWN,
        )
        return self.result(result)

    # Calls

    def _client_call(self, event: ev.ToolCall, at: datetime) -> Frames:
        opened = self._add(event.item_id, event.output_index, at)
        frames = self._added(opened, function_call_item(event, at, status="in_progress"))
        if event.arguments:
            frames.append(
                se.FunctionArgumentsDelta(
                    response_id=self.response_id,
                    item_id=event.item_id,
                    output_index=event.output_index,
                    call_id=event.call_id,
                    delta=event.arguments,
                )
            )
        frames.append(
            se.FunctionArgumentsDone(
                response_id=self.response_id,
                item_id=event.item_id,
                output_index=event.output_index,
                call_id=event.call_id,
                name=event.name,
                arguments=event.arguments,
            )
        )
        return frames + self._done(opened, function_call_item(event, at))

    def _server_call(self, event: ev.ToolCall, at: datetime) -> Frames:
        response_id, item_id, index = self.response_id, event.item_id, event.output_index
        opened = self._calls[event.call_id] = self._add(item_id, index, at)
        opened.call = mcp_call_item(event, at)
        frames = self._added(opened, msgspec.structs.replace(opened.call, arguments=""))
        if event.arguments:
            frames.append(
                se.McpArgumentsDelta(
                    response_id=response_id, item_id=item_id, output_index=index, delta=event.arguments
                )
            )
        return [
            *frames,
            se.McpArgumentsDone(
                response_id=response_id, item_id=item_id, output_index=index, arguments=event.arguments
            ),
            se.McpInProgress(item_id=item_id, output_index=index),
        ]

    # Text

    def _open_text(self, item_id: str, output_index: int, text: str, at: datetime) -> Frames:
        opened = self._add(item_id, output_index, at)
        frames = self._added(opened, self._text_item(item_id, None, "in_progress", at))
        frames.append(
            se.ContentPartAdded(
                response_id=self.response_id,
                item_id=item_id,
                output_index=output_index,
                part=se.TextPart(text=""),
            )
        )
        if text:
            frames.append(self._text_delta(opened, text))
        return frames

    def _text_delta(self, opened: OpenItem, text: str) -> se.TextDelta:
        opened.add(text)
        return self.delta_frame(opened, text)

    def delta_frame(self, opened: OpenItem, text: str) -> se.TextDelta:
        return se.TextDelta(
            response_id=self.response_id,
            item_id=opened.item_id,
            output_index=opened.output_index,
            delta=text,
        )

    def _close_text(self, opened: OpenItem, text: str, status: ItemStatus) -> Frames:
        response_id, item_id, index = self.response_id, opened.item_id, opened.output_index
        part = se.TextPart(text=text)
        frames: Frames = [
            se.TextDone(response_id=response_id, item_id=item_id, output_index=index, text=text),
            se.ContentPartDone(response_id=response_id, item_id=item_id, output_index=index, part=part),
        ]
        return frames + self._done(opened, self._text_item(item_id, text, status, opened.at))

    def _text_item(self, item_id: str, text: str | None, status: ItemStatus, at: datetime) -> Item:
        return assistant_item(item_id, text, status=status, at=at, person=self._person)


def queued_response(event: ev.ResponseQueued, session_id: str) -> se.ResponseCreated:
    """A response that was asked for while another runs, as it waits; it is created once more when its turn comes."""
    waiting = _asked_object(event.response_id, event.options, session_id)
    waiting.x_input_item_ids = event.item_ids
    waiting.x_client_event_id = event.client_event_id or UNSET
    waiting.x_queued = QueuePlace(position=event.position)
    return se.ResponseCreated(response=waiting)


def dropped_response(event: ev.ResponseDone, session_id: str) -> se.ResponseDone:
    """The end of a response that waited and never ran."""
    response = _asked_object(event.response_id, {}, session_id)
    response.status, response.status_details = final_response_status(event.status), status_details(event)
    response.x_message = sentence_for(event) or UNSET
    return se.ResponseDone(response=response)


def _response_object(started: ev.ResponseStarted, session_id: str) -> ResponseObject:
    response = _asked_object(started.response_id, started.options, session_id)
    response.x_model = _short(f"{started.provider}:{started.model}") or UNSET
    response.x_person = started.shown_as or UNSET
    response.x_input_item_ids = started.input_item_ids
    response.x_client_event_id = started.client_event_id or UNSET
    response.x_retry_of = started.retry_of or UNSET
    response.x_continues = started.continues or UNSET
    return response


def _asked_object(response_id: str, options: JSON, session_id: str) -> ResponseObject:
    return ResponseObject(
        id=response_id,
        conversation_id=None if options.get("conversation") == "none" else f"conv_{session_id}",
        max_output_tokens=options.get("max_output_tokens"),
        metadata=options.get("metadata"),
    )


def _short(model: str) -> str:
    """PROVIDER:NAME as the settings write it: ``demo`` has but one model and goes by its own name alone."""
    provider, _, name = model.partition(":")
    return provider if provider == name else model


class RealtimeProjector:
    """The Realtime frames of one session's records, which it must be given in order of seq.

    The fold remembers open responses and nothing else. So it may begin at any seq at which no response is open; a
    reader whose cursor lies within a response begins at that response's `ResponseStarted`, and `frames_after` takes
    in what comes before the cursor.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._last_seq = 0
        self._responses: dict[str, OpenResponse] = {}

    def frames(self, record: ev.Record) -> list[se.ServerEvent]:
        """The frames of a record, none for one that clients are not shown.

        Raises `ReplayGap` when the record needs an earlier one that was not given, or comes out of order.
        """
        if record.seq <= self._last_seq:
            raise ReplayGap(f"Session {self._session_id}: seq {record.seq} came after {self._last_seq}.")
        self._last_seq = record.seq
        return self._numbered(self._fold(record), record.seq)

    def frames_after(self, record: ev.Record, cursor: Cursor) -> list[se.ServerEvent]:
        """Those frames of the record that a client at the cursor does not have."""
        frames = self.frames(record)
        if record.seq > cursor.seq:
            return frames
        if record.seq < cursor.seq or cursor.index is None:
            return []
        return frames[cursor.index :]

    def delta(self, record: ev.Record) -> se.DeltaTemplate | None:
        """Take a delta of a text that is under way: its one frame is the template's, with the record's seq and text. None, and
        nothing done, for any other record."""
        event = record.event
        if not isinstance(event, ev.AssistantDelta) or record.seq <= self._last_seq:
            return None
        response = self._responses.get(event.response_id)
        text = response.further_delta(event) if response else None
        if response is None or text is None:
            return None
        self._last_seq = record.seq
        if text.template is None:
            place = event_id(self._session_id, 0).removesuffix("0")
            text.template = se.DeltaTemplate(response.delta_frame(text, ""), place)
        return text.template

    def _numbered(self, frames: Frames, seq: int) -> Frames:
        for index, frame in enumerate(frames[:-1], start=1):
            frame.event_id = event_id(self._session_id, seq, index)
        if frames:
            frames[-1].event_id = event_id(self._session_id, seq)
        return frames

    def _fold(self, record: ev.Record) -> Frames:
        event = record.event
        match event:
            case ev.AssistantDelta() | ev.ToolApprovalRequested() | ev.AssistantMessage() | ev.ToolCall():
                return self._output(record, event)
            case ev.ToolResult():
                return self._result(record, event)
            case ev.ResponseQueued():
                return [queued_response(event, self._session_id)]
            case ev.ResponseStarted():
                return self._start(event)
            case ev.ModelAttemptFailed():
                self._open(event.response_id).attempt_failed(event)
                return []
            case ev.ResponseDone():
                return self._finish(event)
            case ev.ItemDeleted():
                for response in self._responses.values():
                    response.item_deleted(event)
                return se.frames_of(event)
            case ev.UserMessage() | ev.OperatorMessage() | ev.SteppedEvent() | ev.ToolApproval():
                return _given(record, event)
            case _:
                return se.frames_of(event)

    def _output(
        self,
        record: ev.Record,
        event: ev.AssistantDelta | ev.ToolApprovalRequested | ev.AssistantMessage | ev.ToolCall,
    ) -> Frames:
        """Of a response, or, where it is none's, whole: the client has put it there."""
        if isinstance(event, ev.PlacedEvent) and not event.response_id:
            return _given(record, event)
        response = self._open(event.response_id)
        match event:
            case ev.AssistantDelta():
                return response.delta(event, record.at)
            case ev.ToolApprovalRequested():
                return response.approval_requested(event, record.at)
            case ev.AssistantMessage():
                return response.message(event, record.at)
            case ev.ToolCall():
                return response.call(event, record.at)

    def _open(self, response_id: str) -> OpenResponse:
        response = self._responses.get(response_id)
        if response is None:
            raise ReplayGap(f"Session {self._session_id}: response {response_id} goes on but never started.")
        return response

    def _start(self, event: ev.ResponseStarted) -> Frames:
        response = OpenResponse(event, self._session_id)
        self._responses[event.response_id] = response
        return response.created()

    def _finish(self, event: ev.ResponseDone) -> Frames:
        if event.waited:
            return [dropped_response(event, self._session_id)]
        frames = self._open(event.response_id).done(event)
        del self._responses[event.response_id]
        return frames

    def _result(self, record: ev.Record, event: ev.ToolResult) -> Frames:
        """The end of a call that the server runs, else an item of its own: the client's answer to a call."""
        response = self._responses.get(event.response_id) if event.response_id else None
        if response and response.waits_for(event.call_id):
            return response.result(event)
        return _given(record, event)


def _given(record: ev.Record, event: ev.PlacedEvent) -> Frames:
    """An item that is complete as soon as it is there."""
    item = item_of(record)
    assert item is not None
    return [
        se.ItemAdded(previous_item_id=event.shown_after, item=item),
        se.ItemDone(previous_item_id=event.shown_after, item=item),
    ]
