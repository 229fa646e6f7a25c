"""What staff do in a session from a page of the admin: it goes to the process that holds the session, wherever that is."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from chat.conf import conf
from chat.errors import ChatError
from chat.runtime import carried_out, runtime
from chat.session.accept import check_retry
from chat.session.commands import (
    CancelResponse,
    Command,
    DecideApproval,
    HandBack,
    RequestResponse,
    Speak,
    TakeOver,
    Whisper,
    WithdrawWhisper,
)
from chat.session.context import Guest
from chat.session.opening import for_its_owner, state_of
from sessions_app.errors import DecisionRefused
from sessions_app.hooks import Act, Again, Decision, Step
from sessions_app.ids import new_id
from sessions_app.log.lifecycle import owner_of
from sessions_app.postgres.threads import in_db_thread
from sessions_app.review.told import CLIENT


def decide_approval(decision: Decision) -> None:
    """The hook; called in a thread. Returns once the decision is stored.

    Raises `DecisionRefused` with a sentence for the page, or a `SessionsError`.
    """
    command = DecideApproval(
        approval_id=decision.approval_id,
        approve=decision.approve,
        by=_signed(decision.by),
        staff_id=decision.staff_id,
        reason=decision.reason,
    )
    _carry_out(_visit(decision.session_id, command))


def _signed(name: str) -> str:
    """In the log the client stands under a name that a member of staff may have as well."""
    return f"{name} (staff)" if name == CLIENT else name


def answer_again(again: Again) -> None:
    """The same for an answer that failed: the model is asked for another one, where the conversation has not gone on."""
    _carry_out(_answer_again(again))


def step_in(step: Step) -> None:
    """The same for what staff do in a conversation that goes on: an ended one is left in peace."""
    _carry_out(_step_in(step))


def _carry_out(work: Coroutine[Any, Any, None]) -> None:
    try:
        carried_out(work)
    except ChatError as error:
        raise DecisionRefused(error.message) from error
    except TimeoutError as error:
        raise DecisionRefused(
            "The session's process did not answer in time. Look again in a moment."
        ) from error


async def _visit(session_id: str, command: Command) -> None:
    """They join it for a moment, wherever it lives, and leave; an ended one is opened again for it."""
    owner = await in_db_thread(owner_of, session_id=session_id)
    hub = (await runtime()).hub
    visit = Guest(new_id("conn"), "admin")
    join = replace(for_its_owner(session_id, owner), source="admin")
    session = await hub.join(visit, join)
    try:
        await session.do(command)
    finally:
        session.detach(visit, 1000)


async def _answer_again(again: Again) -> None:
    """Asked of the log first: a session that has ended is not opened to be told no."""
    check_retry(again.response_id, await in_db_thread(state_of, again.session_id))
    await _visit(again.session_id, RequestResponse(retry_of=again.response_id))


async def _step_in(step: Step) -> None:
    await (await runtime()).gallery.act(step.session_id, _command(step))


def _command(step: Step) -> Command:
    by, name = step.by, conf().staff_name
    said = f"{step.act}_{step.nonce}" if step.nonce else None
    match step.act:
        case Act.STOP:
            return CancelResponse(by=by)
        case Act.WHISPER:
            return Whisper(text=step.text, by=_signed(by), client_event_id=said)
        case Act.WITHDRAW:
            return WithdrawWhisper(item_id=step.item_id, by=by)
        case Act.TAKE_OVER:
            return TakeOver(by=by, shown_as=name)
        case Act.SPEAK:
            return Speak(text=step.text, by=by, shown_as=name, client_event_id=said)
        case Act.HAND_BACK:
            return HandBack(by=by, shown_as=name)
