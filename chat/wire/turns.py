"""What the wires of front ends share, whose clients send their whole list of messages each time: a turn that is taken once, the
last answer as it stands, and stopping it."""

import contextlib
from typing import TypeGuard

import msgspec

from chat.llm.catalog import chosen
from chat.session.commands import Converse
from chat.wire.auth import is_development_here
from chat.wire.http.exchange import Exchange
from chat.wire.http.repeats import RequestKey
from chat.wire.http.visit import AnySession, Visit
from chat.wire.responses.follow import Follower, stop_one, until_stored
from chat.wire.responses.objects import McpApprovalRequest
from sessions_app.errors import SessionElsewhere
from sessions_app.log.events import AssistantMessage, Event, ItemDeleted, Record
from sessions_app.log.lookup import Place, answer_of, find_request, open_answers
from sessions_app.log.replay import read_finished, stored_until
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from sessions_app.review.reader import chosen_items


async def enter_chat(
    one: Exchange, visit: Visit, name: str, *, model: str | None, assistant: str
) -> AnySession:
    """The session that the client calls so, made where there is none. Raises what `Visit.enter_named` does, `ModelNotAllowed`."""
    return await visit.enter_named(
        name, open_house=_open_house(one), model=chosen(model) if model else None, assistant=assistant
    )


async def find_chat(one: Exchange, visit: Visit, name: str) -> str:
    """The id of the session that the client calls so; "" where there is none."""
    return await visit.find_named(name, open_house=_open_house(one))


def _open_house(one: Exchange) -> bool:
    """On a developer's own machine a chat is whose who names it, as a session is."""
    return is_development_here(one.headers, one.address)


async def known_turn(visit: Visit, key: RequestKey) -> Place | None:
    """What this request has become before. The caller holds `one_at_a_time`."""
    return await in_db_thread(find_request, request_keys=key.all_values, visitor=visit.visitor)


async def take_turn(
    one: Exchange, visit: Visit, session: AnySession, key: RequestKey, command: Converse
) -> Place:
    """It is in the database when this returns, where a repeat looks for it."""
    visit.ask(one.answer_headers)
    done = await session.do(msgspec.structs.replace(command, request_key=key.value))
    await until_stored(session, done.seq)
    return Place(session.session_id, done.response_id, done.seq)


async def stored(visit: Visit, place: Place) -> Follower:
    """The response as the database has it."""
    follower = Follower(visit, place)
    await follower.stored_now()
    return follower


def questions_of(follower: Follower) -> set[str]:
    """Those that the response asks, whether a tool may run."""
    output = follower.response.output if follower.response else []
    return {item.id for item in output if isinstance(item, McpApprovalRequest)}


def log_of(session_id: str) -> tuple[list[Record], set[str] | None]:
    """All records but deltas, and the items of the conversation as it goes on now; None: all."""
    session = Session.objects.get(pk=session_id)
    last = stored_until(session_id=session_id)
    records = read_finished(session_id=session_id, after=0, until=last)
    return records, chosen_items(session)


def is_gone(event: Event, chosen: set[str] | None) -> TypeGuard[ItemDeleted | AssistantMessage]:
    """Its item is not to be shown: it is deleted here; or it is the text of an answer that was set aside, but for a call of it that
    has to stand."""
    match event:
        case ItemDeleted():
            return not event.response
        case AssistantMessage():
            return chosen is not None and event.item_id not in chosen
        case _:
            return False


async def stop_answer(visit: Visit, session_id: str, *, only: Place | None = None) -> bool:
    """The answers of the session that run or wait, or ``only`` that one. Closing a connection stops nothing, so that one can come
    back."""
    names = await _to_stop(visit, session_id, only)
    stopped = False
    if names:
        with contextlib.suppress(SessionElsewhere):
            session = await visit.enter(session_id, reopen=False)
            for name in names:
                stopped = await stop_one(session, name) or stopped
    return stopped


async def _to_stop(visit: Visit, session_id: str, only: Place | None) -> list[str]:
    """By the names that their session knows them by now. The newest first, so that none begins because another was stopped."""
    places = [only] if only else await in_db_thread(answer_of, session_id=session_id)
    last = await stored(visit, places[-1]) if places else None
    names = [last.tail] if last and not last.over else []
    others = [] if only else await in_db_thread(open_answers, session_id=session_id)
    return [*names, *(name for name in others if name not in names)]
