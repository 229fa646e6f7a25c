"""Budgets: checked before a turn and while an answer is written, by session, and by user and day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from chat.checks import check_budgets
from chat.errors import BudgetExceeded
from chat.llm.catalog import register_provider
from chat.llm.provider import TextDelta
from chat.session import cost
from chat.session.commands import AddMessage, RequestResponse
from chat.session.session import Session
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor, adopt_sessions
from sessions_app.models import Session as SessionRow
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from sessions_app.selectors.analytics import spent_since
from tests.engine.conftest import Process, quiet, say
from tests.engine.model import EngineModel

OUTPUT_ONLY = {"scripted": {"input": 0, "output": 1_000}}
"""The model counts 20 tokens an answer: two cents each."""


@pytest.fixture(autouse=True)
def prices(settings: Any) -> None:
    settings.CHAT_PRICES = OUTPUT_ONLY


def last_done(conversation: Session) -> ev.ResponseDone:
    done = conversation.history.last_done
    assert done is not None
    return done


def texts(session_id: str, event_type: str) -> list[str | None]:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type=event_type).order_by("seq")
    return list(rows.values_list("content", flat=True))


async def test_a_session_whose_budget_is_used_up_takes_no_more_turns(process: Process, settings: Any) -> None:
    settings.CHAT_BUDGET_SESSION_USD = 0.05
    conversation = await process.join()
    for _ in range(3):
        await say(conversation, "Hello")
    assert conversation.history.spent_microusd == 60_000
    with pytest.raises(BudgetExceeded, match=r"\$0\.05.*new session"):
        await conversation.do(AddMessage(text="More", respond=True))
    with pytest.raises(BudgetExceeded):
        await conversation.do(RequestResponse())
    assert await in_db_thread(texts, conversation.session_id, "user_message") == ["Hello"] * 3
    await conversation.do(AddMessage(text="Noted", item_id="item_noted"))  # what asks for no answer is kept
    settings.CHAT_BUDGET_SESSION_USD = 1.0
    await conversation.do(RequestResponse())
    await quiet(conversation)
    assert last_done(conversation).status == "completed"


async def test_a_turn_that_waited_is_not_run_on_an_empty_purse(
    process: Process, model: EngineModel, settings: Any
) -> None:
    settings.CHAT_BUDGET_SESSION_USD = 0.01
    conversation = await process.join()
    await conversation.do(AddMessage(text="One", respond=True))
    await conversation.do(AddMessage(text="Two", respond=True))
    await quiet(conversation)
    assert len(model.requests) == 1
    done = last_done(conversation)
    assert (done.status, done.reason, done.cost_microusd) == ("incomplete", "budget_exceeded", 0)


async def test_a_runaway_answer_is_stopped_and_what_there_is_of_it_is_kept(
    process: Process, model: EngineModel, settings: Any
) -> None:
    settings.CHAT_BUDGET_SESSION_USD = 0.1  # 100 tokens
    model.answer = lambda said: [TextDelta("word ")] * 10_000
    conversation = await process.join()
    await say(conversation, "Go on for ever")
    done = last_done(conversation)
    assert (done.status, done.reason) == ("incomplete", "budget_exceeded")
    assert "$0.1" in done.message
    (text,) = await in_db_thread(texts, conversation.session_id, "assistant_message")
    assert text
    assert set(text.split()) == {"word"}
    assert 300 < len(text) < 600  # about four characters a token
    assert done.cost_estimated
    assert done.cost_microusd == pytest.approx(100_000, rel=0.05)


async def test_an_answer_that_breaks_off_is_paid_for_all_the_same(
    process: Process, model: EngineModel
) -> None:
    """The vendor counts only at the end of a stream; so what was written before its end is estimated."""
    model.answer = lambda said: [TextDelta("word ")] * 400
    model.completes = False
    conversation = await process.join()
    await say(conversation, "Go on")
    done = last_done(conversation)
    assert done.cost_estimated
    assert done.cost_microusd == pytest.approx(500_000, rel=0.05)
    session = await in_db_thread(SessionRow.objects.get, pk=conversation.session_id)
    assert (session.cost_microusd, session.unpriced) == (done.cost_microusd, 0)


async def test_what_has_no_price_is_unknown_and_not_zero(process: Process, settings: Any) -> None:
    settings.CHAT_PRICES = {}
    settings.CHAT_BUDGET_SESSION_USD = 0.000001
    conversation = await process.join()
    await say(conversation, "Hello")
    assert last_done(conversation).cost_microusd is None
    session = await in_db_thread(SessionRow.objects.get, pk=conversation.session_id)
    assert (session.cost_microusd, session.unpriced) == (0, 1)


async def test_a_users_day_counts_all_their_sessions_in_all_processes(
    process: Process, other_process: Process, settings: Any
) -> None:
    settings.CHAT_BUDGET_USER_DAY_USD = 0.05
    settings.CHAT_BUDGET_STALE_SECONDS = 0.0
    ann, bob = [await in_db_thread(User.objects.create, username=name) for name in ("ann", "bob")]
    here, there = await process.join(user_id=ann.pk), await other_process.join(user_id=ann.pk)
    await say(here, "Hello")
    await say(there, "Hello")
    cost._accounts.clear()  # the two processes of this test are one
    second = await process.join(user_id=ann.pk)
    await say(second, "Hello")
    third = await other_process.join(user_id=ann.pk)
    with pytest.raises(BudgetExceeded, match="00:00 UTC"):
        await third.do(AddMessage(text="More", respond=True))
    of_bob = await process.join(user_id=bob.pk)
    await say(of_bob, "Hello")
    assert last_done(of_bob).status == "completed"


async def test_a_guest_who_signs_in_talks_on_within_their_own_day(process: Process, settings: Any) -> None:
    """As it would be in a session that they begin now, or open again."""
    settings.CHAT_BUDGET_USER_DAY_USD = 0.05
    settings.CHAT_BUDGET_STALE_SECONDS = 0.0
    ann = await in_db_thread(User.objects.create, username="ann")
    own, as_guest = await process.join(user_id=ann.pk), await process.join(guest_id="guest_1")
    for _ in range(3):
        await say(own, "Hello")
    await say(as_guest, "Hello")
    await in_db_thread(adopt_sessions, guest_id="guest_1", user_id=ann.pk)
    process.hub.belongs(as_guest.session_id, Visitor(user_id=ann.pk, secret_of=as_guest.session_id))
    with pytest.raises(BudgetExceeded, match="00:00 UTC"):
        await as_guest.do(AddMessage(text="More", respond=True))


async def test_a_users_sum_is_not_read_again_within_its_staleness(
    process: Process, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def counted(**who: Any) -> int:
        reads.append(who)
        return spent_since(**who)

    monkeypatch.setattr(cost, "spent_since", counted)
    settings.CHAT_BUDGET_USER_DAY_USD = 0.05
    settings.CHAT_BUDGET_STALE_SECONDS = 3600.0
    conversation = await process.join(guest_id="guest_1")
    another = await process.join(guest_id="guest_1")
    await say(conversation, "Hello")
    await say(another, "Hello")
    await say(conversation, "Hello")
    assert len(reads) == 1
    with pytest.raises(BudgetExceeded):  # what this process spent counts at once
        await another.do(AddMessage(text="More", respond=True))


async def test_what_a_shops_customers_spend_is_not_the_shops_own_day(process: Process, settings: Any) -> None:
    settings.CHAT_BUDGET_USER_DAY_USD = 0.01
    shop = int((await in_db_thread(User.objects.create, username="shop")).pk)
    kim = await process.join(user_id=shop, external_user_id="kim")
    await say(kim, "Hello")
    with pytest.raises(BudgetExceeded):
        await kim.do(AddMessage(text="More", respond=True))
    for who in ({"external_user_id": "lee"}, {}):
        other = await process.join(user_id=shop, **who)
        await say(other, "Hello")
        assert last_done(other).status == "completed"


async def test_yesterdays_spending_does_not_count(process: Process) -> None:
    conversation = await process.join(guest_id="guest_1")
    await say(conversation, "Hello")
    midnight = datetime.now(UTC)
    await say(conversation, "Hello")
    await say(conversation, "Hello")
    begin = midnight - timedelta(hours=1)
    assert await in_db_thread(spent_since, user_id=None, guest_id="guest_1", since=begin) == 60_000
    assert await in_db_thread(spent_since, user_id=None, guest_id="guest_1", since=midnight) == 40_000
    assert (
        await in_db_thread(spent_since, user_id=None, guest_id="guest_1", since=begin + timedelta(hours=2))
        == 0
    )
    assert await in_db_thread(spent_since, user_id=None, guest_id="guest_2", since=begin) == 0


async def test_without_a_budget_nothing_is_read(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "spent_since", lambda **_: pytest.fail("read"))
    conversation = await process.join(guest_id="guest_1")
    await say(conversation, "Hello")
    assert last_done(conversation).status == "completed"


def test_a_budget_over_a_model_without_a_price_is_warned_of(settings: Any) -> None:
    settings.CHAT_LLM_MODEL = "demo"
    settings.CHAT_BUDGET_SESSION_USD = 1.0
    assert check_budgets(None) == []
    register_provider("unpriced", EngineModel)
    settings.CHAT_LLM_MODEL = "unpriced"
    (warning,) = check_budgets(None)
    assert warning.id == "chat.W005"
    assert "unpriced" in warning.msg
    settings.CHAT_BUDGET_SESSION_USD = None
    assert check_budgets(None) == []
