"""From the log to one response's stream: a pure function of the session's records.

``sequence_number`` counts the log, not the frames: a record of seq n gives the numbers from ``(n - first) * STEP`` on, where
``first`` is the seq at which the log tells of the response first. So a client that was cut off after any event names it, and
gets the rest of any process at any later time; and what a dead process may have shown and not stored is never numbered anew,
as its seqs are skipped (docs/decisions/0007).

An answer that a dying process cut off is tried again by the next one, as a response of its own in the log. Here it is the
same response: what was shown stays, as items that are ``incomplete``, and the new try's items stand behind them.
"""

import msgspec

from chat.llm.provider import JSON
from chat.wire.responses import objects as ro
from chat.wire.responses.items import (
    approval_request,
    function_call,
    server_call,
    text_item,
    with_result,
)
from chat.wire.responses.response import asked_for, ended, last_event, usage_of
from sessions_app.errors import ReplayGap
from sessions_app.log import events as ev
from sessions_app.log.state import MAX_ATTEMPTS

STEP = 32
"""A record gives less events than that."""
NO_RESULT = "The response ended before this tool gave a result."

Frames = list[ro.StreamEvent]
Said = ev.AssistantDelta | ev.AssistantMessage


class _Open:
    """An output item that is not done."""

    __slots__ = ("call", "index", "item_id", "length", "texts")

    def __init__(self, item_id: str, index: int) -> None:
        self.item_id = item_id
        self.index = index
        self.texts: list[str] = []
        self.length = 0
        self.call: ro.McpCall | None = None

    def delta(self, text: str) -> ro.TextDelta:
        self.texts.append(text)
        self.length += len(text)
        return ro.TextDelta(item_id=self.item_id, output_index=self.index, delta=text)


class ResponseProjector:
    """Give it the records of a session in order of seq, from the one on that tells of the response first."""

    def __init__(self, session_id: str, response_id: str) -> None:
        self._session_id = session_id
        self._tail = response_id
        """By which the log knows the try that runs."""
        self._response: ro.Response | None = None
        self.over = False
        """Nothing follows any more."""
        self._first_seq = 0
        self._items = _Items()
        self._started = False
        self._broken_off: tuple[ev.ResponseDone, ev.Record] | None = None
        """How the last try ended, while it may be that another one follows."""
        self._may_be_tried_again = True
        self._usage = ev.Usage()
        self._cost_microusd: int | None = 0

    @property
    def response(self) -> ro.Response | None:
        """As it stands now; None: the log has not told of it yet."""
        if self._response is None:
            return None
        return msgspec.structs.replace(self._response, output=self._items.output())

    @property
    def ended_at(self) -> float | None:
        """Unix seconds; None while it is not over."""
        return self._broken_off[1].at.timestamp() if self.over and self._broken_off else None

    @property
    def tail(self) -> str:
        """By which id its session knows it now."""
        return self._tail

    def is_behind(self, number: int, record: ev.Record) -> bool:
        """Whether the record comes after the event of that number."""
        return bool(self._first_seq) and (record.seq - self._first_seq) * STEP > number

    def give_up(self, shown: "ResponseProjector", after: int) -> Frames:
        """The ends of what ``shown`` was told of by a process that died, and the log does not know: a client waits for them. They
        are numbered behind ``after``, among the numbers that were lost as well."""
        frames = self._items.give_up(shown._items)
        for index, frame in enumerate(frames, start=1):
            frame.sequence_number = after + index
        return frames

    def events(self, record: ev.Record) -> Frames:
        """Raises `ReplayGap` when the record needs an earlier one that was not given."""
        if self.over:
            return []
        self._first_seq = self._first_seq or record.seq
        is_delta = isinstance(record.event, ev.AssistantDelta)  # most are
        frames = self._output(record.event) if is_delta else self._fold(record)
        first = (record.seq - self._first_seq) * STEP
        for index, frame in enumerate(frames):
            frame.sequence_number = first + index
        return frames

    def _fold(self, record: ev.Record) -> Frames:
        event = record.event
        match event:
            case ev.ResponseQueued() if event.response_id == self._tail:
                return self._queued(event, record)
            case ev.ResponseStarted():
                return self._start(event, record)
            case ev.ResponseDone() if event.response_id == self._tail:
                return self._finish(event, record)
            case ev.SessionEnded() | ev.VersionChosen():
                return self._end_if_broken_off()
            case ev.UserMessage() if event.replaces:
                return self._end_if_broken_off()
            case _:
                return self._output(event)

    def _output(self, event: ev.Event) -> Frames:
        if getattr(event, "response_id", None) != self._tail or not self._started:
            return []
        match event:
            case ev.AssistantDelta():
                return self._items.delta(event)
            case ev.AssistantMessage():
                return self._items.message(event)
            case ev.ToolCall():
                self._may_be_tried_again = self._may_be_tried_again and not event.acts
                return self._items.call(event)
            case ev.ToolApprovalRequested():
                return self._items.approval(event)
            case ev.ToolResult():
                return self._items.result(event)
            case _:
                return []

    # Its life

    def _queued(self, event: ev.ResponseQueued, record: ev.Record) -> Frames:
        if self._response:  # somebody took the conversation over meanwhile, and wrote down again what waits
            return []
        self._response = asked_for(event, record.at, self._session_id, status="queued")
        return [ro.Created(response=self._response), ro.Queued(response=self._response)]

    def _start(self, event: ev.ResponseStarted, record: ev.Record) -> Frames:
        if event.response_id != self._tail and event.retry_of != self._tail:
            return [] if _outside(event.options) else self._end_if_broken_off()
        frames: Frames = []
        if self._response is None:
            self._response = asked_for(event, record.at, self._session_id, status="in_progress")
            frames = [ro.Created(response=self._response)]
        again, self._started, self._broken_off = self._started, True, None
        self._tail = event.response_id
        outside = _outside(event.options)
        self._may_be_tried_again = not outside and event.attempt < MAX_ATTEMPTS
        model = ev.model_spec(event.provider, event.model)
        self._response = msgspec.structs.replace(
            self._response, status="in_progress", model=model or self._response.model
        )
        self._items.begin(event.shown_as)
        return frames if again else [*frames, ro.InProgress(response=self._response)]

    def _finish(self, done: ev.ResponseDone, record: ev.Record) -> Frames:
        if self._response is None:
            raise ReplayGap(f"Session {self._session_id}: response {self._tail} ends and never began.")
        self._usage += done.usage
        known = self._cost_microusd is not None and done.cost_microusd is not None
        self._cost_microusd = (self._cost_microusd or 0) + (done.cost_microusd or 0) if known else None
        frames = self._items.break_off()
        self._broken_off = done, record
        if done.reason == ev.Reason.INTERRUPTED and not done.waited and self._may_be_tried_again:
            return frames
        return [*frames, *self._end_if_broken_off()]

    def _end_if_broken_off(self) -> Frames:
        if self._broken_off is None or self.response is None:
            return []
        done, record = self._broken_off
        response = ended(self.response, done, record.at, cost_microusd=self._cost_microusd)
        if self._started:
            response.usage = usage_of(self._usage)
        response.model = done.model or response.model
        self._response, self.over = response, True
        return [last_event(response)]


