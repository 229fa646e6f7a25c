"""The plan of faults: drawn from a seed before anything starts, so that a run can be given again."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    CUT = "cut"  # half of the clients' connections are reset
    STALL = "stall"  # no client reads anything for a while
    KILL = "kill"  # a server is killed, and started again
    PAUSE = "pause"  # a server is stopped for longer than its lease, then goes on
    ROLL = "roll"  # SIGTERM to one server after the other
    WORKER = "worker"  # the worker is killed, and started again
    REDIS_AWAY = "redis_away"  # killed, and started again
    REDIS_FLUSH = "redis_flush"
    POSTGRES = "postgres"  # immediate shutdown, recovery at the next start
    CROWD = "crowd"  # a crowd of silent sockets comes, and leaves in one instant
    READ_ONLY = "read_only"  # the database takes no writes, and ends its connections when that begins
    INTERNAL = "internal"  # a pooler answers whatever is asked with FATAL XX000
    HANG = (
        "hang"  # nothing goes through to the database; its connections never answer again, and no reset comes
    )
    SLOW = "slow"  # 2 s a query
    STATEMENT_TIMEOUT = "statement_timeout"  # the database cancels what takes longer than next to nothing
    BLACKOUT = (
        "blackout"  # all servers and the worker stop at once, and nobody comes back for longer than the grace
    )
    FULL = "full"  # half of the connections to the database are reset, and nobody gets a new one


MOODS = {Kind.READ_ONLY, Kind.INTERNAL, Kind.HANG, Kind.SLOW, Kind.STATEMENT_TIMEOUT, Kind.FULL}
"""Of the database, one at a time."""


_DECK = (
    [Kind.CUT] * 3
    + [Kind.KILL] * 3
    + [Kind.STALL, Kind.PAUSE, Kind.ROLL, Kind.WORKER, Kind.REDIS_AWAY, Kind.REDIS_FLUSH, Kind.POSTGRES]
    + [Kind.CROWD, *sorted(MOODS)]
    + [Kind.BLACKOUT]
)
_LASTS_S: dict[Kind, tuple[float, float]] = {
    Kind.KILL: (0.0, 4.0),
    Kind.PAUSE: (2.5, 6.0),  # the lease of these runs is 2 s
    Kind.STALL: (2.5, 6.0),  # a frame has 2 s to be taken
    Kind.REDIS_AWAY: (0.5, 6.0),
    Kind.POSTGRES: (0.0, 5.0),
    Kind.CROWD: (0.5, 2.0),
    Kind.READ_ONLY: (0.5, 5.0),
    Kind.INTERNAL: (0.1, 1.0),
    Kind.HANG: (0.5, 4.0),
    Kind.SLOW: (2.0, 6.0),
    Kind.STATEMENT_TIMEOUT: (0.5, 3.0),
    Kind.FULL: (0.5, 5.0),
    Kind.BLACKOUT: (3.0, 8.0),  # the lease is 2 s, the grace 1 s
}


@dataclass(frozen=True)
class Fault:
    at_s: float
    """Seconds since the clients began."""
    kind: Kind
    target: int
    """Which server."""
    for_s: float

    def __str__(self) -> str:
        return f"{self.at_s:7.2f} s  {self.kind} of server {self.target} for {self.for_s:.1f} s"


def make_plan(
    *, seed: int, seconds: float, processes: int, gap_s: float, kinds: Collection[Kind] = tuple(Kind)
) -> list[Fault]:
    """Faults ``gap_s`` apart on the average, dealt from one deck after the other, so that every kind comes up."""
    rng = random.Random(f"plan {seed}")
    plan: list[Fault] = []
    at_s = gap_s
    for kind in _dealt(rng, kinds):
        if at_s > seconds:
            return plan
        lasts = rng.uniform(*_LASTS_S.get(kind, (0.0, 0.0)))
        plan.append(Fault(round(at_s, 2), kind, rng.randrange(processes), round(lasts, 2)))
        at_s += rng.uniform(0.3, 1.7) * gap_s
    return plan


def _dealt(rng: random.Random, kinds: Collection[Kind]) -> Iterator[Kind]:
    while True:
        deck = [kind for kind in _DECK if kind in kinds]
        rng.shuffle(deck)
        yield from deck
