"""A session's page of the admin without a browser: its socket, and what it shows by then."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from django.conf import settings
from django.contrib.auth.models import Permission, User
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.admin.conftest import signed_in
from tests.support.server import ServerProcess


def staff(name: str, *rights: str) -> str:
    """The login cookie of a new member of staff."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=rights or ("view_session", "operate_session"),
            content_type__app_label="sessions_app",
        )
    )
    return signed_in(user).cookies[settings.SESSION_COOKIE_NAME].value


class StaffPage:
    """Does with what it is sent what the page's script does."""

    def __init__(self, connection: ClientConnection, seen: int = 0) -> None:
        self._connection = connection
        self.seen = seen
        self.entries: dict[int, str] = {}
        """By the seq at which they began: HTML, and what was added to it."""
        self.now: dict[str, Any] = {}
        self.staff: list[str] = []
        self.messages: list[dict[str, Any]] = []

    async def recv(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self._connection.recv(), 30))
        self.messages.append(message)
        if "drop_from" in message:
            self.entries = {seq: html for seq, html in self.entries.items() if seq < message["drop_from"]}
        for entry in message.get("entries", []):
            self.entries[entry["seq"]] = entry["html"]
        for more in message.get("append", []):
            place = max(seq for seq in self.entries if f'data-stream="{more["seq"]}"' in self.entries[seq])
            self.entries[place] += more["text"]
        self.seen = message.get("seq", self.seen)
        self.now = message.get("now", self.now)
        self.staff = message.get("staff", self.staff)
        return message

    async def until(self, condition: Any) -> None:
        while not condition(self):
            await self.recv()

    async def until_text(self, text: str) -> None:
        await self.until(lambda page: text in page.text)

    @property
    def text(self) -> str:
        return "\n".join(html for _, html in sorted(self.entries.items()))

    async def close_code(self) -> int | None:
        try:
            while True:
                await self.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


@asynccontextmanager
async def staff_page(
    server: ServerProcess, session_id: str, cookie: str, *, first: int = 0, seen: int = 0
) -> AsyncIterator[StaffPage]:
    headers = {"Origin": server.url, "Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
    url = f"{server.ws_url}/ws/staff/session/{session_id}?first={first}&seen={seen}"
    async with connect(url, additional_headers=headers, max_size=None) as connection:
        yield StaffPage(connection, seen)


async def act(
    server: ServerProcess, session_id: str, cookie: str, act: str, text: str = ""
) -> tuple[int, str]:
    """As the page's script posts it: the status, and the words that it shows."""
    name = settings.CSRF_COOKIE_NAME
    async with httpx2.AsyncClient(base_url=server.url) as client:
        answer = await client.post(
            f"/admin/sessions_app/session/{session_id}/steer/",
            data={"act": act, "text": text, "csrfmiddlewaretoken": "a" * 32},
            headers={
                "Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}; {name}={'a' * 32}",
                "Accept": "application/json",
                "Referer": server.url,
                "Origin": server.url,
            },
            timeout=30,
        )
    is_json = "json" in answer.headers.get("content-type", "")
    return answer.status_code, answer.json()["words"] if is_json else answer.text[:200]
