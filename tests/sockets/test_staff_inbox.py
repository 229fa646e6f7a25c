"""The socket of the admin's pages: what waits is counted there, in every process, for who may see it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission, User
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sessions_app.models import InboxItem, Session
from sessions_app.postgres.threads import in_db_thread
from tests.admin.conftest import signed_in
from tests.support.server import ServerProcess

from .conftest import StartServer


def staff(name: str = "grace", *, may_see: bool = True) -> tuple[User, str]:
    user = User.objects.create_user(name, is_staff=True)
    if may_see:
        user.user_permissions.add(
            Permission.objects.get(codename="view_session", content_type__app_label="sessions_app")
        )
    return user, signed_in(user).cookies[settings.SESSION_COOKIE_NAME].value


def something_waits(ref: str) -> None:
    session, _ = Session.objects.get_or_create(session_id="s1")
    InboxItem.objects.create(session=session, kind="failed_answer", ref=ref, seq=1, at=datetime.now(UTC))


@asynccontextmanager
async def page(server: ServerProcess, cookie: str = "") -> AsyncIterator[ClientConnection]:
    headers = {"Origin": server.url, "Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
    async with connect(f"{server.ws_url}/ws/staff/inbox", additional_headers=headers) as socket:
        yield socket


async def told(socket: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 30))


async def close_code(socket: ClientConnection) -> int | None:
    try:
        while True:
            await asyncio.wait_for(socket.recv(), 60)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def test_every_process_tells_its_pages_what_waits_as_it_changes(start_server: StartServer) -> None:
    one, two = start_server(), start_server()
    _, cookie = await in_db_thread(staff)
    async with page(one, cookie) as here, page(two, cookie) as there:
        assert await told(here) == await told(there) == {"count": 0, "words": "0"}
        await in_db_thread(something_waits, "r1")
        assert await told(here) == await told(there) == {"count": 1, "words": "1"}
        await in_db_thread(lambda: InboxItem.objects.update(settled_at=datetime.now(UTC)))
        assert (await told(here))["count"] == (await told(there))["count"] == 0
        async with page(one, cookie) as later:
            assert (await told(later))["count"] == 0


async def test_it_is_for_staff_who_may_see_sessions(server: ServerProcess) -> None:
    def user() -> str:
        account = User.objects.create_user("ada")
        return signed_in(account).cookies[settings.SESSION_COOKIE_NAME].value

    _, of_nobody = await in_db_thread(staff, "nobody", may_see=False)
    for cookie in ("", of_nobody, await in_db_thread(user)):
        async with page(server, cookie) as socket:
            assert await close_code(socket) == 4401


async def test_a_strange_page_gets_none(server: ServerProcess) -> None:
    _, cookie = await in_db_thread(staff)
    headers = {"Origin": "https://evil.example", "Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
    async with connect(f"{server.ws_url}/ws/staff/inbox", additional_headers=headers) as socket:
        assert await close_code(socket) == 4403


async def test_who_loses_the_permission_hears_no_more(server: ServerProcess) -> None:
    user, cookie = await in_db_thread(staff)
    async with page(server, cookie) as socket:
        await told(socket)
        await in_db_thread(user.user_permissions.clear)
        assert await close_code(socket) == 4401


async def test_a_page_that_speaks_is_none_of_ours(server: ServerProcess) -> None:
    _, cookie = await in_db_thread(staff)
    async with page(server, cookie) as socket:
        await socket.send("hello")
        assert await close_code(socket) == 4400
