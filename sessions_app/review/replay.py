"""A session as it went: what happened when, from the times of its records; folded deltas have kept theirs.

`steps_of` gives what a player shows one after the other, `waterfalls` where the time of each answer went.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sessions_app.log import events as ev
from sessions_app.log.replay import before_event, read_rows
from sessions_app.models import SessionEvent
from sessions_app.review import humanize
from sessions_app.review.reader import decoded
from sessions_app.review.transcript import Notice, notice_text, operator_after

JSON = dict[str, Any]

MOST_RECORDS = 20_000
"""Of one replay; a longer session is played in parts."""
MOST_CHARS = 2_000
"""Of what a tool was given and gave."""
TOGETHER_MS = 40
"""Deltas that came within that are one step: nobody sees the difference."""


@dataclass(frozen=True)
class Part:
    """A stretch of a session's log. ``later``: the seq to go on from; None: it is the last one. ``unreadable``: what stands for events
    that this build cannot read."""

    records: list[ev.Record]
    later: int | None
    unreadable: list[Notice] = field(default_factory=list)


def read_part(*, session_id: str, after: int = 0, most: int = MOST_RECORDS) -> Part:
    records: list[ev.Record] = []
    unreadable: list[Notice] = []
    while len(records) + len(unreadable) < most:
        rows = read_rows(session_id=session_id, after=after)
        if not rows:
            return Part(records, None, unreadable)
        for one in decoded(rows):
            if isinstance(one, Notice):
                unreadable.append(one)
            elif one.seq > after:  # else the cut lies within a run of deltas
                records.append(one)
        after = rows[-1].seq
    records = _up_to_an_end(records[:most])
    later = records[-1].seq if records else after
    return Part(records, later, [one for one in unreadable if one.seq <= later])


def beginning_of_part(*, session_id: str, seq: int) -> int:
    """After which seq a part begins that has this one in it: the session's, or the question before it."""
    if seq <= MOST_RECORDS:
        return 0
    questions = SessionEvent.objects.filter(
        session_id=session_id, seq__lte=seq, event_type=ev.UserMessage.event_type
    )
    asked = questions.order_by("-seq").values_list("seq", flat=True).first()
    return before_event(session_id=session_id, seq=seq) if asked is None else asked - 1


def _up_to_an_end(records: list[ev.Record]) -> list[ev.Record]:
    """Of an answer, so that none is torn; all of them where one fills them."""
    ends = (index for index in range(len(records), 0, -1) if _ends_an_answer(records[index - 1].event))
    return records[: next(ends, len(records))]


def _ends_an_answer(event: ev.Event) -> bool:
    """A turn that waited may leave the queue while another's answer is under way."""
    return isinstance(event, ev.ResponseDone) and not event.waited


# What happened, one after the other


def steps_of(
    records: Sequence[ev.Record], *, operator: str = "", unreadable: Sequence[Notice] = ()
) -> list[JSON]:
    """Each with ``ms`` since the first of them, ``kind``, and what there is to show. ``operator``: who had taken the conversation
    over before."""
    steps: list[JSON] = []
    since = began(records, unreadable)
    for record in records:
        operator = operator_after(record.event, operator)
        for step in _steps(record, operator):
            ms = _ms(since, record.at)
            last = steps[-1] if steps else {}
            if _same_moment(last, step, ms):
                last["text"] += step["text"]
            else:
                steps.append({"ms": ms, "seq": record.seq, **step})
    for one in unreadable:
        told = {"kind": "notice", "text": one.text, "tone": one.tone, "mark": ""}
        steps.append({"ms": _ms(since, one.at), "seq": one.seq, **told})
    return sorted(steps, key=lambda step: int(step["seq"])) if unreadable else steps


def began(records: Sequence[ev.Record], unreadable: Sequence[Notice] = ()) -> datetime:
    """When the first of them was."""
    firsts = [*(one.at for one in records[:1]), *(one.at for one in unreadable[:1])]
    return min(firsts, default=datetime.min.replace(tzinfo=UTC))


def _same_moment(last: JSON, step: JSON, ms: float) -> bool:
    return (
        step["kind"] == "text"
        and last.get("kind") == "text"
        and last["item"] == step["item"]
        and ms - last["ms"] < TOGETHER_MS
    )


