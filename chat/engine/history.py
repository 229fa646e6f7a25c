"""The model's history as a fold over the session's log: the same whether events come live or from the database."""

from collections.abc import Iterable

from chat.messages import (
    AssistantText,
    HistoryItem,
    OperatorText,
    ToolCallItem,
    ToolResultItem,
    UserText,
)
from sessions_app import events as ev

NO_RESULT = "No result was given for this call."


class _Calls:
    """The calls of one model round, and their results as far as they are in."""

    __slots__ = ("calls", "key", "results")

    def __init__(self, key: tuple[str, int]) -> None:
        self.key = key
        self.calls: list[ToolCallItem] = []
        self.results: dict[str, ToolResultItem] = {}

    def items(self) -> list[HistoryItem]:
        results = (
            self.results.get(call.call_id)
            or ToolResultItem(call.item_id, call.call_id, call.name, NO_RESULT, is_error=True)
            for call in self.calls
        )
        return [*self.calls, *results]


class History:
    """Feed it every record of the log in order; it ignores those that no model needs.

    A user's message waits until a response takes it in (`ResponseStarted.input_item_ids`), so that one which arrived
    while another answer ran stands after that answer.
    """

    def __init__(self, records: Iterable[ev.Record] = ()) -> None:
        self._entries: list[HistoryItem | _Calls] = []
        self._calls_by_id: dict[str, _Calls] = {}
        self._client_calls: set[str] = set()
        self.waiting: dict[str, UserText | OperatorText] = {}
        self.item_seqs: dict[str, int] = {}
        self.client_events: dict[str, int] = {}
        """The seq of what a client's event_id brought about: the same event again is not run twice."""
        self.user_messages = 0
        for record in records:
            self.apply(record)

    def items(self) -> list[HistoryItem]:
        """What the model is sent; the results of one round stand behind its calls, in the calls' order."""
        items: list[HistoryItem] = []
        for entry in self._entries:
            items.extend(entry.items() if isinstance(entry, _Calls) else (entry,))
        return items

    def client_call(self, call_id: str) -> ToolCallItem | None:
        """A call of the client's own tools that has no result yet."""
        calls = self._calls_by_id.get(call_id)
        if calls is None or call_id in calls.results or call_id not in self._client_calls:
            return None
        return next(call for call in calls.calls if call.call_id == call_id)

    def apply(self, record: ev.Record) -> None:
        event = record.event
        match event:
            case ev.UserMessage():
                self.waiting[event.item_id] = UserText(event.item_id, event.text)
                self.user_messages += 1
                self._remember(record.seq, event.item_id, event.client_event_id)
            case ev.OperatorMessage():
                self.waiting[event.item_id] = OperatorText(event.item_id, event.text)
                self._remember(record.seq, event.item_id)
            case ev.ResponseStarted():
                self._take_in(event.input_item_ids)
                if event.client_event_id:
                    self.client_events[event.client_event_id] = record.seq
            case ev.AssistantMessage():
                text = AssistantText(event.item_id, event.text, event.parts, event.response_id)
                self._entries.append(text)
                self._remember(record.seq, event.item_id)
            case ev.ToolCall():
                self._add_call(event)
                self._remember(record.seq, event.item_id)
            case ev.ToolResult():
                self._add_result(event)
            case ev.ItemDeleted():
                self._delete(event.item_id)

    def _remember(self, seq: int, item_id: str, client_event_id: str | None = None) -> None:
        self.item_seqs[item_id] = seq
        if client_event_id:
            self.client_events[client_event_id] = seq

    def _take_in(self, item_ids: Iterable[str]) -> None:
        for item_id in item_ids:
            if item := self.waiting.pop(item_id, None):
                self._entries.append(item)

    def _add_call(self, event: ev.ToolCall) -> None:
        last = self._entries[-1] if self._entries else None
        key = (event.response_id, event.round)
        if not isinstance(last, _Calls) or last.key != key:
            last = _Calls(key)
            self._entries.append(last)
        call = ToolCallItem(
            event.item_id, event.call_id, event.name, event.arguments, event.extra, event.response_id
        )
        last.calls.append(call)
        if event.location == "client":
            self._client_calls.add(event.call_id)
        self._calls_by_id[event.call_id] = last

    def _add_result(self, event: ev.ToolResult) -> None:
        if calls := self._calls_by_id.get(event.call_id):
            calls.results[event.call_id] = ToolResultItem(
                event.item_id, event.call_id, event.name, event.output, is_error=event.outcome != "ok"
            )

    def _delete(self, item_id: str) -> None:
        self.waiting.pop(item_id, None)
        self.item_seqs.pop(item_id, None)
        self._entries = [
            entry
            for entry in self._entries
            if (
                all(call.item_id != item_id for call in entry.calls)
                if isinstance(entry, _Calls)
                else entry.item_id != item_id
            )
        ]
