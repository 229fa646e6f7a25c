from collections.abc import Callable, Iterator

import pytest

from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.sockets.conftest import StartServer, start_server
from tests.support.server import ServerProcess

__all__ = ["start_server"]

StartGemini = Callable[..., ServerProcess]


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server
    assert server.refusals == []


@pytest.fixture
def start_gemini(start_server: StartServer, gemini: GeminiServer) -> StartGemini:
    """Starts servers that ask the local Gemini."""

    def start(**env: str) -> ServerProcess:
        return start_server(
            LLM_MODEL="gemini:gemini-3-flash",
            GEMINI_API_KEY=API_KEY,
            GOOGLE_GEMINI_BASE_URL=gemini.url,
            **env,
        )

    return start