def _steps(record: ev.Record, operator: str) -> Iterable[JSON]:
    event = record.event
    match event:
        case ev.UserMessage():
            files = {"files": [_file(one) for one in event.files]} if event.files else {}
            return [{"kind": "said", "who": "", "text": event.text, **files}]
        case ev.OperatorMessage() | ev.OperatorWhispered():
            whispers = isinstance(event, ev.OperatorWhispered)
            return [{"kind": "said", "who": event.author, "text": event.text, "whispered": whispers}]
        case ev.ResponseStarted() | ev.ModelAttemptFailed() | ev.ResponseDone(waited=False):
            return [_of_answer(event)]
        case ev.AssistantDelta() | ev.AssistantMessage():
            return [_text(event)]
        case ev.ToolCall() | ev.ToolApprovalRequested() | ev.ToolResult():
            return [_tool(event)]
        case ev.ToolApproval():
            return [_decided(event)]
        case ev.FeedbackGiven():
            return [_rated(event)]
        case _:
            return [_notice(event, operator)]


def _file(file: ev.FileRef) -> JSON:
    return {"id": file.id, "name": file.name, "width": file.width, "height": file.height}


def _rated(event: ev.FeedbackGiven) -> JSON:
    """``rates``: the text that it is about, which may stand in an earlier part."""
    text, tone = notice_text(event)
    mark = "bad" if event.rating == ev.Rating.DOWN else ""
    return {"kind": "rated", "rates": event.item_id, "text": text, "tone": tone, "mark": mark}


def _of_answer(event: ev.ResponseStarted | ev.ModelAttemptFailed | ev.ResponseDone) -> JSON:
    match event:
        case ev.ResponseStarted():
            who = "A person" if event.shown_as else ev.model_spec(event.provider, event.model)
            return {"kind": "start", "answer": event.response_id, "who": who}
        case ev.ModelAttemptFailed():
            words = f"{event.model} failed ({event.code})"
            return {"kind": "failed", "answer": event.response_id, "text": words}
        case ev.ResponseDone():
            words = " ".join(filter(None, (event.status, event.reason.replace("_", " "))))
            return {"kind": "done", "answer": event.response_id, "text": words, "status": event.status}


def _text(event: ev.AssistantDelta | ev.AssistantMessage) -> JSON:
    answer = event.response_id or event.item_id
    if isinstance(event, ev.AssistantDelta):
        return {"kind": "text", "answer": answer, "item": event.item_id, "text": event.text}
    return {"kind": "whole", "answer": answer, "item": event.item_id, "text": event.text, "who": event.author}


def _tool(event: ev.ToolCall | ev.ToolApprovalRequested | ev.ToolResult) -> JSON:
    if isinstance(event, ev.ToolResult):
        took = humanize.milliseconds(event.duration_ms) if event.duration_ms else ""
        output = _cut(event.output)
        return {
            "kind": "result",
            "call": event.call_id,
            "text": output,
            "outcome": event.outcome,
            "took": took,
        }
    return {
        "kind": "tool",
        "answer": event.response_id or event.call_id,
        "call": event.call_id,
        "name": event.name,
        "text": _cut(event.arguments),
        "asks": event.item_id if isinstance(event, ev.ToolApprovalRequested) else "",
    }


def _cut(text: str) -> str:
    """What was left out is told, as in the transcript: else a cut JSON is what the tool gave."""
    if len(text) <= MOST_CHARS:
        return text
    return f"{text[:MOST_CHARS]}\n[cut: {MOST_CHARS:,} of {len(text):,} characters are shown]"


def _decided(event: ev.ToolApproval) -> JSON:
    """``asked``: the ``asks`` of the call that it is about, which may stand in an earlier part."""
    words = f"{'allowed' if event.approve else 'refused'} by {event.by}"
    if event.missing:
        words += f", {event.missing} more to say yes"
    tone = "info" if event.approve else "warning"
    return {
        "kind": "decided",
        "asked": event.approval_id,
        "text": f"Tool call {words}",
        "short": words,
        "tone": tone,
    }


def _notice(event: ev.Event, operator: str) -> JSON:
    text, tone = notice_text(event, operator=operator)
    mark = {ev.ConnectionClosed: "cut", ev.ConnectionOpened: "back", ev.SessionReopened: "back"}.get(
        type(event)
    )
    return {"kind": "notice", "text": text, "tone": tone, "mark": mark or ""}


def _ms(since: datetime, at: datetime) -> float:
    return round((at - since).total_seconds() * 1000, 1)


# Where the time of an answer went


