"""Long conversations: the oldest turns give way to a summary, and nothing else changes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chat.errors import ItemExists, ItemNotFound, ModelOverloaded
from chat.llm.catalog import register_provider
from chat.llm.prices import TOKENS_PER_BYTE, history_budget_tokens, request_bytes, tokens_of
from chat.llm.prompts import DELETED, HEAD, LEFT_OUT
from chat.llm.provider import (
    AssistantText,
    Completed,
    FinishReason,
    OperatorText,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
    Usage,
    UserText,
)
from chat.session.commands import (
    AddMessage,
    AddToolCall,
    AddToolOutput,
    DecideApproval,
    DeleteItem,
    UpdateSession,
)
from chat.session.compaction import _Written
from chat.session.history import items_of
from chat.session.session import Session
from chat.testing import ScriptedModel
from sessions_app.log import events as ev
from sessions_app.log.replay import find_ids, read_history, summary_before
from sessions_app.log.state import SessionState
from sessions_app.models import Session as SessionRow
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.engine.conftest import Process, hand_over, quiet, say
from tests.engine.model import EngineModel, tokens
from tests.support.waiting import eventually

BUDGET_TOKENS = 2_000
WORDS = "lorem ipsum dolor sit amet " * 8


@pytest.fixture(autouse=True)
def small_budget(settings: Any) -> None:
    settings.CHAT_HISTORY_TOKENS = BUDGET_TOKENS


def compactions(session_id: str) -> list[SessionEvent]:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type="history_compacted")
    return list(rows.order_by("seq"))


async def talk(conversation: Session, turns: int, *, start: int = 1) -> None:
    for number in range(start, start + turns):
        await say(
            conversation, f"{number}: {WORDS}", item_id=f"item_u{number}", client_event_id=f"client_{number}"
        )


async def rebuilt(conversation: Session) -> SessionState:
    await conversation.durable()
    return SessionState(await in_db_thread(read_history, session_id=conversation.session_id))


def state(history: SessionState) -> dict[str, object]:
    """All that a conversation asks of its history."""
    return {
        "items": items_of(history),
        "waiting": history.waiting,
        "queued": history.queued,
        "item_seqs": history.item_seqs,
        "client_events": history.client_events,
        "user_messages": history.user_messages,
        "spent": history.spent_microusd,
        "turns": history.turns,
        "through": history.compacted_through,
        "ratio": history.tokens_per_byte,
        "approvals": sorted(history.approvals),
        "last": (history.last_response, history.last_done),
        "unanswered": history.unanswered(),
    }


async def test_what_a_model_is_sent_stays_within_its_budget(process: Process, model: EngineModel) -> None:
    conversation = await process.join()
    await talk(conversation, 30)
    sizes = [tokens(request) for request in model.requests]
    assert len(model.requests) == 30
    assert max(sizes) <= BUDGET_TOKENS
    assert (
        min(sizes[10:]) < 0.5 * BUDGET_TOKENS
    )  # it was cut by more than the last turn, so not every turn pays
    assert len(model.summaries) < 10


async def test_the_summary_stands_at_the_front_and_recent_turns_stay_whole(
    process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    await talk(conversation, 30)
    history = model.requests[-1].history
    assert isinstance(history[0], OperatorText)
    assert history[0].text.startswith(HEAD)
    assert history[0].text.endswith("THE SUMMARY")
    assert isinstance(history[1], UserText)
    said = [item.text.split(":")[0] for item in history if isinstance(item, UserText)]
    assert said == [str(number) for number in range(31 - len(said), 31)]
    assert len(said) > 2
    assert not any(isinstance(item, OperatorText) for item in history[1:])


async def test_a_summary_is_made_of_the_one_before_it_and_of_what_was_said(
    process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    await talk(conversation, 30)
    first, second = (str(getattr(one.history[0], "text", "")) for one in model.summaries[:2])
    assert "<summary>" not in first
    assert "User: 1: lorem" in first
    assert "<summary>\nTHE SUMMARY\n</summary>" in second
    assert "User: 1: lorem" not in second


async def test_nobody_waits_for_a_summary_that_is_made_in_time(process: Process, model: EngineModel) -> None:
    conversation = await process.join()
    await talk(conversation, 30)
    rows = await in_db_thread(compactions, conversation.session_id)
    events = SessionEvent.objects.filter(session_id=conversation.session_id)
    types = dict(await in_db_thread(lambda: list(events.values_list("seq", "event_type"))))
    assert rows
    assert {types[row.seq - 1] for row in rows} == {"response_done"}  # not between a question and its answer
    assert {row.payload["model"] for row in rows} == {"scripted"}


async def test_any_process_rebuilds_the_same_history(process: Process, model: EngineModel) -> None:
    conversation = await process.join()
    for turns in (9, 1, 7, 13):
        await talk(conversation, turns, start=conversation.history.user_messages + 1)
        assert state(await rebuilt(conversation)) == state(conversation.history)
    assert conversation.history.summary


async def test_opening_reads_from_the_last_compaction_on(process: Process, model: EngineModel) -> None:
    conversation = await process.join()
    counts = []
    for turns in (20, 40):
        await talk(conversation, turns, start=conversation.history.user_messages + 1)
        counts.append(len(await in_db_thread(read_history, session_id=conversation.session_id)))
    events = (await in_db_thread(SessionRow.objects.get, pk=conversation.session_id)).last_seq
    assert max(counts) < events / 3
    assert conversation.history.user_messages == 60


async def test_a_failed_summary_does_not_fail_the_turn(process: Process, model: EngineModel) -> None:
    model.summary_error = ModelOverloaded(cause="HTTP 529")
    conversation = await process.join()
    await talk(conversation, 30)
    assert len(model.requests) == 30
    assert all(tokens(request) <= BUDGET_TOKENS for request in model.requests)
    front = model.requests[-1].history[0]
    assert isinstance(front, OperatorText)
    assert front.text.count(LEFT_OUT) == 1
    last = (await in_db_thread(compactions, conversation.session_id))[-1]
    assert "HTTP 529" in last.payload["error"]
    assert state(await rebuilt(conversation)) == state(conversation.history)


async def test_a_client_call_that_waits_for_its_result_stays(process: Process, model: EngineModel) -> None:
    tool = {"type": "function", "name": "look", "description": "", "parameters": {"type": "object"}}
    conversation = await process.join()
    await conversation.do(UpdateSession(changes={"tools": [tool]}))
    plain = model.answer
    model.answer = lambda said: [ToolCallRequest("call_1", "look", '{"at": "the sky"}')]
    await say(conversation, "Look")
    model.answer = plain
    await talk(conversation, 30)
    assert state(await rebuilt(conversation)) == state(conversation.history)
    assert any(isinstance(item, ToolCallItem) for item in model.requests[-1].history)
    await conversation.do(AddToolOutput(call_id="call_1", output="blue"))
    await talk(conversation, 1, start=31)
    assert any(getattr(item, "output", "") == "blue" for item in model.requests[-1].history)
    assert state(await rebuilt(conversation)) == state(conversation.history)
    await talk(conversation, 30, start=32)
    assert not any(isinstance(item, ToolCallItem) for item in model.requests[-1].history)


async def test_an_approval_that_nobody_gave_yet_outlives_a_compaction(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    sent: list[str] = []

    def send_letter(to: str) -> str:
        """Send a letter.

        Args:
            to: The reader.
        """
        sent.append(to)
        return f"sent to {to}"

    for one in (process, other_process):
        one.registry.tool(requires_approval=True, side_effects=True)(send_letter)
    plain = model.answer
    model.answer = lambda said: [ToolCallRequest("call_1", "send_letter", '{"to": "Ann"}')]
    conversation = await process.join()
    await say(conversation, "Write to Ann")
    model.answer = plain
    await talk(conversation, 20)
    assert conversation.history.summary
    assert state(await rebuilt(conversation)) == state(conversation.history)
    (request,) = conversation.history.approvals
    await hand_over(process, conversation)
    here = await other_process.join(conversation.session_id)
    await here.do(DecideApproval(approval_id=request, approve=True))
    await quiet(here)
    assert sent == ["Ann"]
    assert any("sent to Ann" in getattr(item, "output", "") for item in model.requests[-1].history)
    await talk(here, 20, start=21)
    assert state(await rebuilt(here)) == state(here.history)
    assert not here.history.approvals


async def test_turns_that_wait_outlive_a_compaction(process: Process, model: EngineModel) -> None:
    """They were asked for before turns that are summarised while they still wait."""
    conversation = await process.join()
    model.summary_error = ModelOverloaded()
    model.gate = asyncio.Semaphore(0)
    for number in range(6):
        text = f"waits {number} {WORDS * 6}"
        await conversation.do(AddMessage(text=text, respond=True, client_event_id=f"waits_{number}"))
    for _ in range(3):
        model.gate.release()

    async def three_are_answered() -> None:
        assert len(model.requests) == 4

    await eventually(three_are_answered)
    model.summary_error = None
    plan = conversation.compaction._plan()
    assert plan is not None
    await conversation.compaction._write(plan, await conversation.compaction._ask(plan))
    assert len(conversation.history.queued) == 2
    assert max(conversation.history._queued_seqs.values()) < plan.through_seq
    assert state(await rebuilt(conversation)) == state(conversation.history)
    for _ in range(6):
        model.gate.release()
    await quiet(conversation)
    last = [getattr(one.history[-1], "text", "")[:7] for one in model.requests[-2:]]
    assert last == ["waits 4", "waits 5"]


async def test_a_message_put_between_old_turns_goes_with_them(process: Process, model: EngineModel) -> None:
    """Its place in the log is behind them."""
    conversation = await process.join()
    model.summary_error = ModelOverloaded()
    await talk(conversation, 8)
    model.summary_error = None
    late = AddMessage(text="By the way", item_id="item_late", previous_item_id="item_u1")
    await conversation.do(late)
    plan = conversation.compaction._plan()
    assert plan is not None
    await conversation.compaction._write(plan, await conversation.compaction._ask(plan))
    assert "By the way" in str(model.summaries[-1].history)
    assert conversation.history.find("item_late") is None
    assert state(await rebuilt(conversation)) == state(conversation.history)


async def test_a_message_that_waits_outlives_a_compaction(process: Process, model: EngineModel) -> None:
    """It was said before the turns that are summarised, and no response has taken it in."""
    conversation = await process.join()
    await conversation.do(AddMessage(text="By the way", item_id="item_early"))
    item_ids = list(conversation.history.waiting)
    await talk(conversation, 1)
    assert item_ids == ["item_early"]
    assert any(getattr(item, "text", "") == "By the way" for item in model.requests[0].history)
    await conversation.do(AddMessage(text="Note this", item_id="item_late", previous_item_id="item_early"))
    await talk(conversation, 30, start=2)
    assert state(await rebuilt(conversation)) == state(conversation.history)
    assert not any(getattr(item, "text", "") == "Note this" for item in model.requests[-1].history)
    assert "item_late" not in conversation.history.waiting


async def test_a_past_that_is_told_outlives_a_compaction(process: Process, model: EngineModel) -> None:
    """It waits for the next response, behind turns that are summarised; then it is summarised itself."""
    conversation = await process.join()
    model.summary_error = ModelOverloaded()
    await talk(conversation, 8)
    model.summary_error = None
    await conversation.do(AddMessage(text="It rained.", role="assistant", item_id="item_a"))
    await conversation.do(AddToolCall(call_id="call_past", name="look_up", arguments="{}", item_id="item_c"))
    await conversation.do(AddToolOutput(call_id="call_past", output="rain", item_id="item_o"))
    assert state(await rebuilt(conversation)) == state(conversation.history)
    plan = conversation.compaction._plan()
    assert plan is not None
    await conversation.compaction._write(plan, await conversation.compaction._ask(plan))
    assert state(await rebuilt(conversation)) == state(conversation.history)
    assert conversation.history.order.place(None) == "item_o"
    await talk(conversation, 1, start=9)
    told, call, result, said = model.requests[-1].history[-4:]
    assert isinstance(told, AssistantText)
    assert isinstance(call, ToolCallItem)
    assert isinstance(result, ToolResultItem)
    assert (told.text, call.call_id, result.output) == ("It rained.", "call_past", "rain")
    assert isinstance(said, UserText)
    assert state(await rebuilt(conversation)) == state(conversation.history)
    await talk(conversation, 30, start=10)
    assert not any(isinstance(item, ToolCallItem) for item in model.requests[-1].history)
    assert state(await rebuilt(conversation)) == state(conversation.history)


async def test_a_repeat_from_before_the_summary_is_still_a_repeat(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    await talk(conversation, 30)
    await hand_over(process, conversation)
    here = await other_process.join(conversation.session_id)
    assert "client_1" not in here.history.client_events
    done = await here.do(AddMessage(text="again", respond=True, client_event_id="client_1"))
    assert done.repeated_seq
    await quiet(here)
    assert len(model.requests) == 30
    with pytest.raises(ItemExists):
        await here.do(AddMessage(text="again", item_id="item_u1"))
    assert here.history.user_messages == 30


async def test_the_settings_outlive_the_summary(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    await conversation.do(UpdateSession(changes={"instructions": "Rhyme."}))
    await talk(conversation, 30)
    await conversation.do(UpdateSession(changes={"max_output_tokens": 77}))
    await hand_over(process, conversation)
    here = await other_process.join(conversation.session_id)
    assert (here.config.instructions, here.config.max_output_tokens) == ("Rhyme.", 77)


async def test_a_deleted_item_leaves_the_summary(
    process: Process, other_process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    model.summary = "FIRST"
    await talk(conversation, 12)
    model.summary = "SECOND, with what is to go"
    await talk(conversation, 18, start=13)
    rows = await in_db_thread(compactions, conversation.session_id)
    later = next(row for row in rows if "SECOND" in str(row.content))
    assert conversation.history.summary
    assert "SECOND" in conversation.history.summary
    gone = await in_db_thread(
        lambda: (
            SessionEvent.objects.filter(
                session_id=conversation.session_id,
                event_type="user_message",
                seq__gt=rows[rows.index(later) - 1].payload["through_seq"],
                seq__lte=later.payload["through_seq"],
            )
            .order_by("seq")
            .values_list("payload__item_id", flat=True)[0]
        )
    )
    await conversation.do(DeleteItem(item_id=gone))
    text = conversation.history.summary
    assert "SECOND" not in text
    assert text.endswith(f"FIRST\n\n{DELETED}")
    assert state(await rebuilt(conversation)) == state(conversation.history)
    with pytest.raises(ItemNotFound):
        await conversation.do(DeleteItem(item_id=gone))
    await hand_over(process, conversation)
    here = await other_process.join(conversation.session_id)
    with pytest.raises(ItemNotFound):
        await here.do(DeleteItem(item_id=gone))


@pytest.fixture
def compacts_meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Session, object], None]:
    """The next time that the log is asked so for a command, a summary of older turns is written before the answer comes."""

    def compact(conversation: Session, question: object) -> None:
        due = [conversation.compaction._plan()]

        async def slowly(function: Any, *args: Any, **kwargs: Any) -> Any:
            found = await in_db_thread(function, *args, **kwargs)
            if function is question and due and (plan := due.pop()):
                await conversation.compaction._write(plan, _Written(text="A SUMMARY WITH ALL OF IT"))
            return found

        monkeypatch.setattr("chat.session.accept.in_db_thread", slowly)

    return compact


@pytest.mark.parametrize("question", [find_ids, summary_before])
async def test_an_item_is_deleted_though_its_turn_goes_into_a_summary_while_the_log_is_asked(
    process: Process,
    model: EngineModel,
    compacts_meanwhile: Callable[[Session, object], None],
    question: object,
) -> None:
    conversation = await process.join()
    await talk(conversation, 30)
    history = conversation.history
    plan = conversation.compaction._plan()
    assert history.checkpoint_seq
    assert plan is not None
    recent = next(one for one in plan.item_ids if one.startswith("item_u"))
    gone = recent if question is find_ids else "item_u1"
    assert (gone in history.item_seqs) == (question is find_ids)
    compacts_meanwhile(conversation, question)
    await conversation.do(DeleteItem(item_id=gone, client_event_id="client_delete"))
    assert gone not in history.item_seqs
    assert "ALL OF IT" not in history.summary
    assert state(await rebuilt(conversation)) == state(history)


async def test_a_repeat_is_one_though_its_turn_goes_into_a_summary_while_its_budget_is_looked_up(
    process: Process, model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = await process.join()
    await talk(conversation, 30)
    plan = conversation.compaction._plan()
    assert plan is not None
    known = conversation.history.client_events
    event_id = next(one for one, seq in known.items() if seq <= plan.through_seq)

    async def refresh() -> None:
        await conversation.compaction._write(plan, _Written(text="A SUMMARY"))

    monkeypatch.setattr(conversation.budget, "refresh", refresh)
    done = await conversation.do(AddMessage(text="again", respond=True, client_event_id=event_id))
    assert done.repeated_seq == known[event_id]


async def test_an_item_that_is_deleted_while_it_is_summarised_is_not_in_the_summary(
    process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    model.summary_error = ModelOverloaded()
    await talk(conversation, 8)
    model.summary_error = None
    plan = conversation.compaction._plan()
    assert plan is not None
    await conversation.do(DeleteItem(item_id="item_u1"))
    written = await conversation.compaction._ask(plan)
    await conversation.compaction._write(plan, written)
    assert conversation.history.summary == ""
    assert await in_db_thread(compactions, conversation.session_id) == []


async def test_a_long_answer_history_is_kept_as_it_was_said(process: Process, model: EngineModel) -> None:
    """What is not compacted is sent byte for byte, vendor's parts and all."""
    conversation = await process.join()
    model.answer = lambda said: [TextDelta("a"), TextDelta("b", extra={"scripted": {"sig": "x"}})]
    await talk(conversation, 30)
    answers = [item for item in model.requests[-1].history if isinstance(item, AssistantText)]
    assert answers
    assert all(len(answer.parts) == 2 for answer in answers)