class _Items:
    """The output items: each method gives the frames of one event."""

    def __init__(self) -> None:
        self._base = 0
        """The output index at which this try began."""
        self._next = 0
        self._open: dict[str, _Open] = {}
        self._calls: dict[str, _Open] = {}
        self._done: dict[int, ro.OutputItem] = {}
        self._person = ""

    def output(self) -> list[ro.OutputItem]:
        """With what is open, as it stands."""
        now = dict(self._done)
        for opened in self._open.values():
            text = "".join(opened.texts)
            now[opened.index] = opened.call or text_item(opened.item_id, text, status="in_progress")
        return [now[index] for index in sorted(now)]

    def begin(self, person: str) -> None:
        self._base, self._person = self._next, person

    def delta(self, event: ev.AssistantDelta) -> Frames:
        """Raises `ReplayGap` when the text before it was not given."""
        opened = self._open.get(event.item_id)
        if event.offset != (opened.length if opened else 0):
            raise ReplayGap(f"Item {event.item_id} goes on at character {event.offset}.")
        if opened is None:
            return self._open_text(event)
        return [opened.delta(event.text)] if event.text else []

    def message(self, event: ev.AssistantMessage) -> Frames:
        """What was not streamed goes out as one more delta, so that joined deltas always are the final text."""
        opened, frames = self._open.get(event.item_id), Frames()
        if opened is None:
            frames = self._open_text(event)
            opened = self._open[event.item_id]
        elif len(event.text) > opened.length:
            frames = [opened.delta(event.text[opened.length :])]
        status: ro.ItemStatus = "completed" if event.status == ev.TextStatus.COMPLETED else "incomplete"
        return frames + self._close_text(opened, event.text, status)

    def call(self, event: ev.ToolCall) -> Frames:
        return self._server_call(event) if event.location == ev.Location.SERVER else self._client_call(event)

    def approval(self, event: ev.ToolApprovalRequested) -> Frames:
        opened, item = self._add(event.item_id, event.output_index), approval_request(event)
        return [ro.ItemAdded(output_index=opened.index, item=item), *self._close(opened, item)]

    def result(self, event: ev.ToolResult) -> Frames:
        opened = self._calls.pop(event.call_id, None)
        if opened is None or opened.call is None:
            return []
        ok = event.outcome == ev.Outcome.OK
        outcome = ro.McpCompleted if ok else ro.McpFailed
        return [
            outcome(item_id=opened.item_id, output_index=opened.index),
            *self._close(opened, with_result(opened.call, event)),
        ]

    def break_off(self) -> Frames:
        """The log should have closed them; a client waits for it all the same."""
        frames: Frames = []
        for opened in list(self._open.values()):
            if opened.call is None:
                frames += self._close_text(opened, "".join(opened.texts), "incomplete")
                continue
            call_id = next(call_id for call_id, one in self._calls.items() if one is opened)
            frames += self.result(
                ev.ToolResult(
                    item_id=opened.item_id,
                    call_id=call_id,
                    name=opened.call.name,
                    output=NO_RESULT,
                    outcome=ev.Outcome.UNKNOWN,
                )
            )
        return frames

    def give_up(self, shown: "_Items") -> Frames:
        """What was lost has had its place in the output."""
        known = {*self._open, *(item.id for item in self._done.values())}
        lost = [opened for item_id, opened in shown._open.items() if item_id not in known]
        self._next = max([self._next, *(opened.index + 1 for opened in lost)])
        return [
            frame
            for opened in lost
            if opened.call is None
            for frame in shown._close_text(opened, "".join(opened.texts), "incomplete")
        ]

    def _add(self, item_id: str, output_index: int) -> _Open:
        opened = self._open[item_id] = _Open(item_id, self._base + output_index)
        self._next = max(self._next, opened.index + 1)
        return opened

    def _close(self, opened: _Open, item: ro.OutputItem) -> Frames:
        del self._open[opened.item_id]
        self._done[opened.index] = item
        return [ro.ItemDone(output_index=opened.index, item=item)]

    def _client_call(self, event: ev.ToolCall) -> Frames:
        opened, item = self._add(event.item_id, event.output_index), function_call(event)
        about: JSON = {"item_id": event.item_id, "output_index": opened.index}
        begun = msgspec.structs.replace(item, arguments="", status="in_progress")
        frames: Frames = [ro.ItemAdded(output_index=opened.index, item=begun)]
        if event.arguments:
            frames.append(ro.FunctionArgumentsDelta(**about, delta=event.arguments))
        frames.append(ro.FunctionArgumentsDone(**about, name=event.name, arguments=event.arguments))
        return frames + self._close(opened, item)

    def _server_call(self, event: ev.ToolCall) -> Frames:
        """``in_progress`` before the arguments, as the vendor has it."""
        opened = self._calls[event.call_id] = self._add(event.item_id, event.output_index)
        opened.call = server_call(event)
        about: JSON = {"item_id": event.item_id, "output_index": opened.index}
        begun = msgspec.structs.replace(opened.call, arguments="")
        frames: Frames = [ro.ItemAdded(output_index=opened.index, item=begun), ro.McpInProgress(**about)]
        if event.arguments:
            frames.append(ro.McpArgumentsDelta(**about, delta=event.arguments))
        return [*frames, ro.McpArgumentsDone(**about, arguments=event.arguments)]

    def _open_text(self, event: Said) -> Frames:
        opened = self._add(event.item_id, event.output_index)
        item = text_item(event.item_id, None, status="in_progress", person=self._person)
        frames: Frames = [
            ro.ItemAdded(output_index=opened.index, item=item),
            ro.PartAdded(item_id=event.item_id, output_index=opened.index, part=ro.OutputText(text="")),
        ]
        return [*frames, opened.delta(event.text)] if event.text else frames

    def _close_text(self, opened: _Open, text: str, status: ro.ItemStatus) -> Frames:
        about: JSON = {"item_id": opened.item_id, "output_index": opened.index}
        item = text_item(opened.item_id, text, status=status, person=self._person)
        return [
            ro.TextDone(**about, text=text),
            ro.PartDone(**about, part=ro.OutputText(text=text)),
            *self._close(opened, item),
        ]


def _outside(options: JSON) -> bool:
    return options.get("conversation") == "none"
