"""A WebSocket client that costs next to nothing: the load generator shares the machine with what it measures.

It trusts the server: no masks are drawn, nothing is checked that a correct server does not do.
"""

import asyncio
import base64
import os
import struct
import time
from collections.abc import Callable, Mapping
from typing import cast

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
OnMessage = Callable[[bytes, float], None]
"""Takes a text message and when it was received (`time.time`)."""


class WsClient(asyncio.Protocol):
    def __init__(self, on_message: OnMessage) -> None:
        self.on_message = on_message
        self.received_bytes = 0
        self.close_code = 0
        """What the server's close frame said."""
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._buffer = bytearray()
        self._whole = bytearray()
        self._transport: asyncio.Transport

    @classmethod
    async def connect(
        cls, port: int, path: str, on_message: OnMessage, headers: Mapping[str, str] | None = None
    ) -> "WsClient":
        """Raises ConnectionError when the server refuses."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: cls(on_message), "127.0.0.1", port)
        client._ask(path, f"127.0.0.1:{port}", headers or {})
        await client.opened
        return client

    def send(self, text: str) -> None:
        self._send_frame(TEXT, text.encode())

    async def close(self) -> None:
        self._send_frame(CLOSE, struct.pack("!H", 1000))
        await self.closed

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before it was opened"))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self.received_bytes += len(data)
        self._buffer += data
        if not self.opened.done() and not self._take_answer():
            return
        while (frame := self._take_frame()) is not None:
            self._take_in(*frame, now)

    def _ask(self, path: str, host: str, headers: Mapping[str, str]) -> None:
        fields = {
            "Host": host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def _take_answer(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        if not head.startswith(b"HTTP/1.1 101"):
            self.opened.set_exception(ConnectionError(head.split(b"\r\n")[0].decode()))
            self._transport.close()
            return False
        self.opened.set_result(None)
        return True

    def _take_frame(self) -> tuple[int, bytes] | None:
        """First byte and payload of the next frame that is there as a whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length == 126:
            if len(buffer) < 4:
                return None
            length, start = int.from_bytes(buffer[2:4]), 4
        elif length == 127:
            if len(buffer) < 10:
                return None
            length, start = int.from_bytes(buffer[2:10]), 10
        if len(buffer) < start + length:
            return None
        first, payload = buffer[0], bytes(buffer[start : start + length])
        del buffer[: start + length]
        return first, payload

    def _take_in(self, first: int, payload: bytes, now: float) -> None:
        final, code = first & 0x80, first & 0x0F
        if code == PING:
            self._send_frame(PONG, payload)
        elif code == CLOSE:
            self.close_code = int.from_bytes(payload[:2])
            self._transport.close()
        elif code != PONG and final and not self._whole:
            self.on_message(payload, now)
        elif code != PONG:
            self._whole += payload
            if final:
                whole, self._whole = bytes(self._whole), bytearray()
                self.on_message(whole, now)

    def _send_frame(self, code: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | code, 0x80 | length)
        elif length < 65536:
            head = struct.pack("!BBH", 0x80 | code, 0xFE, length)
        else:
            head = struct.pack("!BBQ", 0x80 | code, 0xFF, length)
        self._transport.write(head + bytes(4) + payload)  # a mask of zeros
