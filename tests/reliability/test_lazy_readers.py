"""Sockets that ask for much and do not read: they cost little memory, are cut off, and can resume."""

import asyncio
import contextlib
import json
import socket

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.reliability.logs import write_ended_session
from tests.reliability.readers import READ_S, Reader
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

LAZY = 12
MESSAGES, CHARS = 400, 32_000
"""12.8 MB for each of them, many times what the sockets of both sides hold."""
MAX_GROWTH_BYTES = 40 * 1024 * 1024
"""A quarter of what they have asked for."""

ABNORMAL = 1006
SERVERS = {
    "uvicorn": "realtime_ai.server",
    "daphne": "daphne realtime_ai.asgi:application",
}


@pytest.mark.parametrize("kind", SERVERS)
async def test_lazy_readers_cost_little_and_are_cut_off_and_can_resume(
    start_server: StartServer, kind: str
) -> None:
    server = start_server(module=SERVERS[kind], SOCKET_SEND_SECONDS="2", SESSION_GRACE_SECONDS="600")
    last_seq = await in_db_thread(lambda: write_ended_session("long", messages=MESSAGES, chars=CHARS))
    with contextlib.ExitStack() as hang_up:
        await _read_lazily(server, last_seq, hang_up)


async def _read_lazily(server: ServerProcess, last_seq: int, hang_up: contextlib.ExitStack) -> None:
    async with Reader("long").connected(server.ws_url):  # the session is open, and the server warm
        before = memory_of(server)
        lazy = await asyncio.gather(*(_lazy(server) for _ in range(LAZY)))
        for one in lazy:
            hang_up.callback(one.transport.abort)
        await eventually(_all_cut_off, timeout_s=60)
        grown = memory_of(server) - before
        assert grown < MAX_GROWTH_BYTES, f"{grown / 2**20:.0f} MiB for {LAZY} readers"
        seen, code = await _read_on(lazy[0])
        assert code in (4408, ABNORMAL), "a client that still does not read when it is told so may miss why"
        reader = Reader("long", last_event_id=seen)
        async with reader.connected(server.ws_url) as connection:
            while reader.last_event_id != f"event_long_{last_seq}":
                await reader.read(connection)


def memory_of(server: ServerProcess) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


async def _lazy(server: ServerProcess) -> ClientConnection:
    """A client that leaves its socket alone; with small buffers, so that the server's side sees it soon."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    return await connect(
        f"{server.ws_url}/ws/session/long?last_event_id=event_long_0",
        sock=raw,
        subprotocols=[Subprotocol("realtime")],
        compression=None,
        ping_interval=None,
        max_queue=1,
    )


async def _all_cut_off() -> None:
    events = SessionEvent.objects.filter(session_id="long", event_type="connection_closed")
    codes = await in_db_thread(lambda: [event.payload["close_code"] for event in events.all()])
    assert codes == [4408] * LAZY


async def _read_on(connection: ClientConnection) -> tuple[str, int | None]:
    """The last place of the stream that a lazy client gets when it reads at last, and the code it is closed with."""
    last = ""
    with contextlib.suppress(ConnectionClosed):
        while True:
            async with asyncio.timeout(READ_S):
                frame = json.loads(await connection.recv())
            if frame["type"] != "session.created":
                last = frame["event_id"]
    return last, connection.close_code
