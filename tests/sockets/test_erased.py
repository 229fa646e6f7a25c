"""A session that is erased while it is open: what runs stops, readers are told 4404, nothing is written any more."""

import json
import urllib.request
from typing import Any

from websockets.exceptions import ConnectionClosed

from identity.guests import GUEST_COOKIE
from sessions_app.models import EraseActor, Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, realtime

from .conftest import StartServer

BY = By(actor=EraseActor.COMMAND)
ENV = {"DEMO_DELAY_MS": "15", "SESSION_LEASE_SECONDS": "2"}


async def told_it_is_gone(client: Realtime) -> None:
    """Whatever was on the way comes first."""
    try:
        while (frame := await client.recv())["type"] != "error":
            pass
        assert frame["error"]["code"] == "session_not_found"
    except ConnectionClosed:
        pass
    assert await client.closed() == 4404


def everything_said() -> str:
    return " ".join(f"{content} {json.dumps(payload)}" for content, payload in _rows())


def _rows() -> list[Any]:
    return list(SessionEvent.objects.values_list("content", "payload"))


async def test_a_running_answer_is_stopped_and_its_reader_told(start_server: StartServer) -> None:
    """By another process: the one that holds it looks for itself."""
    server = start_server(**ENV)
    async with realtime(server.ws_url, "/ws/session/mine") as client:
        await client.say("count to 5000")
        for _ in range(5):
            await client.until("response.output_text.delta")
        cursor = client.frames[-1]["event_id"]
        await in_db_thread(erase_session, session_id="mine", by=BY)
        last_seq = await in_db_thread(lambda: Session.objects.get().last_seq)
        while True:
            try:
                await client.recv()
            except ConnectionClosed:
                break
        assert await client.closed() in (
            4404,
            1012,
        )  # whichever it notices first: its fence, or that it is gone
    for path in (f"/ws/session?session_id=mine&last_event_id={cursor}", "/ws/session/mine"):
        async with realtime(server.ws_url, path) as back:
            assert back.created["error"]["code"] == "session_not_found"
            assert await back.closed() == 4404
    assert "count to" not in await in_db_thread(everything_said)
    assert await in_db_thread(lambda: Session.objects.get().last_seq) == last_seq


async def test_readers_of_both_processes_are_told(start_server: StartServer, redis_url: str) -> None:
    one, two = start_server(REDIS_URL=redis_url, **ENV), start_server(REDIS_URL=redis_url, **ENV)
    async with (
        realtime(one.ws_url, "/ws/session/shared") as here,
        realtime(two.ws_url, "/ws/session/shared") as there,
    ):
        await here.ask("count to 3")
        await in_db_thread(erase_session, session_id="shared", by=BY)
        await told_it_is_gone(here)
        await told_it_is_gone(there)


async def test_its_owner_erases_it_from_the_page(start_server: StartServer) -> None:
    """Where it is live in the same process, nobody has to look: it is over at once."""
    server = start_server(DEMO_DELAY_MS="15")
    headers = {"Cookie": await in_db_thread(_guest_cookie, server), "Origin": server.url}
    async with realtime(server.ws_url, "/ws/session/mine", additional_headers=headers) as client:
        await client.say("count to 5000")
        await client.until("response.output_text.delta")
        assert await in_db_thread(_delete, server, "/api/sessions/mine", headers) == 204
        await told_it_is_gone(client)
    assert "count to" not in await in_db_thread(everything_said)


def _guest_cookie(server: ServerProcess) -> str:
    """Of a new guest of that server's."""
    with urllib.request.urlopen(f"{server.url}/", timeout=10) as response:
        cookies = response.headers.get_all("Set-Cookie")
    return next(str(one) for one in cookies if one.startswith(GUEST_COOKIE)).split(";")[0]


def _delete(server: ServerProcess, path: str, headers: dict[str, str]) -> int:
    token = "t" * 32
    request = urllib.request.Request(
        server.url + path,
        method="DELETE",
        headers={"Cookie": f"{headers['Cookie']}; csrftoken={token}", "X-CSRFToken": token},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return int(response.status)
