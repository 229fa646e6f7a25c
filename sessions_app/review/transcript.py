"""A session's log as people read it: what was said, the answers with their tools, and small notices between.

`fold` turns records into entries, whatever part of the log they are: an answer whose beginning is missing is shown
from where the records begin, one whose end is missing as unfinished.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sessions_app.log import events as ev

# The events that are no conversation: (sentence, tone) of each.

_DIALECTS = {
    "plain": "plain text",
    "realtime": "",
    "admin": "staff, from the admin",
    "http": "a call over HTTP",
    "events": "a program that follows the log, over HTTP",
    "responses": "OpenAI's API, over HTTP",
    "ui": "the AI SDK's chat, over HTTP",
    "agui": "AG-UI, over HTTP",
}
_REOPENED = {
    ev.ReopenCause.RETURNED: ("Session reopened: the client came back", "info"),
    ev.ReopenCause.TAKEOVER: (
        "Taken over by another server process: the one that held it is gone",
        "warning",
    ),
    ev.ReopenCause.ORPHANED: ("Taken up to be ended: the server process that held it is gone", "warning"),
    ev.ReopenCause.ERASED: ("Taken up to be erased", "neutral"),
}
_ENDED = {
    ev.EndReason.LEFT: ("Session ended: the client had left", "neutral"),
    ev.EndReason.CLOSED: ("Session ended on request", "neutral"),
    ev.EndReason.ORPHANED: ("Session ended: the server process that held it died", "warning"),
    ev.EndReason.ERASED: ("Session ended: it was erased", "neutral"),
}
_NORMAL_CLOSE = (1000, 1001, 1005)
_LOST = 1006


def notice_text(event: ev.Event, *, operator: str = "") -> tuple[str, str]:
    """The tone is one of `sessions_app.review.transcript.Tone`; an event that has no sentence of its own is named. ``operator``: who
    has taken the conversation over."""
    match event:
        case ev.SessionStarted():
            return _with(_with(_begun(event), event.model), _dialect(event.source)), "neutral"
        case ev.SessionReopened():
            return _reopened(event)
        case ev.SessionUpdated():
            return f"Settings changed: {', '.join(sorted(event.config)) or 'nothing'}", "neutral"
        case ev.SessionEnded():
            return _ENDED[event.reason]
        case ev.ConnectionOpened() | ev.ConnectionClosed():
            return _connection(event)
        case (
            ev.ItemDeleted()
            | ev.VersionChosen()
            | ev.ResponseQueued()
            | ev.ResponseDone()
            | ev.FeedbackGiven()
        ):
            return _of_the_talk(event, operator)
        case ev.OperatorTookOver() | ev.OperatorHandedBack() | ev.WhisperWithdrawn():
            return _stepped(event), "info"
        case ev.HistoryCompacted():
            return _compacted(event)
        case ev.SummaryWritten() | ev.SummaryFailed():
            return _summary(event)
    return event.event_type.replace("_", " ").capitalize(), "neutral"


def _begun(event: ev.SessionStarted) -> str:
    version = f", version {event.assistant_version}" if event.assistant_version else ""
    return f"Session started with {event.assistant}{version}" if event.assistant else "Session started"


def _reopened(event: ev.SessionReopened) -> tuple[str, str]:
    text, tone = _REOPENED[event.cause]
    if event.cause == ev.ReopenCause.RETURNED and event.source == "admin":
        text = "Session reopened by staff, from the admin"
    return _with(text, event.model), tone


_RATED = {
    ev.Rating.UP: ("The customer called an earlier answer good", "success"),
    ev.Rating.DOWN: ("The customer called an earlier answer bad", "danger"),
    ev.Rating.NONE: ("The customer took back what they thought of an earlier answer", "neutral"),
}


def feedback_words(event: ev.FeedbackGiven) -> str:
    """The reason and the comment, as far as there are any."""
    return ": ".join(filter(None, (event.reason.replace("_", " "), event.comment)))


def _summary(event: ev.SummaryWritten | ev.SummaryFailed) -> tuple[str, str]:
    if isinstance(event, ev.SummaryWritten):
        return _with("Summary written", event.model), "neutral"
    return f"Summary failed after {event.attempts} attempts: {event.error}", "danger"


def _stepped(event: ev.OperatorTookOver | ev.OperatorHandedBack | ev.WhisperWithdrawn) -> str:
    if isinstance(event, ev.WhisperWithdrawn):
        return f"{event.author} took back what they had told the model"
    if isinstance(event, ev.OperatorTookOver):
        return f"{event.author} took the conversation over: a person answers from here on"
    return f"{event.author} handed the conversation back: the model answers again"


def _compacted(event: ev.HistoryCompacted) -> tuple[str, str]:
    if event.cause == ev.CompactionCause.ITEM_DELETED:
        return "The summary of earlier turns was shortened: it held an item that was removed", "neutral"
    items = f"{event.items} earlier {'item' if event.items == 1 else 'items'}"
    if not event.model:
        return f"The model no longer sees {items}: no summary could be made ({event.error})", "warning"
    return _with(f"The model now sees a summary of {items}", event.model), "neutral"


def _of_the_talk(
    event: ev.ItemDeleted | ev.VersionChosen | ev.ResponseQueued | ev.ResponseDone | ev.FeedbackGiven,
    operator: str,
) -> tuple[str, str]:
    match event:
        case ev.ItemDeleted(response=True):
            return "An answer is not given out by its id any more", "neutral"
        case ev.ItemDeleted():
            return "The client removed an item from the model's history", "neutral"
        case ev.VersionChosen():
            return "The customer went back to another version of what stands above", "info"
        case ev.ResponseQueued() if operator:
            return f"The customer asked {operator} for an answer", "neutral"
        case ev.ResponseQueued(request_key=key) if key:
            return "An answer was asked for over HTTP", "neutral"
        case ev.ResponseQueued():
            return "The customer asked for more while an answer was under way; it is answered next", "neutral"
        case ev.ResponseDone(reason=ev.Reason.ANSWERED_BY_PERSON):
            return "What else had been asked for is answered by this as well", "neutral"
        case ev.ResponseDone():
            return _with("An answer that waited was not given", event.reason), "warning"
        case ev.FeedbackGiven():
            text, tone = _RATED[event.rating]
            return _with(text, feedback_words(event)), tone


def _connection(event: ev.ConnectionOpened | ev.ConnectionClosed) -> tuple[str, str]:
    if isinstance(event, ev.ConnectionOpened):
        return _with("Connected", _dialect(event.dialect)), "neutral"
    if event.close_code == _LOST:
        return "Connection lost: it broke without a goodbye (1006)", "warning"
    normal = event.close_code in _NORMAL_CLOSE
    return f"Disconnected, close code {event.close_code}", "neutral" if normal else "warning"


def _dialect(name: str) -> str:
    return _DIALECTS.get(name, name)


def _with(text: str, detail: str) -> str:
    return f"{text} \N{MIDDLE DOT} {detail}" if detail else text


PARAGRAPH = "\n\n"
"""Ends one, in Markdown."""


class Tone(StrEnum):
    """How a mark is coloured; the names are the admin theme's."""

    NEUTRAL = "neutral"
    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(kw_only=True)