@dataclass(frozen=True)
class Bar:
    """A stretch of an answer's time, in milliseconds since it was asked for."""

    label: str
    start_ms: float
    end_ms: float
    tone: str = "neutral"

    @property
    def took(self) -> str:
        return humanize.milliseconds(self.end_ms - self.start_ms)

    @property
    def begins(self) -> str:
        return humanize.milliseconds(self.start_ms) or "0 ms"


@dataclass
class Waterfall:
    seq: int
    asked_at: datetime
    started_at: datetime
    who: str
    question: str = ""
    bars: list[Bar] = field(default_factory=list)
    status: str = ""
    total_ms: float = 0.0
    first_at: datetime | None = None
    last_at: datetime | None = None
    asking_since: datetime | None = None
    calls: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def ms(self, at: datetime) -> float:
        return max(0.0, _ms(self.asked_at, at))

    def bar(self, label: str, start: datetime, end: datetime, tone: str = "neutral") -> None:
        self.bars.append(Bar(label, self.ms(start), self.ms(end), tone))

    @property
    def took(self) -> str:
        return humanize.milliseconds(self.total_ms)

    @property
    def words(self) -> str:
        return self.status.replace(ev.ResponseStatus.CANCELLED, "stopped", 1)

    @property
    def scaled(self) -> list[tuple[Bar, float, float]]:
        """(bar, x, width), in thousandths of the whole."""
        whole = max(self.total_ms, 1.0)
        return [
            (
                one,
                round(one.start_ms / whole * 1000, 1),
                max(3.0, round((one.end_ms - one.start_ms) / whole * 1000, 1)),
            )
            for one in self.bars
        ]


def waterfalls(records: Iterable[ev.Record]) -> list[Waterfall]:
    """Of the answers whose beginning and end are among the records, in their order."""
    said: dict[str, ev.Record] = {}
    queued: dict[str, datetime] = {}
    under_way: dict[str, Waterfall] = {}
    found: list[Waterfall] = []
    for record in records:
        event = record.event
        match event:
            case ev.UserMessage():
                said[event.item_id] = record
            case ev.ResponseQueued():
                queued[event.response_id] = record.at
            case ev.ResponseStarted():
                asked = [said[one] for one in event.input_item_ids if one in said]
                under_way[event.response_id] = _begun(record, event, asked, queued.get(event.response_id))
            case ev.ResponseDone(waited=False) if one := under_way.pop(event.response_id, None):
                _ended(one, event, record.at)
                found.append(one)
            case _ if one := under_way.get(str(getattr(event, "response_id", ""))):
                _took_place(one, event, record.at)
    return found


def _begun(
    record: ev.Record, event: ev.ResponseStarted, asked: list[ev.Record], queued_at: datetime | None
) -> Waterfall:
    asked_at = min([record.at, *filter(None, [queued_at]), *(one.at for one in asked[-1:])])
    question = asked[-1].event.text if asked and isinstance(asked[-1].event, ev.UserMessage) else ""
    who = "A person" if event.shown_as else ev.model_spec(event.provider, event.model)
    one = Waterfall(record.seq, asked_at, record.at, who, " ".join(question.split())[:80])
    one.bar("Waited for its turn", asked_at, record.at)
    one.asking_since = record.at
    return one


def _took_place(one: Waterfall, event: ev.Event, at: datetime) -> None:
    match event:
        case ev.ModelAttemptFailed():
            one.bar(f"{event.model} failed: {event.code}", one.asking_since or at, at, "danger")
            one.asking_since = at
        case ev.AssistantDelta():
            if one.first_at is None:
                one.first_at = at
                one.bar("To the first word", one.asking_since or at, at, "info")
            one.last_at = at
        case ev.AssistantMessage():
            one.bar("Writing", one.first_at or at, one.last_at or at, "success")
            one.first_at = one.last_at = None
        case ev.ToolCall(location=ev.Location.SERVER):
            one.calls[event.call_id] = (event.name, at)
        case ev.ToolResult() if begun := one.calls.pop(event.call_id, None):
            one.bar(
                f"Tool {begun[0]}", begun[1], at, "warning" if event.outcome == ev.Outcome.OK else "danger"
            )
            one.asking_since = at


def _ended(one: Waterfall, event: ev.ResponseDone, at: datetime) -> None:
    one.who = event.model or one.who
    one.status = " ".join(filter(None, (event.status, event.reason.replace("_", " "))))
    one.total_ms = one.ms(at)
    one.bar("End", at, at)
