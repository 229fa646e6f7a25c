"""What an AG-UI client asks for: a run; and what CopilotKit asks its runtime for: which agents there are, to read on in a
running answer, and to stop it.

A run is a turn. What the log has already is not said again: a request that comes twice is one run, told the second time by a
snapshot of the messages and the rest of the answer, since a message that is streamed again is appended to what there is.
"""

from typing import Any

import msgspec

from chat.assistants import shelf
from chat.errors import FrameError
from chat.session.commands import Converse, DecideApproval, RequestResponse, ResponseOptions
from chat.wire.agui.events import PROTOCOL_VERSION, AguiProjector
from chat.wire.agui.messages import History, snapshot
from chat.wire.agui.news import files_of, news_in
from chat.wire.agui.request import RunAgentInput, approved, decode
from chat.wire.agui.stream import caught_up, tell, tell_rest, tell_run
from chat.wire.codes import FrameCode
from chat.wire.http.exchange import Exchange
from chat.wire.http.repeats import RequestKey, key_of, one_at_a_time
from chat.wire.http.visit import AnySession, Visit
from chat.wire.responses.files import with_files
from chat.wire.responses.follow import Follower
from chat.wire.responses.request import object_in
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
from sessions_app.ids import new_id
from sessions_app.log.lookup import Place, answer_of, denied_in, settled_in
from sessions_app.postgres.threads import in_db_thread

_DEFAULT = "default"


async def run(one: Exchange, visit: Visit, body: bytes) -> None:
    await _run(one, visit, one.first("assistant") or "", body)


async def run_agent(one: Exchange, visit: Visit, agent: str, body: bytes) -> None:
    await _run(one, visit, _assistant(agent), body)


async def info(one: Exchange, _visit: Visit) -> None:
    agents = {
        each.slug or _DEFAULT: {
            "name": each.settings.name or each.slug or _DEFAULT,
            "description": each.settings.welcome,
            "className": "RealtimeAssistant",
        }
        for each in shelf.all()
    }
    about = {"version": PROTOCOL_VERSION, "mode": "sse", "audioFileTranscriptionEnabled": False}
    await one.answer(200, {"agents": agents, **about})


async def connect(one: Exchange, visit: Visit, _agent: str, body: bytes) -> None:
    """What was said, and the rest of what runs; nothing for a conversation that is not there."""
    asked = decode(body)
    session_id = await find_chat(one, visit, asked.thread_id)
    if not session_id:
        await tell(one, [])
        return
    history = await in_db_thread(_history, session_id, asked, {})
    runs = [await caught_up(visit, each) for each in history.open_runs()]
    if runs:
        await tell_rest(one, visit, history, runs)
        return
    last = history.runs[-1].events if history.runs else None
    events = last or AguiProjector(asked.thread_id, asked.run_id, newer=asked.newer)
    await tell(one, [events.began(), snapshot(history.messages()), events.finished()])


async def stop(one: Exchange, visit: Visit, _agent: str, thread: str, body: bytes) -> None:
    """What runs and waits there; where the client names a run, that one alone."""
    visit.check_may_write()
    run_id = (object_in(body) if body else {}).get("runId")
    session_id = await find_chat(one, visit, thread)
    stopped = False
    if session_id:
        only = await _answer_to(one, visit, session_id, run_id) if run_id else None
        stopped = await stop_answer(visit, session_id, only=only)
    await one.answer(200, {"stopped": stopped})


async def _answer_to(one: Exchange, visit: Visit, session_id: str, run_id: Any) -> Place | None:
    """Where it stands now: the last answer may have gone on in another response. None: a run that only read."""
    known = await known_turn(visit, _key_of_run(one, visit, session_id, run_id))
    places = await in_db_thread(answer_of, session_id=session_id) if known else []
    return places[-1] if known and known.response_id in [place.response_id for place in places] else known


def _key_of_run(one: Exchange, visit: Visit, session_id: str, run_id: Any) -> RequestKey:
    return key_of(one, visit, f"run {session_id} {run_id}")


def _assistant(agent: str) -> str:
    return "" if agent == _DEFAULT else agent


# A turn


