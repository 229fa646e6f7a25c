"""What to append when a process died in the middle of an answer, so that the log says how it came out.

A process that takes the session over tries the answer again, unless a tool with side effects had been called; see
docs/decisions/0017-an-answer-is-tried-again.md.
"""

from collections.abc import Iterable, Sequence

from sessions_app.conf import conf
from sessions_app.log import events as ev

INTERRUPTED = "interrupted"
MAX_ATTEMPTS = 3
"""Tries of one answer that a dead process may leave behind: it may be the answer itself that kills."""
UNKNOWN_OUTCOME = (
    "The server stopped while this tool ran: whether it took effect is not known. Do not assume either."
)


def takeover(records: Sequence[ev.Record], *, model: str, source: str = "", cause: str) -> list[ev.Event]:
    """What a new holder writes first, when the old one is gone without handing over.

    ``cause`` takeover: the new holder goes on, also with the responses that wait; orphaned: the session ends.
    """
    reopened = ev.SessionReopened(model=model, source=source, cause=cause, skipped=conf().takeover_skips)
    left_over = dropped(waiting(records), reason=INTERRUPTED) if cause == "orphaned" else []
    return [reopened, *settlement(records), *left_over]


def settlement(records: Sequence[ev.Record]) -> list[ev.Event]:
    """The events that close the response left open in ``records`` (all but deltas of finished items); empty when none is.

    The partial text becomes an incomplete message, a tool call without a result one of unknown outcome.
    """
    tail = _open_response(records)
    if not tail:
        return []
    started = tail[0].event
    assert isinstance(started, ev.ResponseStarted)
    return [
        *_unknown_results(tail),
        *_partial_messages(tail),
        ev.ResponseDone(
            response_id=started.response_id,
            status="incomplete",
            reason=INTERRUPTED,
            message="The server stopped while it answered.",
            model=_last_asked(tail) or ev.model_spec(started.provider, started.model),
        ),
    ]


def _last_asked(tail: Sequence[ev.Record]) -> str:
    """The model that a failed attempt was followed by, if there was one."""
    failed = (one.event for one in reversed(tail) if isinstance(one.event, ev.ModelAttemptFailed))
    return next((attempt.next_model for attempt in failed), "")


def acts(event: ev.Event) -> bool:
    """True for what may have had an effect, so that its response is not tried again without being asked: a tool of the
    client's, too, for nobody here knows what it does."""
    return isinstance(event, ev.ToolCall) and (event.side_effects or event.location == "client")


def waiting(records: Sequence[ev.Record]) -> dict[str, ev.ResponseQueued]:
    """The responses that wait for their turn at the end of ``records``, by their id, in their order."""
    queue: dict[str, ev.ResponseQueued] = {}
    for record in records:
        match record.event:
            case ev.ResponseQueued():
                queue[record.event.response_id] = record.event
            case ev.ResponseStarted() | ev.ResponseDone():
                queue.pop(record.event.response_id, None)
    return queue


def dropped(
    response_ids: Iterable[str],
    *,
    reason: str,
    status: str = "cancelled",
    client_event_id: str | None = None,
) -> list[ev.Event]:
    """The ends of responses that waited and are not going to run."""
    return [
        ev.ResponseDone(
            response_id=response_id,
            status=status,
            reason=reason,
            waited=True,
            client_event_id=client_event_id,
        )
        for response_id in response_ids
    ]


def _open_response(records: Sequence[ev.Record]) -> Sequence[ev.Record]:
    for index in range(len(records) - 1, -1, -1):
        match records[index].event:
            case ev.ResponseDone(waited=False):
                return ()
            case ev.ResponseStarted():
                return records[index:]
    return ()


def _unknown_results(tail: Sequence[ev.Record]) -> list[ev.Event]:
    answered = {record.event.call_id for record in tail if isinstance(record.event, ev.ToolResult)}
    return [
        ev.ToolResult(
            item_id=call.item_id,
            call_id=call.call_id,
            name=call.name,
            output=UNKNOWN_OUTCOME,
            outcome="unknown",
            response_id=call.response_id,
        )
        for record in tail
        if isinstance(call := record.event, ev.ToolCall)
        and call.location == "server"
        and call.call_id not in answered
    ]


def _partial_messages(tail: Sequence[ev.Record]) -> list[ev.Event]:
    """One incomplete message for each item whose deltas are there and whose final text is not."""
    finished = {record.event.item_id for record in tail if isinstance(record.event, ev.AssistantMessage)}
    texts: dict[str, list[ev.AssistantDelta]] = {}
    for record in tail:
        if isinstance(record.event, ev.AssistantDelta) and record.event.item_id not in finished:
            texts.setdefault(record.event.item_id, []).append(record.event)
    return [
        ev.AssistantMessage(
            response_id=deltas[0].response_id,
            item_id=item_id,
            output_index=deltas[0].output_index,
            text="".join(delta.text for delta in deltas),
            status="incomplete",
        )
        for item_id, deltas in texts.items()
    ]
