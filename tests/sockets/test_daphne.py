"""The same application under daphne, as ``manage.py runserver`` serves it."""

import asyncio
import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chat.wire.codes import CloseCode
from identity.keys import make_key
from realtime_ai.env import BASE_DIR
from sessions_app.log import events as ev
from sessions_app.models import ServerProcess as ProcessRow
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.protocol.test_protocol_docs import section
from tests.sdk.node_packages import node_command
from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime
from tests.support.waiting import eventually

from .conftest import StartServer

DAPHNE = "daphne realtime_ai.asgi:application"


@pytest.fixture
def daphne(start_server: StartServer) -> ServerProcess:
    return start_server(module=DAPHNE, SOCKET_IDLE_SECONDS="1")


def test_a_server_that_is_not_daphne_makes_no_reactor() -> None:
    """It takes half a second of each start; the test settings do not have daphne among the apps."""
    code = "import sys, realtime_ai.asgi; print('twisted.internet.reactor' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=BASE_DIR
    )
    assert done.stdout.strip() == "False"


async def test_a_turn_a_refusal_and_a_silent_socket(daphne: ServerProcess) -> None:
    async with realtime(daphne.ws_url) as client:
        text, done = await client.ask("count to 300")
        assert done["response"]["output"][0]["content"][0]["text"] == text
        assert await client.closed() == 4408
    async with realtime(daphne.ws_url, "/ws/session?session_id=nobodys") as client:
        assert client.created["error"]["code"] == "session_not_found"
        assert await client.closed() == 4404
    async with plain(daphne.ws_url) as client:
        with contextlib.suppress(ConnectionClosed):
            await client.send("x" * 10_000_000)
        assert await client.closed() == 1009


