"""``POST /v1/responses``: which session it is for, and the turn that it becomes."""

import re
import time
from collections.abc import Mapping, Sequence

import msgspec

from chat.errors import ChatError, NotTheLastResponse, ObjectNotFound
from chat.llm.catalog import chosen, offered
from chat.session.commands import (
    AddMessage,
    AddToolCall,
    AddToolOutput,
    Converse,
    DecideApproval,
    RequestResponse,
)
from chat.wire.http.repeats import RequestKey
from chat.wire.http.visit import AnySession, Visit
from chat.wire.responses.branch import said_until
from chat.wire.responses.continuing import held_already
from chat.wire.responses.files import GivenFile, with_files
from chat.wire.responses.follow import Follower, until_stored
from chat.wire.responses.input import ApprovalResponse, Command, Item, Message, Reference, commands_of
from chat.wire.responses.objects import Response
from chat.wire.responses.request import Asked, echoed, unsupported
from chat.wire.responses.response import session_of
from sessions_app.errors import InvalidSessionId, SessionElsewhere, SessionNotFound, SessionsError
from sessions_app.ids import check_session_id, new_id
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.lookup import Place, find_items, find_request, find_response, results_of, settled_in
from sessions_app.postgres.threads import in_db_thread

_OPENAIS = re.compile(r"(gpt-|chatgpt-|o\d)[\w.-]*")

_JUST_NOW_S = 10.0
"""So long after its end an answer may not have reached a client that repeats its request: longer than SDKs wait."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What is said, each item under an id, and what is decided."""

    said: list[Command]
    decided: list[DecideApproval]
    given: dict[str, list[GivenFile]]
    reader: Visitor
    """Who has what is said again."""


async def known(visit: Visit, key: RequestKey) -> Place | None:
    """The turn that this request has become already."""
    if not key.repeated:
        return None
    place = await in_db_thread(find_request, request_keys=key.all_values, visitor=visit.visitor)
    if place is None:
        return None
    let_in(visit, place)
    if key.named:
        return place
    follower = Follower(visit, place)
    await follower.stored_now()
    ended_at = follower.ended_at
    return None if ended_at is not None and ended_at < time.time() - _JUST_NOW_S else place


async def place_of(visit: Visit, response_id: str, *, param: str) -> tuple[Place, Response]:
    """Where it is, and as the database has it. Raises `ObjectNotFound`."""
    place = await in_db_thread(find_response, response_id=response_id, visitor=visit.visitor)
    if place is not None:
        let_in(visit, place)
        response = await Follower(visit, place).stored_now()
        if response is not None and (response.store or response_id in visit.made):
            return place, response
    raise ObjectNotFound(f"There is no response {response_id!r} here, or it is not yours.", param=param)


def let_in(visit: Visit, place: Place) -> None:
    """Into nobody's session, who knows of the response."""
    if place.is_nobodys:
        visit.knows_secret_of(place.session_id)


async def begin(visit: Visit, asked: Asked, key: RequestKey, *, assistant: str = "") -> Place:
    """Take the request into the log of its session. Raises what refuses it, and then no turn was made."""
    asked = await _with_its_place(visit, _with_our_model(asked))
    turn = await turn_of(visit, asked)
    body = asked.body
    if body.previous_response_id:
        place, response = await place_of(visit, body.previous_response_id, param="previous_response_id")
        session = await visit.enter(place.session_id)
        try:
            return await _converse(visit, session, asked, key, turn, after=place.response_id)
        except ChatError as error:
            if error.code != NotTheLastResponse.code or turn.decided:
                raise
        before, slug = await said_until(place)
        reader = visit.visitor
        session = await visit.begin(model=body.model or response.model, assistant=slug)
        turn = msgspec.structs.replace(turn, said=[*before, *turn.said], reader=reader)
        return await _converse(visit, session, asked, key, turn)
    if body.conversation_id:
        session = await enter_conversation(visit, body.conversation_id)
    elif gone_on := await _gone_on(visit, asked, key, turn, visit.with_whom(assistant)):
        return gone_on
    else:
        session = await visit.begin(model=body.model, assistant=assistant)
    return await _converse(visit, session, asked, key, turn)


