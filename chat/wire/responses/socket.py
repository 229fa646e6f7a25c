"""The WebSocket of ``client.responses.connect()`` at ``/v1/responses``: docs/responses.md.

Unlike the other sockets it belongs to no session: each response has its own. So a handshake is refused by an HTTP answer, as
the SDKs expect it, and an error on it ends nothing else, but where the connection itself is at its end.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qs

import msgspec

from chat import metrics
from chat.conf import conf
from chat.errors import (
    AccessError,
    BinaryFrame,
    ChatError,
    CredentialsInvalid,
    FrameError,
    RateLimited,
    ShuttingDown,
    TooManySockets,
)
from chat.limits import FrameBudget
from chat.quota.subjects import Payers, address_of, payers_of, subjects_of
from chat.runtime import Runtime, runtime
from chat.supervision import Held, Tasks, heard, within
from chat.tools.forks import serves_on
from chat.wire.auth import check_origin, identify
from chat.wire.codes import CloseCode
from chat.wire.http.errors import told
from chat.wire.http.exchange import Message, Receive, Send
from chat.wire.http.visit import Visit
from chat.wire.responses.answers import COMES_AGAIN_S
from chat.wire.responses.frames import Create, error_frame, frame_in, lane_of
from chat.wire.responses.lanes import Lane
from chat.wire.responses.objects import DIALECT
from chat.wire.responses.resuming import resumed_by
from chat.wire.responses.steering import Steering
from identity.principal import Principal
from sessions_app.errors import DatabaseAway, SessionsError
from sessions_app.ids import new_id
from sessions_app.log.lifecycle import Visitor

logger = logging.getLogger(__name__)

MOST_LANES = 16
_MOST_MADE = 1000
"""Responses of a socket that are kept in mind."""
_OPEN_SECONDS = 12.0
_SUBPROTOCOL = "realtime"
"""Which a browser offers beside its key."""
_LOST = 1006
"""RFC 6455, 7.4.1: the connection ended without a close frame."""
_LEFT = (1000, 1001, 1005)
"""The client closed it and does not come back."""
_COMES_BACK_ON = (CloseCode.INTERNAL_ERROR, CloseCode.RESTARTING, CloseCode.OVERLOADED)


async def responses_socket(scope: Message, receive: Receive, send: Send) -> None:
    await ResponsesSocket(scope, receive, send).serve()


class ResponsesSocket:
    principal: Principal
    visitor = Visitor()
    stored_session: str | None = None

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.connection_id = new_id("conn")
        self.query = parse_qs(scope["query_string"].decode(errors="replace"), keep_blank_values=True)
        self.assistant = self.query.get("assistant", [""])[-1]
        self.payers: Payers = ()
        self.gone = asyncio.Event()
        self.responses: OrderedDict[str, None] = OrderedDict()
        """Those of this connection, the newest last."""
        self._server: Runtime | None = None
        self._close_code = _LOST
        self._lanes: dict[str | None, Lane] = {}
        self._writing = asyncio.Lock()
        self._budget = FrameBudget()
        self._held = Held()
        self._tasks = Tasks()
        self._heard_at = 0.0
        self._idle: asyncio.TimerHandle | None = None

    async def serve(self) -> None:
        """However the connection ends, what it holds is given back."""
        try:
            if (await self._receive())["type"] == "websocket.connect" and await self._opened():
                await self._listen()
        except asyncio.CancelledError:
            self._close_code = CloseCode.RESTARTING
            logger.info("socket %s: the server stops and waits for it no longer", self.connection_id)
        finally:
            self.gone.set()
            if self._idle:
                self._idle.cancel()
            self._held.close()

    # Its beginning

    async def _opened(self) -> bool:
        try:
            server = await within(_OPEN_SECONDS, runtime())
            await within(_OPEN_SECONDS, self._enter(server))
            resumed = await within(_OPEN_SECONDS, self._resumed(server))
        except (ChatError, SessionsError) as error:
            await self._deny(error)
            return False
        except TimeoutError:
            await self._deny(DatabaseAway())
            return False
        except Exception:
            logger.exception("socket %s could not be opened", self.connection_id)
            await self._deny(ChatError())
            return False
        named = _SUBPROTOCOL in (self._scope.get("subprotocols") or [])
        with contextlib.suppress(
            OSError, RuntimeError
        ):  # the client may have gone meanwhile, which is heard of next
            await self._send({"type": "websocket.accept", "subprotocol": _SUBPROTOCOL if named else None})
        self._heard()
        for stream_id, job in resumed:
            self._lane(stream_id).put(job)
        return True

    async def _enter(self, server: Runtime) -> None:
        """Raises what refuses it."""
        serves_on(self._scope.get("server"))
        if server.hub.closing:
            raise ShuttingDown
        client = self._scope.get("client")
        network = address_of(client[0] if client else "unknown")
        server.quotas.connect(network.id)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._scope["headers"]
        }
        key = {"authorization": headers["authorization"]} if "authorization" in headers else {}
        protocols = self._scope.get("subprotocols") or []
        if not key and not protocols:
            raise CredentialsInvalid("Send a key: Authorization: Bearer KEY.")
        check_origin({name: one for name, one in headers.items() if name != "cookie"})
        self.principal = await identify(key, protocols)
        subjects = subjects_of(self.principal)
        self._held.callback(server.quotas.sockets([network, *subjects]).close)
        self.payers = payers_of([*subjects, network], is_anonymous=self.principal.is_anonymous)
        metrics.sockets.labels(dialect=DIALECT).inc()
        self._held.callback(metrics.sockets.labels(dialect=DIALECT).dec)
        server.watch.add(self)
        self._held.callback(server.watch.discard, self)
        self._server = server

    async def _resumed(self, server: Runtime) -> Any:
        """Raises `FrameError`, `ObjectNotFound`."""
        visit = Visit(server, self.principal, self.payers, DIALECT)
        try:
            return await resumed_by(visit, self.query, most=MOST_LANES)
        finally:
            visit.close()

    async def _deny(self, error: ChatError | SessionsError) -> None:
        """A server that knows no other answer to a handshake says 403."""
        self._held.close()
        status, value, headers = told(error)
        answers = "websocket.http.response" in (self._scope.get("extensions") or {})
        with contextlib.suppress(OSError, RuntimeError):
            if not answers:
                await self._send({"type": "websocket.close", "code": 4403, "reason": error.code})
                return
            about = [(b"content-type", b"application/json")]
            about += [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
            await self._send(
                {"type": "websocket.http.response.start", "status": int(status), "headers": about}
            )
            await self._send({"type": "websocket.http.response.body", "body": msgspec.json.encode(value)})

    # What the client says

    async def _listen(self) -> None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            if not self.gone.is_set():
                await self._heard_of(message)
        if not self.gone.is_set():
            self._close_code = message.get("code") or _LOST

    async def _heard_of(self, message: Message) -> None:
        """Beside what is received the servers of `realtime_ai` tell of frames that are no messages: they count as any."""
        self._heard()
        stream_id = None
        try:
            self._budget.spend()
            if message["type"] == "websocket.receive":
                metrics.frames_in.labels(dialect=DIALECT).inc()
                await self._take(message.get("text"))
        except (ChatError, SessionsError) as error:
            stream_id = lane_of(error) if isinstance(error, FrameError) else None
            await self.tell(error, stream_id, midway=False)
        except OSError:
            pass  # the client has gone meanwhile
        except Exception:
            logger.exception("socket %s: a frame could not be handled", self.connection_id)
            await self.tell(ChatError(), None, midway=False)

    async def _take(self, text: str | None) -> None:
        """Raises what refuses it."""
        if text is None:
            raise BinaryFrame
        frame = frame_in(text)
        if not isinstance(frame, Create):
            await Steering(self).take(frame, self._lanes.values())
            return
        try:
            self._lane(frame.stream_id).put(frame)
        except ChatError as error:
            await self.tell(error, frame.stream_id, midway=False)

    def _lane(self, stream_id: str | None) -> Lane:
        """Raises `TooManySockets`."""
        if stream_id not in self._lanes:
            if len(self._lanes) >= MOST_LANES:
                raise TooManySockets(f"At most {MOST_LANES} lanes are served at once. Wait for one of them.")
            self._lanes[stream_id] = Lane(self, stream_id)
        return self._lanes[stream_id]

    # As its lanes see it

    def visit(self) -> Visit:
        assert self._server
        visit = Visit(self._server, self.principal, self.payers, DIALECT)
        visit.made = self.responses
        self._server.watch.add(visit)
        visit.held.callback(self._server.watch.discard, visit)
        return visit

    def made(self, response_id: str) -> None:
        self.responses[response_id] = None
        while len(self.responses) > _MOST_MADE:
            self.responses.popitem(last=False)

    def over(self, lane: Lane) -> None:
        if self._lanes.get(lane.stream_id) is lane:
            del self._lanes[lane.stream_id]

    @property
    def lost_for_s(self) -> float | None:
        stops = self._server is not None and self._server.hub.closing
        if stops or self._close_code == CloseCode.RESTARTING:
            return None  # another process gives the answer
        return 0.0 if self._close_code in _LEFT else COMES_AGAIN_S

    async def send(self, frame: str) -> None:
        async with self._writing:
            if self.gone.is_set():
                raise ConnectionAbortedError
            try:
                await within(conf().send_seconds, self._write(frame))
            except TimeoutError:
                self._end(CloseCode.OVERLOADED, "you did not read fast enough; reconnect to resume")
                raise
            except (
                RuntimeError
            ) as error:  # uvicorn's word for a socket that it has closed by itself meanwhile
                raise ConnectionAbortedError from error

    async def _write(self, frame: str) -> None:
        await self._send({"type": "websocket.send", "text": frame})

    async def tell(self, error: ChatError | SessionsError, stream_id: str | None, *, midway: bool) -> None:
        """Where an answer can be had by coming again, the client is to do that: it is told by the close code alone, for an SDK
        that hears of an error gives up."""
        metrics.frame_errors.labels(code=error.code).inc()
        if midway and error.close_code in _COMES_BACK_ON:
            self._end(error.close_code, error.code)
            return
        with contextlib.suppress(OSError):
            await self.send(error_frame(error, stream_id))
        if _ends_it(error):
            self._end(error.close_code or CloseCode.INTERNAL_ERROR, error.code)

    # As one of those whose credentials are watched

    def refuse(self, error: ChatError | SessionsError) -> None:
        self._tasks.spawn(self.tell(error, None, midway=False), name=f"end {self.connection_id}")

    # Its end

    def _end(self, code: int, reason: str) -> None:
        if self.gone.is_set():
            return
        self._close_code = int(code)
        self.gone.set()
        self._held.close()
        # A client that reads nothing gets the close frame when it reads on, and no one waits for that.
        self._closing = heard(self._closed(code, reason), name=f"close {self.connection_id}")

    async def _closed(self, code: int, reason: str) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the client is gone already
            await self._send({"type": "websocket.close", "code": int(code), "reason": reason})

    def _heard(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if self._idle is None:
            self._wait_for_silence(conf().idle_seconds)

    def _wait_for_silence(self, seconds: float) -> None:
        self._idle = asyncio.get_running_loop().call_later(seconds, self._maybe_idle)

    def _maybe_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._lanes:
            self._heard_at = now
        left_s = self._heard_at + conf().idle_seconds - now
        if left_s > 0:
            self._wait_for_silence(left_s)
        else:
            self._end(CloseCode.TOO_SLOW_OR_SILENT, "silent for too long")


def _ends_it(error: ChatError | SessionsError) -> bool:
    """Other errors are of one request alone."""
    return isinstance(error, AccessError | RateLimited | ShuttingDown) and not isinstance(
        error, TooManySockets
    )