@pytest.mark.parametrize(
    ("words", "repeated"),
    [(WORDS, 5), ("自行车店里的车轮" * 27, 5), (WORDS, 10)],
    ids=["English", "Chinese", "long"],
)
async def test_a_smaller_model_that_writes_the_summary_is_given_what_it_can_take(
    process: Process, model: EngineModel, settings: Any, words: str, repeated: int
) -> None:
    """Counted in bytes, and of long messages their beginnings."""
    settings.CHAT_HISTORY_TOKENS = 12_000
    settings.CHAT_PRICES = {"scripted": {"context": 200_000}, "small": {"context": 4_000}}
    settings.CHAT_SUMMARY_MODEL = "small"
    small = ScriptedModel(name="small", otherwise=lambda _: "A SMALL SUMMARY")
    register_provider("small", lambda: small)
    conversation = await process.join()
    for number in range(60):
        await say(conversation, f"{number}: {words * repeated}")
        if small.requests:
            break
    (request, *_) = small.requests
    room = history_budget_tokens("small")
    assert tokens_of(request_bytes(request), TOKENS_PER_BYTE) <= room
    assert f"User: 0: {words[:100]}" in request.history[0].text  # type: ignore[union-attr]


async def test_an_attempt_without_a_word_is_counted_with_the_summary(
    process: Process, model: EngineModel, settings: Any
) -> None:
    """Its vendor charges for it like for any other."""
    settings.CHAT_PRICES = {"scripted": {"input": 1, "output": 10}}
    settings.CHAT_MODEL_RETRY_SECONDS = 0.0
    conversation = await process.join()
    model.summary_error = ModelOverloaded()
    await talk(conversation, 8)
    model.summary_error = None
    model.fails_to_sum_up(Completed(FinishReason.STOP, Usage(input_tokens=50, output_tokens=5)))
    plan = conversation.compaction._plan()
    assert plan is not None
    written = await conversation.compaction._ask(plan)
    assert written.text == "THE SUMMARY"
    assert written.usage == Usage(input_tokens=150, output_tokens=15)
    assert written.cost_microusd == 200 + 100


