"""The socket of a session's page in the admin: its transcript as it goes on, and who of the staff looks at it, too, and whether they did something to its review.

The page names the stretch of the log that it shows (``first``) and the last seq that it has (``seen``), and is told the rest:
docs/decisions/0076. It says nothing but that it is there. What staff do in the session they post to the admin.
"""

import asyncio
import contextlib
import json
import logging
from typing import Any
from urllib.parse import parse_qs

from django.contrib.auth import get_user_model

from chat.conf import conf
from chat.errors import ChatError, CredentialsInvalid
from chat.presence import OPERATE
from chat.runtime import Runtime
from chat.session.onlooker import Onlooker
from chat.supervision import heard, within
from chat.wire.codes import CloseCode
from chat.wire.staff import StaffConsumer
from sessions_app.admin.live import LiveTranscript
from sessions_app.errors import SessionsError
from sessions_app.ids import check_session_id, new_id
from sessions_app.models import OpenedView
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.openings import record_opening

logger = logging.getLogger(__name__)

_MOST_FRAME_CHARS = 100
_MAX_SEQ = 2**62


class OnlookerConsumer(StaffConsumer):
    session_id = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection_id = new_id("conn")
        self._present: dict[str, Any] = {}
        self._changed = asyncio.Event()

    async def entered(self, server: Runtime) -> None:
        """It is an opening as the page's own: whoever comes here without the page reads no less. Raises `SessionNotFound`,
        `InvalidSessionId`, `DatabaseAway`, `CredentialsInvalid`."""
        self.session_id = check_session_id(self.scope["url_route"]["kwargs"]["session_id"])
        operates = await self.may(OPERATE)
        live = await in_db_thread(
            LiveTranscript.of_page,
            self.session_id,
            first=self._number("first"),
            seen=self._number("seen"),
            may_decide=operates or await self.may("sessions_app.change_session"),
            may_operate=operates,
        )
        await in_db_thread(_opened, self.session_id, self.user_id)
        await server.presence.add(self)
        self.held.callback(server.presence.discard, self)
        onlooker = Onlooker(server.gallery, self.session_id, self.connection_id)
        self.held.callback(onlooker.detach, onlooker, 1000)
        for work in (self._send_log(onlooker, live), self._send_present()):
            self.held.callback(heard(work, name=f"onlooker {self.connection_id}").cancel)

    def _number(self, name: str) -> int:
        given = parse_qs(self.scope["query_string"].decode(errors="replace")).get(name, ["0"])[-1][:19]
        return min(int(given), _MAX_SEQ) if given.isascii() and given.isdigit() else 0

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """That the page is there."""
        if text_data is None or len(text_data) > _MOST_FRAME_CHARS:
            self.end(CloseCode.PROTOCOL_ERROR)
        else:
            self.spend()

    # What it is sent

    async def _send_log(self, onlooker: Onlooker, live: LiveTranscript) -> None:
        try:
            await self._tell({"now": live.now.told()})
            async for records in onlooker.follow(live.cursor):
                await self._tell(await in_db_thread(live.take, records))
        except (ChatError, SessionsError) as error:
            self.refuse(error)
        except TimeoutError:
            self.end(CloseCode.TOO_SLOW_OR_SILENT)
        except (OSError, RuntimeError):
            pass  # the client has gone; its disconnect is on the way
        except Exception:
            logger.exception("session %s: cannot be shown as it goes on", self.session_id)
            self.end(CloseCode.INTERNAL_ERROR)

    def tell_present(self, names: list[str], reviewed: int) -> None:
        self._present = {"staff": names, "reviewed": reviewed}
        self._changed.set()

    async def _send_present(self) -> None:
        """One message at a time is under way: who reads slowly is told the last news alone."""
        with contextlib.suppress(OSError, RuntimeError):
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._tell(self._present)

    async def _tell(self, message: dict[str, Any]) -> None:
        """Raises TimeoutError when the page does not take it."""
        await within(conf().send_seconds, self.send(json.dumps(message)))


def _opened(session_id: str, user_id: int | None) -> None:
    """Raises `CredentialsInvalid` where they were deleted a moment ago."""
    staff = get_user_model().objects.filter(pk=user_id or 0).first()
    if staff is None:
        raise CredentialsInvalid
    record_opening(session_id=session_id, staff=staff, view=OpenedView.TRANSCRIPT)