async def _with_its_place(visit: Visit, asked: Asked) -> Asked:
    """A history that is told again, as agents do, with answers to questions of ours: one that is still open says where it goes on,
    with what stands behind it; those that are settled are no news."""
    body = asked.body
    ids = [one.approval_request_id for one in asked.items if isinstance(one, ApprovalResponse)]
    if not ids or body.previous_response_id or body.conversation_id:
        return asked
    found = await in_db_thread(find_items, item_ids=ids, visitor=visit.visitor)
    settled: set[str] = set()
    for session_id in {record.session_id for record in found.values()}:
        settled |= await in_db_thread(settled_in, session_id=session_id)
    items = [
        one
        for one in asked.items
        if not (isinstance(one, ApprovalResponse) and one.approval_request_id in settled)
    ]
    first = next((place for place, one in enumerate(items) if isinstance(one, ApprovalResponse)), None)
    if first is None:
        return msgspec.structs.replace(asked, items=items)
    answer = items[first]
    question = found.get(answer.approval_request_id) if isinstance(answer, ApprovalResponse) else None
    if question is None or not isinstance(question.event, ev.ToolApprovalRequested):
        return asked
    body = msgspec.structs.replace(body, previous_response_id=question.event.response_id)
    return msgspec.structs.replace(asked, body=body, items=items[first:])


async def _gone_on(visit: Visit, asked: Asked, key: RequestKey, turn: Turn, assistant: str) -> Place | None:
    """In the session that holds what was said before, if there is one and nobody was faster."""
    found = None if turn.decided else await held_already(visit, turn.said, turn.given, assistant=assistant)
    if found is None:
        return None
    turn = msgspec.structs.replace(turn, said=found.rest)
    try:
        session = await visit.enter(found.session_id)
        return await _converse(visit, session, asked, key, turn, after=found.response_id)
    except (ChatError, SessionsError) as error:
        if error.code in _BETTER_ELSEWHERE:
            return None
        raise


_BETTER_ELSEWHERE = (NotTheLastResponse.code, SessionNotFound.code, SessionElsewhere.code)


async def begin_in(visit: Visit, session: AnySession, asked: Asked, key: RequestKey) -> Place:
    """The same, in a session that the request did not name in its body."""
    asked = _with_our_model(asked)
    return await _converse(visit, session, asked, key, await turn_of(visit, asked))


def _with_our_model(asked: Asked) -> Asked:
    """A name of OpenAI's that is not offered is what examples and programs send by habit: it stands for the server's own."""
    name = asked.body.model or ""
    if not _OPENAIS.fullmatch(name) or any(name == spec.partition(":")[2] for spec in offered()):
        return asked
    return msgspec.structs.replace(asked, body=msgspec.structs.replace(asked.body, model=None))


async def enter_conversation(visit: Visit, conversation: str) -> AnySession:
    """Raises `ObjectNotFound`."""
    try:
        return await visit.enter(check_session_id(session_of(conversation)))
    except (InvalidSessionId, SessionNotFound):
        raise no_conversation(conversation) from None


def no_conversation(conversation: str) -> ObjectNotFound:
    return ObjectNotFound(
        f"There is no conversation {conversation[:150]!r} here, or it is not yours.", param="conversation"
    )


async def turn_of(visit: Visit, asked: Asked) -> Turn:
    """Raises `ObjectNotFound`."""
    if asked.body.background and asked.body.store is False:
        raise unsupported("store", "an answer in the background has to be stored, or nobody could fetch it.")
    named = [one.id for one in asked.items if isinstance(one, Reference)]
    found = await in_db_thread(_with_results, named, visit.visitor) if named else {}
    return said_in(visit, asked.items, found)


