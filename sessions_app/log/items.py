"""The items of a conversation in the order in which its model is to be sent them: events, in no vendor's words."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from sessions_app.log import events as ev
from sessions_app.log.approvals import Approval, Approvals

Stepped = ev.OperatorTookOver | ev.OperatorHandedBack
Message = ev.UserMessage | ev.OperatorMessage | ev.AssistantMessage | Stepped
Call = ev.ToolCall | ev.ToolApprovalRequested
Given = Message | ev.ToolCall
"""What a client puts into the history. The result of a call is none: it stands with its call at once."""


@dataclass(slots=True)
class Said:
    """A text of the history: a message; a summary of what came before; or, for a `ResponseStarted`, the note that a person
    has decided about calls that stand further up."""

    event: Message | ev.OperatorWhispered | ev.ResponseStarted | ev.HistoryCompacted
    seq: int = 0
    entered: int = 0
    """The seq at which it came into the history: its own, or that of the response that took it in."""

    @property
    def item_id(self) -> str:
        event = self.event
        return f"{event.response_id}_note" if isinstance(event, ev.ResponseStarted) else event.item_id

    @property
    def item_ids(self) -> set[str]:
        return {self.item_id}

    @property
    def seqs(self) -> list[int]:
        return [self.seq]

    @property
    def response_id(self) -> str:
        return self.event.response_id if isinstance(self.event, ev.AssistantMessage) else ""


@dataclass(slots=True)
class Calls:
    """The calls of one model round, and their results as far as they are in."""

    response_id: str
    """Empty for a call that the client tells of."""
    round: int
    entered: int = 0
    """As in `Said`."""
    calls: list[Call] = field(default_factory=list)
    results: dict[str, ev.ToolResult | ev.ToolApproval] = field(default_factory=dict)
    """By call id; a `ToolApproval` refused the call."""
    asked: set[str] = field(default_factory=set)
    """The calls that wait for a person's yes."""
    acted: bool = False
    """One of the calls may have had a side effect."""
    seqs: list[int] = field(default_factory=list)
    """Of all the events that made it."""

    @property
    def call_ids(self) -> set[str]:
        return {call.call_id for call in self.calls}

    @property
    def item_ids(self) -> set[str]:
        results = (one for one in self.results.values() if isinstance(one, ev.ToolResult))
        return {one.item_id for one in (*self.calls, *results)}

    def copy(self) -> "Calls":
        """As it stands now, whatever comes of its calls."""
        return replace(self, calls=[*self.calls], results={**self.results}, asked={*self.asked})

    def without_result(self, item_id: str, seq: int) -> None:
        self.seqs = [one for one in self.seqs if one != seq or one == self.seqs[0]]
        self.results = {
            call_id: one
            for call_id, one in self.results.items()
            if not isinstance(one, ev.ToolResult) or one.item_id != item_id
        }


Entry = Said | Calls


