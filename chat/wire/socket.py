"""The sockets: accept or refuse, join a session, pass frames in, send what the log says out; and their addresses.

A consumer is a subscriber. It holds a cursor into the session's log and nothing that would be lost with it.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.urls import path, re_path

from chat import metrics
from chat.assistants import Assistant, shelf
from chat.conf import conf
from chat.errors import (
    AssistantNotFound,
    BinaryFrame,
    ChatError,
    CredentialsInvalid,
    ShuttingDown,
    TokenRefused,
    UnknownAddress,
)
from chat.limits import FrameBudget
from chat.quota.quotas import Left
from chat.quota.subjects import Payers, Subject, address_of, payers_of, subjects_of
from chat.runtime import Runtime, runtime
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.supervision import Held, heard, within
from chat.tools.forks import serves_on
from chat.wire.auth import check_origin, identify, is_development_here, renewed
from chat.wire.codes import CloseCode
from chat.wire.dialect import Dialect
from chat.wire.entry import joins
from chat.wire.inbox import InboxConsumer
from chat.wire.onlooker import OnlookerConsumer
from chat.wire.plain import PlainDialect
from chat.wire.realtime.dialect import RealtimeDialect
from chat.wire.responses.socket import responses_socket
from identity.guests import resume_token
from identity.models import Scope
from identity.principal import Kind, Principal
from sessions_app.errors import DatabaseAway, SessionNotFound, SessionsError
from sessions_app.ids import new_id
from sessions_app.log.lifecycle import Visitor

logger = logging.getLogger(__name__)


SUBPROTOCOL = "realtime"
_OPEN_SECONDS = 12.0
_LOST = 1006
"""RFC 6455, 7.4.1: the connection ended without a close frame; never sent."""
_MAX_NOTICES = 64


class SessionConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """One socket, of either dialect."""

    channel_layer_alias: ClassVar[str] = (
        ""  # no channel per socket: the process talks to other processes, not the socket
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection_id = new_id("conn")
        self.session: Session | RemoteSession | None = None
        self._server: Runtime | None = None
        self._notices: list[Exception] = []
        self._telling: asyncio.Task[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._closed = False
        self._close_code: int | None = None
        """Our own, once we close."""
        self._idle: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._held = Held()
        self._budget = FrameBudget()
        self._payers: Payers = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """However the socket ends, also without a word of the server's, it is given back.

        One task a socket takes its messages in turn; Channels' own way makes one for each message, to listen to a channel
        layer beside, and hops to a thread for each.
        """
        self.scope, self.base_send = scope, send
        code = _LOST
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                await self.dispatch(message)
            if self._server:  # a crowd that leaves does not take the loop from those who stay
                await self._server.leaving.turn()
            code = message["code"]
        except asyncio.CancelledError:
            code = CloseCode.RESTARTING
            logger.info("socket %s: the server stops and waits for it no longer", self.connection_id)
        finally:
            self._let_go(code)
            self.__dict__.pop("_dialect", None)  # it holds this: a crowd's garbage waits for a collection

    async def dispatch(self, message: dict[str, Any]) -> None:
        handler = getattr(self, message["type"].replace(".", "_"))
        await handler(message)

    async def connect(self) -> None:
        self._dialect: Dialect = self._choose_dialect()
        await self.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in self.scope["subprotocols"] else None)
        try:
            await self._open()
        except (ChatError, SessionsError) as error:
            await self._refuse(error)
        except TimeoutError:
            await self._refuse(DatabaseAway())
        except OSError:
            pass  # the client has gone meanwhile
        except Exception:
            logger.exception("socket %s could not be opened", self.connection_id)
            await self._refuse(ChatError())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.session is None or self._closed:
            return
        metrics.frames_in.labels(dialect=self.dialect).inc()
        self._heard()
        try:
            self._budget.spend()
            await self._dialect.receive(_text(text_data))
        except (ChatError, SessionsError) as error:
            await self._report(error)
        except OSError:
            pass  # the client has gone meanwhile
        except Exception:
            logger.exception("socket %s: a frame could not be handled", self.connection_id)
            await self._report(ChatError())

    async def websocket_frame(self, _message: dict[str, Any]) -> None:
        """A frame that is no message (a ping, a shred of one): it counts as any. `realtime_ai`'s servers tell of it."""
        if self._closed:
            return
        try:
            self._budget.spend()
        except ChatError as error:
            await self._report(error)

    def _let_go(self, code: int) -> None:
        """May be called again: only the first time counts. A connection that breaks while we close it was closed by us."""
        code = self._close_code or code
        self._closed = True
        if self._pump:
            self._pump.cancel()
            self._pump = None  # its end holds its frames, and they this
        if self.session:
            self.session.detach(self, code)
        if self._idle:
            self._idle.cancel()
        self._held.close()

    # As a subscriber

    @property
    def dialect(self) -> str:
        return self._dialect.name

    def notify(self, error: Exception) -> None:
        if len(self._notices) < _MAX_NOTICES:  # one that leaves so many unread misses none it needs
            self._notices.append(error)
        if self._pump and self._telling is None:
            self._tell()

    # As one of those whose credentials are watched

    principal = Principal(kind=Kind.NOBODY)
    visitor = Visitor()

    @property
    def stored_session(self) -> str | None:
        if self.session is None or (isinstance(self.session, Session) and not self.session.log.stored):
            return None
        return self.session.session_id

    def refuse(self, error: ChatError | SessionsError) -> None:
        self._ending = heard(self._refuse(error), name=f"end {self.connection_id}")

    @property
    def may_write(self) -> bool:
        return self.principal.may(Scope.CHAT)

    @property
    def payers(self) -> Payers:
        return self._payers

    async def renew(self, token: str) -> None:
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                self.principal = await renewed(self.principal, token)
        except CredentialsInvalid as error:
            raise TokenRefused(error.message, param="session.x_token") from None
        if self._server:
            self._server.watch.look_soon()  # the end that it waits for is another now

    @property
    def expires_at(self) -> float | None:
        return self.principal.expires_at

    @property
    def resume_token(self) -> str:
        return resume_token(self.session.session_id) if self.session else ""

    # Limits

    def ask(self) -> list[Left]:
        """Count one question; what is left, where it is bounded. Raises `LimitReached`."""
        if self._server is None:
            return []
        self._server.quotas.ask(self._payers)
        return self._server.quotas.left(self._payers)

    # Opening

    def _choose_dialect(self) -> Dialect:
        realtime = SUBPROTOCOL in self.scope["subprotocols"] or self.scope["path"].startswith("/v1/")
        return RealtimeDialect(self) if realtime else PlainDialect(self)

    async def _open(self) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}
        serves_on(self.scope.get("server"))
        address = _address(self.scope)
        self._server = server = await within(_OPEN_SECONDS, runtime())
        network = address_of(address)
        server.quotas.connect(network.id)
        if "unknown" in self.scope["url_route"]["kwargs"]:
            raise UnknownAddress
        headers = check_origin(headers)
        self._held.callback(server.quotas.sockets([network]).close)
        metrics.sockets.labels(dialect=self.dialect).inc()
        self._held.callback(metrics.sockets.labels(dialect=self.dialect).dec)
        cursor = await within(_OPEN_SECONDS, self._enter(server, headers, network))
        self._heard()
        self.scope["headers"].clear()  # the server's, too: nobody reads them any more
        self._pump = heard(self._send_all(cursor), name=f"pump {self.connection_id}")

    async def _enter(self, server: Runtime, headers: dict[str, str], network: Subject) -> Any:
        """Who it is, then the session; where to read on from."""
        self.principal = await identify(headers, self.scope["subprotocols"])
        subjects = subjects_of(self.principal)
        self._held.callback(server.quotas.sockets(subjects).close)
        self._payers = payers_of([*subjects, network], is_anonymous=self.principal.is_anonymous)
        self.session = await self._join(server, is_development_here(headers, _address(self.scope)))
        server.watch.add(self)
        self._held.callback(server.watch.discard, self)
        return await self._dialect.opened(self.session)

    async def _join(self, server: Runtime, open_house: bool) -> Session | RemoteSession:
        """Raises what `joins` and the hub's `join` raise."""
        self.query = {
            name: values[-1]
            for name, values in parse_qs(self.scope["query_string"].decode(errors="replace")).items()
        }
        path_id = self.scope.get("url_route", {}).get("kwargs", {}).get("session_id")
        assistant = await self._assistant()
        tries = joins(
            self.principal,
            path_id=path_id,
            query=self.query,
            open_house=open_house,
            source=self.dialect,
            payers=self._payers,
            assistant=assistant,
        )
        for join in tries:
            with contextlib.suppress(SessionNotFound):
                session = await server.hub.join(self, join)
                # who was let in is told the session's secret
                self.visitor = replace(join.visitor, secret_of=session.session_id)
                return session
        raise SessionNotFound if assistant or "session_id" in self.query else AssistantNotFound

    async def _assistant(self) -> Assistant | None:
        """Whom the client wants to talk with, unless its credential says; None: there is none of that name. Raises `DatabaseAway`."""
        version = self.query.get("version", "")
        try:
            return await shelf.find(
                self.principal.assistant or self.query.get("assistant", ""),
                int(version)
                if version.isdecimal() and len(version) < 9 and not self.principal.assistant
                else None,
                staff=self.principal.is_staff,
            )
        except AssistantNotFound:
            return None

    # Sending

    async def _send_all(self, cursor: Any) -> None:
        """The log from the cursor on, and notices between, until the log ends or the client leaves."""
        if self._notices:
            self._tell()
        try:
            await self._dialect.send_log(cursor)
            await self._refuse(ShuttingDown() if self._server and self._server.hub.closing else None)
        except (ChatError, SessionsError) as error:
            await self._refuse(error)
        except TimeoutError:
            await self._close(
                CloseCode.TOO_SLOW_OR_SILENT, "you did not read fast enough; reconnect to resume"
            )
        except OSError:
            pass  # the client has gone; its disconnect is on the way
        except Exception:
            if not self._closed:
                logger.exception("socket %s failed", self.connection_id)
                await self._close(CloseCode.INTERNAL_ERROR)
        finally:
            if self._telling:
                self._telling.cancel()

    async def send_frame(self, frame: str) -> None:
        """Raises TimeoutError when the client does not take it, ConnectionAbortedError when the socket is closed already: what
        a frame asked for may be there only after that."""
        if self._closed:
            raise ConnectionAbortedError
        try:
            await within(conf().send_seconds, self.base_send({"type": "websocket.send", "text": frame}))
        except RuntimeError as error:  # uvicorn's word for a socket that it has closed by itself meanwhile
            raise ConnectionAbortedError from error

    def _tell(self) -> None:
        self._telling = heard(self._send_notices(), name=f"notices {self.connection_id}")

    async def _send_notices(self) -> None:
        try:
            with contextlib.suppress(OSError):
                while self._notices:
                    await self._report(self._notices.pop(0))
        finally:
            self._telling = None

    async def _report(self, error: Any) -> None:
        """Send an error frame; close when the error says so."""
        await self._send_error(error)
        if isinstance(error, ChatError) and error.close_code is not None:
            await self._close(error.close_code)

    async def _refuse(self, error: Any | None) -> None:
        """Send the error, then close with its code; None: a session that ended well."""
        if error is None:
            await self._close(CloseCode.DONE)
            return
        await self._send_error(error)
        await self._close(error.close_code or CloseCode.INTERNAL_ERROR, error.code)

    async def _send_error(self, error: Any) -> None:
        metrics.frame_errors.labels(code=error.code).inc()
        if self._closed:
            return
        with contextlib.suppress(OSError):  # the client has gone, or does not read (TimeoutError is one)
            await self.send_frame(self._dialect.error(error))

    async def _close(self, code: int, reason: str = "") -> None:
        if self._closed:
            return
        self._closed, self._close_code = True, int(code)
        # A client that reads nothing gets the close frame when it reads on, and no one waits for that.
        self._closing = heard(self._send_close(code, reason), name=f"close {self.connection_id}")
        await asyncio.wait([self._closing], timeout=1.0)
        if self.session:
            self.session.detach(self, code)

    async def _send_close(self, code: int, reason: str) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the client is gone already
            await self.close(code=int(code), reason=reason)  # daphne's WebSockets take no IntEnum

    # Silence

    def _heard(self) -> None:
        """The timer goes on by itself: a client that talks makes none for each of its frames."""
        self._heard_at = asyncio.get_running_loop().time()
        if self._idle is None:
            self._wait_for_silence(conf().idle_seconds)

    def _wait_for_silence(self, seconds: float) -> None:
        self._idle = asyncio.get_running_loop().call_later(seconds, self._maybe_idle)

    def _maybe_idle(self) -> None:
        if self.session and self.session.answering:
            self._heard()
        left_s = self._heard_at + conf().idle_seconds - asyncio.get_running_loop().time()
        if left_s > 0:
            self._wait_for_silence(left_s)
        else:
            closing = self._close(CloseCode.TOO_SLOW_OR_SILENT, "silent for too long; reconnect to resume")
            self._idle_close = heard(closing, name=f"idle {self.connection_id}")


def _text(frame: str | None) -> str:
    if frame is None:
        raise BinaryFrame
    return frame


def _address(scope: dict[str, Any]) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"


# A path that is none of these gets a named error, not a hung handshake.

_session = SessionConsumer.as_asgi()

websocket_urlpatterns = [
    path("ws/staff/inbox", InboxConsumer.as_asgi()),
    re_path(r"^ws/staff/session/(?P<session_id>.+)$", OnlookerConsumer.as_asgi()),
    path("ws/session", _session),
    path("ws/session/", _session),
    re_path(r"^ws/session/(?P<session_id>.+?)/?$", _session),  # any text: a bad id gets its own error
    re_path(r"^v1/realtime/?$", _session),
    re_path(r"^v1/responses/?$", responses_socket),  # type: ignore[arg-type]  # Channels' router takes any application
    re_path(
        r"^(?P<unknown>.*)$", _session
    ),  # opened, to be told so: a browser learns nothing of a refused handshake
]

websocket_application = URLRouter(websocket_urlpatterns)
