"""What staff do in a session from a page of the admin: they join it for a moment, wherever it lives, and leave."""

import asyncio
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace

from chat.errors import ChatError
from chat.runtime import running, runtime
from chat.session.commands import Command, DecideApproval, RequestResponse
from chat.session.opening import for_its_owner
from chat.session.session import Guest
from sessions_app.errors import DecisionRefused
from sessions_app.hooks import Again, Decision
from sessions_app.ids import new_id
from sessions_app.log.lifecycle import owner_of
from sessions_app.postgres.threads import in_db_thread

_SECONDS = 15.0


def decide_approval(decision: Decision) -> None:
    """The hook; called in a thread. Returns once the decision is stored.

    Raises `DecisionRefused` with a sentence for the page, or a `SessionsError`.
    """
    command = DecideApproval(
        approval_id=decision.approval_id, approve=decision.approve, by=decision.by, reason=decision.reason
    )
    _do(decision.session_id, command)


def answer_again(again: Again) -> None:
    """The same for an answer that failed: the model is asked for another one, where the conversation has not gone on."""
    _do(again.session_id, RequestResponse(retry_of=again.response_id))


def _do(session_id: str, command: Command) -> None:
    server = running()
    if server is None:
        raise DecisionRefused("This process serves no sessions; open the admin of a running server.")
    try:
        asyncio.run_coroutine_threadsafe(_visit(session_id, command), server.loop).result(_SECONDS)
    except ChatError as error:
        raise DecisionRefused(error.message) from error
    except FutureTimeoutError as error:
        raise DecisionRefused(
            "The session's process did not answer in time. Look again in a moment."
        ) from error


async def _visit(session_id: str, command: Command) -> None:
    owner = await in_db_thread(owner_of, session_id=session_id)
    hub = (await runtime()).hub
    visit = Guest(new_id("conn"), "admin")
    join = replace(for_its_owner(session_id, owner), source="admin")
    session = await hub.join(visit, join)
    try:
        await session.do(command)
    finally:
        session.detach(visit, 1000)
