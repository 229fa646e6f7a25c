import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.llm.catalog import register_provider
from chat.session.commands import AddMessage
from chat.session.hub import Hub
from chat.session.opening import Join
from chat.session.session import Session
from chat.tools.registry import Registry
from sessions_app.log import events as ev
from sessions_app.log.journal import Journal
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import Visitor
from sessions_app.postgres.link import connect_journal
from sessions_app.postgres.threads import in_db_thread
from tests.engine.model import NAME, EngineModel
from tests.support.waiting import eventually


class Tab:
    """A subscriber that keeps what it is told."""

    dialect = "realtime"

    def __init__(self, connection_id: str = "conn_1") -> None:
        self.connection_id = connection_id
        self.errors: list[Exception] = []

    def notify(self, error: Exception) -> None:
        self.errors.append(error)


class Process:
    """What one server process runs beside its sockets."""

    def __init__(self, process_id: str) -> None:
        self.process_id = process_id
        registered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        registered.set_result(None)
        self.journal = Journal(connect_journal, asyncio.get_running_loop())
        self.registry = Registry()
        self.hub = Hub(
            journal=self.journal,
            process_id=process_id,
            registry=self.registry,
            registered=lambda: asyncio.shield(registered),
        )

    async def start(self) -> "Process":
        self.journal.start()
        await in_db_thread(renew_process, process_id=self.process_id)
        return self

    async def stop(self) -> None:
        await self.hub.shutdown(drain_s=1.0)
        await self.journal.stop(timeout_s=5)
        self.hub.close_all()

    async def join(self, session_id: str | None = None, **visitor: Any) -> Session:
        """Whoever has no name holds the session's secret."""
        join = Join(visitor=Visitor(**visitor, secret_of=session_id or ""), session_id=session_id)
        conversation = await self.hub.join(Tab(), join)
        assert isinstance(conversation, Session)
        return conversation


@pytest.fixture
def model(settings: Any) -> EngineModel:
    model = EngineModel()
    settings.CHAT_LLM_MODEL = NAME  # forgets the providers made so far
    register_provider(NAME, lambda: model)
    return model


@pytest.fixture
async def process(transactional_db: None, model: EngineModel) -> AsyncIterator[Process]:
    process = await Process("proc_a").start()
    yield process
    await process.stop()


@pytest.fixture
async def other_process(transactional_db: None, model: EngineModel) -> AsyncIterator[Process]:
    process = await Process("proc_b").start()
    yield process
    await process.stop()


async def say(conversation: Session, text: str, **fields: Any) -> None:
    """A message, its answer, and what goes on behind it."""
    await conversation.do(AddMessage(text=text, respond=True, **fields))
    await quiet(conversation)


async def asked(model: EngineModel) -> None:
    async def has_a_question() -> None:
        assert model.requests

    await eventually(has_a_question)


async def quiet(conversation: Session) -> None:
    async def done() -> None:
        assert not conversation.answering
        assert not conversation.compaction.running

    await eventually(done)
    await conversation.durable()


async def hand_over(process: Process, conversation: Session) -> None:
    """The session as a closing process leaves it: whole in the log, and free."""
    await process.hub.end(conversation, ev.EndReason.CLOSED)
