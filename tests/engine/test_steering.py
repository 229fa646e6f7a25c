"""Staff step in: what the model hears of it, who answers, and what becomes of what users ask meanwhile."""

import asyncio
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User

from chat.errors import ItemNotFound, NotTakenOver, OwnApproval, QueueFull, TakenOver
from chat.llm.prompts import HANDED_BACK, TOOK_OVER
from chat.llm.provider import AssistantText, OperatorText, TextDelta, UserText
from chat.session.commands import (
    AddMessage,
    CancelResponse,
    DecideApproval,
    HandBack,
    RequestResponse,
    ResponseOptions,
    Speak,
    TakeOver,
    Whisper,
    WithdrawWhisper,
)
from chat.session.session import Session
from chat.session.turns import asks_for_more
from sessions_app.log import events as ev
from sessions_app.log.leases import release_process
from sessions_app.log.replay import read_history
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread
from tests.engine.conftest import Process, hand_over, quiet, say
from tests.engine.model import EngineModel
from tests.support.waiting import eventually

ANN = {"by": "ann", "shown_as": "Our support"}
BEN = {"by": "ben", "shown_as": "Our support"}


async def log_of(session: Session) -> list[ev.Record]:
    await session.durable()
    return await in_db_thread(read_history, session_id=session.session_id)


async def ends_of(session: Session) -> list[tuple[str, str, str]]:
    done = [one.event for one in await log_of(session) if isinstance(one.event, ev.ResponseDone)]
    return [(one.status, one.reason, one.stopped_by) for one in done]


def heard(model: EngineModel, request: int = -1) -> list[str]:
    """What the model was sent of texts, in its order."""
    history = model.requests[request].history
    return [item.text for item in history if isinstance(item, UserText | AssistantText | OperatorText)]


async def under_way(model: EngineModel, session: Session) -> None:
    """An answer runs, and its model is asked."""
    before = len(model.requests)
    model.gate = asyncio.Semaphore(0)
    await session.do(AddMessage(text="Hello", respond=True))

    async def asked() -> None:
        assert len(model.requests) > before

    await eventually(asked)


async def test_a_whisper_is_heard_by_the_next_answer_alone(process: Process, model: EngineModel) -> None:
    session = await process.join()
    await say(session, "one")
    await session.do(Whisper(text="They are a friend of the house.", by="ann"))
    await say(session, "two")
    assert heard(model) == ["one", "Yes: one", "two", "They are a friend of the house."]
    await say(session, "three")
    assert heard(model)[3] == "They are a friend of the house.", "it stays where it was said"
    whispers = [one.event for one in await log_of(session) if isinstance(one.event, ev.OperatorWhispered)]
    assert [(one.author, one.text) for one in whispers] == [("ann", "They are a friend of the house.")]


async def test_a_whisper_is_withdrawn_until_a_model_is_told_it(process: Process, model: EngineModel) -> None:
    session = await process.join()
    await session.do(Whisper(text="Offer 10 % off.", by="ann"))
    await session.do(Whisper(text="Be brief.", by="ann"))
    first, second = [
        one.event for one in await log_of(session) if isinstance(one.event, ev.OperatorWhispered)
    ]
    await session.do(WithdrawWhisper(item_id=first.item_id, by="ben"))
    await say(session, "Hello")
    assert heard(model) == ["Hello", "Be brief."]
    for item_id in (first.item_id, second.item_id, "item_none"):
        with pytest.raises(ItemNotFound):
            await session.do(WithdrawWhisper(item_id=item_id, by="ann"))
    events = [one.event for one in await log_of(session)]
    assert [one.author for one in events if isinstance(one, ev.WhisperWithdrawn)] == ["ben"]


