"""The session as an actor: whatever fails in it is told, and nothing of it outlives it."""

import asyncio
import logging
import time
from typing import Any

import pytest

from chat.errors import ActiveResponse, ChatError, ModelOverloaded, NoActiveResponse, ShuttingDown
from chat.llm.provider import AssistantText, TextDelta, UserText
from chat.runtime import Runtime
from chat.session.commands import (
    AddMessage,
    CancelResponse,
    ChooseVersion,
    Converse,
    DeleteItem,
    GiveFeedback,
    RequestResponse,
)
from chat.session.compaction import Compaction
from chat.session.life import State
from chat.session.response import STORAGE_AWAY, Response
from chat.session.session import Session
from chat.supervision import Tasks
from sessions_app.errors import DatabaseAway, JournalFenced, JournalFull
from sessions_app.log import events as ev
from sessions_app.log.journal import Journal
from sessions_app.log.leases import release_process
from sessions_app.log.lifecycle import end_session
from sessions_app.log.replay import read_history
from sessions_app.models import Session as SessionRow
from sessions_app.postgres.threads import in_db_thread
from tests.engine.conftest import Process, Tab, asked, hand_over, quiet, say
from tests.engine.model import EngineModel
from tests.support.waiting import eventually

WORDS = "lorem ipsum dolor sit amet " * 8


async def ends(session_id: str) -> list[tuple[str, str]]:
    """How its responses came out, as the log has it."""
    records = await in_db_thread(read_history, session_id=session_id)
    done = [record.event for record in records if isinstance(record.event, ev.ResponseDone)]
    return [(one.status, one.reason) for one in done]


def beside(session: Session) -> list[str]:
    """What still runs for it."""
    tasks = [one.get_name() for one in asyncio.all_tasks()]
    return [name for name in tasks if name.startswith(f"session {session.session_id}")]


@pytest.fixture
def cannot_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer's end cannot be made, nor the little that stands for it."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("an answer cannot be ended")

    monkeypatch.setattr(Response, "_append_end", broken)


