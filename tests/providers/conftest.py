from collections.abc import AsyncGenerator, Generator

import pytest
from pytest_django import Settings

from chat.llm.anthropic.provider import AnthropicProvider
from chat.llm.gemini.provider import GeminiProvider
from tests.fakes.anthropic_server import API_KEY as ANTHROPIC_KEY
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.gemini_server import API_KEY, GeminiServer


@pytest.fixture
def server(settings: Settings) -> Generator[GeminiServer]:
    """A fake Gemini."""
    with GeminiServer() as running:
        settings.CHAT_GOOGLE_GEMINI_BASE_URL = running.url
        yield running


@pytest.fixture
async def provider(server: GeminiServer) -> AsyncGenerator[GeminiProvider]:
    """The real provider and the real SDK."""
    gemini = GeminiProvider(API_KEY)
    yield gemini
    await gemini.aclose()


@pytest.fixture
def claude_server(settings: Settings) -> Generator[AnthropicServer]:
    """A fake Messages API; its key is ours."""
    settings.CHAT_ANTHROPIC_API_KEY = ANTHROPIC_KEY
    with AnthropicServer() as running:
        settings.CHAT_ANTHROPIC_BASE_URL = running.url
        yield running


@pytest.fixture
async def claude(claude_server: AnthropicServer) -> AsyncGenerator[AnthropicProvider]:
    """The real provider and the real SDK."""
    anthropic = AnthropicProvider(ANTHROPIC_KEY)
    yield anthropic
    await anthropic.aclose()
