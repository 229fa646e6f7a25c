"""Every promise of the log, checked on what the database holds of one session at the end of a run."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sessions_app.log import events as ev
from tests.chaos.logged import LoggedSession


class Broken(StrEnum):
    LOST = "lost"
    REPEATED = "repeated"
    OTHER = "other"


@dataclass(frozen=True)
class Finding:
    session_id: str
    seq: int | None
    what: str
    broken: Broken = Broken.OTHER

    def __str__(self) -> str:
        place = "" if self.seq is None else f" seq {self.seq}"
        return f"session {self.session_id}{place}: {self.what}"


Check = Callable[[LoggedSession], Iterator[Finding]]


def check_session(session: LoggedSession) -> list[Finding]:
    return [finding for check in CHECKS for finding in check(session)]


def seqs_follow_one_another(session: LoggedSession) -> Iterator[Finding]:
    expected = 1
    for row in session.rows:
        if row.first_seq != expected:
            yield Finding(
                session.session_id,
                row.first_seq,
                f"the row begins here, expected was {expected}",
                Broken.LOST,
            )
        expected = row.seq + 1
    if session.columns["last_seq"] != expected - 1:
        yield Finding(
            session.session_id,
            expected - 1,
            f"the log ends here, last_seq says {session.columns['last_seq']}",
        )


def each_epoch_has_one_writer(session: LoggedSession) -> Iterator[Finding]:
    """Epochs grow with the log, and one process writes all of one; only the summary of its end may be the worker's."""
    writers: dict[int, str] = {}
    summaries = {
        record.seq
        for record in session.records
        if isinstance(record.event, ev.SummaryWritten | ev.SummaryFailed)
    }
    epoch = 0
    for written in session.writers:
        if written.epoch < epoch:
            yield Finding(
                session.session_id, written.seq, f"written under epoch {written.epoch}, after one of {epoch}"
            )
        epoch = written.epoch
        if written.seq in summaries:
            continue
        first = writers.setdefault(epoch, written.writer)
        if written.writer != first:
            what = f"epoch {epoch} was written by {first}, and here by {written.writer}"
            yield Finding(session.session_id, written.seq, what)
    if [(one.first_seq, one.seq) for one in session.writers] != list(_written_spans(session)):
        yield Finding(session.session_id, None, "the rows are not those that were seen being written")


def _written_spans(session: LoggedSession) -> Iterator[tuple[int, int]]:
    """First and last seq of each row as it was written; a folded row tells of those that it stands for."""
    for row in session.rows:
        first_seq = row.first_seq
        if "runs" not in row.payload:
            yield first_seq, row.seq
            continue
        for run in row.payload["runs"].split():
            deltas = run.count(",") + 1
            yield first_seq, first_seq + deltas - 1
            first_seq += deltas


def responses_are_closed(session: LoggedSession) -> Iterator[Finding]:
    """One at a time, and each with its end; those that wait have theirs, too, or their turn."""
    running: str | None = None
    waiting: set[str] = set()
    for record in session.records:
        match record.event:
            case ev.ResponseQueued(response_id=response_id):
                waiting.add(response_id)
            case ev.ResponseStarted(response_id=response_id):
                if running:
                    yield Finding(session.session_id, record.seq, f"a response starts while {running} runs")
                running = response_id
                waiting.discard(response_id)
            case ev.ResponseDone(response_id=response_id, waited=True):
                waiting.discard(response_id)
            case ev.ResponseDone(response_id=response_id):
                if response_id != running:
                    what = f"{response_id} ends while {running} runs"
                    yield Finding(session.session_id, record.seq, what)
                running = None
    for left in filter(None, (running, *waiting)):
        yield Finding(session.session_id, None, f"response {left} was left open")


def texts_are_their_deltas(session: LoggedSession) -> Iterator[Finding]:
    deltas: dict[str, str] = {}
    for record in session.records:
        event = record.event
        if isinstance(event, ev.AssistantDelta):
            before = deltas.setdefault(event.item_id, "")
            if event.offset != len(before):
                what = f"a delta of {event.item_id} at {event.offset}, expected was {len(before)}"
                yield Finding(session.session_id, record.seq, what)
            deltas[event.item_id] = before + event.text
        elif isinstance(event, ev.AssistantMessage):
            joined = deltas.pop(event.item_id, "")
            if joined != event.text:
                what = f"the text of {event.item_id} is {event.text!r}, its deltas are {joined!r}"
                yield Finding(session.session_id, record.seq, what)
    for item_id in deltas:
        yield Finding(session.session_id, None, f"item {item_id} has deltas and no text")


