"""A server with the shop's tools, on the local Gemini that calls them as a test says."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.fakes.gemini_script import Chunk, Reply, call
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.support.server import ServerProcess

from .conftest import StartServer

StartShop = Callable[..., ServerProcess]


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer(word_delay_s=0.02) as server:
        yield server
    assert server.refusals == []


class Ledger:
    """What the shop's tools did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def start_shop(start_server: StartServer, gemini: GeminiServer, ledger: Ledger) -> StartShop:
    def start(**env: str) -> ServerProcess:
        return start_server(
            DJANGO_SETTINGS_MODULE="tests.shop.settings",
            LLM_MODEL="gemini:gemini-3-flash",
            GEMINI_API_KEY=API_KEY,
            GOOGLE_GEMINI_BASE_URL=gemini.url,
            SHOP_LEDGER=str(ledger.path),
            **env,
        )

    return start


def calls(*wanted: tuple[str, Mapping[str, object]]) -> Reply:
    """The model asks for these tools, in one round."""
    parts = tuple(
        call(name, dict(arguments), signed=index == 0) for index, (name, arguments) in enumerate(wanted)
    )
    return Reply((Chunk(parts), Chunk(finish="STOP")))
