"""A model that speaks faster than anybody reads, without a pause: everybody else still has a turn."""

from collections.abc import AsyncGenerator

import pytest
from pytest_django import Settings

from chat.llm.catalog import register_provider
from chat.llm.provider import Completed, FinishReason, ModelEvent, ModelRequest, Provider, TextDelta
from chat.session.commands import AddMessage, CancelResponse
from chat.session.response import EVENTS_A_TURN
from sessions_app.log import events as ev
from tests.engine.conftest import Process, quiet
from tests.engine.test_session import ends
from tests.support.waiting import eventually

WORDS = 20_000
"""An end all the same: nobody could end it who is given no turn."""
TURNS = 20
"""Of the event loop, for a stop to come through."""


class Blast(Provider):
    name = "blast"

    def __init__(self) -> None:
        self.said = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        for _ in range(WORDS):
            self.said += 1
            yield TextDelta("word ")
        yield Completed(FinishReason.STOP)


@pytest.fixture
def blast(settings: Settings) -> Blast:
    model = Blast()
    settings.CHAT_LLM_MODEL = "blast"
    register_provider("blast", lambda: model)
    return model


async def test_a_stop_is_heard_in_the_middle_of_it(process: Process, blast: Blast) -> None:
    session = await process.join()
    await session.do(AddMessage(text="Go", respond=True))

    async def speaks() -> int:
        assert blast.said
        return blast.said

    before = await eventually(speaks)
    assert before < WORDS
    await session.do(CancelResponse())
    await quiet(session)
    assert blast.said - before <= TURNS * EVENTS_A_TURN
    assert await ends(session.session_id) == [(ev.ResponseStatus.CANCELLED, ev.Reason.CLIENT_CANCELLED)]