def client_events_count_once(session: LoggedSession) -> Iterator[Finding]:
    """What a client sent again was not done again; a try that the server made by itself is no new one."""
    seen: Counter[str] = Counter()
    for record in session.records:
        match record.event:
            case ev.UserMessage(client_event_id=str(event_id)):
                seen[event_id] += 1
            case ev.ResponseStarted(client_event_id=str(event_id), retry_of=None):
                seen[event_id] += 1
            case _:
                continue
        if seen[event_id] > 1:
            what = f"client event {event_id} was carried out a second time: {record.event.event_type}"
            yield Finding(session.session_id, record.seq, what, Broken.REPEATED)


def messages_are_answered(session: LoggedSession) -> Iterator[Finding]:
    """Every user message was taken into a response."""
    waiting: dict[str, int] = {}
    for record in session.records:
        match record.event:
            case ev.UserMessage(item_id=item_id):
                waiting[item_id] = record.seq
            case ev.ResponseStarted(input_item_ids=item_ids):
                for item_id in item_ids:
                    waiting.pop(item_id, None)
    for item_id, seq in waiting.items():
        yield Finding(session.session_id, seq, f"message {item_id} was never answered", Broken.LOST)


def calls_have_one_result(session: LoggedSession) -> Iterator[Finding]:
    results = Counter(
        record.event.call_id for record in session.records if isinstance(record.event, ev.ToolResult)
    )
    for record in session.records:
        if isinstance(record.event, ev.ToolCall) and results[record.event.call_id] != 1:
            what = f"call {record.event.call_id} has {results[record.event.call_id]} results"
            yield Finding(session.session_id, record.seq, what)


def counters_are_the_log(session: LoggedSession) -> Iterator[Finding]:
    events = [record.event for record in session.records]
    kinds = Counter(map(type, events))
    never_ran = sum(isinstance(event, ev.ResponseDone) and event.waited for event in events)
    counted = {
        "user_messages": kinds[ev.UserMessage],
        "assistant_messages": kinds[ev.AssistantMessage],
        "tool_calls": kinds[ev.ToolCall],
        "responses": kinds[ev.ResponseDone] - never_ran,
    }
    for name, count in counted.items():
        if session.columns[name] != count:
            what = f"{name} is {session.columns[name]}, the log has {count}"
            yield Finding(session.session_id, None, what)


def it_ended_and_was_summarised(session: LoggedSession) -> Iterator[Finding]:
    columns = session.columns
    if columns["status"] != "ended" or columns["end_time"] is None or columns["duration_seconds"] is None:
        yield Finding(session.session_id, None, f"did not end: {columns['status']}")
        return
    ends = [record.seq for record in session.records if isinstance(record.event, ev.SessionEnded)]
    if not ends or any(_said(record) for record in session.records if record.seq > ends[-1]):
        yield Finding(session.session_id, columns["last_seq"], "the log goes on after the session's end")
    state = columns["summary_state"]
    if state == "pending" and not session.jobs:
        yield Finding(session.session_id, None, "ended without the job for its summary")
    elif state != ("written" if columns["user_messages"] else "skipped"):
        yield Finding(session.session_id, None, f"its summary is {state}, with {session.jobs} jobs")


def _said(record: ev.Record) -> bool:
    return not isinstance(record.event, ev.SummaryWritten | ev.SummaryFailed)


def check_marks(sessions: Sequence[LoggedSession], marks: Sequence[tuple[str, str]]) -> list[Finding]:
    """The side effects that there were, (session, call) of each: every one logged before, none twice, none made up."""
    left = Counter(marks)
    findings = [
        Finding(
            session_id, None, f"the side effect of call {call_id} happened {times} times", Broken.REPEATED
        )
        for (session_id, call_id), times in left.items()
        if times > 1
    ]
    calls: dict[tuple[str, str], str] = {}
    for session in sessions:
        for record in session.records:
            match record.event:
                case ev.ToolCall(name="leave_mark", call_id=call_id):
                    calls[session.session_id, call_id] = "unknown"
                case ev.ToolResult(name="leave_mark", call_id=call_id, outcome=outcome):
                    calls[session.session_id, call_id] = outcome
    findings += [
        Finding(session_id, None, f"call {call_id} had its side effect and is not in the log")
        for session_id, call_id in left
        if (session_id, call_id) not in calls
    ]
    findings += [
        Finding(session_id, None, f"call {call_id} is logged as ok and had no side effect")
        for (session_id, call_id), outcome in calls.items()
        if outcome == "ok" and not left[session_id, call_id]
    ]
    return findings


CHECKS: tuple[Check, ...] = (
    seqs_follow_one_another,
    each_epoch_has_one_writer,
    responses_are_closed,
    texts_are_their_deltas,
    client_events_count_once,
    messages_are_answered,
    calls_have_one_result,
    counters_are_the_log,
    it_ended_and_was_summarised,
)
