"""What comes in before a session: heads and bodies that are too long, requests that never end, addresses that are none.

Each under both servers that the project runs on.
"""

import asyncio
import contextlib
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime

from .conftest import StartServer

SERVERS = {"uvicorn": "realtime_ai.server", "daphne": "daphne realtime_ai.asgi:application"}
MIB = 1_048_576


@pytest.fixture(scope="module", params=SERVERS)
def module(request: pytest.FixtureRequest) -> str:
    return SERVERS[request.param]


@pytest.fixture(scope="module")
def shared(
    module: str, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("bounded")
    (folder / "tmp").mkdir()
    quiet = "tests.support.quiet_settings"
    server = ServerProcess(
        module=module, TMPDIR=str(folder / "tmp"), REQUEST_SECONDS="1.5", DJANGO_SETTINGS_MODULE=quiet
    )
    server.log = folder / "log"
    server.start()
    yield server
    server.close()


@pytest.fixture
def bounded(shared: ServerProcess, transactional_db: None) -> Iterator[ServerProcess]:
    """A server; whatever happens to it, its log has no traceback and its folder for temporary files stays empty."""
    yield shared
    assert shared.log
    assert "Traceback" not in shared.log.read_text()
    assert list((shared.log.parent / "tmp").iterdir()) == []


@asynccontextmanager
async def raw(server: ServerProcess) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer(server: ServerProcess, *sent: bytes) -> bytes:
    """All that the server says until it closes."""
    async with raw(server) as (reader, writer):
        with contextlib.suppress(OSError):
            for piece in sent:
                writer.write(piece)
                await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()


def post(path: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    ).encode()


UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
CLOSE = b"Connection: close\r\n"


def get(path: str, headers: bytes = CLOSE) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + headers + b"\r\n"


@pytest.mark.parametrize("path", ["/login/", "/admin/login/", "/nowhere", "/healthz", "/?x=/admin/"])
async def test_a_body_that_announces_too_much_is_refused_before_it_is_sent(
    bounded: ServerProcess, path: str
) -> None:
    assert (await answer(bounded, post(path, 70_000))).startswith(b"HTTP/1.1 413 ")


async def test_a_body_within_its_paths_bound_is_taken(bounded: ServerProcess) -> None:
    for path, length in (("/login/", 60_000), ("/admin/auth/user/add/", 2 * MIB)):
        body = b"a=" + b"b" * (length - 2)
        async with raw(bounded) as (reader, writer):
            writer.write(post(path, length) + body)
            status = await asyncio.wait_for(reader.readline(), 10)
            assert status.startswith(b"HTTP/1.1 403 "), "it is CSRF's turn"
    assert (await answer(bounded, post("/admin/auth/user/add/", 3 * MIB))).startswith(b"HTTP/1.1 413 ")


async def test_a_body_in_chunks_is_counted_while_it_arrives(bounded: ServerProcess) -> None:
    head = b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    assert (await answer(bounded, head, *[chunk] * 8)).startswith(b"HTTP/1.1 413 ")
    assert await answer(bounded, head, chunk, b"0\r\n\r\n" + get("/healthz")) != b""


async def test_a_client_that_sends_on_for_ever_is_cut_off_and_costs_no_memory(bounded: ServerProcess) -> None:
    process = psutil.Process(bounded.process.pid)
    before, sent = process.memory_info().rss, 0
    async with raw(bounded) as (_, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            async with asyncio.timeout(20):
                while sent < 200 * MIB:
                    writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                    await writer.drain()
                    sent += 0x10000
    assert sent < 40 * MIB, "most of it lies in the kernel's buffers"
    assert process.memory_info().rss - before < 30 * MIB


async def test_whoever_asks_before_a_long_body_is_told_no_at_once(bounded: ServerProcess) -> None:
    head = post("/login/", 10 * MIB).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    said = await answer(bounded, head)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in said


@pytest.mark.parametrize("upgrade", [CLOSE, UPGRADE], ids=["page", "socket"])
@pytest.mark.parametrize("length", [9_000, 20_000, 100_000])
async def test_a_long_request_line_is_told_414(bounded: ServerProcess, length: int, upgrade: bytes) -> None:
    said = await answer(bounded, get(f"/ws/session?x={'y' * length}", upgrade))
    assert said.startswith(b"HTTP/1.1 414 ")
    assert b"\r\n\r\n" in said


async def test_a_request_line_that_never_ends_is_told_414(bounded: ServerProcess) -> None:
    assert (await answer(bounded, b"GET /", *[b"y" * 5000] * 4)).startswith(b"HTTP/1.1 414 ")


@pytest.mark.parametrize("upgrade", [CLOSE, UPGRADE], ids=["page", "socket"])
@pytest.mark.parametrize(
    "headers",
    [
        b"Cookie: a=" + b"y" * 9_000 + b"\r\n",
        b"Cookie: a=" + b"y" * 100_000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(150)),
        b"".join(b"X-%d: %b\r\n" % (number, b"y" * 4000) for number in range(20)),
    ],
    ids=["long", "longer", "many", "large"],
)
async def test_large_headers_are_told_431(bounded: ServerProcess, headers: bytes, upgrade: bytes) -> None:
    assert (await answer(bounded, get("/ws/session", headers + upgrade))).startswith(b"HTTP/1.1 431 ")


async def test_a_head_that_is_just_short_enough_is_served(bounded: ServerProcess) -> None:
    said = await answer(bounded, get(f"/healthz?{'y' * 8000}", b"Cookie: a=" + b"y" * 8000 + b"\r\n" + CLOSE))
    assert said.startswith(b"HTTP/1.1 200 ")


UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET /he",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-",
    "half a handshake": get("/ws/session", UPGRADE)[:-2],
    "half a body": post("/login/", 1000) + b"a=b",
    "half a chunk": b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc",
    "empty lines": b"\r\n",
}