class Notice:
    """Something that happened to the session, between what was said."""

    kind: ClassVar[str] = "notice"
    seq: int
    at: datetime
    text: str
    tone: Tone = Tone.NEUTRAL


@dataclass(kw_only=True)
class Said:
    """A message of the user's or of an operator's (then ``author`` names them)."""

    kind: ClassVar[str] = "said"
    seq: int
    at: datetime
    item_id: str
    text: str
    files: list[ev.FileRef] = field(default_factory=list)
    author: str = ""
    whispered: bool = False
    """To the model alone."""
    waits: bool = False
    """No model was told the whisper yet, as far as the records go."""
    withdrawn: bool = False
    removed: bool = False
    """The client took it out of the model's history."""
    edited: bool = False
    """It stands in the place of an earlier message, which was set aside with all that came after it."""
    said_anew: bool = False
    """Another message was put in its place."""


@dataclass(kw_only=True)
class Text:
    """One text of an answer. ``status``: completed, incomplete, or partial (its end is not in the log yet)."""

    kind: ClassVar[str] = "text"
    seq: int
    at: datetime
    item_id: str
    text: str
    status: str = "completed"
    removed: bool = False
    feedback: ev.FeedbackGiven | None = None
    """The user's last word on it among the records; None when that is nothing."""
    html: str = ""
    """Set by who renders it."""
    tail: str = ""
    """Of one that is being written: what stands below ``html``, after its last whole paragraph. Set by who renders it."""

    def rated(self, word: ev.FeedbackGiven) -> None:
        self.feedback = None if word.rating == ev.Rating.NONE else word

    @property
    def why(self) -> str:
        """What the user said of it beside the thumb."""
        return feedback_words(self.feedback) if self.feedback else ""


