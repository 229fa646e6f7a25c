"""What ``useChat`` asks for: to say something, to read on in a running answer, to stop it, and what was said before.

The client's list of messages is a copy; the log is the truth. What the log has already is not said again, so a request that
comes twice is one turn, and whoever comes back reads the same answer from its beginning.
"""

from collections.abc import Sequence
from types import MappingProxyType

import msgspec

from chat.errors import ChatError, FrameError
from chat.session.commands import AddMessage, Converse, DecideApproval, RequestResponse
from chat.wire.http.exchange import Aborted, ClientGone, Exchange, event_bytes
from chat.wire.http.repeats import RequestKey, key_of, one_at_a_time
from chat.wire.http.visit import AnySession, Visit
from chat.wire.responses.answers import Reading, Render
from chat.wire.responses.files import GivenFiles, are_the_same, with_files
from chat.wire.responses.follow import Follower
from chat.wire.responses.objects import StreamEvent
from chat.wire.turns import (
    enter_chat,
    find_chat,
    known_turn,
    log_of,
    questions_of,
    stop_answer,
    stored,
    take_turn,
)
from chat.wire.ui.chunks import JSON, UiProjector
from chat.wire.ui.messages import VERSION_MARK, conversation_of
from chat.wire.ui.request import Asked, Decide, Regenerate, Say, asked_in
from sessions_app.errors import SessionsError
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.lookup import Place, answer_of, denied_in, items_of, settled_in
from sessions_app.postgres.threads import in_db_thread

STREAM_HEADER = {"x-vercel-ai-ui-message-stream": "v1"}
_MOST_VERSIONS = 50


async def send(one: Exchange, visit: Visit, chat: str, body: bytes) -> None:
    """The answer to the last message, as a stream."""
    visit.check_may_write()
    asked = asked_in(body)
    session = await enter_chat(one, visit, chat, model=asked.model, assistant=asked.assistant)
    place, message_id = await _turn(one, visit, session, asked)
    denied = await _denied(asked.what, session.session_id) if message_id else ()
    chunks = UiProjector(message_id or place.response_id, denied=denied, told_before=bool(message_id))
    await _stream(one, visit, [place], chunks)


async def resume(one: Exchange, visit: Visit, chat: str) -> None:
    """The running answer from its beginning; 204 where nothing runs."""
    session_id = await find_chat(one, visit, chat)
    places = await in_db_thread(answer_of, session_id=session_id) if session_id else []
    if not places or (await stored(visit, places[-1])).over:
        await one.nothing()
        return
    denied = await in_db_thread(denied_in, session_id=session_id) if len(places) > 1 else ()
    await _stream(one, visit, places, UiProjector(places[0].response_id, denied=denied))


async def stop(one: Exchange, visit: Visit, chat: str) -> None:
    """Of the running answer, and those that wait: 204, also where nothing runs."""
    visit.check_may_write()
    session_id = await find_chat(one, visit, chat)
    if session_id:
        await stop_answer(visit, session_id)
    await one.nothing()


async def history(one: Exchange, visit: Visit, chat: str) -> None:
    """``UIMessage`` objects, for ``useChat({messages})``; none for a conversation that is not there."""
    session_id = await find_chat(one, visit, chat)
    messages = await in_db_thread(_messages, session_id) if session_id else []
    await one.answer(200, {"id": chat, "messages": messages})


def _messages(session_id: str) -> list[JSON]:
    return conversation_of(session_id, *log_of(session_id))


# A turn


async def _turn(one: Exchange, visit: Visit, session: AnySession, asked: Asked) -> tuple[Place, str]:
    """Where the log tells of the answer, and the message that it is a part of ("": its own)."""
    match asked.what:
        case Say() as said:
            return await _say(one, visit, session, said), ""
        case Decide() as decide:
            return await _decide(one, visit, session, decide)
        case Regenerate():
            return await _again(one, visit, session), ""


async def _say(one: Exchange, visit: Visit, session: AnySession, said: Say) -> Place:
    item_id, replaces = await in_db_thread(_version_of, session.session_id, said)
    key = key_of(one, visit, f"say {session.session_id} {item_id}")
    message = AddMessage(text=said.text, item_id=item_id, replaces=replaces)
    command = Converse(items=[message], request=RequestResponse())
    return await _once(one, visit, session, key, command, {item_id: said.files} if said.files else {})


