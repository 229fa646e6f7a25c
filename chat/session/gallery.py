"""Sessions as they are seen from outside: by staff, who read and act in one without being in it.

They are no subscribers: their coming and going is no event of the conversation, keeps it from no end and brings none back.
"""

from chat.session.commands import Command, Done
from chat.session.context import Subscriber
from chat.session.hub import Hub
from chat.session.remote import RemoteSession
from chat.session.session import Session
from sessions_app.errors import SessionElsewhere, SessionOver
from sessions_app.log.leases import holder_of, reach_of
from sessions_app.postgres.threads import in_db_thread


class Gallery:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def look(self, onlooker: Subscriber, session_id: str) -> Session | RemoteSession | None:
        """Where it can be followed now; None: it lives nowhere, and its log alone tells of it.

        Raises `SessionNotFound`, `SessionElsewhere`, `DatabaseAway`.
        """
        if session := self._here(session_id):
            return session
        channel = await self._channel_of(session_id)
        return (
            await self._hub.relay.overlook(onlooker, session_id, channel)
            if self._hub.relay and channel
            else None
        )

    async def act(self, session_id: str, command: Command) -> Done:
        """Wherever it lives; one whose process is gone is taken over for it.

        Raises `SessionOver`, `SessionNotFound`, `SessionElsewhere`, `DatabaseAway`, and what the session's `do` raises.
        """
        if session := self._here(session_id):
            return await session.do(command)
        holder = await in_db_thread(holder_of, session_id=session_id)
        if holder is None:
            raise SessionOver
        channel, lease_left_s = await in_db_thread(reach_of, process_id=holder) if holder else ("", 0.0)
        if self._hub.relay and channel:
            return await self._hub.relay.act(session_id, channel, command)
        adopted = None if lease_left_s else await self._hub.adopt(session_id)
        if session := adopted or self._here(session_id):
            return await session.do(command)
        raise SessionElsewhere(holder)

    def _here(self, session_id: str) -> Session | None:
        session = self._hub.live(session_id)
        return session if session and session.open else None

    async def _channel_of(self, session_id: str) -> str:
        holder = await in_db_thread(holder_of, session_id=session_id)
        return (await in_db_thread(reach_of, process_id=holder))[0] if holder else ""