async def test_a_session_that_dies_is_told_let_go_and_taken_over_by_who_comes_next(
    process: Process,
    other_process: Process,
    cannot_be_ended: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session = await process.join()
    tab = next(iter(session.subscribers.values()))
    assert isinstance(tab, Tab)
    await session.do(AddMessage(text="Hello", respond=True))

    async def let_go() -> None:
        assert process.hub.sessions() == []
        row = await in_db_thread(SessionRow.objects.get, pk=session.session_id)
        assert row.lease_owner == ""

    await eventually(let_go)
    assert [type(error) for error in tab.errors] == [ChatError]
    assert session.log.failed
    assert f"session {session.session_id} died" in caplog.text
    monkeypatch.undo()
    back = await other_process.join(session.session_id)
    await quiet(back)
    assert await ends(session.session_id) == [("incomplete", "interrupted"), ("completed", "")]


async def test_what_ran_for_a_session_ends_with_it(process: Process, model: EngineModel) -> None:
    model.gate = asyncio.Semaphore(0)
    session = await process.join()
    await session.do(AddMessage(text="Hello", respond=True))
    await asked(model)
    assert beside(session)
    await process.hub.end(session, ev.EndReason.CLOSED)
    await asyncio.sleep(0)
    assert beside(session) == []
    assert not session.answering
    row = await in_db_thread(SessionRow.objects.get, pk=session.session_id)
    assert (row.status, row.end_reason) == ("ended", "closed")
    assert await ends(session.session_id) == [("incomplete", "interrupted")]


async def test_a_session_that_leaves_in_its_summary_leaves_no_summary_behind(
    process: Process, model: EngineModel, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHAT_HISTORY_TOKENS = 300
    began = asyncio.Event()

    async def endless(self: Compaction, plan: Any) -> None:
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Compaction, "_ask", endless)
    session = await process.join()
    while not began.is_set():
        await session.do(AddMessage(text=WORDS, respond=True))
        await asyncio.sleep(0.05)
    await process.hub.end(session, ev.EndReason.CLOSED)
    await asyncio.sleep(0)
    assert beside(session) == []
    records = await in_db_thread(read_history, session_id=session.session_id)
    assert not any(isinstance(record.event, ev.HistoryCompacted) for record in records)


async def test_a_summary_that_fails_by_our_fault_ends_nothing_else(
    process: Process, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHAT_HISTORY_TOKENS = 300

    async def broken(self: Compaction, plan: Any) -> None:
        raise RuntimeError("a summary fails")

    monkeypatch.setattr(Compaction, "_ask", broken)
    session = await process.join()
    for _ in range(6):
        await say(session, WORDS)
    assert set(await ends(session.session_id)) == {("completed", "")}
    assert f"session {session.session_id}: history not compacted" in caplog.text


async def test_a_turn_that_the_full_buffer_keeps_from_beginning_is_told_and_the_next_is_answered(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not as lost to this process: it is still here."""
    before_turn = Compaction.before_turn
    refused = 1

    async def full_once(self: Compaction) -> None:
        nonlocal refused
        refused, now = 0, refused
        if now:
            raise JournalFull
        await before_turn(self)

    monkeypatch.setattr(Compaction, "before_turn", full_once)
    session = await process.join()
    for text in ("One", "Two"):
        await say(session, text)
    assert await ends(session.session_id) == [("failed", STORAGE_AWAY.reason), ("completed", "")]
    assert [record.levelname for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_who_stops_an_answer_hears_of_its_end_though_that_fails(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Response, *_: object, **__: object) -> None:
        raise RuntimeError("an answer cannot be ended")

    monkeypatch.setattr(Response, "_settle", broken)
    model.gate = asyncio.Semaphore(0)
    session = await process.join()
    await session.do(AddMessage(text="Hello", respond=True))
    await asked(model)
    async with asyncio.timeout(10):
        await session.do(CancelResponse())
    assert await ends(session.session_id) == [("failed", "internal_error")]


async def test_who_interrupts_is_answered_at_once_and_the_answer_before_ends_as_cancelled(
    process: Process, model: EngineModel
) -> None:
    model.gate = asyncio.Semaphore(0)
    session = await process.join()
    await session.do(AddMessage(text="One", respond=True))
    await asked(model)
    await session.do(RequestResponse(turn_policy="interrupt"))
    model.gate.release()
    model.gate.release()
    await quiet(session)
    assert await ends(session.session_id) == [("cancelled", "client_cancelled"), ("completed", "")]
    with pytest.raises(NoActiveResponse):
        await session.do(CancelResponse())


async def test_a_summary_is_tried_again_after_one_that_failed(
    process: Process, model: EngineModel, settings: Any
) -> None:
    settings.CHAT_HISTORY_TOKENS = 300
    model.summary_error = ModelOverloaded()
    session = await process.join()
    for _ in range(6):
        await say(session, WORDS)
    model.summary_error, failed = None, len(model.summaries)
    for _ in range(3):
        await say(session, WORDS)
    assert len(model.summaries) > failed
    assert session.history.summary
    assert session.history.summary.endswith("THE SUMMARY")


async def test_one_that_cannot_be_stored_keeps_no_other_from_hearing_that_the_database_is_away(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A new one fails when its row cannot be made, at about the time at which all are told."""
    model.gate = asyncio.Semaphore(0)
    new, old = await process.join(), await process.join()
    for session in (new, old):
        await session.do(AddMessage(text="Hello", respond=True))
        await session.do(AddMessage(text="And?", respond=True))
        await session.durable()
    await asked(model)
    new.log.fail(JournalFull())
    runtime, tasks = Runtime(), Tasks()
    runtime.hub = process.hub
    monkeypatch.setattr(runtime.journal, "stalled_seconds", lambda: 3600.0)
    tasks.keep(runtime._watch_journal, name="watch journal")
    await quiet(old)
    assert await ends(old.session_id) == [("failed", STORAGE_AWAY.reason)] * 2
    assert not new.answering
    assert "died" not in caplog.text
    tasks.cancel()
    runtime._unheard()


async def test_an_answer_whose_model_does_not_let_go_has_its_end_in_the_log_of_a_session_that_ends(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    async def never_mind() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(2.5)
            raise

    model.answer = lambda said: [TextDelta("Half of it"), never_mind]  # type: ignore[list-item]
    session = await process.join("held")
    await session.do(AddMessage(text="Hello", respond=True))
    await asked(model)
    await session.durable()
    await process.hub.end(session, ev.EndReason.CLOSED)
    assert await ends("held") == [("incomplete", "interrupted")]
    again = await other_process.join("held")
    assert again.history.open is None
    await asyncio.sleep(2.0)
    model.answer = lambda said: [TextDelta("All of it")]
    await say(again, "And now?")
    assert await ends("held") == [("incomplete", "interrupted"), ("completed", "")]


async def test_nothing_takes_the_place_of_a_message_while_that_is_answered(
    process: Process, model: EngineModel
) -> None:
    """The rest of the answer would stand behind another question. Whichever way it is said, it is refused."""
    session = await process.join()
    await say(session, "One?", item_id="item_one")
    model.gate = asyncio.Semaphore(0)
    await session.do(AddMessage(text="Two?", item_id="item_two", respond=True))

    async def began() -> None:
        assert "item_two" not in session.history.waiting

    await eventually(began)
    other = AddMessage(text="Three?", item_id="item_three", replaces="item_two")
    for command in (other, Converse(items=[other], request=RequestResponse()), Converse(items=[other])):
        with pytest.raises(ActiveResponse):
            await session.do(command)
    model.gate.release()
    await quiet(session)
    model.gate = None
    await session.do(Converse(items=[other], request=RequestResponse()))
    await quiet(session)
    said = [one.text for one in model.requests[-1].history if isinstance(one, UserText | AssistantText)]
    assert said == ["One?", "Yes: One?", "Three?"]


async def test_a_word_on_the_last_answer_is_on_the_one_that_was_shown_and_is_being_stored(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await process.join()
    await say(session, "One?")
    write = Journal._write

    def slowly(journal: Journal, batch: Any) -> None:
        time.sleep(0.2)
        write(journal, batch)

    monkeypatch.setattr(Journal, "_write", slowly)
    await session.do(AddMessage(text="Two?", respond=True))

    async def answered() -> None:
        assert not session.answering

    await eventually(answered)
    await session.do(GiveFeedback(rating="up"))
    await session.durable()
    records = await in_db_thread(read_history, session_id=session.session_id)
    answers = [one.event.item_id for one in records if isinstance(one.event, ev.AssistantMessage)]
    words = [one.event.item_id for one in records if isinstance(one.event, ev.FeedbackGiven)]
    assert words == answers[-1:]


async def test_nothing_is_deleted_in_a_session_whose_end_is_being_written(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would stand behind the end, or keep the end from being written."""
    session = await process.join()
    await say(session, "One?", item_id="item_one")
    last_seq = session.log.last_seq

    async def ends_meanwhile(*_: object) -> str:
        session.state = State.ENDING
        return ""

    monkeypatch.setattr("chat.session.accept.summary_before_deleted", ends_meanwhile)
    with pytest.raises(ShuttingDown):
        await session.do(DeleteItem(item_id="item_one"))
    assert session.log.last_seq == last_seq
    session.state = State.LIVE


async def test_what_is_said_while_another_answer_is_asked_for_and_has_not_begun_is_answered(
    process: Process, model: EngineModel
) -> None:
    """It is no part of the answer that is set aside."""
    session = await process.join()
    await say(session, "One?")
    assert session.history.last_response
    first = session.history.last_response.response_id
    await session.do(RequestResponse(retry_of=first))
    await session.do(AddMessage(text="Two?", respond=True))
    await quiet(session)
    said = [one.text for one in model.requests[-1].history if isinstance(one, UserText | AssistantText)]
    assert said == ["One?", "Yes: One?", "Two?"]
    records = await in_db_thread(read_history, session_id=session.session_id)
    again = [one.seq for one in records if getattr(one.event, "retry_of", None) == first]
    two = [one.seq for one in records if getattr(one.event, "text", "") == "Two?"]
    assert (
        again[0] < two[0] < again[1]
    )  # a page sets aside what stands between an answer and the next one in its place


async def test_a_stop_is_of_the_answer_that_was_asked_for_and_has_not_begun(
    process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await session.do(AddMessage(text="One?"))
    await session.do(RequestResponse(client_event_id="mine"))
    await session.do(CancelResponse(client_event_id="stop"))
    await quiet(session)
    assert model.requests == []
    records = await in_db_thread(read_history, session_id=session.session_id)
    told = [one.event for one in records if isinstance(one.event, ev.ResponseQueued | ev.ResponseDone)]
    assert [one.client_event_id for one in told] == ["mine", "stop"]
    assert await ends(session.session_id) == [("cancelled", "client_cancelled")]
    await session.do(RequestResponse())
    await quiet(session)
    assert [one.text for one in model.requests[-1].history if isinstance(one, UserText)] == ["One?"]


async def test_a_stop_of_what_a_dead_process_left_is_of_its_next_try(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    """It may be the stop itself that brings the session back, and the answer with it."""
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
    back = await other_process.join("left")
    await back.do(CancelResponse(response_id=first))
    await quiet(back)
    assert len(model.requests) == 1
    assert await ends("left") == [("incomplete", "interrupted"), ("cancelled", "client_cancelled")]


async def test_settings_that_come_with_what_a_full_buffer_refuses_are_not_kept(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await process.join()
    before, append = session.config, session.log.append

    def full(*events: ev.Event, **how: Any) -> Any:
        """The little that settings are finds room; what is said beside does not."""
        if any(isinstance(one, ev.UserMessage) for one in events):
            raise JournalFull
        return append(*events, **how)

    monkeypatch.setattr(session.log, "append", full)
    changes = {"instructions": "Be brief."}
    for request in (RequestResponse(), None):
        said = Converse(items=[AddMessage(text="One?")], changes=changes, request=request)
        with pytest.raises(JournalFull):
            await session.do(said)
        assert session.config == before
    monkeypatch.undo()
    records = await in_db_thread(read_history, session_id=session.session_id)
    assert not any(isinstance(one.event, ev.SessionUpdated) for one in records)
    await session.do(Converse(items=[AddMessage(text="One?")], changes=changes, request=RequestResponse()))
    await quiet(session)
    assert model.requests[-1].instructions == "Be brief."


async def test_who_reads_a_session_that_another_process_took_is_not_told_that_it_has_ended(
    process: Process, model: EngineModel
) -> None:
    session = await process.join("taken")
    await say(session, "One?")
    reading = session.follow(session.log.visible_seq)
    await in_db_thread(SessionRow.objects.filter(pk="taken").update, lease_owner="proc_b", lease_epoch=9)
    await process.hub.end(session, ev.EndReason.CLOSED)
    with pytest.raises(JournalFenced):
        await anext(reading)


async def test_an_end_whose_commit_was_not_heard_of_is_an_end(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await process.join("ended")
    await say(session, "One?")
    reading = session.follow(session.log.visible_seq)
    tries = 0

    def unheard(**about: Any) -> None:
        nonlocal tries
        tries += 1
        end_session(**about)
        if tries == 1:
            raise DatabaseAway

    monkeypatch.setattr("chat.session.hub.end_session", unheard)
    await process.hub.end(session, ev.EndReason.CLOSED)
    assert tries == 2
    assert [records async for records in reading] == []
    records = await in_db_thread(read_history, session_id="ended")
    assert [type(one.event) for one in records].count(ev.SessionEnded) == 1


async def test_what_was_asked_for_and_had_not_begun_outlives_a_stop_of_its_process(
    process: Process, other_process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may wait for a summary of older turns. Nothing else in the log tells that it was asked for."""
    session = await process.join("asked")
    await session.do(AddMessage(text="One?"))
    monkeypatch.setattr(session.compaction, "before_turn", asyncio.Event().wait)
    await session.do(RequestResponse(client_event_id="mine"))
    await asyncio.sleep(0)
    await process.hub.shutdown(drain_s=0.1)
    process.hub.close_all()
    await process.journal.stop(timeout_s=5)
    await in_db_thread(release_process, process_id=process.process_id)
    back = await other_process.join("asked")
    await quiet(back)
    assert len(model.requests) == 1
    assert back.history.last_response
    assert back.history.last_response.client_event_id == "mine"


async def test_what_was_asked_for_and_had_not_begun_is_told_of_the_end_of_its_session(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await process.join("asked")
    await session.do(AddMessage(text="One?"))
    monkeypatch.setattr(session.compaction, "before_turn", asyncio.Event().wait)
    await session.do(RequestResponse(client_event_id="mine"))
    await asyncio.sleep(0)
    await process.hub.end(session, ev.EndReason.CLOSED)
    assert await ends("asked") == [("cancelled", "session_ended")]


async def test_what_had_not_begun_when_the_database_stayed_away_is_told(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await process.join("asked")
    gate = asyncio.Event()
    monkeypatch.setattr(session.compaction, "before_turn", gate.wait)
    await session.do(AddMessage(text="One?"))
    await session.do(RequestResponse(client_event_id="mine"))
    await asyncio.sleep(0)
    session.storage_away()
    gate.set()
    await quiet(session)
    assert model.requests == []
    assert await ends("asked") == [("failed", STORAGE_AWAY.reason)]


@pytest.mark.parametrize("goes_on", [False, True])
async def test_an_answer_is_gone_back_to_where_the_one_in_its_place_came_to_nothing(
    process: Process, other_process: Process, model: EngineModel, goes_on: bool
) -> None:
    session = await process.join("again")
    await say(session, "One?", item_id="item_one")
    assert session.history.last_response
    first = session.history.last_response.response_id
    answer = next(one.item_id for one in session.history.items.entries if one.response_id == first)  # type: ignore[union-attr]
    model.answer = lambda said: [ModelOverloaded()]  # type: ignore[list-item]
    model.completes = False
    await session.do(RequestResponse(retry_of=first))
    await quiet(session)
    assert (await ends("again"))[-1][0] == "failed"
    model.answer, model.completes = lambda said: [TextDelta("No.")], True
    if goes_on:
        await say(session, "Two?")
    await session.do(ChooseVersion(item_id=answer))
    await hand_over(process, session)
    back = await other_process.join("again")
    await say(back, "Three?")
    said = [one.text for one in model.requests[-1].history if isinstance(one, UserText | AssistantText)]
    assert said == ["One?", "Yes: One?", "Three?"]


async def test_who_interrupts_while_others_wait_waits_behind_them_in_the_log_as_well(
    process: Process, model: EngineModel
) -> None:
    model.gate = asyncio.Semaphore(0)
    session = await process.join("queue")
    await session.do(AddMessage(text="One?", respond=True))
    await asked(model)
    await session.do(AddMessage(text="Two?", respond=True))
    await session.do(RequestResponse(turn_policy="interrupt", client_event_id="mine"))
    await session.durable()
    records = await in_db_thread(read_history, session_id="queue")
    queued = [one.event for one in records if isinstance(one.event, ev.ResponseQueued)]
    assert [one.client_event_id for one in queued] == [None, "mine"]
    for _ in range(3):
        model.gate.release()
    await quiet(session)
    assert [status for status, _ in await ends("queue")] == ["cancelled", "completed", "completed"]


async def test_who_interrupts_an_answer_that_has_not_begun_is_answered_in_its_place(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, gate = await process.join("soon"), asyncio.Event()
    monkeypatch.setattr(session.compaction, "before_turn", gate.wait)
    await session.do(AddMessage(text="One?", respond=True))
    await asyncio.sleep(0)
    await session.do(AddMessage(text="Two?", respond=True, turn_policy="interrupt"))
    gate.set()
    await quiet(session)
    assert await ends("soon") == [("cancelled", "client_cancelled"), ("completed", "")]
    assert [[one.text for one in asked.history if isinstance(one, UserText)] for asked in model.requests] == [
        ["One?", "Two?"]
    ]


async def test_an_answer_whose_end_cannot_be_stored_is_counted_once(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session is another process's by then."""
    rest = asyncio.Semaphore(0)
    model.answer = lambda said: [TextDelta("All of it."), rest.acquire]  # type: ignore[list-item]
    session = await process.join()
    counted: list[str] = []
    monkeypatch.setattr(session.budget, "ended", lambda response_id, *_, **__: counted.append(response_id))
    await session.do(AddMessage(text="One?", respond=True))
    await asked(model)
    await session.durable()
    session.log.fail(JournalFenced())
    rest.release()

    async def over() -> None:
        assert not session.answering

    await eventually(over)
    assert len(counted) == 1
