"""Rounds of Claude: asked, called for tools, remembered as the engine does, and what its server was sent."""

from typing import Any

from chat.llm.anthropic.provider import AnthropicProvider
from chat.llm.provider import HistoryItem, ModelRequest, ToolCallItem
from tests.fakes.anthropic_script import JSON, Content, Use, ask
from tests.fakes.anthropic_server import AnthropicServer
from tests.providers.rounds import GET_PROFILE, GET_TIME, events_of, remembered, result
from tests.providers.rounds import request as request_to

MODEL = "claude-sonnet-5-5"
TOOLS = [GET_TIME, GET_PROFILE]


def request(*history: HistoryItem | str, **more: Any) -> ModelRequest:
    """A text stands for a user's message."""
    return request_to(*history, **{"model": MODEL, **more})


async def called(
    server: AnthropicServer, provider: AnthropicProvider, *calls: Use, before: tuple[Content, ...] = ()
) -> list[HistoryItem]:
    """What the history holds after a round that asked for these calls."""
    server.then(ask(*calls, before=before))
    return remembered(await events_of(provider, request("What time is it?", tools=TOOLS)))


async def answered(provider: AnthropicProvider, items: list[HistoryItem], **more: Any) -> None:
    """The round behind: every call has its result."""
    results = [result(item, "noon") for item in items if isinstance(item, ToolCallItem)]
    await events_of(provider, request("What time is it?", *items, *results, **{"tools": TOOLS, **more}))


def sent(server: AnthropicServer, index: int) -> list[JSON]:
    content: list[JSON] = server.requests[-1]["messages"][index]["content"]
    return content
