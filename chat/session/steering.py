"""What a member of staff who steps in makes of the conversation: the events, or why it is refused.

While one of them has taken it over, no model is asked in it. What users ask for waits in the queue, as behind an answer that
runs; what the person says is the answer to all of it.
"""

from collections.abc import Sequence

import msgspec

from chat.errors import ItemNotFound, NotTakenOver, TakenOver
from chat.session.commands import HandBack, Speak, TakeOver, Whisper, WithdrawWhisper
from chat.session.turns import Turn
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.rows import storable
from sessions_app.log.settle import dropped
from sessions_app.log.state import SessionState


def whispered(command: Whisper) -> ev.OperatorWhispered:
    return ev.OperatorWhispered(
        item_id=new_id("item"),
        text=storable(command.text),
        author=command.by,
        client_event_id=command.client_event_id,
    )


def withdrawn(command: WithdrawWhisper, history: SessionState) -> ev.WhisperWithdrawn:
    """Raises `ItemNotFound`: a model was told it, or there is none."""
    if not any(command.item_id in said.item_ids for said in history.items.whispers):
        raise ItemNotFound("The model was told it already, or it was taken back.")
    return ev.WhisperWithdrawn(item_id=command.item_id, author=command.by)


def taken_over(
    command: TakeOver, history: SessionState, queue: Sequence[Turn], *, answering: bool
) -> list[ev.Event]:
    """Nothing where they have it already; else what was about to begin waits in the log from here on, so that it outlives this
    process. What is tried again it brings back by itself. Raises `TakenOver`: who came first has it."""
    if history.operator and history.operator.author != command.by:
        raise TakenOver
    if history.operator:
        return []
    return [
        ev.OperatorTookOver(
            item_id=new_id("item"),
            after_item_id=history.order.place(None),
            author=command.by,
            shown_as=command.shown_as,
            awaited=answering or any(turn.for_a_person for turn in queue),
        ),
        *(
            turn.queued(position, waits_for=command.by)
            for position, turn in enumerate(queue, 1)
            if turn.response_id not in history.queued and turn.attempt == 1
        ),
    ]


def handed_back(command: HandBack, history: SessionState) -> ev.OperatorHandedBack:
    """By whoever may step in: who took it over may be gone. Raises `NotTakenOver`."""
    if history.operator is None:
        raise NotTakenOver
    return ev.OperatorHandedBack(
        item_id=new_id("item"),
        after_item_id=history.order.place(None),
        author=command.by,
        shown_as=history.operator.shown_as,
    )


def spoken(command: Speak, history: SessionState, queue: Sequence[Turn]) -> tuple[list[ev.Event], list[Turn]]:
    """What a person says: one whole response, to all that was said and that no approved call waits for; and the turns that
    are answered by it. Raises `NotTakenOver`, `TakenOver`."""
    if history.operator is None:
        raise NotTakenOver
    if history.operator.author != command.by:
        raise TakenOver
    answered = [turn for turn in queue if turn.for_a_person]
    others = {item_id for turn in queue if not turn.for_a_person for item_id in turn.item_ids}
    first = answered[0] if answered else Turn()
    items = [item_id for item_id in history.waiting if item_id not in others]
    turn = msgspec.structs.replace(first, item_ids=items)
    told = [one.response_id for one in answered[1:] if one.response_id in history.queued]
    message = ev.AssistantMessage(
        item_id=new_id("item"),
        response_id=turn.response_id,
        output_index=0,
        text=storable(command.text),
        author=command.by,
        shown_as=command.shown_as,
        client_event_id=command.client_event_id,
    )
    done = ev.ResponseDone(response_id=turn.response_id, status=ev.ResponseStatus.COMPLETED, cost_microusd=0)
    started = turn.started(provider="", model="", history=history, shown_as=command.shown_as)
    return [started, message, done, *dropped(told, reason=ev.Reason.ANSWERED_BY_PERSON)], answered


def left_over(queue: Sequence[Turn], history: SessionState, said: list[str]) -> list[Turn]:
    """What the model is to answer when it has the word again: the queue, its first turn with all that was ``said``."""
    for index, turn in enumerate(queue):
        if not turn.outside:
            taken_in = msgspec.structs.replace(turn, item_ids=[*turn.item_ids, *said])
            return [*queue[:index], taken_in, *queue[index + 1 :]]
    return [*queue, Turn(item_ids=said)] if history.unanswered() else [*queue]
