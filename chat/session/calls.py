"""Tool calls as the model's history holds them: those of one round together, and those that need a person's yes."""

from chat.llm.prompts import NO_RESULT, WAITS_FOR_APPROVAL
from chat.llm.provider import AssistantText, HistoryItem, ToolCallItem, ToolResultItem
from sessions_app.log import events as ev


class Calls:
    """The calls of one model round, and their results as far as they are in."""

    __slots__ = ("acted", "asked", "calls", "entered", "key", "results", "seqs")

    def __init__(self, key: tuple[str, int]) -> None:
        self.key = key
        """The response and its round; a call that the client tells of has no response."""
        self.entered = 0
        """The seq at which it came into the history, where that is not its own."""
        self.acted = False
        """One of the calls may have had a side effect."""
        self.asked: set[str] = set()
        """The calls that wait for a person's yes."""
        self.calls: list[ToolCallItem] = []
        self.results: dict[str, ToolResultItem] = {}
        self.seqs: list[int] = []
        """Of all the events that made it."""

    def items(self) -> list[HistoryItem]:
        return [*self.calls, *(self.results.get(call.call_id) or self._open(call) for call in self.calls)]

    def without_result(self, item_id: str) -> None:
        self.results = {one: result for one, result in self.results.items() if result.item_id != item_id}

    def _open(self, call: ToolCallItem) -> ToolResultItem:
        why = WAITS_FOR_APPROVAL if call.call_id in self.asked else NO_RESULT
        return ToolResultItem(call.item_id, call.call_id, call.name, why, is_error=True)


class Approval:
    """A call that needs a person's yes. ``approve`` None: nobody has said anything yet."""

    __slots__ = ("approve", "asked", "called_by", "continued")

    def __init__(self, asked: ev.ToolApprovalRequested) -> None:
        self.asked = asked
        self.approve: bool | None = None
        self.called_by = ""
        """The response that made the call; from then on it is a call like any other."""
        self.continued = False
        """A response took the decision in."""


class Approvals(dict[str, Approval]):
    """All of a session's, by the item id of the request."""

    def decided(self) -> list[str]:
        """The responses whose approvals are all decided, and that none went on from yet."""
        by_response: dict[str, list[Approval]] = {}
        for approval in self.values():
            if not approval.continued:
                by_response.setdefault(approval.asked.response_id, []).append(approval)
        return [
            response_id
            for response_id, approvals in by_response.items()
            if all(approval.approve is not None for approval in approvals)
        ]

    def to_call(self, response_id: str) -> list[Approval]:
        """What a person said yes to in this response and has not been called yet."""
        return [
            approval
            for approval in self.values()
            if approval.asked.response_id == response_id and approval.approve and not approval.called_by
        ]

    def taken_in_by(self, event: ev.ResponseStarted) -> None:
        """A response goes on from another's decisions."""
        for approval in self.values():
            approval.continued = approval.continued or approval.asked.response_id == event.continues

    def given_up_by(self, response_id: str) -> list[Approval]:
        """The response is tried again: what it asked is asked anew. Returns what it called and may call once more."""
        for approval in self.values():
            if approval.asked.response_id == response_id and not approval.called_by:
                approval.continued = True
        again = [
            approval
            for approval in self.values()
            if approval.called_by == response_id and not approval.asked.side_effects
        ]
        for approval in again:
            approval.called_by = ""
        return again

    def forget(self, call_ids: set[str]) -> None:
        for item_id in [one for one, approval in self.items() if approval.asked.call_id in call_ids]:
            del self[item_id]

    def undecided(self, call_ids: set[str]) -> bool:
        """Something may still come of one of these calls' approvals."""
        return any(
            approval.asked.call_id in call_ids and not approval.continued for approval in self.values()
        )


def item_ids(entry: HistoryItem | Calls) -> set[str]:
    if not isinstance(entry, Calls):
        return {entry.item_id}
    calls, results = entry.calls, entry.results.values()
    return {one.item_id for one in calls} | {one.item_id for one in results}


def response_of(entry: HistoryItem | Calls) -> str:
    match entry:
        case Calls():
            return entry.key[0]
        case AssistantText():
            return entry.response_id
        case _:
            return ""