async def _run(one: Exchange, visit: Visit, assistant: str, body: bytes) -> None:
    visit.check_may_write()
    asked = decode(body)
    session = await enter_chat(one, visit, asked.thread_id, model=asked.model, assistant=assistant)
    async with one_at_a_time(key_of(one, visit, f"runs of {session.session_id}")):
        place, denied = await _turn(one, visit, session, asked)
    if denied is None:
        await _again(one, visit, asked, place)
        return
    events = AguiProjector(asked.thread_id, asked.run_id, newer=asked.newer, denied=denied, state=asked.state)
    await tell_run(one, visit, Follower(visit, place), events)


async def _turn(
    one: Exchange, visit: Visit, session: AnySession, asked: RunAgentInput
) -> tuple[Place, list[str] | None]:
    """Where the log tells of the answer, and which of the questions that the request answers were denied; None: it says nothing
    that is new."""
    key = _key_of_run(one, visit, session.session_id, asked.run_id)
    if known := await known_turn(visit, key):
        return known, None
    about = {"run_id": asked.run_id}
    options = ResponseOptions(tools=asked.options_tools(), context=asked.told_beside(), asked=about)
    request = RequestResponse(options=options)
    items = await in_db_thread(news_in, session.session_id, asked.messages)
    places = await in_db_thread(answer_of, session_id=session.session_id)
    last = await stored(visit, places[-1]) if places else None
    decisions = await _decisions(session, asked, last)
    if not items and not decisions:
        if last is None:
            raise FrameError("messages says nothing.", code=FrameCode.MISSING_PARAMETER, param="messages")
        if not last.over or not _wants_another(asked, last):
            return places[-1], None
        request = msgspec.structs.replace(request, retry_of=last.tail)
    files = files_of(asked.messages, items)
    items = await with_files(visit, session.session_id, items, files, reader=visit.visitor)
    command = Converse(items=items, decisions=decisions, request=request)
    place = await take_turn(one, visit, session, key, command)
    return place, await _denied(session, asked, last)


def _wants_another(asked: RunAgentInput, last: Follower) -> bool:
    """A run of its own that ends in what the user said: what the client has of an answer to it, it has thrown away. Or there is no
    whole answer."""
    is_question = bool(asked.messages) and asked.messages[-1].role == "user"
    return is_question or (last.response is not None and last.response.status != "completed")


async def _decisions(
    session: AnySession, asked: RunAgentInput, last: Follower | None
) -> list[DecideApproval]:
    """On questions that are open; one that staff have settled, or that nobody asked, is passed over."""
    answers = {answer.interrupt_id: approved(answer) for answer in asked.resume or []}
    if not answers or last is None:
        return []
    settled = await in_db_thread(settled_in, session_id=session.session_id)
    questions = questions_of(last) - settled
    return [
        DecideApproval(approval_id=name, approve=yes, reason=reason, item_id=new_id("item"))
        for name, (yes, reason) in answers.items()
        if name in questions
    ]


async def _denied(session: AnySession, asked: RunAgentInput, last: Follower | None) -> list[str]:
    """Of the questions that are answered: as it was decided, which somebody else may have done before, and otherwise."""
    named = {answer.interrupt_id for answer in asked.resume or []}
    if not named or last is None:
        return []
    return sorted(
        named & questions_of(last) & {*await in_db_thread(denied_in, session_id=session.session_id)}
    )


# Reading


def _history(session_id: str, asked: RunAgentInput, run_ids: dict[str, str]) -> History:
    records, chosen = log_of(session_id)
    history = History(asked.thread_id, chosen, newer=asked.newer, run_ids=run_ids)
    for record in records:
        history.take(record)
    return history


async def _again(one: Exchange, visit: Visit, asked: RunAgentInput, place: Place) -> None:
    """What the log has of it already, and the rest."""
    run_ids = {place.response_id: asked.run_id}
    history = await in_db_thread(_history, place.session_id, asked, run_ids)
    runs = {each.place.response_id: each for each in history.open_runs()}
    if found := history.run_of(place.response_id):
        runs[found.place.response_id] = found
    caught = {name: await caught_up(visit, each) for name, each in runs.items()}
    await tell_rest(one, visit, history, [caught[place.response_id]])