async def test_tries_that_gave_no_summary_are_counted_with_the_next(
    process: Process, model: EngineModel, settings: Any
) -> None:
    settings.CHAT_PRICES = {"scripted": {"input": 1, "output": 10}}
    settings.CHAT_MODEL_RETRY_SECONDS = 0.0
    conversation = await process.join()
    empty = Completed(FinishReason.STOP, Usage(input_tokens=50, output_tokens=5))
    model.fails_to_sum_up(empty, empty, empty)
    await talk(conversation, 30)
    (row, *_) = await in_db_thread(compactions, conversation.session_id)
    assert row.payload["usage"]["input_tokens"] == 100 + 3 * 50
    assert row.payload["cost_microusd"] == 200 + 3 * 100


async def test_the_cost_of_a_summary_is_the_sessions(
    process: Process, model: EngineModel, settings: Any
) -> None:
    settings.CHAT_PRICES = {"scripted": {"input": 1, "output": 10}}
    settings.CHAT_LLM_MODEL = "scripted"
    conversation = await process.join()
    await talk(conversation, 30)
    rows = await in_db_thread(compactions, conversation.session_id)
    assert [row.payload["cost_microusd"] for row in rows] == [200] * len(rows)
    session = await in_db_thread(SessionRow.objects.get, pk=conversation.session_id)
    assert session.cost_microusd == conversation.history.spent_microusd > 200 * len(rows)
    assert session.unpriced == 0
    done = [ev.ResponseDone.event_type]
    paid = await in_db_thread(
        lambda: sum(
            SessionEvent.objects.filter(session_id=conversation.session_id, event_type__in=done).values_list(
                "payload__cost_microusd", flat=True
            )
        )
    )
    assert paid + 200 * len(rows) == session.cost_microusd
