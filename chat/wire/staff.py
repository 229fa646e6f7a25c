"""What the sockets of the admin's pages share: who may open one, and how it ends."""

import asyncio
import contextlib
import logging
from typing import Any, ClassVar

from channels.generic.websocket import AsyncWebsocketConsumer

from chat.errors import ChatError, CredentialsInvalid
from chat.limits import FrameBudget
from chat.quota.subjects import address_of, subjects_of
from chat.runtime import Runtime, runtime
from chat.supervision import Held, heard
from chat.wire.auth import check_origin, identify
from chat.wire.codes import CloseCode
from identity.principal import Principal
from sessions_app.errors import DatabaseAway, SessionsError
from sessions_app.log.lifecycle import Visitor
from sessions_app.postgres.threads import in_db_thread
from sessions_app.selectors.users import has_permission

logger = logging.getLogger(__name__)

_OPEN_SECONDS = 12.0
_MAY_SEE = "sessions_app.view_session"


class StaffConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """For staff who may see sessions; what it is for is the subclass's."""

    channel_layer_alias: ClassVar[str] = ""
    principal: Principal
    visitor = Visitor()
    stored_session: str | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = Held()
        self.budget = FrameBudget()

    @property
    def user_id(self) -> int | None:
        return self.principal.user_id

    async def entered(self, server: Runtime) -> None:
        """They may. Raises `ChatError`, `SessionsError`."""

    async def connect(self) -> None:
        await self.accept()
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await self._open(await runtime())
        except (ChatError, SessionsError) as error:
            self.refuse(error)
        except TimeoutError:
            self.refuse(DatabaseAway())
        except Exception:
            logger.exception("a socket of the admin could not be opened")
            self.refuse(ChatError())

    async def _open(self, server: Runtime) -> None:
        """Raises `ChatError`, `SessionsError`."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}
        client = self.scope.get("client")
        network = address_of(client[0] if client else "unknown")
        server.quotas.connect(network.id)
        headers = check_origin(headers)
        self.held.callback(server.quotas.sockets([network]).close)
        self.principal = await identify(headers, self.scope["subprotocols"])
        self.held.callback(server.quotas.sockets(subjects_of(self.principal)).close)
        if not (self.principal.is_staff and await self.may(_MAY_SEE)):
            raise CredentialsInvalid("This is for staff who may see sessions.")
        server.watch.add(self)
        self.held.callback(server.watch.discard, self)
        await self.entered(server)

    async def may(self, permission: str) -> bool:
        return await in_db_thread(has_permission, user_id=self.user_id, permission=permission)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """There is nothing to say here, and who says something is no page of ours."""
        self.end(CloseCode.PROTOCOL_ERROR)

    async def websocket_frame(self, _message: dict[str, Any]) -> None:
        """A ping, or a pong: `realtime_ai`'s servers tell of it."""
        self.spend()

    def spend(self) -> None:
        try:
            self.budget.spend()
        except ChatError as error:
            self.refuse(error)

    async def disconnect(self, code: int) -> None:
        self.held.close()

    def refuse(self, error: ChatError | SessionsError) -> None:
        self.end(error.close_code or CloseCode.INTERNAL_ERROR)

    def forbid(self) -> None:
        self.refuse(CredentialsInvalid())

    def end(self, code: int) -> None:
        self.held.close()
        self._closing = heard(self._close(code), name="end of a socket of the admin")

    async def _close(self, code: int) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            await self.close(code=int(code))
