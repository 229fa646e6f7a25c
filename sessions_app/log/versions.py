"""Versions of a part of a conversation: a message that the user put in another's place, an answer that was asked for again.

From where versions part, each has a rest of its own. The model is sent that of the chosen one; the others are set aside, and
may be chosen again until the history is compacted. A version goes by the id of its message, or of its response
(docs/decisions/0085).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sessions_app.log.items import Calls, Entry, Items


@dataclass(slots=True)
class Rest:
    """What stands in one version, from where it parts from the others."""

    entries: list[Entry] = field(default_factory=list)
    waiting: dict[str, Entry] = field(default_factory=dict)

    def item_ids(self) -> set[str]:
        told = (*self.entries, *self.waiting.values())
        return {item_id for entry in told for item_id in entry.item_ids}


@dataclass(slots=True)
class Fork:
    chosen: str
    after: Entry | None = None
    """What stands before the place, in every version; None: nothing does."""
    aside: dict[str, Rest] = field(default_factory=dict)
    """The others, in the order in which they were set aside."""


class Versions:
    """Of one session's `Items`, from which it takes what is set aside."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self.forks: list[Fork] = []

    def replace(self, old: str, new: str, turns: list[int], *, keeps_waiting: bool = False) -> list[int]:
        """``new`` begins in the place of ``old``, which stands in the history. Returns the turns before which it may be cut yet.
        ``keeps_waiting``: what waits was said to ``new``, before that began."""
        place = self._place(old)
        if place is None:
            return turns
        fork = self._fork_of(old) or Fork(old)
        if fork not in self.forks:
            self.forks.append(fork)
        waiting = self._items.waiting
        fork.after = self._items.entries[place - 1] if place else None
        fork.aside[old], turns = self._cut(place, turns)
        if keeps_waiting:
            fork.aside[old].waiting, self._items.waiting = {}, waiting
        fork.chosen = new
        return turns

    def renamed(self, old: str, new: str) -> None:
        """An answer that came to nothing is tried again: no version is kept of it."""
        if fork := self._fork_of(old):
            fork.chosen = new

    def choose(self, version: str, instead_of: str, turns: list[int]) -> list[int]:
        """Returns the turns before which the history may be cut yet: none of what is chosen again, so that a log that is read from
        a checkpoint on knows of each version all or nothing."""
        fork = self._fork_of(instead_of)
        if fork is None or version not in fork.aside:
            return turns
        if (place := self._place_of(fork)) is None:
            place = len(self._items.entries)
        fork.aside[instead_of], turns = self._cut(place, turns)
        rest = fork.aside.pop(version)
        fork.chosen = version
        self._items.entries += rest.entries
        self._items.waiting = rest.waiting
        return turns

    def instead_of(self, item_id: str) -> tuple[str, str] | None:
        """(version, the chosen one) for an item of a version that is set aside, from what it parts with on; None where there is
        none that could be chosen now."""
        for fork in self.forks:
            if self._place_of(fork) is None and fork.chosen not in self._items.waiting:
                continue
            for version, rest in fork.aside.items():
                if item_id in rest.item_ids():
                    return version, fork.chosen
        return None

    def entries_aside(self) -> Iterator[Entry]:
        for fork in self.forks:
            for rest in fork.aside.values():
                yield from (*rest.entries, *rest.waiting.values())

    def delete(self, item_id: str) -> None:
        """A version whose message is deleted is none any more."""
        self.forks = [fork for fork in self.forks if fork.chosen != item_id]
        for fork in self.forks:
            fork.aside.pop(item_id, None)
            for rest in fork.aside.values():
                rest.waiting.pop(item_id, None)
                rest.entries = [one for one in rest.entries if item_id not in one.item_ids]

    def forget(self) -> None:
        self.forks = []

    def _fork_of(self, chosen: str) -> Fork | None:
        return next((fork for fork in self.forks if fork.chosen == chosen), None)

    def _place_of(self, fork: Fork) -> int | None:
        """Where its chosen version begins, or would, where it is an answer that came to nothing."""
        place, entries = self._place(fork.chosen), self._items.entries
        if place is not None or fork.chosen in self._items.waiting:
            return place
        if fork.after is None:
            return 0
        return next((at for at, entry in enumerate(entries, start=1) if entry is fork.after), None)

    def _place(self, version: str) -> int | None:
        """Where it begins, but for what of an answer may have had a side effect: that has happened, whatever is chosen."""
        places = [
            at
            for at, entry in enumerate(self._items.entries)
            if entry.response_id == version or version in entry.item_ids
        ]
        acted = [at + 1 for at in places if isinstance(one := self._items.entries[at], Calls) and one.acted]
        return next(iter((*acted[-1:], *places[:1])), None)

    def _cut(self, place: int, turns: list[int]) -> tuple[Rest, list[int]]:
        items = self._items
        entries, items.entries = items.entries[place:], items.entries[:place]
        waiting, items.waiting = items.waiting, {}
        if entries:
            turns = [turn for turn in turns if turn < entries[0].entered]
        return Rest(entries, waiting), turns