async def test_a_whisper_survives_its_process_and_a_summary_of_older_turns(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await say(session, "one")
    await session.do(Whisper(text="Be brief.", by="ann"))
    records = await log_of(session)
    through = records[-1].seq
    kept, gone = session.history.checkpoint(through)
    assert records[-1].seq in kept, "it waits, and counts"
    assert gone == []
    await hand_over(process, session)
    back = await other_process.join(session.session_id)
    await say(back, "two")
    assert heard(model) == ["one", "Yes: one", "two", "Be brief."]


async def test_no_item_that_a_client_could_name_comes_of_a_whisper(
    process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await session.do(Whisper(text="Be brief.", by="ann"))
    whisper = next(one.event for one in await log_of(session) if isinstance(one.event, ev.OperatorWhispered))
    assert whisper.item_id not in session.history.item_seqs
    await say(session, "one")
    started = [one.event for one in await log_of(session) if isinstance(one.event, ev.ResponseStarted)]
    assert whisper.item_id not in started[0].input_item_ids
    assert session.history.order.place(None) != whisper.item_id


async def test_staff_stop_an_answer_and_the_log_says_who(process: Process, model: EngineModel) -> None:
    session = await process.join()
    await under_way(model, session)
    await session.do(CancelResponse(by="ann"))
    assert await ends_of(session) == [("cancelled", "operator_stopped", "ann")]


async def test_who_takes_over_stops_what_runs_and_answers_what_waits(
    process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await under_way(model, session)
    await session.do(AddMessage(text="Are you there?", respond=True))
    await session.do(TakeOver(**ANN))
    assert await ends_of(session) == [("cancelled", "operator_took_over", "ann")]
    asked = len(model.requests)
    await session.do(Speak(text="I am.", **ANN))
    await quiet(session)
    assert len(model.requests) == asked, "the model is silent"
    records = await log_of(session)
    said = [one.event for one in records if isinstance(one.event, ev.AssistantMessage) and one.event.author]
    assert [(one.author, one.shown_as, one.text) for one in said] == [("ann", "Our support", "I am.")]
    queued = next(one.event for one in records if isinstance(one.event, ev.ResponseQueued))
    assert said[0].response_id == queued.response_id, "it is the answer that was waited for"
    assert session.history.queued == {}


async def test_what_a_person_says_stands_behind_the_end_of_an_answer_whose_model_does_not_let_go(
    process: Process, model: EngineModel
) -> None:
    """A reader who came in between two answers of which one lies within the other could never read on."""

    async def never_mind() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
            raise

    model.answer = lambda said: [TextDelta("Half of it"), never_mind]  # type: ignore[list-item]
    session = await process.join()
    await session.do(AddMessage(text="Hello", respond=True))

    async def asked() -> None:
        assert model.requests

    await eventually(asked)
    taking = asyncio.create_task(session.do(TakeOver(**ANN)))
    await asyncio.sleep(0)
    assert session.held
    word = Speak(text="Here.", client_event_id="mine", **ANN)
    await asyncio.gather(taking, session.do(word), session.do(word))
    responses = [
        one.event
        for one in await log_of(session)
        if isinstance(one.event, ev.ResponseStarted | ev.ResponseDone)
    ]
    first, second = responses[0].response_id, responses[-1].response_id
    assert [one.response_id for one in responses] == [first, first, second, second]


async def test_what_users_say_meanwhile_is_answered_by_the_person_in_one(
    process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await session.do(TakeOver(**ANN))
    await session.do(AddMessage(text="one", respond=True))
    await session.do(AddMessage(text="two", respond=True))
    await session.do(AddMessage(text="three"))
    await session.do(RequestResponse())
    assert model.requests == []
    await session.do(Speak(text="All three, then.", **ANN))
    started = [one.event for one in await log_of(session) if isinstance(one.event, ev.ResponseStarted)]
    assert [one.shown_as for one in started] == ["Our support"]
    texts = {
        one.event.item_id: one.event.text
        for one in await log_of(session)
        if isinstance(one.event, ev.UserMessage)
    }
    assert [texts[one] for one in started[0].input_item_ids if one in texts] == ["one", "two", "three"]
    assert await ends_of(session) == [
        ("completed", "", ""),
        ("cancelled", "answered_by_person", ""),
    ]


async def test_the_model_reads_later_what_the_person_said_and_answers_what_is_left(
    process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await say(session, "one")
    await session.do(TakeOver(**ANN))
    await session.do(AddMessage(text="two", respond=True))
    await session.do(Speak(text="A person here.", **ANN))
    await session.do(AddMessage(text="three", respond=True))
    await session.do(AddMessage(text="four", respond=True))
    await session.do(HandBack(**ANN))
    await quiet(session)
    assert heard(model) == [
        "one",
        "Yes: one",
        TOOK_OVER,
        "two",
        "A person here.",
        "three",
        "four",
        HANDED_BACK,
    ]
    assert len(model.requests) == 2
    log = [one.event for one in await log_of(session)]
    left = next(one for one in log if isinstance(one, ev.OperatorHandedBack))
    last = [one for one in log if isinstance(one, ev.ResponseStarted)][-1]
    assert last.after_item_id == left.item_id  # where clients show it


async def test_the_first_of_two_has_it(process: Process, model: EngineModel) -> None:
    session = await process.join()
    outcomes = await asyncio.gather(
        session.do(TakeOver(**ANN)), session.do(TakeOver(**BEN)), return_exceptions=True
    )
    assert [type(one) for one in outcomes if isinstance(one, Exception)] == [TakenOver]
    with pytest.raises(TakenOver):
        await session.do(Speak(text="Me, too", **BEN))
    await session.do(TakeOver(**ANN))
    took = [one for one in await log_of(session) if isinstance(one.event, ev.OperatorTookOver)]
    assert len(took) == 1, "who has it already takes it once"


async def test_another_hands_back_what_a_colleague_left_taken(process: Process, model: EngineModel) -> None:
    session = await process.join()
    await session.do(TakeOver(**ANN))
    await session.do(AddMessage(text="Hello?", respond=True))
    await session.do(HandBack(**BEN))
    await quiet(session)
    assert heard(model) == [TOOK_OVER, "Hello?", HANDED_BACK]
    back = next(one.event for one in await log_of(session) if isinstance(one.event, ev.OperatorHandedBack))
    assert back.author == "ben"
    with pytest.raises(NotTakenOver):
        await session.do(HandBack(**ANN))
    with pytest.raises(NotTakenOver):
        await session.do(Speak(text="Late", **ANN))


async def test_what_is_taken_over_stays_so_when_its_process_dies(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await session.do(TakeOver(**ANN))
    await session.do(AddMessage(text="Hello?", respond=True))
    await session.do(AddMessage(text="Still there?", respond=True))
    records = await log_of(session)
    assert not asks_for_more(records), "nobody adopts what waits for a person"
    await process.hub.shutdown(drain_s=0.1)
    process.hub.close_all()
    await _let_go(process)
    back = await other_process.join(session.session_id)
    assert back.held
    await asyncio.sleep(0)
    assert model.requests == []
    await back.do(Speak(text="Here.", **ANN))
    await back.do(HandBack(**ANN))
    await quiet(back)
    assert model.requests == [], "the person has answered both"


async def _let_go(process: Process) -> None:
    await process.journal.stop(timeout_s=5)
    await in_db_thread(release_process, process_id=process.process_id)


async def test_its_end_ends_it(process: Process, other_process: Process, model: EngineModel) -> None:
    session = await process.join()
    await session.do(TakeOver(**ANN))
    await session.do(AddMessage(text="Hello?", respond=True))
    await hand_over(process, session)
    assert (await ends_of(session))[-1][:2] == ("cancelled", "session_ended")
    back = await other_process.join(session.session_id)
    assert not back.held
    await say(back, "Anybody?")
    assert len(model.requests) == 1


async def test_an_answer_that_has_not_begun_does_not_begin_under_a_person(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be taken over while its turn waits for a summary of older ones."""
    session = await process.join()
    gate = asyncio.Event()
    monkeypatch.setattr(session.compaction, "before_turn", gate.wait)
    await session.do(AddMessage(text="Hello", respond=True))
    await asyncio.sleep(0)
    assert session.answering
    await session.do(TakeOver(**ANN))
    gate.set()
    await quiet(session)
    assert model.requests == []
    await session.do(HandBack(**ANN))
    await quiet(session)
    assert len(model.requests) == 1


async def test_what_had_not_begun_outlives_the_process_under_a_person(
    process: Process, other_process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own wishes, which nothing else in the log tells."""
    session = await process.join()
    await session.do(AddMessage(text="Hello"))
    monkeypatch.setattr(session.compaction, "before_turn", asyncio.Event().wait)
    await session.do(
        RequestResponse(options=ResponseOptions(instructions="In French."), client_event_id="mine")
    )
    await asyncio.sleep(0)
    await session.do(TakeOver(**ANN))
    queued = [one.event for one in await log_of(session) if isinstance(one.event, ev.ResponseQueued)]
    assert [(one.client_event_id, one.position) for one in queued] == [("mine", 1)]
    await session.do(TakeOver(**ANN))
    assert len(session.history.queued) == 1
    await process.hub.shutdown(drain_s=0.1)
    process.hub.close_all()
    await _let_go(process)
    back = await other_process.join(session.session_id)
    await back.do(HandBack(**ANN))
    await quiet(back)
    assert [one.instructions.count("In French.") for one in model.requests] == [1]


@pytest.mark.parametrize("customer", ["", "c1"])
async def test_two_have_to_say_yes_and_a_shop_is_not_its_customer(
    process: Process, model: EngineModel, customer: str
) -> None:
    user = await in_db_thread(User.objects.create_user, "shop", is_staff=True)
    session = await process.join(user_id=user.pk, external_user_id=customer)
    session.log.append(
        ev.ResponseStarted(response_id="resp_1", provider="p", model="m"),
        ev.ToolApprovalRequested(
            response_id="resp_1",
            item_id="apr_1",
            call_id="c1",
            output_index=0,
            name="pay",
            arguments="{}",
            approvals=2,
        ),
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
    )
    yes = DecideApproval(approval_id="apr_1", approve=True, by="shop", staff_id=user.pk)
    if customer:
        await session.do(yes)
        assert session.history.approvals["apr_1"].missing == 1
    else:
        with pytest.raises(OwnApproval):
            await session.do(yes)


async def test_what_staff_send_twice_is_said_once(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    session = await process.join()
    await session.do(TakeOver(**ANN))
    await session.do(AddMessage(text="Hello?", respond=True, client_event_id="theirs"))
    say_it = Speak(text="Here.", client_event_id="speak_1", **ANN)
    whisper = Whisper(text="Psst.", by="ann", client_event_id="whisper_1")
    for _ in range(2):
        await session.do(say_it)
        await session.do(whisper)
    await session.durable()
    await process.hub.shutdown(drain_s=0.1)
    process.hub.close_all()
    await _let_go(process)
    back = await other_process.join(session.session_id)
    for command in (say_it, whisper):
        assert (await back.do(command)).repeated_seq
    await back.do(msgspec.structs.replace(say_it, client_event_id="speak_2"))
    events = [one.event for one in await log_of(back)]
    assert [one.text for one in events if isinstance(one, ev.AssistantMessage)] == ["Here.", "Here."]
    assert [one.text for one in events if isinstance(one, ev.OperatorWhispered)] == ["Psst."]


async def test_the_queue_is_bounded_as_ever(process: Process, model: EngineModel, settings: Any) -> None:
    settings.CHAT_MAX_QUEUED_TURNS = 2
    session = await process.join()
    await session.do(TakeOver(**ANN))
    await session.do(RequestResponse())
    await session.do(RequestResponse())
    with pytest.raises(QueueFull):
        await session.do(RequestResponse())
    for number in range(5):
        await session.do(AddMessage(text=f"message {number}", respond=True))
    assert len(session.history.queued) == 2


async def test_an_approved_call_waits_for_the_model(process: Process, model: EngineModel) -> None:
    """A person's words do not stand for it: it runs once the model answers again."""
    session = await process.join()
    asked = ev.ToolApprovalRequested(
        response_id="resp_1", item_id="apr_1", call_id="c1", output_index=0, name="pay", arguments="{}"
    )
    session.log.append(
        ev.ResponseStarted(response_id="resp_1", provider="p", model="m"),
        asked,
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
    )
    await session.do(TakeOver(**ANN))
    await session.do(DecideApproval(approval_id="apr_1", approve=True, by="ann"))
    await session.do(Speak(text="One moment.", **ANN))
    assert model.requests == []
    assert not session.history.approvals["apr_1"].continued
    await session.do(HandBack(**ANN))
    await quiet(session)
    assert session.history.approvals["apr_1"].called_by


async def test_the_state_is_the_same_live_and_from_the_log(process: Process, model: EngineModel) -> None:
    session = await process.join()
    await say(session, "one")
    await session.do(Whisper(text="Psst.", by="ann"))
    await session.do(TakeOver(**ANN))
    await session.do(Speak(text="Hello from a person.", **ANN))
    state = SessionState(await log_of(session))
    assert state.operator == session.history.operator
    assert [one.item_id for one in state.items.whispers] == [
        one.item_id for one in session.history.items.whispers
    ]
    assert state.items.entries == session.history.items.entries