class Items:
    """What a client puts in waits until a response takes it in (`ResponseStarted.input_item_ids`), so that what arrived
    while another answer ran stands after that answer."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.waiting: dict[str, Entry] = {}
        self.whispers: list[Said] = []
        """What staff said for the model's next answer, which takes it in."""
        self.approvals = Approvals()
        self._calls: dict[str, Calls] = {}
        """By call id."""
        self._client_calls: set[str] = set()

    def add(self, event: Said | Call | ev.ToolResult) -> None:
        """At the end of a history that is given whole: calls until the first result are of one round."""
        last = self.entries[-1] if self.entries else None
        match event:
            case Said():
                self.entries.append(event)
            case ev.ToolResult():
                if calls := self._calls.get(event.call_id):
                    calls.results[event.call_id] = event
            case _:
                if not isinstance(last, Calls) or last.results:
                    last = Calls(event.response_id, len(self.entries))
                    self.entries.append(last)
                last.calls.append(event)
                self._calls[event.call_id] = last

    def find(self, item_id: str) -> Said | Call | ev.ToolResult | None:
        """What made an item of the conversation, whether the model has been shown it yet or not."""
        found = [self.waiting[item_id]] if item_id in self.waiting else self.entries
        for entry in found:
            if isinstance(entry, Said):
                if entry.item_id == item_id:
                    return entry
                continue
            for event in (*entry.calls, *entry.results.values()):
                if event.item_id == item_id and not isinstance(event, ev.ToolApproval):
                    return event
        return None

    def knows_call(self, call_id: str) -> bool:
        return call_id in self._calls

    def client_call(self, call_id: str) -> Call | None:
        """A call of the client's own tools, or one that it told of, that has no result yet."""
        calls = self._calls.get(call_id)
        if calls is None or call_id in calls.results or call_id not in self._client_calls:
            return None
        return next(call for call in calls.calls if call.call_id == call_id)

    def result_of(self, call_id: str) -> ev.ToolResult | None:
        calls = self._calls.get(call_id)
        result = calls.results.get(call_id) if calls else None
        return result if isinstance(result, ev.ToolResult) else None

    @property
    def ends_in_calls(self) -> bool:
        return bool(self.entries) and isinstance(self.entries[-1], Calls)

    # What a client puts in

    def put(self, seq: int, event: Given) -> None:
        """Behind an item that the model has been shown already, or (``root``) before all, or else among those that wait."""
        entry = self._told(seq, event) if isinstance(event, ev.ToolCall) else Said(event, seq, seq)
        place = self._place(event.previous_item_id)
        if place is None or (0 < place == len(self.entries) and not self.waiting):
            self._wait(event, entry)
            return
        if self.entries:
            entry.entered = self.entries[max(place - 1, 0)].entered
        elif isinstance(entry, Said):
            entry.entered = 0
        self.entries.insert(place, entry)

    def _told(self, seq: int, call: ev.ToolCall) -> Calls:
        self._client_calls.add(call.call_id)
        calls = self._calls[call.call_id] = Calls("", seq, seq, calls=[call], seqs=[seq])
        return calls

    def _place(self, previous_item_id: str | None) -> int | None:
        if previous_item_id == ev.ROOT:
            return 0
        places = (
            place for place, one in enumerate(self.entries, start=1) if previous_item_id in one.item_ids
        )
        return None if previous_item_id is None else next(places, None)

    def _wait(self, event: Given, entry: Entry) -> None:
        order, previous = list(self.waiting.items()), event.previous_item_id
        behind = list(self.waiting).index(previous) + 1 if previous in self.waiting else len(order)
        self.waiting = dict([*order[:behind], (event.item_id, entry), *order[behind:]])

    def take_in(self, seq: int, item_ids: Iterable[str]) -> None:
        for item_id in item_ids:
            if entry := self.waiting.pop(item_id, None):
                entry.entered = seq
                self.entries.append(entry)

    def whisper(self, seq: int, event: ev.OperatorWhispered) -> None:
        self.whispers.append(Said(event, seq, seq))

    def withdraw_whisper(self, item_id: str) -> None:
        self.whispers = [said for said in self.whispers if item_id not in said.item_ids]

    def take_in_whispers(self, seq: int) -> None:
        for said in self.whispers:
            said.entered = seq
        self.entries += self.whispers
        self.whispers = []

    def result(self, seq: int, event: ev.ToolResult) -> None:
        if calls := self._calls.get(event.call_id):
            calls.seqs.append(seq)
            calls.results[event.call_id] = event

    def decide(self, seq: int, event: ev.ToolApproval) -> None:
        approval = self.approvals.get(event.approval_id)
        if approval is None:
            return
        approval.decide(event)
        if calls := self._calls.get(approval.asked.call_id):
            calls.seqs.append(seq)
            if not event.approve:
                calls.results[approval.asked.call_id] = event

    # What a response says

    def go_on(self, seq: int, event: ev.ResponseStarted) -> None:
        """Where what was decided stands further up, the model is told that there is something new there."""
        last = self.entries[-1] if self.entries else None
        if event.continues and not (isinstance(last, Calls) and last.response_id == event.continues):
            self.entries.append(Said(event, seq, seq))

    def said(self, seq: int, event: ev.AssistantMessage) -> None:
        self.entries.append(Said(event, seq, seq))

    def called(self, seq: int, event: Call) -> None:
        if isinstance(event, ev.ToolCall) and event.approval_id is not None:
            self._called_approved(seq, event)
            return
        last = self.entries[-1] if self.entries else None
        if not isinstance(last, Calls) or (last.response_id, last.round) != (event.response_id, event.round):
            last = Calls(event.response_id, event.round, seq)
            self.entries.append(last)
        last.calls.append(event)
        last.seqs.append(seq)
        self._calls[event.call_id] = last
        if isinstance(event, ev.ToolApprovalRequested):
            last.asked.add(event.call_id)
            self.approvals[event.item_id] = Approval(event)
            return
        last.acted = last.acted or event.acts
        if event.location == ev.Location.CLIENT:
            self._client_calls.add(event.call_id)

    def _called_approved(self, seq: int, event: ev.ToolCall) -> None:
        """The call itself stands where it was asked for."""
        if approval := self.approvals.get(event.approval_id or ""):
            approval.called_by = event.response_id
        if calls := self._calls.get(event.call_id):
            calls.asked.discard(event.call_id)
            calls.seqs.append(seq)
            calls.acted = calls.acted or event.acts

    def drop_response(self, response_id: str) -> None:
        """Forget what a response said that is being tried again, but for what led to a possible side effect."""
        acted = [index for index, one in enumerate(self.entries) if isinstance(one, Calls) and one.acted]
        kept = max(acted, default=-1) + 1
        rest = [entry for entry in self.entries[kept:] if entry.response_id != response_id]
        self.entries[kept:] = rest
        for approval in self.approvals.given_up_by(response_id):
            if calls := self._calls.get(approval.asked.call_id):
                calls.results.pop(approval.asked.call_id, None)

    # What goes

    def delete(self, item_id: str, seq: int) -> None:
        """The item that was made at that seq."""
        self.waiting.pop(item_id, None)
        for calls in self._calls.values():
            calls.without_result(item_id, seq)
        self.entries = [one for one in self.entries if item_id not in one.item_ids]

    def through(self, seq: int) -> list[Entry]:
        """What a summary of the turns up to ``seq`` has to tell, but for the summary before it."""
        return [entry for entry in self.entries if self._is_over(entry, seq)]

    def counting(self, through_seq: int, aside: Iterable[Entry] = ()) -> tuple[list[int], list[str]]:
        """(seqs, item ids): of the events up to ``through_seq``, those that still count, that is messages that wait or that
        a later turn took in (also of what is set ``aside``), and rounds of calls that are open or to which something happened
        since; and, the other way round, the later items that were put in between what is over."""
        seqs = [seq for entry in aside if entry.entered > through_seq for seq in entry.seqs]
        seqs += [seq for entry in (*self.waiting.values(), *self.whispers) for seq in entry.seqs]
        gone: list[str] = []
        for entry in self.entries:
            if not self._is_over(entry, through_seq):
                seqs += entry.seqs
            elif entry.seqs[-1] > through_seq:
                gone += entry.item_ids
        return sorted(seq for seq in seqs if seq <= through_seq), sorted(gone)

    def compact(self, through_seq: int, gone: Collection[str]) -> None:
        """The same whether the turns were here live or the fold began after them."""
        for item_id in gone:
            self.waiting.pop(item_id, None)
        self.entries = [
            one
            for one in self.entries
            if not self._is_over(one, through_seq) and one.item_ids.isdisjoint(gone)
        ]
        self._wait_again(through_seq)
        calls = (one for one in (*self.entries, *self.waiting.values()) if isinstance(one, Calls))
        left_ids = {call_id for one in calls for call_id in one.call_ids}
        self._calls = {one: calls for one, calls in self._calls.items() if one in left_ids}
        self._client_calls &= left_ids
        self.approvals.keep(left_ids)

    def _wait_again(self, through_seq: int) -> None:
        """A call that the client told of and that is not over: it stands in no turn any more, and the next one takes it in."""
        told = [
            one
            for one in self.entries
            if isinstance(one, Calls) and not one.response_id and one.entered <= through_seq
        ]
        for one in told:
            self.entries.remove(one)
            one.entered = one.seqs[0]
        again: dict[str, Entry] = {one.calls[0].item_id: one for one in told}
        self.waiting = again | self.waiting

    def _is_over(self, entry: Entry, through_seq: int) -> bool:
        """It belongs to the turns up to ``through_seq``, and nothing can come of it any more."""
        if entry.entered > through_seq:
            return False
        if isinstance(entry, Said):
            return True
        ids = entry.call_ids
        open_calls = (ids & self._client_calls | entry.asked) - entry.results.keys()
        return not open_calls and not self.approvals.undecided(ids) and entry.seqs[-1] <= through_seq
