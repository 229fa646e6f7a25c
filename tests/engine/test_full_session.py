"""A session takes so many messages and no more, whoever tells them and however often it is come back to."""

from typing import Any

import pytest

from chat.errors import SessionFull
from chat.session.commands import AddMessage, AddToolCall, AddToolOutput, Command, RequestResponse
from tests.engine.conftest import Process, hand_over, quiet, say
from tests.engine.model import EngineModel

BOUND = 3


@pytest.fixture(autouse=True)
def bound(settings: Any) -> None:
    settings.CHAT_MAX_SESSION_MESSAGES = BOUND


@pytest.mark.parametrize(
    "one_more",
    [
        AddMessage(text="more", respond=True),
        AddMessage(text="more", respond=False),
        AddMessage(text="more", role="assistant"),
        AddToolCall(call_id="call_more", name="look_up", arguments="{}"),
    ],
    ids=["asks", "waits", "told", "call"],
)
async def test_a_full_session_takes_no_message_and_still_answers(
    process: Process, other_process: Process, model: EngineModel, one_more: Command
) -> None:
    conversation = await process.join()
    await say(conversation, "one")
    await conversation.do(AddMessage(text="two", role="assistant"))
    await conversation.do(AddToolCall(call_id="call_three", name="look_up", arguments="{}"))
    last_seq = conversation.log.last_seq
    with pytest.raises(SessionFull):
        await conversation.do(one_more)
    assert conversation.log.last_seq == last_seq
    await conversation.do(AddToolOutput(call_id="call_three", output="found"))
    await conversation.do(RequestResponse())
    await quiet(conversation)
    assert len(model.requests) == 2
    await hand_over(process, conversation)
    there = await other_process.join(conversation.session_id)
    with pytest.raises(SessionFull):
        await there.do(one_more)
