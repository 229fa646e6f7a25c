"""The model's history as a fold over the session's log: the same whether events come live or from the database."""

from collections.abc import Iterable

from chat.llm.prompts import DECIDED_LATER, REFUSED
from chat.llm.provider import AssistantText, HistoryItem, OperatorText, ToolCallItem, ToolResultItem, UserText
from chat.session.calls import Approval, Approvals, Calls, item_ids, response_of
from chat.session.order import ItemOrder
from sessions_app.log import events as ev
from sessions_app.log.events import ROOT
from sessions_app.log.settle import INTERRUPTED, MAX_ATTEMPTS, acts

# What a client puts into the model's history, and whether an event gives the model something new to answer.


Given = UserText | OperatorText | AssistantText | ToolCallItem
"""The result of a call is none of them: it stands with its call at once."""
GivenEvent = ev.UserMessage | ev.OperatorMessage | ev.AssistantMessage | ev.ToolCall


def given_item(event: GivenEvent) -> Given:
    match event:
        case ev.UserMessage():
            return UserText(event.item_id, event.text)
        case ev.OperatorMessage():
            return OperatorText(event.item_id, event.text)
        case ev.AssistantMessage():
            return AssistantText(event.item_id, event.text)
        case ev.ToolCall():
            return ToolCallItem(event.item_id, event.call_id, event.name, event.arguments)


def says_something(event: ev.Event) -> bool:
    """The client has said or set something: a response asked for from now on has something to answer."""
    match event:
        case ev.AssistantMessage() | ev.ToolCall() | ev.ToolResult():
            return not event.response_id
        case _:
            return isinstance(event, ev.UserMessage | ev.OperatorMessage | ev.ItemDeleted | ev.SessionUpdated)


def is_servers(event: ev.AssistantMessage | ev.ToolCall | ev.ToolApprovalRequested) -> bool:
    return not isinstance(event, ev.AssistantMessage) and getattr(event, "location", "server") == "server"


_MAKES_ITEM = (
    ev.UserMessage,
    ev.OperatorMessage,
    ev.AssistantMessage,
    ev.ToolCall,
    ev.ToolApprovalRequested,
    ev.ToolApproval,
)


