"""From the log to the wire: what a client is shown is a pure function of the session's records.

Live and replayed frames come out of the same fold, so a client that resumes gets the very bytes that it missed.
"""

from chat.wire.cursor import Cursor, event_id
from chat.wire.plain import plain_approval, plain_error
from chat.wire.realtime import server as se
from chat.wire.realtime.objects import item_of
from chat.wire.realtime.open_response import OpenResponse, dropped_response, queued_response
from chat.wire.reasons import reason_of, sentence_for
from sessions_app.errors import ReplayGap
from sessions_app.log import events as ev

Frames = list[se.ServerEvent]


class RealtimeProjector:
    """The Realtime frames of one session's records, which it must be given in order of seq.

    The fold remembers open responses and nothing else. So it may begin at any seq at which no response is open; a
    reader whose cursor lies within a response begins at that response's `ResponseStarted` and primes it with what
    comes before the cursor (`frames_after` does).
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

    def prime(self, record: ev.Record) -> None:
        """Take in a record whose frames the client has."""
        self.frames(record)

    def frames_after(self, record: ev.Record, cursor: Cursor) -> list[se.ServerEvent]:
        """Those frames of the record that a client at the cursor does not have."""
        frames = self.frames(record)
        if record.seq > cursor.seq:
            return frames
        if record.seq < cursor.seq or cursor.index is None:
            return []
        return frames[cursor.index :]

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
            case ev.UserMessage() | ev.OperatorMessage() | ev.ToolApproval():
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


class PlainProjector:
    """The plain dialect's frames of a session's records: the answers' text and nothing around it.

    It may begin at any seq: of an item whose beginning it was not given, it shows what comes from there on.
    """

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        """Characters of each unfinished item up to the last delta."""

    def frames(self, record: ev.Record) -> list[str]:
        event = record.event
        match event:
            case ev.AssistantDelta():
                self._shown[event.item_id] = event.offset + len(event.text)
                return [event.text] if event.text else []
            case ev.AssistantMessage() if event.response_id:
                rest = event.text[self._shown.pop(event.item_id, 0) :]
                return [rest] if rest else []
            case ev.ToolApprovalRequested():
                return [plain_approval(event.name)]
            case ev.ResponseDone(status=ev.ResponseStatus.FAILED | ev.ResponseStatus.INCOMPLETE):
                return [plain_error(reason_of(event), sentence_for(event))]
            case _:
                return []