@dataclass(kw_only=True)
class ToolRun:
    """A tool call and what became of it. ``outcome``: ok, error, unknown, or pending (no result among the records)."""

    kind: ClassVar[str] = "tool"
    seq: int
    at: datetime
    item_id: str
    call_id: str
    name: str
    arguments: str = ""
    location: str = "server"
    side_effects: bool = False
    output: str = ""
    outcome: str = "pending"
    duration_ms: float = 0.0
    approval: str = ""
    """In words: who was asked, who answered what."""
    approval_id: str = ""
    """The request that nobody among the records answered yet."""
    asks: str = ""
    """What is asked, as a sentence for the person who decides."""
    agreed: bool = False
    """Somebody said yes, and it takes more of them."""
    removed: bool = False


@dataclass(kw_only=True)
class Answer:
    """One response: its texts and tool runs in order, and how it ended."""

    kind: ClassVar[str] = "answer"
    seq: int
    at: datetime
    response_id: str
    model: str = ""
    started: bool = False
    """Its beginning is among the records."""
    retry_of: str = ""
    """The response that this one is another try of."""
    tried_again: bool = False
    """Another try of it follows."""
    told: bool = False
    """No response of ours: the client told that a model had said it, or had called a tool."""
    person: str = ""
    """The member of staff who gave it."""
    failed_attempts: list[ev.ModelAttemptFailed] = field(default_factory=list)
    items: list[Text | ToolRun] = field(default_factory=list)
    done: ev.ResponseDone | None = None
    done_at: datetime | None = None
    done_seq: int | None = None

    @property
    def has_text(self) -> bool:
        return any(isinstance(item, Text) and item.text for item in self.items)


Entry = Notice | Said | Answer


def fold(records: Iterable[ev.Record], *, operator: str = "") -> list[Entry]:
    """The entries for consecutive records (deltas of items that have no final text may be among them). ``operator``: who had taken
    the conversation over before."""
    folding = Folding()
    folding.operator = operator
    for record in records:
        folding.apply(record)
    return folding.entries


