"""How much waits for each of the staff, told to whoever has a page of the admin open, in every process.

Two queries for all listeners of a process, and none while there are none: docs/decisions/0074.
"""

from typing import Protocol

from chat.supervision import Looks
from sessions_app.postgres.threads import in_db_thread
from sessions_app.selectors.inbox import counts_waiting
from sessions_app.selectors.users import has_permission

MAY_HEAR = "sessions_app.view_session"
LOOK_SECONDS = 2.0
_LOOKS_PER_CHECK = 10
"""So often it is asked whether the listeners may hear it still. That a credential ended is `chat.watch`'s to see."""


class Listener(Protocol):
    @property
    def user_id(self) -> int | None: ...

    @property
    def name(self) -> str: ...

    def tell(self, count: int) -> None: ...

    def forbid(self) -> None:
        """It may not hear it any more."""


class Bell:
    """One per process. All methods run on its event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self.looks = Looks(
            self._look,
            check=self._check,
            looks_per_check=_LOOKS_PER_CHECK,
            seconds=LOOK_SECONDS,
            failed="what waits for the staff cannot be counted",
        )
        self._counts: dict[str, int] = {}
        """By the listeners' names, as it was told last."""

    def add(self, listener: Listener) -> None:
        self._listeners.add(listener)
        self.looks.begin()
        if (count := self._counts.get(listener.name)) is not None:
            listener.tell(count)

    def discard(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners:
            self.looks.pause()
            self._counts = {}

    async def _look(self) -> None:
        counts = await in_db_thread(counts_waiting, {one.name for one in self._listeners})
        before, self._counts = self._counts, counts if self._listeners else {}
        for listener in list(self._listeners):
            count = counts.get(listener.name)  # None: it came meanwhile
            if count is not None and count != before.get(listener.name):
                listener.tell(count)

    async def _check(self) -> None:
        for user_id in {one.user_id for one in self._listeners}:
            if not await in_db_thread(has_permission, user_id=user_id, permission=MAY_HEAR):
                for listener in [one for one in self._listeners if one.user_id == user_id]:
                    self.discard(listener)
                    listener.forbid()
