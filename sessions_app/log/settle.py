"""What to append when a process died in the middle of an answer, so that the log says how it came out.

A process that takes the session over tries the answer again, unless a tool with side effects had been called; see
docs/decisions/0017-an-answer-is-tried-again.md.
"""

from collections.abc import Iterable

from sessions_app.conf import conf
from sessions_app.log import events as ev
from sessions_app.log.state import SessionState

UNKNOWN_OUTCOME = (
    "The server stopped while this tool ran: whether it took effect is not known. Do not assume either."
)


def takeover(state: SessionState, *, model: str, source: str = "", cause: ev.ReopenCause) -> list[ev.Event]:
    """What a new holder writes first, when the old one is gone without handing over.

    ``cause`` takeover: the new holder goes on, also with the responses that wait; any other: the session ends.
    """
    reopened = ev.SessionReopened(model=model, source=source, cause=cause, skipped=conf().takeover_skips)
    left_over = (
        dropped(state.queued, reason=ev.Reason.INTERRUPTED) if cause != ev.ReopenCause.TAKEOVER else []
    )
    return [reopened, *settlement(state), *left_over]


def settlement(state: SessionState) -> list[ev.Event]:
    """The events that close the response that is open; empty when none is.

    The partial text becomes an incomplete message, a tool call without a result one of unknown outcome.
    """
    if (response := state.open) is None:
        return []
    return [
        *(_unknown_result(call) for call in response.unanswered.values()),
        *(_partial_message(deltas) for deltas in response.texts.values()),
        ev.ResponseDone(
            response_id=response.started.response_id,
            status=ev.ResponseStatus.INCOMPLETE,
            reason=ev.Reason.INTERRUPTED,
            message="The server stopped while it answered.",
            model=response.model,
        ),
    ]


def dropped(
    response_ids: Iterable[str],
    *,
    reason: str,
    status: ev.ResponseStatus = ev.ResponseStatus.CANCELLED,
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


def _unknown_result(call: ev.ToolCall) -> ev.ToolResult:
    return ev.ToolResult(
        item_id=call.item_id,
        call_id=call.call_id,
        name=call.name,
        output=UNKNOWN_OUTCOME,
        outcome=ev.Outcome.UNKNOWN,
        response_id=call.response_id,
        approval_id=call.approval_id,
    )


def _partial_message(deltas: list[ev.AssistantDelta]) -> ev.AssistantMessage:
    return ev.AssistantMessage(
        response_id=deltas[0].response_id,
        item_id=deltas[0].item_id,
        output_index=deltas[0].output_index,
        text="".join(delta.text for delta in deltas),
        status=ev.TextStatus.INCOMPLETE,
    )