class Folding:
    """``touched``: the entries that have changed, by seq, until whoever asks empties it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.touched: dict[int, Entry] = {}
        self._answers: dict[str, Answer] = {}
        self._items: dict[str, Said | Text | ToolRun] = {}
        self._homes: dict[str, Entry] = {}
        """The entry in which an item stands, by its id."""
        self._calls: dict[str, ToolRun] = {}
        self._approvals: dict[str, ToolRun] = {}
        self.operator = ""
        """Who has taken the conversation over, as far as the records tell."""

    def apply(self, record: ev.Record) -> None:
        event = record.event
        match event:
            case ev.UserMessage() | ev.OperatorMessage() | ev.OperatorWhispered():
                self._said(record, event)
            case ev.ResponseStarted():
                answer = self._answer(record, event.response_id)
                answer.started, answer.model = True, ev.model_spec(event.provider, event.model)
                self._retry(answer, event)
                self._whispers_heard(event)
            case ev.WhisperWithdrawn() if isinstance(said := self._items.get(event.item_id), Said):
                said.waits, said.withdrawn = False, True
                self._touch(event.item_id)
            case ev.ModelAttemptFailed():
                self._answer(record, event.response_id).failed_attempts.append(event)
            case ev.AssistantDelta():
                self._delta(record, event)
            case ev.AssistantMessage():
                self._message(record, event)
            case ev.ResponseDone(waited=False):
                self._done(record, event)
            case ev.FeedbackGiven() if isinstance(text := self._items.get(event.item_id), Text):
                text.rated(event)
                self._touch(event.item_id)
            case ev.ToolCall() | ev.ToolResult() | ev.ToolApprovalRequested() | ev.ToolApproval():
                self._tool(record, event)
            case _:
                self._notice(record, event)

    def seq_of(self, item_id: str) -> int:
        return self._items[item_id].seq

    def ends_paragraph(self, event: ev.AssistantDelta) -> bool:
        """Whether a paragraph of the text was over with this piece, which was applied last."""
        item = self._items.get(event.item_id)
        return isinstance(item, Text) and item.text.find(PARAGRAPH, max(0, event.offset - 1)) >= 0

    def drop_from(self, seq: int) -> None:
        """What began there was never stored: its process died before."""
        self._drop(lambda entry: entry.seq >= seq)

    def keep(self, count: int) -> None:
        """Forget the oldest entries beyond so many."""
        if len(self.entries) > count:
            first = self.entries[-count].seq
            self._drop(lambda entry: entry.seq < first)

    def _drop(self, goes: Callable[[Entry], bool]) -> None:
        gone = {id(entry) for entry in self.entries if goes(entry)}
        self.entries = [entry for entry in self.entries if id(entry) not in gone]
        self.touched = {seq: entry for seq, entry in self.touched.items() if id(entry) not in gone}
        items = {item_id for item_id, entry in self._homes.items() if id(entry) in gone}
        self._answers = {key: one for key, one in self._answers.items() if id(one) not in gone}
        self._homes = {key: one for key, one in self._homes.items() if key not in items}
        self._items = {key: one for key, one in self._items.items() if key not in items}
        self._calls = {key: one for key, one in self._calls.items() if one.item_id not in items}
        self._approvals = {key: one for key, one in self._approvals.items() if one.item_id not in items}

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.touched[entry.seq] = entry

    def _touch(self, item_id: str) -> None:
        if entry := self._homes.get(item_id):
            self.touched[entry.seq] = entry

    def _said(
        self, record: ev.Record, event: ev.UserMessage | ev.OperatorMessage | ev.OperatorWhispered
    ) -> None:
        said = Said(
            seq=record.seq,
            at=record.at,
            item_id=event.item_id,
            text=event.text,
            files=event.files if isinstance(event, ev.UserMessage) else [],
            author="" if isinstance(event, ev.UserMessage) else event.author,
            whispered=isinstance(event, ev.OperatorWhispered),
            waits=isinstance(event, ev.OperatorWhispered),
        )
        if isinstance(event, ev.UserMessage) and event.replaces:
            said.edited = True
            self._edited(event.replaces)
        self._items[event.item_id] = self._homes[event.item_id] = said
        self._add(said)

    def _whispers_heard(self, event: ev.ResponseStarted) -> None:
        if event.shown_as or event.options.get("conversation") == "none":
            return
        for entry in self.entries:
            if isinstance(entry, Said) and entry.waits:
                entry.waits = False
                self.touched[entry.seq] = entry

    def _edited(self, item_id: str) -> None:
        if isinstance(said := self._items.get(item_id), Said):
            said.said_anew = True
            self._touch(item_id)

    def _answer(self, record: ev.Record, response_id: str) -> Answer:
        """The answer of this response; one that began before the records begins here."""
        if response_id not in self._answers:
            self._answers[response_id] = Answer(seq=record.seq, at=record.at, response_id=response_id)
            self.entries.append(self._answers[response_id])
        answer = self._answers[response_id]
        self.touched[answer.seq] = answer
        return answer

    def _retry(self, answer: Answer, event: ev.ResponseStarted) -> None:
        answer.retry_of = event.retry_of or ""
        if failed := self._answers.get(answer.retry_of):
            failed.tried_again = True
            self.touched[failed.seq] = failed

    def _text(self, record: ev.Record, event: ev.AssistantDelta | ev.AssistantMessage) -> Text:
        item = self._items.get(event.item_id)
        if not isinstance(item, Text):
            item = Text(seq=record.seq, at=record.at, item_id=event.item_id, text="", status="partial")
            answer = self._answer(record, event.response_id or event.item_id)
            self._items[event.item_id], self._homes[event.item_id] = item, answer
            answer.told = not event.response_id
            answer.items.append(item)
        self._touch(event.item_id)
        return item

    def _delta(self, record: ev.Record, event: ev.AssistantDelta) -> None:
        text = self._text(record, event)
        if text.status == "partial":
            text.text += event.text

    def _message(self, record: ev.Record, event: ev.AssistantMessage) -> None:
        text = self._text(record, event)
        text.text, text.status, text.at = event.text, event.status, record.at
        if event.author:
            self._answer(record, event.response_id).person = event.author

    def _done(self, record: ev.Record, event: ev.ResponseDone) -> None:
        answer = self._answer(record, event.response_id)
        answer.done, answer.done_at, answer.done_seq = event, record.at, record.seq
        answer.model = event.model or answer.model

    def _tool(
        self,
        record: ev.Record,
        event: ev.ToolCall | ev.ToolResult | ev.ToolApprovalRequested | ev.ToolApproval,
    ) -> None:
        match event:
            case ev.ToolCall():
                run = self._run(record, event.call_id, event.item_id, event.name, event.response_id)
                run.arguments, run.location, run.side_effects = (
                    event.arguments,
                    event.location,
                    event.side_effects,
                )
            case ev.ToolResult():
                run = self._run(record, event.call_id, event.item_id, event.name, event.response_id)
                run.output, run.outcome, run.duration_ms = event.output, event.outcome, event.duration_ms
            case ev.ToolApprovalRequested():
                run = self._run(record, event.call_id, event.item_id, event.name, event.response_id)
                run.arguments, run.approval = run.arguments or event.arguments, "waits for a person's yes"
                run.approval_id, run.side_effects, run.asks = event.item_id, event.side_effects, event.asks
                if event.approvals > 1:
                    run.approval = f"waits for the yes of {event.approvals} persons"
                self._approvals[event.item_id] = run
            case ev.ToolApproval():
                self._decide(record, event)

    def _run(
        self, record: ev.Record, call_id: str, item_id: str, name: str, response_id: str | None
    ) -> ToolRun:
        """The run of this call. A result whose call lies before the records stands in an answer of its own."""
        if call_id not in self._calls:
            run = ToolRun(seq=record.seq, at=record.at, item_id=item_id, call_id=call_id, name=name)
            self._calls[call_id] = self._items[item_id] = run
            answer = self._homes[item_id] = self._answer(record, response_id or call_id)
            answer.told = response_id == ""
            answer.items.append(run)
        self._touch(self._calls[call_id].item_id)
        return self._calls[call_id]

    def _decide(self, record: ev.Record, event: ev.ToolApproval) -> None:
        words = f"{'allowed' if event.approve else 'refused'} by {event.by}"
        words += f": {event.reason}" if event.reason else ""
        if event.missing:
            more = "one more person" if event.missing == 1 else f"{event.missing} more persons"
            words += f"; {more} must say yes"
        if run := self._approvals.get(event.approval_id):
            before = f"{run.approval.partition(';')[0]}; " if run.agreed else ""
            run.approval, run.agreed = before + words, run.agreed or bool(event.missing)
            if not event.missing:
                run.approval_id = ""
            self._touch(run.item_id)
        else:
            self._add(Notice(seq=record.seq, at=record.at, text=f"Tool call {words}"))

    def _notice(self, record: ev.Record, event: ev.Event) -> None:
        if isinstance(event, ev.ItemDeleted) and (item := self._items.get(event.item_id)):
            item.removed = True
            self._touch(event.item_id)
        text, tone = notice_text(event, operator=self.operator)
        self.operator = operator_after(event, self.operator)
        self._add(Notice(seq=record.seq, at=record.at, text=text, tone=Tone(tone)))


def operator_after(event: ev.Event, before: str) -> str:
    """Who has taken the conversation over, once this has happened; empty: nobody."""
    match event:
        case ev.OperatorTookOver():
            return event.author
        case ev.OperatorHandedBack() | ev.SessionEnded():
            return ""
    return before


def partial_answers(entries: Sequence[Entry]) -> list[Answer]:
    """The answers without an end, or cut short without a text: what there is of them stands in their deltas alone."""
    answers = [entry for entry in entries if isinstance(entry, Answer) and entry.started]
    return [
        answer
        for answer in answers
        if answer.done is None or (answer.done.status != ev.ResponseStatus.COMPLETED and not answer.has_text)
    ]
