"""What a session's log stands for: the one place that knows what an event changes.

The live log applies each event as it is appended, and who opens a session applies what is in the database; both come to
the same state, at every cut. Everything that has to be known of a session is asked of it: what its model is to be sent,
what waits, what a dead process left to be done. What clients and people are shown are readings of their own.
"""

from collections.abc import Iterable
from math import inf

from sessions_app.log import events as ev
from sessions_app.log.approvals import Approvals
from sessions_app.log.items import Call, Calls, Entry, Given, Items, Said
from sessions_app.log.order import ItemOrder
from sessions_app.log.versions import Versions

MAX_ATTEMPTS = 3
"""Tries of one answer, and takeovers that came to none, that dead processes may leave behind: it may be the answer itself
that kills."""


class ResponseSpan:
    """A response's place in the log, and while it is open what there is of it already."""

    def __init__(self, start: int, started: ev.ResponseStarted) -> None:
        self.start = start
        self.end: float = inf
        self.started = started
        self.failed: ev.ModelAttemptFailed | None = None
        """The last attempt that failed."""
        self.texts: dict[str, list[ev.AssistantDelta]] = {}
        """By item, those that have no final text."""
        self.unanswered: dict[str, ev.ToolCall] = {}
        """The server's calls that have no result, by call id."""

    @property
    def model(self) -> str:
        """PROVIDER:NAME of the one that is asked."""
        asked_next = self.failed.next_model if self.failed else ""
        return asked_next or ev.model_spec(self.started.provider, self.started.model)

    def add(self, event: ev.AssistantDelta | ev.AssistantMessage | Call) -> None:
        match event:
            case ev.AssistantDelta():
                self.texts.setdefault(event.item_id, []).append(event)
            case ev.AssistantMessage():
                self.texts.pop(event.item_id, None)
            case ev.ToolCall(location=ev.Location.SERVER):
                self.unanswered[event.call_id] = event

    def close(self, seq: int) -> None:
        self.end, self.texts, self.unanswered = seq, {}, {}