async def test_a_file_may_take_longer(bounded: ServerProcess) -> None:
    async with raw(bounded) as (reader, writer):
        writer.write(post("/api/files", 3))
        await asyncio.sleep(2.5)  # any other request's time is over
        writer.write(b"a=b")
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
async def test_a_request_that_never_ends_is_cut_off(bounded: ServerProcess, sent: bytes) -> None:
    said = await answer(bounded, sent)
    assert said.startswith(b"HTTP/1.1 408 " if sent else b"")


async def test_a_second_request_that_never_ends_is_cut_off_behind_the_first_ones_answer(
    bounded: ServerProcess,
) -> None:
    said = await answer(bounded, get("/healthz", b"") + b"GET /he")
    assert said.startswith(b"HTTP/1.1 200 ")


async def test_drops_of_a_request_buy_no_time(bounded: ServerProcess) -> None:
    async with raw(bounded) as (reader, writer):
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while not reader.at_eof() and time.monotonic() - began < 10:
                writer.write(b"X")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), 0.2)
        assert time.monotonic() - began < 5


def figure(server: ServerProcess, name: str) -> float:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return float(next((line.split()[-1] for line in lines if line.startswith(name)), "0"))


async def test_600_idle_connections_are_counted_and_cut_off(module: str, start_server: StartServer) -> None:
    server = start_server(module=module, REQUEST_SECONDS="8")
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(600)]
    for number, (_, writer) in enumerate(idle):
        writer.write(list(UNFINISHED.values())[number % 3])
    assert await asyncio.to_thread(figure, server, "http_unfinished_requests ") >= 600
    async with asyncio.timeout(30):
        ends = await asyncio.gather(*(reader.read() for reader, _ in idle))
    assert len(ends) == 600
    slow = 'http_refused_requests_total{reason="not_finished_in_time"}'
    assert await asyncio.to_thread(figure, server, slow) == 600
    for _, writer in idle:
        writer.close()


async def test_the_oldest_unfinished_request_makes_room(module: str, start_server: StartServer) -> None:
    server = start_server(module=module, MAX_UNFINISHED_REQUESTS="3", REQUEST_SECONDS="30")
    async with raw(server) as (oldest, _), raw(server) as (second, _), raw(server), raw(server):
        await asyncio.sleep(1.2)  # younger ones are not asked to go
        async with raw(server) as (_, writer):
            assert await asyncio.wait_for(oldest.read(), 5) == b""
            writer.write(get("/healthz"))
            assert second.at_eof() is False
    crowded = 'http_refused_requests_total{reason="too_many_unfinished"}'
    assert await asyncio.to_thread(figure, server, crowded) >= 1


async def test_a_request_that_waits_for_its_answer_is_not_cut_off(bounded: ServerProcess) -> None:
    """The socket's handshake and its session are no unfinished request either."""
    async with plain(bounded.ws_url) as client:
        await asyncio.sleep(2.5)
        await client.send("count to 3")
        await client.until("3")


@pytest.mark.parametrize("path", ["/ws/nowhere", "/", "/ws/", "/ws/session/%00/"])
async def test_an_address_that_is_none_closes_with_4404_or_4400(bounded: ServerProcess, path: str) -> None:
    async with connect(bounded.ws_url + path) as socket:
        frame = await asyncio.wait_for(socket.recv(), 5)
        assert str(frame).startswith(("[error] unknown_address: ", "[error] invalid_session_id: "))
        await asyncio.wait_for(socket.wait_closed(), 5)
        assert socket.close_code == (4400 if "%00" in path else 4404)
    async with realtime(bounded.ws_url, "/v1/nowhere") as client:
        assert client.created["error"]["code"] == "unknown_address"
        assert await client.closed() == 4404


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_a_flood_of_control_frames_is_told_4429(bounded: ServerProcess, kind: str) -> None:
    async with realtime(bounded.ws_url) as client:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(1000):
                await getattr(client.connection, kind)()
                await asyncio.sleep(0)  # what the server says is read before a reset takes it away
        error = await client.until("error")
        assert error["error"]["code"] == "rate_limited"
        assert await client.closed() == 4429


async def test_a_few_pings_are_answered(bounded: ServerProcess) -> None:
    async with realtime(bounded.ws_url) as client:
        for _ in range(20):
            async with asyncio.timeout(5):
                await (await client.connection.ping())
        _, done = await client.ask("count to 3")
        assert done["response"]["status"] == "completed"