class History:
    """Feed it every record of the log in order; it ignores those that no model needs.

    What a client puts in waits until a response takes it in (`ResponseStarted.input_item_ids`), so that what arrived
    while another answer ran stands after that answer.
    """

    def __init__(self, records: Iterable[ev.Record] = ()) -> None:
        self._entries: list[HistoryItem | Calls] = []
        self._calls_by_id: dict[str, Calls] = {}
        self._client_calls: set[str] = set()
        self._outside: set[str] = set()
        """Responses that are no part of the conversation."""
        self._asks: set[str] = set()
        """The waiting messages that ask for an answer by themselves."""
        self.waiting: dict[str, Given] = {}
        self.queued: dict[str, ev.ResponseQueued] = {}
        """The responses that wait for their turn, in their order."""
        self.approvals = Approvals()
        self.last_response: ev.ResponseStarted | None = None
        self.last_done: ev.ResponseDone | None = None
        """How `last_response` came out; None while it runs."""
        self._acted = False
        """It may have had a side effect."""
        self._used_tools = False
        """It had the server run tools, or asked whether it may."""
        self.order = ItemOrder()
        self._news = False
        """Something was said, or set, since a response was asked for last."""
        self.item_seqs: dict[str, int] = {}
        self.client_events: dict[str, int] = {}
        """The seq of what a client's event_id brought about: the same event again is not run twice."""
        self.user_messages = 0
        self.summary: OperatorText | None = None
        """What stands for the turns that were compacted."""
        self.compacted_through = 0
        self.checkpoint_seq = 0
        """The seq of the last compaction: ids from before it may be in the log alone. 0: there was none."""
        self.recalled: set[str] = set()
        """Items that the summary tells of, and that were looked up in the log."""
        self._deleted: set[str] = set()
        self.turns: list[int] = []
        """The seqs at which a turn began, before which the history may be cut."""
        self.spent_microusd = 0
        """By the session, as far as it is known."""
        self.tokens_per_byte = 0.0
        """As the vendor counted last; 0.0: it has not yet."""
        self._entered: dict[str, int] = {}
        """The seq at which an item came into the history, where that is not its own."""
        self._queued_seqs: dict[str, int] = {}
        for record in records:
            self.apply(record)

    @classmethod
    def of_items(cls, items: Iterable[HistoryItem]) -> "History":
        """One that begins with these items: for a response that looks at something else than the conversation."""
        history = cls()
        for item in items:
            history._add_item(item)
        return history

    def _add_item(self, item: HistoryItem) -> None:
        last = self._entries[-1] if self._entries else None
        match item:
            case ToolCallItem():
                if not isinstance(last, Calls) or last.results:
                    last = Calls((item.response_id, len(self._entries)))
                    self._entries.append(last)
                last.calls.append(item)
                self._calls_by_id[item.call_id] = last
            case ToolResultItem():
                if calls := self._calls_by_id.get(item.call_id):
                    calls.results[item.call_id] = item
            case _:
                self._entries.append(item)

    def items(self) -> list[HistoryItem]:
        """What the model is sent; the results of one round stand behind its calls, in the calls' order."""
        items: list[HistoryItem] = [self.summary] if self.summary else []
        for entry in self._entries:
            items.extend(entry.items() if isinstance(entry, Calls) else (entry,))
        return items

    def item(self, item_id: str) -> HistoryItem | None:
        """An item of the conversation, whether the model has been shown it yet or not."""
        found = (item for item in self.items() if item.item_id == item_id)
        return self.waiting.get(item_id) or next(found, None)

    def knows_call(self, call_id: str) -> bool:
        return call_id in self._calls_by_id

    def client_call(self, call_id: str) -> ToolCallItem | None:
        """A call of the client's own tools, or one that it told of, that has no result yet."""
        calls = self._calls_by_id.get(call_id)
        if calls is None or call_id in calls.results or call_id not in self._client_calls:
            return None
        return next(call for call in calls.calls if call.call_id == call_id)

    @property
    def answered_with_tools(self) -> bool:
        """The last response ran tools, it completed or still runs, and the client has said nothing since."""
        fine = self.last_response and (self.last_done is None or self.last_done.status == "completed")
        return bool(fine and self._used_tools and not self._news)

    def to_retry(self) -> ev.ResponseStarted | None:
        """The response that a stopping or dying process cut off, where nothing that it did has to stand."""
        cut_off = self.last_done is not None and self.last_done.reason == INTERRUPTED
        last = self.last_response
        return last if last and cut_off and not self._acted and last.attempt < MAX_ATTEMPTS else None

    def unanswered(self) -> list[str]:
        """The messages that ask for an answer and that no response takes in yet, nor waits to."""
        claimed = {item_id for one in self.queued.values() for item_id in one.item_ids}
        return [item_id for item_id in self.waiting if item_id in self._asks and item_id not in claimed]

    def apply(self, record: ev.Record) -> None:
        event, seq = record.event, record.seq
        if client_event_id := getattr(event, "client_event_id", None):
            self.client_events[client_event_id] = record.seq
        self._news = self._news or says_something(event)
        self.order.apply(event)
        if isinstance(event, _MAKES_ITEM) or (isinstance(event, ev.ToolResult) and not event.response_id):
            self.item_seqs[event.item_id] = record.seq
            self._deleted.discard(event.item_id)
        match event:
            case ev.UserMessage() | ev.OperatorMessage() | ev.AssistantMessage() | ev.ToolCall() if (
                not getattr(event, "response_id", "")
            ):
                self._add_given(seq, event)
            case ev.HistoryCompacted():
                self._compact(seq, event)
            case ev.SummaryWritten():
                self.spent_microusd += event.cost_microusd or 0
            case ev.ItemDeleted():
                self._delete(event.item_id)
            case ev.ToolApproval():
                self._decide(seq, event)
            case ev.SessionEnded():
                self.last_response = self.last_done = None
            case _:
                self._apply_of_response(seq, event)

    def _apply_of_response(self, seq: int, event: ev.Event) -> None:
        match event:
            case ev.ResponseQueued():
                self._news = self._news and event.options.get("conversation") == "none"
                self.queued[event.response_id] = event
                self._queued_seqs[event.response_id] = seq
            case ev.ResponseStarted():
                self._start(seq, event)
            case ev.AssistantMessage() | ev.ToolCall() | ev.ToolApprovalRequested():
                if event.response_id not in self._outside:
                    self._acted = self._acted or acts(event)
                    self._used_tools = self._used_tools or is_servers(event)
                    self._add_output(seq, event)
            case ev.ToolResult():
                self._add_result(seq, event)
            case ev.ResponseDone():
                self._end(event)

    def _add_given(self, seq: int, event: GivenEvent) -> None:
        item = given_item(event)
        if isinstance(item, ToolCallItem):
            calls = self._calls_by_id[item.call_id] = Calls(("", seq))
            calls.calls, calls.seqs = [item], [seq]
            self._client_calls.add(item.call_id)
        if event.previous_item_id is None or not self._insert(item, event.previous_item_id):
            self.waiting[event.item_id] = item
        if not isinstance(event, ev.OperatorMessage):
            self.user_messages += 1
        if isinstance(event, ev.UserMessage) and event.respond:
            self._asks.add(event.item_id)

    def _entry(self, item: Given, entered: int) -> HistoryItem | Calls:
        """As it stands in the history from that seq on."""
        if not isinstance(item, ToolCallItem):
            self._entered[item.item_id] = entered
            return item
        calls = self._calls_by_id[item.call_id]
        calls.entered = entered
        return calls

    def _insert(self, item: Given, previous_item_id: str) -> bool:
        """Put it behind an item that the model has been shown already, or (``root``) before all; False at the end."""
        places = [] if self.waiting else self._entries[-1:]
        if places and previous_item_id in item_ids(places[0]):
            return False
        if previous_item_id == ROOT:
            entered = self._entered_at(self._entries[0]) if self._entries else 0
            self._entries.insert(0, self._entry(item, entered))
            return True
        for index, entry in enumerate(self._entries):
            if previous_item_id in item_ids(entry):
                self._entries.insert(index + 1, self._entry(item, self._entered_at(entry)))
                return True
        return self._insert_waiting(item, previous_item_id)

    def _insert_waiting(self, item: Given, previous_item_id: str) -> bool:
        """Among those that no model has been shown yet."""
        if previous_item_id not in self.waiting:
            return False
        order = list(self.waiting.items())
        index = [item_id for item_id, _ in order].index(previous_item_id)
        self.waiting = dict([*order[: index + 1], (item.item_id, item), *order[index + 1 :]])
        return True

    def _start(self, seq: int, event: ev.ResponseStarted) -> None:
        self.queued.pop(event.response_id, None)
        if event.options.get("conversation") == "none":
            self._outside.add(event.response_id)
            return
        self.last_response, self.last_done = event, None
        self._acted = self._used_tools = self._news = False
        if event.retry_of:
            self._drop_response(event.retry_of)
        self.approvals.taken_in_by(event)
        self._begin_turn(seq, event)
        last = self._entries[-1] if self._entries else None
        if event.continues and not (isinstance(last, Calls) and last.key[0] == event.continues):
            self._entries.append(OperatorText(f"{event.response_id}_note", DECIDED_LATER))
            self._entered[f"{event.response_id}_note"] = seq
        self._take_in(seq, event.input_item_ids)

    def _begin_turn(self, seq: int, event: ev.ResponseStarted) -> None:
        """Not where the response goes on with what stands before it: another try, an approved call, a client's results."""
        goes_on = self._entries and isinstance(self._entries[-1], Calls) and not event.input_item_ids
        if not (event.retry_of or event.continues or goes_on):
            self.turns.append(seq)

    def _end(self, event: ev.ResponseDone) -> None:
        self.queued.pop(event.response_id, None)
        self._queued_seqs.pop(event.response_id, None)
        self.spent_microusd += event.cost_microusd or 0
        if event.context_tokens and event.context_bytes and event.response_id not in self._outside:
            self.tokens_per_byte = event.context_tokens / event.context_bytes
        self._outside.discard(event.response_id)
        if self.last_response and self.last_response.response_id == event.response_id:
            self.last_done = event

    def _take_in(self, seq: int, item_ids: Iterable[str]) -> None:
        for item_id in item_ids:
            self._asks.discard(item_id)
            if item := self.waiting.pop(item_id, None):
                self._entries.append(self._entry(item, seq))

    def _drop_response(self, response_id: str) -> None:
        """Forget what a response said that is being tried again, but for what led to a possible side effect."""
        kept_until = max(
            (index for index, entry in enumerate(self._entries) if isinstance(entry, Calls) and entry.acted),
            default=-1,
        )
        self._entries = [
            entry
            for index, entry in enumerate(self._entries)
            if index <= kept_until or response_of(entry) != response_id
        ]
        for approval in self.approvals.given_up_by(response_id):
            if calls := self._calls_by_id.get(approval.asked.call_id):
                calls.results.pop(approval.asked.call_id, None)

    def _add_output(
        self, seq: int, event: ev.AssistantMessage | ev.ToolCall | ev.ToolApprovalRequested
    ) -> None:
        match event:
            case ev.AssistantMessage():
                self._entries.append(AssistantText(event.item_id, event.text, event.parts, event.response_id))
            case ev.ToolCall(approval_id=str()):
                self._call_approved(seq, event)
            case ev.ToolCall() | ev.ToolApprovalRequested():
                self._add_call(seq, event)

    def _add_call(self, seq: int, event: ev.ToolCall | ev.ToolApprovalRequested) -> None:
        last = self._entries[-1] if self._entries else None
        key = (event.response_id, event.round)
        if not isinstance(last, Calls) or last.key != key:
            last = Calls(key)
            self._entries.append(last)
        call = ToolCallItem(
            event.item_id, event.call_id, event.name, event.arguments, event.extra, event.response_id
        )
        last.calls.append(call)
        last.seqs.append(seq)
        self._calls_by_id[event.call_id] = last
        if isinstance(event, ev.ToolApprovalRequested):
            last.asked.add(event.call_id)
            self.approvals[event.item_id] = Approval(event)
            return
        last.acted = last.acted or acts(event)
        if event.location == "client":
            self._client_calls.add(event.call_id)

    def _call_approved(self, seq: int, event: ev.ToolCall) -> None:
        """The call itself stands where it was asked for."""
        if approval := self.approvals.get(event.approval_id or ""):
            approval.called_by = event.response_id
        if calls := self._calls_by_id.get(event.call_id):
            calls.asked.discard(event.call_id)
            calls.seqs.append(seq)
            calls.acted = calls.acted or acts(event)

    def _decide(self, seq: int, event: ev.ToolApproval) -> None:
        approval = self.approvals.get(event.approval_id)
        if approval is None:
            return
        approval.approve, call = event.approve, approval.asked
        if decided := self._calls_by_id.get(call.call_id):
            decided.seqs.append(seq)
        if not event.approve and (calls := self._calls_by_id.get(call.call_id)):
            words = f"{REFUSED} Reason given: {event.reason}" if event.reason else REFUSED
            calls.results[call.call_id] = ToolResultItem(
                call.item_id, call.call_id, call.name, words, is_error=True
            )

    def _add_result(self, seq: int, event: ev.ToolResult) -> None:
        if calls := self._calls_by_id.get(event.call_id):
            calls.seqs.append(seq)
            calls.results[event.call_id] = ToolResultItem(
                event.item_id, event.call_id, event.name, event.output, is_error=event.outcome != "ok"
            )

    # Compaction: `chat.session.compaction` decides when and how, docs/decisions/0019 says why so

    def items_through(self, seq: int) -> list[HistoryItem]:
        """What a summary of the turns up to ``seq`` has to tell, but for the summary before it."""
        items: list[HistoryItem] = []
        for entry in self._entries:
            if self._is_over(entry, seq):
                items.extend(entry.items() if isinstance(entry, Calls) else (entry,))
        return items

    def checkpoint(self, through_seq: int) -> tuple[list[int], list[str]]:
        """(kept_seqs, gone_item_ids) of a `HistoryCompacted`.

        What still counts of the events up to ``through_seq``: messages and turns that wait, messages that a later turn
        took in, and rounds of calls that are open or to which something happened since. And the other way round: the
        messages after ``through_seq`` that were put in between what is over.
        """
        seqs = [self.item_seqs[item_id] for item_id in self.waiting]
        calls = [item.call_id for item in self.waiting.values() if isinstance(item, ToolCallItem)]
        seqs += [seq for call_id in calls for seq in self._calls_by_id[call_id].seqs[1:]]
        seqs += [self._queued_seqs[response_id] for response_id in self.queued]
        gone = []
        for entry in self._entries:
            if self._is_over(entry, through_seq):
                gone += [one for one in item_ids(entry) if self.item_seqs.get(one, 0) > through_seq]
            elif isinstance(entry, Calls):
                seqs += entry.seqs
            else:
                seqs.append(self.item_seqs.get(entry.item_id, through_seq + 1))
        return sorted(seq for seq in seqs if seq <= through_seq), sorted(gone)

    def may_have_forgotten(self, item_id: str) -> bool:
        return item_id not in self.item_seqs and item_id not in self._deleted

    def recall(self, *, items: dict[str, int], client_events: dict[str, int]) -> None:
        """Take in again what the log knows of ids that were forgotten."""
        self.item_seqs |= items
        self.recalled |= items.keys()
        self.client_events |= client_events

    def _compact(self, checkpoint_seq: int, event: ev.HistoryCompacted) -> None:
        """The same whether the turns were here live or the fold began after them."""
        kept, through = set(event.kept_seqs), event.through_seq

        def stays(entry: HistoryItem | Calls) -> bool:
            entered = self._entered_at(entry)
            return (entered > through or entered in kept) and not item_ids(entry) & set(event.gone_item_ids)

        for entry in self._entries:
            if not stays(entry):
                self._forget(entry)
        self._entries = [entry for entry in self._entries if stays(entry)]
        for item_id in event.gone_item_ids:
            self.waiting.pop(item_id, None)
            self.item_seqs.pop(item_id, None)
        self.item_seqs = {one: seq for one, seq in self.item_seqs.items() if seq > through or seq in kept}
        self.client_events = {
            one: seq for one, seq in self.client_events.items() if seq > through or seq in kept
        }
        self.turns = [seq for seq in self.turns if seq > through]
        self.compacted_through, self.checkpoint_seq = through, checkpoint_seq
        self.order.keep(self.item_seqs)
        self.recalled, self._deleted = set(), set()
        self.summary = OperatorText(event.item_id, event.summary) if event.summary else None
        self.user_messages, self.spent_microusd = event.user_messages, event.spent_microusd
        self.tokens_per_byte = event.tokens_per_byte

    def _forget(self, entry: HistoryItem | Calls) -> None:
        if not isinstance(entry, Calls):
            self._entered.pop(entry.item_id, None)
            return
        ids = {call.call_id for call in entry.calls}
        for call_id in ids:
            self._calls_by_id.pop(call_id, None)
            self._client_calls.discard(call_id)
        self.approvals.forget(ids)

    def _entered_at(self, entry: HistoryItem | Calls) -> int:
        if isinstance(entry, Calls):
            return entry.entered or (entry.seqs[0] if entry.seqs else 0)
        entered = self._entered.get(entry.item_id)
        return self.item_seqs.get(entry.item_id, 0) if entered is None else entered

    def _is_over(self, entry: HistoryItem | Calls, through_seq: int) -> bool:
        """It belongs to the turns up to ``through_seq``, and nothing can come of it any more."""
        if self._entered_at(entry) > through_seq:
            return False
        if not isinstance(entry, Calls):
            return True
        ids = {call.call_id for call in entry.calls}
        open_calls = (ids & self._client_calls | entry.asked) - entry.results.keys()
        return not open_calls and not self.approvals.undecided(ids) and entry.seqs[-1] <= through_seq

    def _delete(self, item_id: str) -> None:
        self.waiting.pop(item_id, None)
        self._asks.discard(item_id)
        self.item_seqs.pop(item_id, None)
        self.recalled.discard(item_id)
        self._deleted.add(item_id)
        for calls in self._calls_by_id.values():
            calls.without_result(item_id)
        self._entries = [
            entry
            for entry in self._entries
            if (
                all(call.item_id != item_id for call in entry.calls)
                if isinstance(entry, Calls)
                else entry.item_id != item_id
            )
        ]