def _version_of(session_id: str, said: Say) -> tuple[str, str | None]:
    """Under which id it is, or is going to be, in the log; and in whose place it stands. The client keeps the id of a message
    that is edited, the log never changes one: there it is another message."""
    names = [
        said.message_id,
        *(f"{said.message_id}{VERSION_MARK}{number}" for number in range(2, _MOST_VERSIONS + 1)),
    ]
    kept = items_of(session_id=session_id, item_ids=names)
    newest = next((name for name in reversed(names) if name in kept), None)
    if newest is None:
        return said.message_id, None
    event = kept[newest].event
    if not isinstance(event, ev.UserMessage):
        raise FrameError("messages: this id is that of another item.", param="messages")
    if event.text == said.text and are_the_same(event.files, said.files):
        return newest, event.replaces
    if newest == names[-1]:
        raise FrameError(f"A message can be said anew {_MOST_VERSIONS} times.", param="messages")
    return names[names.index(newest) + 1], newest


async def _decide(one: Exchange, visit: Visit, session: AnySession, decide: Decide) -> tuple[Place, str]:
    places = await in_db_thread(answer_of, session_id=session.session_id)
    ids = sorted(answer.id for answer in decide.answers)
    key = key_of(one, visit, f"decide {session.session_id} {' '.join(ids)}")
    open_ids = questions_of(await stored(visit, places[-1])) if places else set()
    open_ids -= await in_db_thread(settled_in, session_id=session.session_id)
    decisions = [
        DecideApproval(
            approval_id=answer.id,
            approve=bool(answer.approved),
            reason=answer.reason or "",
            item_id=new_id("item"),
        )
        for answer in decide.answers
        if answer.id in open_ids
    ]
    if not decisions and places:  # staff were faster, or it comes again
        return places[-1], places[0].response_id
    place = await _once(one, visit, session, key, Converse(decisions=decisions, request=RequestResponse()))
    return place, places[0].response_id if places else ""


async def _denied(what: Say | Decide | Regenerate, session_id: str) -> set[str]:
    """Of the questions that are answered: as it was decided, which somebody else may have done before, and otherwise."""
    answers = what.answers if isinstance(what, Decide) else []
    return {answer.id for answer in answers} & {*await in_db_thread(denied_in, session_id=session_id)}


async def _again(one: Exchange, visit: Visit, session: AnySession) -> Place:
    places = await in_db_thread(answer_of, session_id=session.session_id)
    last = (await stored(visit, places[-1])).tail if places else ""
    key = key_of(one, visit, f"again {session.session_id} {last}")
    return await _once(
        one, visit, session, key, Converse(request=RequestResponse(retry_of=last or "resp_none"))
    )


async def _once(
    one: Exchange,
    visit: Visit,
    session: AnySession,
    key: RequestKey,
    command: Converse,
    given: GivenFiles = MappingProxyType({}),
) -> Place:
    """The turn that it became before, or becomes now."""
    async with one_at_a_time(key):
        if known := await known_turn(visit, key):
            return known
        items = await with_files(visit, session.session_id, command.items, given, reader=visit.visitor)
        return await take_turn(one, visit, session, key, msgspec.structs.replace(command, items=items))


# Its stream


async def _stream(one: Exchange, visit: Visit, places: Sequence[Place], chunks: UiProjector) -> None:
    """Raises `Aborted` where it cannot be brought to its end. Whoever goes away stops nothing: they come back, or stop it."""
    one.answer_headers |= STREAM_HEADER
    try:
        await one.begin_stream()
        for place in places:
            ends_here = place is places[-1]
            reading = Reading(one, visit, Follower(visit, place), render=_render(chunks, whole=ends_here))
            await reading.until_over()
        await one.give(event_bytes(b"[DONE]"))
        await one.end_stream()
    except ClientGone:
        return
    except (ChatError, SessionsError) as error:
        raise Aborted from error


def _render(chunks: UiProjector, *, whole: bool) -> Render:
    """``whole`` False: the answer goes on with the next response."""

    def render(event: StreamEvent) -> bytes:
        told = chunks.chunks(event)
        if not whole:
            told = [chunk for chunk in told if chunk["type"] not in ("finish-step", "finish")]
        return b"".join(event_bytes(msgspec.json.encode(chunk)) for chunk in told)

    return render