class SessionState:
    """Give it every record in its order; of a log that was compacted, those that `read_history` gives are enough."""

    __slots__ = (  # a dict of so many names takes 1.3 KiB more of each session
        "_acted",
        "_asked_seq",
        "_asks",
        "_assistant_seq",
        "_deleted",
        "_news",
        "_operator_seq",
        "_outside",
        "_queued_seqs",
        "_spans",
        "_used_tools",
        "asked_last",
        "assistant",
        "checkpoint_seq",
        "client_events",
        "compaction",
        "feedback",
        "feedback_seqs",
        "item_seqs",
        "items",
        "last_done",
        "last_response",
        "may_be_retried",
        "operator",
        "order",
        "queued",
        "recalled",
        "settings",
        "spent_microusd",
        "tokens_per_byte",
        "turns",
        "user_messages",
        "vain_takeovers",
        "versions",
    )

    def __init__(self, records: Iterable[ev.Record] = ()) -> None:
        self.assistant = ("", 0)
        """With whom the session was begun, and in which version."""
        self._assistant_seq = 0
        self.settings: ev.JSON = {}
        """What clients have set, by its key."""
        self.items = Items()
        self.versions = Versions(self.items)
        self.order = ItemOrder()
        self.item_seqs: dict[str, int] = {}
        self.client_events: dict[str, int] = {}
        """The seq of what a client's event_id brought about: the same event again is not run twice."""
        self.feedback: dict[str, ev.FeedbackGiven] = {}
        """The last word on each answer that was rated."""
        self.feedback_seqs: dict[str, int] = {}
        self.recalled: frozenset[str] = frozenset()  # an empty set takes 0.2 KiB
        """Items that the summary tells of, and that were looked up in the log."""
        self._deleted: frozenset[str] = frozenset()
        self.queued: dict[str, ev.ResponseQueued] = {}
        """The responses that wait for their turn, in their order."""
        self._queued_seqs: dict[str, int] = {}
        self._asks: frozenset[str] = frozenset()
        """The waiting messages that ask for an answer by themselves."""
        self._spans: list[ResponseSpan] = []
        """Those whose end was not `seen` yet. The last one may be open."""
        self._outside: frozenset[str] = frozenset()
        """Open responses that are no part of the conversation."""
        self.last_response: ev.ResponseStarted | None = None
        self.last_done: ev.ResponseDone | None = None
        """How `last_response` came out; None while it runs."""
        self.asked_last: tuple[str, ...] = ()
        """The response that was asked for last, and those that go on from it once a person has decided: who knows one of them
        knows the whole conversation. Empty: not known (any more)."""
        self._asked_seq = 0
        self.may_be_retried: str | None = None
        """The response that did not complete and after which none began: an end of the session in between changes nothing."""
        self._acted = False
        """It may have had a side effect."""
        self._used_tools = False
        """It had the server run tools, or asked whether it may."""
        self._news = False
        """Something was said, or set, since a response was asked for last."""
        self.vain_takeovers = 0
        """How many processes took the session over in a row and died before they began an answer."""
        self.turns: list[int] = []
        """The seqs at which a turn began, before which the history may be cut."""
        self.operator: ev.OperatorTookOver | None = None
        """Who answers in the model's place."""
        self._operator_seq = 0
        self.user_messages = 0
        self.spent_microusd = 0
        """By the session, as far as it is known."""
        self.tokens_per_byte = 0.0
        """As the vendor counted last; 0.0: it has not yet."""
        self.compaction: ev.HistoryCompacted | None = None
        """The last one: its summary stands for the turns that were compacted."""
        self.checkpoint_seq = 0
        """Its seq: ids from before it may be in the log alone. 0: there was none."""
        for record in records:
            self.apply(record)

    # Asking

    @property
    def waiting(self) -> dict[str, Entry]:
        """What a client has put in and no response has taken in yet."""
        return self.items.waiting

    @property
    def approvals(self) -> Approvals:
        return self.items.approvals

    @property
    def summary(self) -> str:
        """What stands for the turns that were compacted; empty when nothing does."""
        return self.compaction.summary if self.compaction else ""

    @property
    def compacted_through(self) -> int:
        return self.compaction.through_seq if self.compaction else 0

    @property
    def open(self) -> ResponseSpan | None:
        """The response that has started and not ended."""
        return self._spans[-1] if self._spans and self._spans[-1].end == inf else None

    @property
    def open_response_seq(self) -> int | None:
        """Where the response started that is open, or whose end was not `seen` yet."""
        return self._spans[0].start if self._spans else None

    def seen(self, seq: int) -> None:
        """All up to there may have been seen."""
        while self._spans and self._spans[0].end <= seq:
            del self._spans[0]

    @property
    def answered_with_tools(self) -> bool:
        """The last response ran tools, it completed or still runs, and the client has said nothing since."""
        fine = self.last_response and (
            self.last_done is None or self.last_done.status == ev.ResponseStatus.COMPLETED
        )
        return bool(fine and self._used_tools and not self._news)

    def to_retry(self) -> ev.ResponseStarted | None:
        """For who takes the session over: the response that a stopping or dying process cut off, where nothing that it did
        has to stand."""
        last, done = self.last_response, self.last_done
        cut_off = done is None or done.reason == ev.Reason.INTERRUPTED
        return last if last and cut_off and not self._acted and last.attempt < MAX_ATTEMPTS else None

    def unanswered(self) -> list[str]:
        """The messages that ask for an answer and that no response takes in yet, nor waits to."""
        claimed = {item_id for one in self.queued.values() for item_id in one.item_ids}
        return [item_id for item_id in self.waiting if item_id in self._asks and item_id not in claimed]

    def may_have_forgotten(self, item_id: str) -> bool:
        return item_id not in self.item_seqs and item_id not in self._deleted

    def recall(self, *, items: dict[str, int], client_events: dict[str, int]) -> None:
        """Take in again what the log knows of ids that were forgotten."""
        self.item_seqs |= items
        self.recalled = self.recalled.union(items)
        self.client_events |= client_events

    def checkpoint(self, through_seq: int) -> tuple[list[int], list[str]]:
        """(kept_seqs, gone_item_ids) of a `HistoryCompacted` through that seq."""
        seqs, gone = self.items.counting(through_seq, self.versions.entries_aside())
        waiting = [seq for one in self.queued if (seq := self._queued_seqs[one]) <= through_seq]
        stepped_in = [self._operator_seq] if self.operator and self._operator_seq <= through_seq else []
        begun = [self._assistant_seq] if 0 < self._assistant_seq <= through_seq else []
        again = self.compaction and self.compaction.through_seq == through_seq
        before = self.compaction.kept_seqs if self.compaction and again else []
        return sorted({*seqs, *waiting, *stepped_in, *begun, *before}), gone

    def find(self, item_id: str) -> Said | Call | ev.ToolResult | None:
        """What made an item that the model is shown, or is going to be."""
        if self.compaction and self.summary and self.compaction.item_id == item_id:
            return Said(self.compaction)
        return self.items.find(item_id)

    def answered_last(self) -> str | None:
        """The response of a model's that completed and with which the history ends: it may be asked for again."""
        last = self.items.entries[-1] if self.items.entries else None
        if last is None or self.waiting or self.open or last.response_id == self.may_be_retried:
            return None
        person = isinstance(last, Said) and isinstance(last.event, ev.AssistantMessage) and last.event.author
        return None if person else last.response_id or None

    def items_alone(self) -> "SessionState":
        """One that knows what the model is shown, as it is now, and nothing else."""
        alone = SessionState()
        alone.compaction = self.compaction
        alone.items.entries = [one.copy() if isinstance(one, Calls) else one for one in self.items.entries]
        return alone

    # What an event changes

    def apply(self, record: ev.Record) -> None:
        event, seq = record.event, record.seq
        if client_event_id := getattr(event, "client_event_id", None):
            self.client_events[client_event_id] = seq
        if item_id := event.new_item_id:
            self.item_seqs[item_id] = seq
            self._deleted -= {item_id}
        match event:
            case ev.SessionStarted(assistant=assistant) if assistant:
                self.assistant, self._assistant_seq = (assistant, event.assistant_version), seq
            case ev.SessionReopened(cause=ev.ReopenCause.TAKEOVER):
                self.vain_takeovers += 1
            case ev.SessionUpdated():
                self.settings = {**self.settings, **event.config}
                self._news = True
            case ev.SessionEnded():
                self.last_response = self.last_done = None
                self.operator = None
            case ev.HistoryCompacted():
                self._compact(seq, event)
            case ev.SummaryWritten():
                self.spent_microusd += event.cost_microusd or 0
            case ev.FeedbackGiven():
                self.feedback[event.item_id], self.feedback_seqs[event.item_id] = event, seq
            case _:
                self._apply_to_items(seq, event)

    def _apply_to_items(self, seq: int, event: ev.Event) -> None:
        match event:
            case ev.UserMessage() | ev.OperatorMessage():
                self._put(seq, event)
            case ev.OperatorWhispered() | ev.OperatorTookOver() | ev.OperatorHandedBack():
                self._step_in(seq, event)
            case ev.WhisperWithdrawn():
                self.items.withdraw_whisper(event.item_id)
            case ev.AssistantMessage() | ev.ToolCall() if not event.response_id:
                self._put(seq, event)
            case ev.AssistantDelta() | ev.AssistantMessage() | ev.ToolCall() | ev.ToolApprovalRequested():
                self._add_output(seq, event)
            case ev.ToolApproval():
                self.items.decide(seq, event)
                self.order.given(event)
            case ev.ToolResult():
                self._add_result(seq, event)
            case ev.VersionChosen():
                self.turns = self.versions.choose(event.version, event.instead_of, self.turns)
                self._leave_path()
            case ev.ItemDeleted(response=False):
                self._delete(event.item_id)
            case _:
                self._apply_to_responses(seq, event)

    def _apply_to_responses(self, seq: int, event: ev.Event) -> None:
        match event:
            case ev.ResponseQueued():
                self._asked(seq, event)
                self._news = self._news and _outside(event.options)
                self.queued[event.response_id] = event
                self._queued_seqs[event.response_id] = seq
            case ev.ResponseStarted():
                self._start(seq, event)
            case ev.ModelAttemptFailed() if self.open:
                self.open.failed = event
            case ev.ResponseDone():
                self._end(seq, event)

    def _put(self, seq: int, event: Given) -> None:
        """A client puts it in."""
        self._news = True
        self.user_messages += not isinstance(event, ev.OperatorMessage | ev.SteppedEvent)
        if isinstance(event, ev.UserMessage) and event.respond:
            self._asks |= {event.item_id}
        if isinstance(event, ev.UserMessage) and event.replaces:
            self.turns = self.versions.replace(event.replaces, event.item_id, self.turns)
            self._leave_path()
        self.items.put(seq, event)
        self.order.given(event)

    def _leave_path(self) -> None:
        """What the last response came to is of no account where the conversation goes on now."""
        self._news = True
        self.last_response = self.last_done = self.may_be_retried = None

    def _step_in(
        self, seq: int, event: ev.OperatorWhispered | ev.OperatorTookOver | ev.OperatorHandedBack
    ) -> None:
        if isinstance(event, ev.OperatorWhispered):
            self._news = True
            self.items.whisper(seq, event)
            return
        self.operator = event if isinstance(event, ev.OperatorTookOver) else None
        self._operator_seq = seq
        self._put(seq, event)

    def _add_output(self, seq: int, event: ev.AssistantDelta | ev.AssistantMessage | Call) -> None:
        self.order.output(event.response_id, event.item_id)
        if self.open:
            self.open.add(event)
        if isinstance(event, ev.AssistantDelta) or event.response_id in self._outside:
            return
        if isinstance(event, ev.AssistantMessage):
            self.items.said(seq, event)
            return
        self._acted = self._acted or (isinstance(event, ev.ToolCall) and event.acts)
        self._used_tools = self._used_tools or _by_server(event)
        self.items.called(seq, event)

    def _add_result(self, seq: int, event: ev.ToolResult) -> None:
        self.items.result(seq, event)
        if self.open:
            self.open.unanswered.pop(event.call_id, None)
        if not event.response_id:
            self._news = True
            self.order.given(event)

    def _delete(self, item_id: str) -> None:
        self._news = True
        self.items.delete(item_id, self.item_seqs.get(item_id, 0))
        self.versions.delete(item_id)
        self.order.deleted(item_id)
        self._asks -= {item_id}
        self.item_seqs.pop(item_id, None)
        self.recalled -= {item_id}
        self._deleted |= {item_id}

    def _asked(self, seq: int, event: ev.ResponseQueued | ev.ResponseStarted) -> None:
        if event.retry_of or _outside(event.options):
            return
        goes_on = event.continues in self.asked_last
        self.asked_last = (*self.asked_last, event.response_id) if goes_on else (event.response_id,)
        self._asked_seq = seq

    def _start(self, seq: int, event: ev.ResponseStarted) -> None:
        if event.response_id not in self.queued:
            self._asked(seq, event)
        elif event.response_id in self.asked_last:
            self._asked_seq = seq  # who reads from a checkpoint in between on knows of no earlier word of it
        self._unqueue(event.response_id)
        self.vain_takeovers = 0
        if self.open:
            self.open.close(seq)
        self._spans.append(ResponseSpan(seq, event))
        if _outside(event.options):
            self._outside |= {event.response_id}
            return
        before, self.may_be_retried = self.may_be_retried, None
        self.last_response, self.last_done = event, None
        self._acted = self._used_tools = self._news = False
        self.order.opened(event.response_id, event.after_item_id)
        if event.retry_of:
            self._try_again(event.retry_of, event.response_id, failed=event.retry_of == before)
        self.approvals.taken_in(event.continues)
        # no turn begins where it goes on with what stands before it: another try, an approved call, a client's results
        if not (event.retry_of or event.continues or (self.items.ends_in_calls and not event.input_item_ids)):
            self.turns.append(seq)
        self.items.go_on(seq, event)
        self.items.take_in(seq, event.input_item_ids)
        if not event.shown_as:
            self.items.take_in_whispers(seq)
        self._asks = self._asks.difference(event.input_item_ids)

    def _try_again(self, old: str, new: str, *, failed: bool) -> None:
        """When it was asked for nothing waited."""
        if failed:
            self.versions.renamed(old, new)
        else:
            self.turns = self.versions.replace(old, new, self.turns, keeps_waiting=True)
        self.items.drop_response(old)

    def _unqueue(self, response_id: str) -> None:
        self.queued.pop(response_id, None)
        self._queued_seqs.pop(response_id, None)

    def _end(self, seq: int, event: ev.ResponseDone) -> None:
        self._unqueue(event.response_id)
        self.spent_microusd += event.cost_microusd or 0
        if event.context_tokens and event.context_bytes and event.response_id not in self._outside:
            self.tokens_per_byte = event.context_tokens / event.context_bytes
        self.order.closed(event.response_id)
        self._outside -= {event.response_id}
        if self.open and not event.waited:
            self.open.close(seq)
        if self.last_response and self.last_response.response_id == event.response_id:
            self.last_done = event
            self.may_be_retried = None if event.status == ev.ResponseStatus.COMPLETED else event.response_id

    def _compact(self, seq: int, event: ev.HistoryCompacted) -> None:
        """The same whether the turns were here live or the fold began after them."""
        through, kept = event.through_seq, set(event.kept_seqs)
        self.versions.forget()
        self.items.compact(through, event.gone_item_ids)
        for item_id in event.gone_item_ids:
            self.item_seqs.pop(item_id, None)
        self.item_seqs = _still(self.item_seqs, through, kept)
        self.client_events = _still(self.client_events, through, kept)
        self.feedback_seqs = _still(self.feedback_seqs, through, kept)
        self.feedback = {item_id: self.feedback[item_id] for item_id in self.feedback_seqs}
        self.order.keep(self.item_seqs)
        self.recalled, self._deleted = frozenset(), frozenset()
        if self._asked_seq <= through:
            self.asked_last, self._asked_seq = (), 0
        self.turns = [start for start in self.turns if start > through]
        self.compaction, self.checkpoint_seq = event, seq
        self.settings = event.config
        if event.held is False:  # an event that is kept for its item may say otherwise, and its end be none
            self.operator = None
        self.user_messages, self.spent_microusd = event.user_messages, event.spent_microusd
        self.tokens_per_byte = event.tokens_per_byte


def _outside(options: ev.JSON) -> bool:
    """No part of the conversation."""
    return options.get("conversation") == "none"


def _by_server(call: Call) -> bool:
    return isinstance(call, ev.ToolApprovalRequested) or call.location == ev.Location.SERVER


def _still(seqs: dict[str, int], through_seq: int, kept: set[int]) -> dict[str, int]:
    return {one: seq for one, seq in seqs.items() if seq > through_seq or seq in kept}
