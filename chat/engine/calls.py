"""Tool calls as the model's history holds them: those of one round together, and those that need a person's yes."""

from chat.messages import HistoryItem, ToolCallItem, ToolResultItem
from sessions_app import events as ev

NO_RESULT = "No result was given for this call."
WAITS_FOR_APPROVAL = "This call has not run: it waits for a person's approval."
REFUSED = "A person refused this call; it has not run."


class Calls:
    """The calls of one model round, and their results as far as they are in."""

    __slots__ = ("acted", "asked", "calls", "key", "results", "seqs")

    def __init__(self, key: tuple[str, int]) -> None:
        self.key = key
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
