"""This process's view of what each subject has used: exact for what happens here, at most `EXCHANGE_S` old for the rest.

Nothing here waits: a question is answered from memory, and `exchange` tells the database what was used here and learns what
was used elsewhere. What is too little to matter is not told: with sixteen processes that each keep quiet about less than a
sixteenth of a bound, no more than one bound in all goes untold.
"""

import time
from dataclasses import dataclass, field

from sessions_app.limits.levels import Bound, Used, add, hold

EXCHANGE_S = 1.0
QUIET = 1 / 16


@dataclass(slots=True)
class Level:
    bound: Bound
    used: float = 0.0
    untold: float = 0.0
    at: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """What is used, drained until now. Changes nothing, so that other threads may ask."""
        return max(0.0, self.used - (time.monotonic() - self.at) * self.bound.per_second)

    def spend(self, amount: float, bound: Bound) -> None:
        """A setting that has changed counts from here on."""
        self.used, self.at, self.bound = self.now() + amount, time.monotonic(), bound
        self.untold += amount


class Levels:
    """Bounds by time. Event loop's thread only, but for `used`."""

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}

    def used(self, name: str) -> float:
        level = self._levels.get(name)
        return level.now() if level else 0.0

    def spend(self, name: str, bound: Bound, amount: float = 1.0) -> None:
        level = self._levels.get(name)
        if level is None:
            level = self._levels[name] = Level(bound)
        level.spend(amount, bound)

    def to_tell(self) -> list[Used]:
        """What matters to others, in the order in which rows are locked."""
        self._forget_the_drained()
        told = [
            Used(subject=name, amount=level.untold, bound=level.bound)
            for name, level in sorted(self._levels.items())
            if level.now() >= level.bound.most * QUIET
        ]
        for one in told:
            self._levels[one.subject].untold = 0.0
        return told

    def told(self, totals: dict[str, float]) -> None:
        for name, total in totals.items():
            if level := self._levels.get(name):
                level.used, level.at = total + level.untold, time.monotonic()

    def not_told(self, told: list[Used]) -> None:
        """The database was away; it is told the next time."""
        for one in told:
            if level := self._levels.get(one.subject):
                level.untold += one.amount

    def _forget_the_drained(self) -> None:
        for name in [name for name, level in self._levels.items() if not level.now()]:
            del self._levels[name]


@dataclass(slots=True)
class _Window:
    began_at: float
    count: int = 0


class Windows:
    """How often something was done here in a window of its own, which begins with the first time, on a clock that nobody sets
    back."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._windows: dict[str, _Window] = {}
        """In the order in which they began, so that the old ones lie in front."""

    def one_more(self, name: str) -> int:
        now = self._forget_the_old()
        window = self._windows.setdefault(name, _Window(now))
        window.count += 1
        return window.count

    def counts(self) -> dict[str, int]:
        self._forget_the_old()
        return {name: window.count for name, window in self._windows.items()}

    def _forget_the_old(self) -> float:
        now, windows = time.monotonic(), self._windows
        while (oldest := next(iter(windows), None)) and windows[oldest].began_at + self._window_s <= now:
            del windows[oldest]
        return now


class Holds:
    """Bounds at a time: how many of something a subject has open."""

    def __init__(self) -> None:
        self._here: dict[str, int] = {}
        self._elsewhere: dict[str, int] = {}
        self._most: dict[str, int] = {}

    def elsewhere(self, name: str) -> int:
        return self._elsewhere.get(name, 0)

    def count(self, name: str) -> int:
        return self._here.get(name, 0) + self.elsewhere(name)

    def take(self, name: str, most: int) -> bool:
        if self.count(name) >= most:
            return False
        self._here[name] = self._here.get(name, 0) + 1
        self._most[name] = most
        return True

    def release(self, name: str) -> None:
        self._here[name] -= 1
        if not self._here[name]:
            del self._here[name], self._most[name]

    def to_tell(self) -> dict[str, int]:
        return {name: held for name, held in self._here.items() if held >= self._most[name] * QUIET}

    def told(self, elsewhere: dict[str, int]) -> None:
        self._elsewhere = elsewhere


def exchange(process: str, used: list[Used], held: dict[str, int]) -> tuple[dict[str, float], dict[str, int]]:
    """In a database thread: what is used in all, by subject, and what others hold. What is added is told once alone, so it comes last:
    where that fails it is told again."""
    elsewhere = hold(process, held)
    return (add(used) if used else {}), elsewhere
