"""A server of the demo model, slow enough that an answer can be cut, and OpenAI's client for Python, as a guest or by a key."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from openai import AsyncOpenAI

from identity.keys import make_key
from identity.models import Scope
from tests.sockets.conftest import live_sessions, start_server
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

__all__ = ["start_server"]

Client = Callable[..., Any]
"""Makes an `AsyncOpenAI`; what tests give it and what they look at is not all in its types."""


@pytest.fixture(scope="session")
def shared_server(django_db_setup: None) -> Iterator[ServerProcess]:
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.shop.quiet_settings",
        "SHOP_LEDGER": os.devnull,
        "SESSION_GRACE_SECONDS": "0.2",
        "DEMO_DELAY_MS": "5",
    }
    server = ServerProcess(**env).start()
    yield server
    server.close()


@pytest.fixture
async def server(shared_server: ServerProcess, transactional_db: None) -> AsyncIterator[ServerProcess]:
    """Each test leaves it without a session."""
    yield shared_server

    async def quiet() -> None:
        assert not live_sessions(shared_server)

    await eventually(quiet)


@pytest.fixture
def key(transactional_db: None) -> str:
    user = get_user_model().objects.create_user("ann")
    return make_key(user=user, label="tests", scope=Scope.CHAT).value


@pytest.fixture
async def client_of() -> AsyncIterator[Client]:
    made: list[AsyncOpenAI] = []

    def make(server: ServerProcess, key: str = "guest", **options: object) -> AsyncOpenAI:
        made.append(AsyncOpenAI(api_key=key, base_url=f"{server.url}/v1", max_retries=0, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for client in made:
        await client.close()
