"""What should not come in: each gets its named error or close code, and nobody else is disturbed."""

import asyncio
import contextlib
import json
import os

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime
from tests.support.waiting import eventually

from .conftest import StartServer, live_sessions


async def test_a_binary_frame_is_an_error_and_the_session_goes_on(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send(b"\x00\x01")
        assert (await client.recv()).startswith("[error] binary_frame: ")
        await client.send("count to 3")
        await client.until("3")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_event"),
        ("{}", "missing_type"),
        ('{"type": 5}', "missing_type"),
        ('{"type": "no.such.event"}', "unknown_event_type"),
        ('{"type": "conversation.item.create"}', "missing_required_parameter"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "unsupported_event"),
        (json.dumps({"type": "response.cancel"}), "response_cancel_not_active"),
        (json.dumps({"type": "conversation.item.delete", "item_id": "item_none"}), "item_not_found"),
        (json.dumps({"type": "conversation.item.retrieve", "item_id": "item_none"}), "item_not_found"),
    ],
)
async def test_a_bad_realtime_frame_is_named_and_the_session_goes_on(
    server: ServerProcess, frame: str, code: str
) -> None:
    async with realtime(server.ws_url) as client:
        await client.connection.send(frame)
        error = await client.until("error")
        assert error["error"]["code"] == code
        assert len(error["error"]["message"]) > 20
        text, done = await client.ask("count to 3")
        assert "3" in text
        assert done["response"]["status"] == "completed"


async def test_invalid_utf8_closes_with_1007(server: ServerProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /ws/session HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    mask, payload = os.urandom(4), b"\xff\xfe\xfd"
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    writer.write(b"\x81" + bytes([0x80 | len(payload)]) + mask + masked)
    received = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    assert b"\x88" in received
    assert (1007).to_bytes(2, "big") in received


async def test_a_frame_of_10_mb_closes_with_1009(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        with contextlib.suppress(ConnectionClosed):
            await client.send("x" * 10_000_000)
        assert await client.closed() == 1009


async def test_a_message_beyond_the_bound_is_refused_and_the_session_goes_on(
    start_server: StartServer,
) -> None:
    server = start_server(MAX_MESSAGE_CHARS="100")
    async with plain(server.ws_url) as client:
        await client.send("x" * 101)
        assert (await client.recv()).startswith("[error] message_too_large: ")
        await client.send("count to 3")
        await client.until("3")


async def test_an_empty_message_is_refused(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send("   ")
        assert (await client.recv()).startswith("[error] empty_message: ")


async def test_text_that_cannot_be_stored_is_refused(server: ServerProcess) -> None:
    async with plain(server.ws_url) as client:
        await client.send("nul \x00 character")
        assert (await client.recv()).startswith("[error] invalid_text: ")


@pytest.mark.parametrize("path", ["../etc/passwd", "a%2F..%2Fb", "a%20b", "x" * 129, "%00", "ümlaut", ".."])
async def test_a_bad_session_id_is_named(server: ServerProcess, path: str) -> None:
    async with plain(server.ws_url, f"/ws/session/{path}") as client:
        assert client.session_id.startswith("[error] invalid_session_id: ")
        assert await client.closed() == 4400


async def test_a_flood_of_tiny_frames_closes_with_4429_and_others_are_not_disturbed(
    server: ServerProcess,
) -> None:
    async with plain(server.ws_url) as other, plain(server.ws_url) as flooder:
        reading = asyncio.create_task(read_all(flooder.connection))
        with contextlib.suppress(ConnectionClosed):
            for _ in range(100_000):
                await flooder.send("x")
        await reading
        assert await flooder.closed() == 4429
        await other.send("count to 3")
        await other.until("3")


async def read_all(connection: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in connection:
            pass


async def test_an_unknown_session_to_resume_answers_as_not_found(server: ServerProcess) -> None:
    async with realtime(server.ws_url, "/ws/session?session_id=nobodys-session") as client:
        assert client.created["type"] == "error"
        assert client.created["error"]["code"] == "session_not_found"
        assert await client.closed() == 4404


async def test_connecting_too_often_from_one_address(start_server: StartServer) -> None:
    server = start_server(MAX_CONNECTS_PER_10_SECONDS="3")
    for _ in range(3):
        async with plain(server.ws_url) as client:
            assert not client.session_id.startswith("[error]")
    async with plain(server.ws_url) as client:
        assert client.session_id.startswith("[error] too_many_connections: ")
        assert await client.closed() == 4429


async def test_too_many_sockets_from_one_address(start_server: StartServer) -> None:
    server = start_server(MAX_SOCKETS_PER_ADDRESS="2")
    async with plain(server.ws_url), plain(server.ws_url) as second:
        async with plain(server.ws_url) as third:
            assert third.session_id.startswith("[error] too_many_connections: ")
            assert await third.closed() == 4429
        await second.connection.close()

        async def again() -> None:
            async with plain(server.ws_url) as fourth:
                assert not fourth.session_id.startswith("[error]")

        await eventually(again)


HANDSHAKE = (
    b"GET /ws/session HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def test_clients_that_drop_while_they_connect_leave_nothing_behind(start_server: StartServer) -> None:
    server = start_server(MAX_SOCKETS_PER_ADDRESS="3", SESSION_GRACE_SECONDS="0.1")
    for _ in range(12):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HANDSHAKE)
        await writer.drain()
        writer.transport.abort()
        await asyncio.sleep(0.02)

    async def nothing_left() -> None:
        assert live_sessions(server) == 0
        async with plain(server.ws_url) as client:
            assert not client.session_id.startswith("[error]")

    await eventually(nothing_left)