def said_in(
    visit: Visit, items: Sequence[Item], found: Mapping[str, tuple[ev.Event, ev.Event | None]] | None = None
) -> Turn:
    """References by what they stand for: the ``found``. Raises `ObjectNotFound`."""
    said: list[Command] = []
    decided: list[DecideApproval] = []
    given: dict[str, list[GivenFile]] = {}
    for item in items:
        if isinstance(item, Reference):
            if not found or item.id not in found:
                raise ObjectNotFound(f"There is no item {item.id!r} here, or it is not yours.", param="input")
            said += told_again(*found[item.id])
            continue
        more, decisions = commands_of([item])
        more = [one if one.item_id else msgspec.structs.replace(one, item_id=new_id("item")) for one in more]
        said += more
        if isinstance(item, Message) and item.files:
            given[str(more[0].item_id)] = item.files
        decided += [
            one if one.item_id else msgspec.structs.replace(one, item_id=new_id("item")) for one in decisions
        ]
    return Turn(said=said, decided=decided, given=given, reader=visit.visitor)


def _with_results(item_ids: Sequence[str], visitor: Visitor) -> dict[str, tuple[ev.Event, ev.Event | None]]:
    found = find_items(item_ids=item_ids, visitor=visitor)
    results: dict[str, ev.Event] = {}
    for session_id in {record.session_id for record in found.values()}:
        of_session = [item_id for item_id, record in found.items() if record.session_id == session_id]
        told = results_of(session_id=session_id, item_ids=of_session)
        results |= {item_id: record.event for item_id, record in told.items()}
    return {item_id: (record.event, results.get(item_id)) for item_id, record in found.items()}


def told_again(event: ev.Event, result: ev.Event | None) -> list[Command]:
    """Of a session that may be another one."""
    match event:
        case ev.UserMessage():
            files = [file.id for file in event.files]
            return [AddMessage(text=event.text, files=files, item_id=event.item_id)]
        case ev.OperatorMessage():
            return [AddMessage(text=event.text, role="system", item_id=event.item_id)]
        case ev.AssistantMessage() if event.text:
            return [AddMessage(text=event.text, role="assistant", item_id=event.item_id)]
        case ev.ToolCall(call_id=call_id):
            call = AddToolCall(
                call_id=call_id, name=event.name, arguments=event.arguments, item_id=event.item_id
            )
            if isinstance(result, ev.ToolResult):
                return [call, AddToolOutput(call_id=call_id, output=result.output, item_id=new_id("item"))]
            return [call]
        case _:
            return []


async def _converse(
    visit: Visit,
    session: AnySession,
    asked: Asked,
    key: RequestKey,
    turn: Turn,
    *,
    after: str = "",
) -> Place:
    said = await with_files(visit, session.session_id, turn.said, turn.given, reader=turn.reader)
    model = _model(visit, asked.body.model)
    changes = {"model": model} if model and model != session.info().model else {}
    input_ids = [str(one.item_id) for one in (*said, *turn.decided)]
    about = echoed(
        asked.body,
        model=model or session.info().model,
        conversation=not visit.is_nobody,
        input_ids=input_ids,
    )
    options = msgspec.structs.replace(asked.options, asked={**about, **asked.beside})
    done = await session.do(
        Converse(
            items=said,
            decisions=turn.decided,
            changes=changes,
            request=RequestResponse(options=options),
            request_key=key.value,
            after=after,
        )
    )
    await until_stored(session, done.seq)  # its repeat looks for it in the database
    return Place(session.session_id, done.response_id, done.seq)


def _model(visit: Visit, name: str | None) -> str | None:
    """None where the client has not chosen, or somebody has for it. Raises `ModelNotAllowed`."""
    pinned = (visit.principal.session or {}).get("model")
    return None if pinned else chosen(name)
