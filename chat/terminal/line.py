"""A connection to one session that outlives its sockets: it connects again, resumes, and sends again what was not taken."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import aiohttp
from yarl import URL

from sessions_app.ids import new_id

Frame = dict[str, Any]

logger = logging.getLogger(__name__)

_OPEN_SECONDS = 15.0
_PROBE_SECONDS = 5.0
"""Between two pings of the WebSocket's own; aiohttp gives the line up after half of it without an answer."""
_MOST_PAUSE_SECONDS = 8.0
_FINAL_CODES = (1000, 1009, 4400, 4401, 4403, 4404)
"""After which connecting again by itself would not help (docs/protocol.md, "Close codes")."""
_MOST_FRAME_BYTES = 64 * 1024 * 1024


class LineError(Exception):
    """The conversation cannot go on over this line: what is wrong, and what to do."""

    def __init__(self, code: str, message: str, *, was_told: bool = False) -> None:
        """``was_told``: a frame of the server's said so."""
        super().__init__(message)
        self.code = code
        self.was_told = was_told


def address_of(server: str) -> URL:
    """The Realtime endpoint of a server, given as ``https://chat.example.com`` or with ``/v1`` behind it.

    Raises ValueError for what is no such address.
    """
    url = URL(server if "://" in server else f"http://{server}")
    scheme = {"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}.get(url.scheme)
    if not scheme or not url.host or url.user or url.query_string or url.fragment:
        raise ValueError("an address like https://chat.example.com, without a name, a query or a fragment")
    path = url.path.rstrip("/").removesuffix("/realtime").removesuffix("/v1")
    return url.with_scheme(scheme).with_path(f"{path}/v1/realtime")


class Line:
    """`place` is what leads back to the session: its id, its secret, and the last event that was told."""

    def __init__(self, address: URL, key: str, query: Mapping[str, str], *, patience_s: float) -> None:
        """A cut is tried to be mended for `patience_s`; a first connection that fails is told at once."""
        self._address = address
        self._key = key
        self._query = dict(query)
        self._patience_s = patience_s
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._is_greeted = False
        self._outbox: dict[str, Frame] = {}
        self._failure: Frame | None = None
        self.place: dict[str, str] = {}

    @property
    def waits(self) -> bool:
        """Something that was sent is not taken yet."""
        return bool(self._outbox)

    async def send(self, event: Frame) -> str:
        """An event that makes an item or a response: it goes again after a cut until the server has taken it, which runs a repeat once.
        Its id, by which an error names it."""
        name = new_id("mine")
        named = {**event, "event_id": name}
        self._outbox[name] = named
        await self.send_now(named)
        return name

    async def send_now(self, event: Frame) -> None:
        """Or not at all, where nothing is connected."""
        if self._socket is None or self._socket.closed or not self._is_greeted:
            return
        try:
            await self._socket.send_str(json.dumps(event))
        except (OSError, aiohttp.ClientError) as error:
            logger.debug("a frame goes with the next connection: %s", error)

    async def frames(self) -> AsyncGenerator[Frame | None]:
        """The server's events, in order and each once; None for a cut that is being mended. Raises `LineError`."""
        pause = 0.25
        given_up_at: float | None = None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_OPEN_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
            while True:
                async for frame in self._one_socket(http):
                    pause, given_up_at = 0.25, None
                    yield frame
                now = asyncio.get_running_loop().time()
                if not self.place:
                    raise self._error(
                        "no_answer", "The server closed the connection before it said anything."
                    )
                given_up_at = given_up_at or now + self._patience_s
                if now >= given_up_at:
                    raise self._error("connection_lost", "The connection was lost, and did not come back.")
                yield None
                await asyncio.sleep(pause * (0.5 + random.random() / 2))
                pause = min(pause * 2, _MOST_PAUSE_SECONDS)

    async def _one_socket(self, http: aiohttp.ClientSession) -> AsyncIterator[Frame]:
        """Ends where another attempt is worth it. Raises `LineError` where not."""
        query = {**({} if self.place else self._query), **self.place}
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._failure = None
        self._is_greeted = False
        try:
            connecting = http.ws_connect(
                self._address.with_query(query),
                protocols=("realtime",),
                headers=headers,
                heartbeat=_PROBE_SECONDS,
                max_msg_size=_MOST_FRAME_BYTES,
            )
            async with asyncio.timeout(_OPEN_SECONDS):
                self._socket = await connecting
        except aiohttp.WSServerHandshakeError as error:
            self._is_over(f"The server answered {error.status} and opened no WebSocket at {self._address}.")
            return
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            self._is_over(f"Nothing answers at {self._address} ({reason}). Does the server run there?")
            return
        socket = self._socket
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    frame = self._frame(message.data)
                    await self._take(frame)
                    yield frame
        finally:
            self._socket = None
            await socket.close()
        if socket.close_code in _FINAL_CODES:
            raise self._error(f"closed_{socket.close_code}", f"The server ended it ({socket.close_code}).")

    def _is_over(self, message: str) -> None:
        if not self.place:
            raise LineError("no_connection", message)
        self._failure = {"code": "no_connection", "message": message}

    def _error(self, code: str, message: str) -> LineError:
        """What the server said last says more than the code with which it closed."""
        said = self._failure or {}
        was_told = "type" in said
        return LineError(
            str(said.get("code") or code), str(said.get("message") or message), was_told=was_told
        )

    def _frame(self, text: str) -> Frame:
        """Raises `LineError` for what no server of this product says."""
        try:
            frame: Frame = json.loads(text)
            kind = frame["type"]
            if kind == "session.created":
                frame["x_stream"]["session_id"]
        except (ValueError, TypeError, KeyError):
            message = f"At {self._address} another product answers, which this does not know how to talk to."
            raise LineError("foreign_server", message) from None
        return frame

    async def _take(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind == "session.created":
            stream = frame["x_stream"]
            self.place = {
                "session_id": stream["session_id"],
                "resume_token": stream.get("resume_token", ""),
                "last_event_id": stream.get("truncated_to") or stream["last_event_id"],
            }
            self.place = {name: value for name, value in self.place.items() if value}
            self._is_greeted = True
            for event in list(self._outbox.values()):
                await self.send_now(event)
        elif str(frame.get("event_id", "")).startswith("event_"):
            self.place["last_event_id"] = frame["event_id"]
        self._failure = frame["error"] if kind == "error" else None
        if self._outbox:
            self._forget_taken(frame)

    def _forget_taken(self, frame: Frame) -> None:
        """What an error names was refused; "done", of an item, means committed."""
        match frame["type"]:
            case "error":
                taken = [frame["error"].get("event_id")]
            case "conversation.item.done":
                made = frame["item"]["id"]
                taken = [
                    name for name, sent in self._outbox.items() if sent.get("item", {}).get("id") == made
                ]
            case "response.created" | "response.done":
                taken = [frame["response"].get("x_client_event_id")]
            case _:
                taken = []
        for name in taken:
            self._outbox.pop(name or "", None)