async def test_every_close_code_gets_out(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(module="daphne tests.sockets.closing_app:application", log=tmp_path / "log")
    seen = []
    for code in CloseCode:
        async with connect(f"{server.ws_url}/{code.value}") as socket:
            async with asyncio.timeout(10):
                await socket.wait_closed()
            seen.append(socket.close_code)
            assert socket.close_reason is not None
            assert socket.close_reason.startswith("why not \N{SNOWMAN}")
    assert seen == list(CloseCode)
    assert "Traceback" not in (tmp_path / "log").read_text()


def is_held(server: ServerProcess) -> bool:
    """Whether the server's lease runs: other tests' servers may live beside it."""
    return ProcessRow.objects.filter(pid=server.process.pid, expires_at__gt=Now()).exists()


async def test_a_stop_drains_and_hands_the_leases_back(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(module=DAPHNE, log=tmp_path / "log", DEMO_DELAY_MS="20", DRAIN_SECONDS="20")
    async with (
        realtime(server.ws_url, "/ws/session/talking", max_queue=None) as client,
        realtime(server.ws_url, "/ws/session/silent") as silent,
    ):
        await client.say("count to 80")
        await client.until("response.output_text.delta")
        assert await in_db_thread(lambda: is_held(server))
        server.signal(signal.SIGTERM)
        assert await silent.closed() == await client.closed() == CloseCode.RESTARTING
        with pytest.raises(TimeoutError):  # the test holds the port open, but nobody takes a connection
            await asyncio.wait_for(connect(server.ws_url), 1)
    await asyncio.to_thread(server.process.wait, 30)
    told = [await last_event(name, ev.ResponseDone) for name in ("talking",)]
    assert [one.payload["status"] for one in told] == ["completed"]
    closes = [await last_event(name, ev.ConnectionClosed) for name in ("talking", "silent")]
    assert [one.payload["close_code"] for one in closes] == [1012, 1012]
    assert not await in_db_thread(lambda: is_held(server)), "whoever comes next need not wait"
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_who_asks_over_a_connection_that_is_still_open_begins_nothing_in_a_server_that_stops(
    start_server: StartServer,
) -> None:
    server = start_server(module=DAPHNE, DEMO_DELAY_MS="20", DRAIN_SECONDS="20")
    key = await in_db_thread(lambda: make_key(user=User.objects.create_user("ada"), label="late").value)
    kept_open = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def ask() -> tuple[int, Any]:
        head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        kept_open.request("POST", "/v1/responses", '{"model": "demo", "input": "Hello"}', head)
        answer = kept_open.getresponse()
        return answer.status, json.load(answer)

    assert (await asyncio.to_thread(ask))[0] == 200
    async with realtime(server.ws_url, max_queue=None) as client:
        await client.say("count to 300")
        await client.until("response.output_text.delta")
        server.signal(signal.SIGTERM)
        assert await client.closed() == CloseCode.RESTARTING
    status, told = await asyncio.to_thread(ask)
    kept_open.close()
    assert (status, told["error"]["code"]) == (503, "server_restarting")
    await asyncio.to_thread(server.process.wait, 30)
    assert not await in_db_thread(lambda: is_held(server))


async def last_event(session_id: str, event: type[ev.Event]) -> SessionEvent:
    found = SessionEvent.objects.filter(session_id=session_id, event_type=event.event_type).order_by("seq")
    row = await in_db_thread(found.last)
    assert row is not None
    return row


async def test_the_page_on_the_protocol_tells_how_to_resume(start_server: StartServer) -> None:
    """Its example in plain JavaScript, over a restart in mid-answer."""
    found = re.search(r"^```js\n(let sessionId.*?)^```$", section("Quick start"), re.MULTILINE | re.DOTALL)
    assert found is not None
    server = start_server(module=DAPHNE, DEMO_DELAY_MS="20", DRAIN_SECONDS="20")
    async with realtime(server.ws_url) as client:
        whole, _ = await client.ask("Explain WebSocket streaming")
    program = (
        found[1].replace("ws://localhost:8000", server.ws_url)
        + """
    function show(delta) { process.stdout.write(delta); }
    const first = connect();
    first.addEventListener("close", (e) => console.error("closed with", e.code));
    first.onopen = () => ask(first, "Explain WebSocket streaming");
    """
    )
    node = await asyncio.create_subprocess_exec(
        *node_command(),
        "--experimental-websocket",
        "--no-warnings",
        "--eval",
        program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert node.stdout
    assert node.stderr
    try:
        async with asyncio.timeout(60):
            shown = (await node.stdout.readexactly(40)).decode()
            server.signal(signal.SIGTERM)
            assert await node.stderr.readline() == b"closed with 1012\n"
            await asyncio.to_thread(server.process.wait, 30)
            await asyncio.to_thread(server.start)
            while len(shown) < len(whole):
                shown += (await node.stdout.read(4096)).decode()
    finally:
        node.kill()
        await node.wait()
    assert shown == whole


@pytest.mark.parametrize("module", ["realtime_ai.server", DAPHNE])
async def test_a_connection_that_broke_is_told_as_lost_and_one_that_was_closed_as_closed(
    start_server: StartServer, module: str
) -> None:
    server = start_server(module=module)
    async with (
        realtime(server.ws_url, "/ws/session/broken") as broken,
        realtime(server.ws_url, "/ws/session/ended") as ended,
        realtime(server.ws_url, "/ws/session/closed") as closed,
    ):
        broken.connection.transport.abort()
        ended.connection.transport.write_eof()
        await closed.connection.close(1001)

        async def codes() -> None:
            rows = [await last_event(name, ev.ConnectionClosed) for name in ("broken", "ended", "closed")]
            assert [row.payload["close_code"] for row in rows] == [1006, 1006, 1001]

        await eventually(codes)
    async with connect(f"{server.ws_url}/ws/session/nameless") as nameless:
        await nameless.recv()
        nameless.protocol.send_close()
        nameless.transport.write(b"".join(nameless.protocol.data_to_send()))

        async def code() -> None:
            row = await last_event("nameless", ev.ConnectionClosed)
            assert row.payload["close_code"] == 1005, "closed, without a reason: as a page does"

        await eventually(code)
