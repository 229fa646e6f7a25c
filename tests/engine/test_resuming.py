"""A reader that resumes, where its session's process and the database do not agree on how far the log is."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from chat.assistants import PLAIN, Assistant, shelf
from chat.errors import ShuttingDown
from chat.llm.provider import UserText
from chat.quota.quotas import Left
from chat.runtime import Runtime
from chat.session.commands import AddMessage, Converse, RequestResponse
from chat.session.opening import Join
from chat.session.session import Session
from chat.supervision import Tasks
from chat.wire.realtime.dialect import RealtimeDialect
from chat.wire.realtime.projector import event_id
from sessions_app.assistant import AssistantSettings
from sessions_app.errors import DatabaseAway, JournalFenced, JournalFull
from sessions_app.ids import uuid7
from sessions_app.log.journal import SessionWriter
from sessions_app.log.leases import hand_back, lost_leases, release_process
from sessions_app.log.lifecycle import NewSession, Visitor, append_now, make_sessions
from sessions_app.models import ServerProcess
from sessions_app.postgres.threads import in_db_thread
from tests.engine.conftest import Process, Tab, asked, hand_over, quiet, say
from tests.engine.model import NAME, EngineModel
from tests.support.waiting import eventually


class Socket:
    connection_id = "conn_1"

    def __init__(self, last_event_id: str) -> None:
        self.query = {"last_event_id": last_event_id}
        self.frames: list[dict[str, Any]] = []

    may_write, resume_token, expires_at = True, "its-secret", None
    visitor, payers = Visitor(), ()

    async def renew(self, token: str) -> None: ...

    def ask(self) -> list[Left]:
        return []

    async def send_frame(self, frame: str) -> None:
        self.frames.append(json.loads(frame))


def last_stored(session_id: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(seq) FROM session_events WHERE session_id = %s", [session_id])
        (seq,) = cursor.fetchone()
    return int(seq)


async def test_what_a_reader_took_from_the_database_before_the_holder_heard_of_its_commit_stays(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await process.join()
    await say(session, "Hello")
    heard = session.info().last_seq
    deaf = [True]
    committed = SessionWriter.committed

    def late(writer: SessionWriter, seq: int) -> None:
        if not deaf[0]:
            committed(writer, seq)

    monkeypatch.setattr(SessionWriter, "committed", late)
    await session.do(AddMessage(text="More"))

    async def stored() -> int:
        seq = await in_db_thread(last_stored, session.session_id)
        assert seq > heard
        return seq

    seen = await eventually(stored)
    assert session.info().last_seq == heard
    socket = Socket(event_id(session.session_id, seen))
    _, reader = await RealtimeDialect(socket).opened(session)
    (created,) = socket.frames
    assert "truncated_to" not in created["x_stream"]
    assert created["x_stream"]["last_event_id"] == socket.query["last_event_id"]
    assert reader.cursor.seq == seen
    lost = Socket(event_id(session.session_id, seen + 1))
    await RealtimeDialect(lost).opened(session)
    assert lost.frames[0]["x_stream"]["truncated_to"] == event_id(session.session_id, heard)
    deaf[0] = False
    await say(session, "And now?")


async def test_a_session_that_is_opened_anew_while_its_lease_is_looked_at_is_kept(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the look found lost is the opening before."""
    before = await process.join("kept")
    await before.durable()
    before.log.fail(JournalFenced())  # somebody else had it meanwhile

    async def after_it_was_opened(function: Any, **asked: Any) -> Any:
        if function is lost_leases:
            await process.join("kept")
        return await in_db_thread(function, **asked)

    monkeypatch.setattr("chat.session.hub.in_db_thread", after_it_was_opened)
    await process.hub.check_leases()
    again = process.hub.live("kept")
    assert again not in (None, before)
    await say(again, "Still here?")


@pytest.mark.parametrize("named", [True, False], ids=["with whom is said again", "and is not"])
async def test_a_session_whose_process_died_before_its_first_event_was_stored_begins_as_it_was_agreed(
    process: Process, model: EngineModel, settings: Any, named: bool
) -> None:
    settings.CHAT_ASSISTANTS = {"shop": AssistantSettings(instructions="You sell bicycles.")}
    assistant: Assistant = await shelf.find("shop") if named else PLAIN
    guest = Visitor(guest_id="guest_1")
    row = NewSession(session_id=uuid7(), owner=guest, model=NAME, assistant="shop")
    await in_db_thread(make_sessions, [row], process_id="proc_that_died")
    join = Join(
        visitor=guest,
        session_id=row.session_id,
        create=False,
        settings={"max_output_tokens": 77},
        assistant=assistant,
    )
    for _ in range(2):  # and so it is when they come again
        session = await process.hub.join(Tab(), join)
        assert isinstance(session, Session)
        assert session.info().assistant == "shop"
        await say(session, "Hello")
        assert model.requests[-1].instructions == "You sell bicycles."
        assert model.requests[-1].max_output_tokens == 77
        await hand_over(process, session)


