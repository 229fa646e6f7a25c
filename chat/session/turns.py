"""A response that was asked for, from the asking to its start; and what a session's last holder left to be done."""

import logging
from collections.abc import Sequence

import msgspec

from chat.session.commands import ResponseOptions
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.state import MAX_ATTEMPTS, SessionState

logger = logging.getLogger(__name__)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A response that was asked for and has not started."""

    response_id: str = msgspec.field(default_factory=lambda: new_id("resp"))
    item_ids: list[str] = []
    options: ResponseOptions = ResponseOptions()
    client_event_id: str | None = None
    retry_of: str | None = None
    attempt: int = 1
    continues: str | None = None
    request_key: str = ""
    """It was asked for together with what was said (`Converse`), and so it is told to the log with it."""

    @property
    def outside(self) -> bool:
        """It is no part of the conversation."""
        return self.options.conversation == "none"

    def goes_by(self, response_id: str) -> bool:
        """An answer that is tried again is known by the try before as well: of the new one nobody may have heard yet."""
        return response_id == self.response_id or (self.attempt > 1 and response_id == self.retry_of)

    def queued(self, position: int, *, waits_for: str = "") -> ev.ResponseQueued:
        """``waits_for``: the member of staff who is to give it."""
        return ev.ResponseQueued(
            response_id=self.response_id,
            position=position,
            item_ids=self.item_ids,
            client_event_id=self.client_event_id,
            options=msgspec.to_builtins(self.options),
            retry_of=self.retry_of,
            continues=self.continues,
            request_key=self.request_key,
            waits_for=waits_for if self.for_a_person else "",
        )

    @property
    def for_a_person(self) -> bool:
        """A person who has taken over can give it: it is a part of the conversation, and no approved call hangs on it."""
        return not self.outside and self.continues is None

    def started(
        self, *, provider: str, model: str, history: SessionState, shown_as: str = ""
    ) -> ev.ResponseStarted:
        taken_in = [item_id for item_id in self.item_ids if item_id in history.waiting]
        return ev.ResponseStarted(
            response_id=self.response_id,
            provider=provider,
            model=model,
            input_item_ids=taken_in,
            after_item_id=history.order.last_but(history.waiting.keys() - set(taken_in)),
            client_event_id=self.client_event_id,
            options=msgspec.to_builtins(self.options),
            retry_of=self.retry_of,
            attempt=self.attempt,
            continues=self.continues,
            shown_as=shown_as,
        )


def asks_for_more(records: Sequence[ev.Record]) -> bool:
    """Whether a session (`read_history`) whose process is gone was asked for something that is still to be done, and that
    may be done by itself. Never raises: what cannot be read cannot be gone on with."""
    try:
        state = SessionState(records)
        answers = state.operator is None  # else it waits for a person, who comes back or does not
        return answers and state.vain_takeovers < MAX_ATTEMPTS and bool(turns_left(state))
    except Exception:
        session_id = records[-1].session_id if records else "?"
        logger.exception("session %s: what is left to do in it cannot be told", session_id)
        return False


def turns_left(state: SessionState) -> list[Turn]:
    """What the last holder of a session was asked for and did not get done, in the order in which it is to be done."""
    queued = [msgspec.convert(event, Turn, from_attributes=True) for event in state.queued.values()]
    taken_up = {turn.continues for turn in queued}
    decided = [Turn(continues=one) for one in state.approvals.decided() if one not in taken_up]
    said = [Turn(item_ids=state.unanswered())] if state.unanswered() else []
    return [*_retry(state), *queued, *decided, *said]


def _retry(state: SessionState) -> list[Turn]:
    cut_off = state.to_retry()
    if cut_off is None or any(one.retry_of == cut_off.response_id for one in state.queued.values()):
        return []
    return [
        Turn(
            options=msgspec.convert(cut_off.options, ResponseOptions),
            retry_of=cut_off.response_id,
            attempt=cut_off.attempt + 1,
            continues=cut_off.continues,
        )
    ]
