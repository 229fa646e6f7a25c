"""What belongs together is in the database together: a process that dies at any moment leaves no half of it."""

import asyncio
import time
from typing import Any

import pytest
from django.db import connection

from chat.llm.provider import TextDelta, ToolCallRequest
from chat.session.commands import AddMessage, CancelResponse
from chat.session.session import Session
from sessions_app.log.journal import SessionWriter
from sessions_app.postgres.threads import in_db_thread
from tests.engine.conftest import Process, quiet, say
from tests.engine.model import EngineModel
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def quick_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has committed what it was given before it is given more."""
    append = SessionWriter.append

    def append_and_let_commit(writer: SessionWriter, *args: Any, **kwargs: Any) -> None:
        append(writer, *args, **kwargs)
        time.sleep(0.05)

    monkeypatch.setattr(SessionWriter, "append", append_and_let_commit)


async def commits(conversation: Session, *event_types: str) -> list[str]:
    """The transactions that wrote the last event of each type, and the session's row."""

    def found() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT ON (event_type) xmin::text FROM session_events "
                "WHERE session_id = %(id)s AND event_type = ANY(%(types)s) ORDER BY event_type, seq DESC",
                {"id": conversation.session_id, "types": list(event_types)},
            )
            rows = cursor.fetchall()
            cursor.execute("SELECT xmin::text FROM sessions WHERE session_id = %s", [conversation.session_id])
            return [row[0] for row in [*rows, *cursor.fetchall()]]

    return await in_db_thread(found)


async def test_an_answer_its_end_and_the_sessions_counters_are_one_commit(
    process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    await say(conversation, "Hello")  # its row is there from now on
    await say(conversation, "Hello again")
    found = await commits(conversation, "assistant_message", "response_done")
    assert len(found) == 3
    assert len(set(found)) == 1


async def test_an_answer_that_was_stopped_and_its_end_are_one_commit(
    process: Process, model: EngineModel
) -> None:
    conversation = await process.join()
    stopped = asyncio.Event()

    async def held(request: Any) -> Any:
        yield TextDelta("Well, ")
        await stopped.wait()

    model.stream = held  # type: ignore[method-assign]
    await conversation.do(AddMessage(text="Hello", respond=True))

    async def speaks() -> None:
        assert len(await commits(conversation, "assistant_delta")) == 2

    await eventually(speaks)
    await conversation.do(CancelResponse())
    await quiet(conversation)
    found = await commits(conversation, "assistant_message", "response_done")
    assert len(found) == 3
    assert len(set(found)) == 1


async def test_what_was_said_before_calls_is_one_commit_with_them(
    process: Process, model: EngineModel
) -> None:
    def look_up() -> str:
        """Look it up."""
        return "found"

    process.registry.tool(look_up)
    model.answer = lambda said: (
        [TextDelta("One moment."), ToolCallRequest("call_1", "look_up", "{}")] if said else []
    )
    conversation = await process.join()
    await say(conversation, "Hello")
    found = await commits(conversation, "assistant_message", "tool_call")
    assert len(found) == 3
    assert found[0] == found[1]