@pytest.mark.parametrize("comes", ["a client", "nobody"])
async def test_a_session_that_is_being_opened_when_its_process_stops_is_none_of_that_process(
    process: Process,
    other_process: Process,
    model: EngineModel,
    monkeypatch: pytest.MonkeyPatch,
    comes: str,
) -> None:
    """Its journal writes nothing any more: who joins has to be told to come again, and no model is to be asked."""
    before = await process.join("opened")
    model.gate = asyncio.Semaphore(0)
    await before.do(AddMessage(text="Hello", respond=True))
    await before.durable()
    before.give_up()
    await in_db_thread(hand_back, process_id=process.process_id, epochs={"opened": 1})
    asked = len(model.requests)
    opening, stopped = asyncio.Event(), asyncio.Event()

    async def slowly(function: Any, *args: Any, **kwargs: Any) -> Any:
        result = await in_db_thread(function, *args, **kwargs)
        if function is append_now:
            opening.set()
            await stopped.wait()
        return result

    monkeypatch.setattr("chat.session.opening.in_db_thread", slowly)
    join = Join(visitor=Visitor(secret_of="opened"), session_id="opened")
    comes_in = (
        other_process.hub.join(Tab(), join) if comes == "a client" else other_process.hub.adopt("opened")
    )
    coming = asyncio.create_task(comes_in)
    await opening.wait()
    await other_process.stop()
    stopped.set()
    if comes == "a client":
        with pytest.raises(ShuttingDown):
            await coming
    else:
        assert await coming is None
    assert other_process.hub.sessions() == []
    assert len(model.requests) == asked
    model.gate = None
    await quiet(await process.join("opened"))
    assert len(model.requests) == asked + 1


async def test_a_lease_that_ran_out_is_noticed_though_the_answer_to_its_renewal_got_lost(
    process: Process, other_process: Process, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next renewal finds a lease that holds, and another process has the session by then."""
    settings.SESSIONS_LEASE_RENEW_SECONDS = 0.05
    monkeypatch.setattr("chat.runtime._RETRY_S", 0.05)
    network = ["well"]

    async def run(function: Any, **asked: Any) -> Any:
        if network[0] == "away":
            raise DatabaseAway
        held = await in_db_thread(function, **asked)
        if network[0] == "loses an answer":
            network[0] = "well"
            raise DatabaseAway
        return held

    monkeypatch.setattr("chat.runtime.lease_lane", SimpleNamespace(run=run))
    runtime, tasks = Runtime(), Tasks()
    runtime.hub, runtime.process_id = process.hub, process.process_id
    tasks.keep(runtime._heartbeat, name="heartbeat")
    tasks.keep(runtime._look_after_sessions, name="look after sessions")
    await runtime._registered
    session = await process.join("kept")
    await session.durable()
    network[0] = "away"
    await asyncio.sleep(0.2)  # what was on its way has come
    await in_db_thread(lambda: ServerProcess.objects.filter(pk="proc_a").update(expires_at=Now()))
    await other_process.join("kept")
    network[0] = "loses an answer"

    async def stepped_down() -> None:
        assert process.hub.live("kept") is None

    await eventually(stepped_down)
    tasks.cancel()
    runtime._unheard()


async def test_a_new_session_of_a_process_that_has_found_no_database_yet_waits_no_longer_than_the_others(
    transactional_db: None, model: EngineModel, settings: Any
) -> None:
    settings.SESSIONS_BUFFER_SECONDS = 0.3
    process = Process("proc_a")
    process.journal.start()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    process.hub._opening._registered = lambda: asyncio.shield(never)
    session = await process.join()
    await session.do(AddMessage(text="Hello", respond=True))
    with pytest.raises(JournalFull):
        await asyncio.wait_for(session.durable(), 5.0)
    never.cancel()
    await process.stop()


async def test_a_new_session_is_kept_though_the_answer_to_its_insert_got_lost(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[set[str]] = []

    async def loses_one(function: Any, *args: Any, **kwargs: Any) -> Any:
        result = await in_db_thread(function, *args, **kwargs)
        if function is make_sessions and not lost:
            lost.append(result)
            raise DatabaseAway
        return result

    monkeypatch.setattr("chat.session.opening.in_db_thread", loses_one)
    session = await process.join()
    await session.do(AddMessage(text="Hello", respond=True))
    await quiet(session)
    await session.durable()
    assert lost == [{session.session_id}]
    assert process.hub.live(session.session_id) is session
    assert await in_db_thread(last_stored, session.session_id) == session.log.last_seq > 3


async def test_what_is_said_into_an_answer_that_a_dead_process_left_is_said_into_its_next_try(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    """The client knows it by the first try: of the next one nobody has told it yet."""
    model.gate = asyncio.Semaphore(0)
    session = await process.join("left")
    await session.do(AddMessage(text="One?", respond=True))
    await asked(model)
    assert session.history.last_response
    first = session.history.last_response.response_id
    await process.hub.shutdown(drain_s=0.1)
    process.hub.close_all()
    await process.journal.stop(timeout_s=5)
    await in_db_thread(release_process, process_id=process.process_id)
    model.gate = None
    back = await other_process.join("left")
    words = Converse(items=[AddMessage(text="And two?")], request=RequestResponse(), steers=first)
    done = await back.do(words)
    assert done.response_id
    await quiet(back)
    assert [one.text for one in model.requests[-1].history if isinstance(one, UserText)] == [
        "One?",
        "And two?",
    ]
