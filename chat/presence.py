"""Who of the staff looks at which session, and that a reviewer did something, told to all who look at the same one, in every
process.

While somebody looks, two queries in two seconds for all sockets of a process; none while nobody does.
"""

import contextlib
from typing import Protocol

from chat.supervision import Looks, Tasks
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.threads import in_db_thread
from sessions_app.review import onlookers
from sessions_app.selectors.users import has_permission

MAY_LOOK = "sessions_app.view_session"
OPERATE = "sessions_app.operate_session"
LOOK_SECONDS = 2.0
_LOOKS_PER_RENEWAL = 3
"""So often it is also asked whether they may look still."""


class Present(Protocol):
    """A socket of the staff's on a session's page."""

    connection_id: str
    session_id: str

    @property
    def user_id(self) -> int | None: ...

    def tell_present(self, names: list[str], reviewed: int) -> None:
        """``reviewed``: the id of the last act of a reviewer on it, 0 before there is one."""

    def forbid(self) -> None:
        """It may not look any more."""


class Presence:
    """One per process. All methods run on its event loop."""

    def __init__(self) -> None:
        self._here: dict[str, Present] = {}
        self._told: dict[str, tuple[list[str], int]] = {}
        """By connection: what it was told last."""
        self.looks = Looks(
            self._look,
            check=self._renew,
            looks_per_check=_LOOKS_PER_RENEWAL,
            seconds=LOOK_SECONDS,
            failed="who looks at which session cannot be found out",
        )
        self._tasks = Tasks()

    async def add(self, one: Present) -> None:
        """Raises `DatabaseAway`."""
        await in_db_thread(onlookers.come, _there(one))
        self._here[one.connection_id] = one
        self.looks.begin()

    def discard(self, one: Present) -> None:
        if self._here.pop(one.connection_id, None) is None:
            return
        self._told.pop(one.connection_id, None)
        if not self._here:
            self.looks.pause()
        self._tasks.spawn(self._leave([one.connection_id]), name="an onlooker leaves")

    async def close(self) -> None:
        """The process ends: nobody looks through it any more."""
        connections, self._here = list(self._here), {}
        await self._leave(connections)

    async def _look(self) -> None:
        sessions = {one.session_id for one in self._here.values()}
        there = await in_db_thread(onlookers.present, sessions)
        reviewed = await in_db_thread(onlookers.reviewed, sessions)
        for connection_id, one in list(self._here.items()):
            news = there.get(one.session_id, []), reviewed.get(one.session_id, 0)
            if self._told.get(connection_id) != news:
                self._told[connection_id] = news
                one.tell_present(*news)

    async def _renew(self) -> None:
        for user_id in {one.user_id for one in self._here.values()}:
            if not await in_db_thread(has_permission, user_id=user_id, permission=MAY_LOOK):
                for one in [one for one in self._here.values() if one.user_id == user_id]:
                    self.discard(one)
                    one.forbid()
        there = [_there(one) for one in self._here.values()]
        await in_db_thread(onlookers.renew, there)
        if left := [one.connection_id for one in there if one.connection_id not in self._here]:
            await self._leave(left)  # it may have made them anew

    async def _leave(self, connection_ids: list[str]) -> None:
        with contextlib.suppress(DatabaseAway):  # they are forgotten by their age
            await in_db_thread(onlookers.leave, connection_ids)


def _there(one: Present) -> onlookers.There:
    return onlookers.There(one.connection_id, one.session_id, one.user_id or 0)
