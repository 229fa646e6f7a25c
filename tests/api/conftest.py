"""A server of the demo model, slow enough that an answer can be cut, and people who come to it with keys."""

import os
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from identity.keys import make_key
from identity.models import Scope
from tests.sockets.conftest import server, start_server
from tests.support.server import ServerProcess

__all__ = ["server", "start_server"]


@pytest.fixture(scope="session")
def shared_server(django_db_setup: None) -> Iterator[ServerProcess]:
    env = {"DJANGO_SETTINGS_MODULE": "tests.shop.quiet_settings", "SHOP_LEDGER": os.devnull}
    shared = ServerProcess(SESSION_GRACE_SECONDS="1", DEMO_DELAY_MS="8", **env).start()
    yield shared
    shared.close()


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def key(ada: User) -> dict[str, str]:
    """Ada's, as a header."""
    return bearer(make_key(user=ada, label="tests").value)


@pytest.fixture
def reading_key(ada: User) -> dict[str, str]:
    return bearer(make_key(user=ada, label="tests", scope=Scope.READ).value)


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}
