from collections.abc import Callable
from datetime import datetime

import pytest

from chat.tools.base import ToolContext, ToolOutcome
from chat.tools.registry import Registry, default_registry, discover_tools
from chat.tools.runner import run_tool
from sessions_app.ids import new_id
from sessions_app.log.events import AssistantMessage, Event, UserMessage
from sessions_app.log.lifecycle import Visitor, append_now, open_session
from sessions_app.models import Session

NOBODY = ToolContext(session_id="s1", call_id="call_1")
MakeSession = Callable[..., str]


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture(scope="session")
def shipped() -> Registry:
    """The registry as a server has it."""
    discover_tools()
    return default_registry


@pytest.fixture
def make_session(transactional_db: None) -> MakeSession:
    """Makes a session with events in its log; returns its id."""

    def make(
        session_id: str,
        *events: Event,
        user_id: int | None = None,
        guest_id: str = "",
        title: str = "",
        started: datetime | None = None,
    ) -> str:
        visitor = Visitor(user_id=user_id, guest_id=guest_id)
        opened = open_session(session_id=session_id, visitor=visitor, process_id="proc_test", model="demo")
        if events:
            append_now(session_id=session_id, epoch=opened.epoch, last_seq=0, events=events)
        Session.objects.filter(pk=session_id).update(
            title=title, **({"start_time": started} if started else {})
        )
        return session_id

    return make


async def call(registry: Registry, name: str, arguments: str = "{}") -> ToolOutcome:
    return await run_tool(registry, name=name, arguments=arguments, context=NOBODY)


def asked(text: str) -> UserMessage:
    return UserMessage(item_id=new_id("item"), text=text)


def answered(text: str) -> AssistantMessage:
    return AssistantMessage(response_id="resp_1", item_id=new_id("item"), output_index=0, text=text)
