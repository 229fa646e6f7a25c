"""What came of one message, read from the session's log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from chat.llm.provider import JSON
from sessions_app.log import events as ev


@dataclass(frozen=True, kw_only=True)
class Call:
    """A tool call of the model's."""

    name: str
    arguments: JSON
    """Empty where the model's text was no JSON object."""
    call_id: str
    output: str = ""
    """What the model was told came of it."""
    outcome: str = ""
    """ok, error or unknown; empty: nothing came of it yet."""
    approval_id: str = ""
    """Not empty: it waits for a person's yes, and has not run."""

    def __str__(self) -> str:
        came = f"{self.outcome}: {self.output}" if self.outcome else "no result"
        return f"{self.name}({self.arguments}) -> {'waits for approval' if self.approval_id else came}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One response of the server's, as its log has it."""

    response_id: str
    text: str
    """All texts of the model in this response, one after the other."""
    calls: list[Call]
    """In the order in which the model made them."""
    status: str
    """completed, cancelled, incomplete or failed."""
    reason: str
    """Why it is not completed; for a failed one the error's code."""
    message: str
    """What a client is told of it."""
    cause: str
    """What staff is told of it."""
    usage: ev.Usage
    events: list[ev.Event] = field(repr=False)
    """The response's own, from `ResponseStarted` to `ResponseDone`."""

    @property
    def waiting(self) -> list[Call]:
        """The calls that wait for a person's yes (see `MemorySession.approve`)."""
        return [call for call in self.calls if call.approval_id]

    def __str__(self) -> str:
        end = ", ".join(filter(None, (self.status, self.reason, self.message, self.cause)))
        return "\n".join([*(f"  {call}" for call in self.calls), f"  said: {self.text!r}", f"  end: {end}"])


def answer_of(events: Sequence[ev.Event], response_id: str) -> Answer | None:
    """None while it is in the making."""
    own = [event for event in events if getattr(event, "response_id", None) == response_id]
    done = own[-1] if own else None
    if not isinstance(done, ev.ResponseDone):
        return None
    return Answer(
        response_id=response_id,
        text="".join(event.text for event in own if isinstance(event, ev.AssistantMessage)),
        calls=_calls(own),
        status=done.status,
        reason=done.reason,
        message=done.message,
        cause=done.cause,
        usage=done.usage,
        events=own,
    )


def _calls(events: Iterable[ev.Event]) -> list[Call]:
    found: dict[str, Call] = {}
    for event in events:
        match event:
            case ev.ToolCall() | ev.ToolApprovalRequested():
                asks = event.item_id if isinstance(event, ev.ToolApprovalRequested) else ""
                found[event.call_id] = Call(
                    name=event.name,
                    arguments=_arguments(event.arguments),
                    call_id=event.call_id,
                    approval_id=asks,
                )
            case ev.ToolResult():
                call = found[event.call_id]
                found[event.call_id] = replace(call, output=event.output, outcome=event.outcome)
    return list(found.values())


def _arguments(text: str) -> JSON:
    try:
        return msgspec.json.decode(text, type=JSON)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}
