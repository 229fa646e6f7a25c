"""Users with keys, and the servers that they come to."""

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from identity.guests import GUEST_COOKIE, issue_guest_id, sign_guest_id
from identity.keys import make_key
from identity.models import ApiKey, Scope
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import server, shared_server, start_server
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime

__all__ = ["server", "shared_server", "start_server"]

Headers = dict[str, str]


async def made_user(username: str, **fields: Any) -> User:
    def make() -> User:
        user, _ = User.objects.get_or_create(username=username, defaults=fields)
        return user

    return await in_db_thread(make)


async def made_key(username: str, scope: Scope = Scope.CHAT, **options: Any) -> tuple[ApiKey, str]:
    user = await made_user(username)
    made = await in_db_thread(make_key, user=user, label="of a test", scope=scope, **options)
    return made.row, made.value


def bearer(value: str) -> Headers:
    return {"Authorization": f"Bearer {value}"}


async def signed_in(server: ServerProcess, user: User) -> Headers:
    def sign_in() -> str:
        client = Client()
        client.force_login(user)
        return client.cookies["sessionid"].value

    return {"Cookie": f"sessionid={await in_db_thread(sign_in)}", "Origin": server.url}


def as_guest(server: ServerProcess, guest_id: str | None = None) -> Headers:
    return {"Cookie": f"{GUEST_COOKIE}={sign_guest_id(guest_id or issue_guest_id())}", "Origin": server.url}


async def refused(client: Realtime) -> tuple[str, int | None]:
    """The code of the error, and that of the close."""
    return client.created["error"]["code"], await client.closed()
