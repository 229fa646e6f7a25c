"""Tool calls that need a person's yes, and what became of them."""

from dataclasses import dataclass, field

from sessions_app.log.events import ToolApproval, ToolApprovalRequested


@dataclass(slots=True)
class Approval:
    asked: ToolApprovalRequested
    approve: bool | None = None
    """None: it waits for a person's word, or for another's yes."""
    agreed: list[str] = field(default_factory=list)
    """Who said yes while others are to say it, too."""
    called_by: str = ""
    """The response that made the call; from then on it is a call like any other."""
    continued: bool = False
    """A response took the decision in."""

    @property
    def missing(self) -> int:
        """How many have to say yes yet."""
        return max(self.asked.approvals - len(self.agreed), 0)

    def decide(self, event: ToolApproval) -> None:
        if event.approve and event.missing:
            self.agreed.append(event.by)
        else:
            self.approve = event.approve


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

    def taken_in(self, response_id: str | None) -> None:
        """A response goes on from what was decided in that one."""
        for approval in self.values():
            approval.continued = approval.continued or approval.asked.response_id == response_id

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

    def keep(self, call_ids: set[str]) -> None:
        """Forget those of other calls."""
        for item_id in [one for one, approval in self.items() if approval.asked.call_id not in call_ids]:
            del self[item_id]

    def undecided(self, call_ids: set[str]) -> bool:
        """Something may still come of one of these calls' approvals."""
        return any(
            approval.asked.call_id in call_ids and not approval.continued for approval in self.values()
        )
