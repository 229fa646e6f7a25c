"""A chunk's cost at the pace of people: 60 sessions, 15 chunks a second each; and flat out."""

import time
from collections.abc import Sequence
from typing import ClassVar

from bench.peers.cpu import cpu_s, tree_cpu_s
from bench.peers.load import Load
from bench.peers.measure import Contender, Figure, Figures, Measure, Stage

OURS = "ours, plain"
OURS_REALTIME = "ours, Realtime"
RELAY = "relay"
RELAY_AIOHTTP = "relay, aiohttp"
GEMINI = (
    Contender(OURS, "ours", "plain", (RELAY, RELAY_AIOHTTP)),
    Contender(OURS_REALTIME, "ours", "realtime", (RELAY, RELAY_AIOHTTP)),
    Contender(RELAY, "relay-gemini", "relay"),
    Contender(RELAY_AIOHTTP, "relay-gemini-aiohttp", "relay"),
)
_SETTLE_S = 0.5
"""Until what a turn leaves to be done, such as its last commit, is done."""


class Pace(Measure):
    name = "pace"
    title = "A chunk at pace"
    told = (
        "60 sessions, each with an answer of 15 chunks of 48 characters a second, usage on each, each chunk its own read. CPU "
        "(user + system) of the one web process and of its whole PostgreSQL, per chunk; delay from the model's send to the "
        "client's receive."
    )
    figures = (
        Figure("web_us", "web us a chunk"),
        Figure("postgres_us", "PostgreSQL us a chunk"),
        Figure("p50_ms", "delay p50 ms", 2),
        Figure("p99_ms", "delay p99 ms", 1),
        Figure("max_ms", "max ms", 0),
        Figure("web_share", "web process, % of a core"),
        Figure("bytes", "bytes a chunk"),
    )
    contenders = GEMINI
    related: ClassVar[Sequence[str]] = ("web_us", "p99_ms")
    sessions: ClassVar[int] = 60
    per_second: ClassVar[float] = 15
    seconds: ClassVar[tuple[float, float]] = (8.0, 20.0)
    """Of each answer: quick, whole."""

    def chunks(self, *, whole: bool) -> int:
        return int(self.seconds[whole] * self.per_second)

    def run(self, stage: Stage, contender: Contender) -> Figures:
        server = stage.server(contender.server)
        with Load() as load:
            load.open(port=server.port, wire=contender.wire, sockets=self.sessions)
            load.turn(chunks=3, per_second=15, spread_s=0.5)  # the first turn opens connections
            time.sleep(_SETTLE_S)
            web, postgres = cpu_s(server.pids[0]), tree_cpu_s(server.postgres_pid)
            turns = load.turn(
                chunks=self.chunks(whole=stage.whole),
                per_second=self.per_second,
                spread_s=1.0 if self.per_second else 0.0,
            )
            time.sleep(_SETTLE_S)
            web, postgres = cpu_s(server.pids[0]) - web, tree_cpu_s(server.postgres_pid) - postgres
            load.close()
        return {
            "web_us": web / turns.chunks * 1e6,
            "postgres_us": postgres / turns.chunks * 1e6,
            "p50_ms": turns.p50_ms,
            "p99_ms": turns.p99_ms,
            "max_ms": turns.max_ms,
            "web_share": web / turns.wall_s * 100,
            "bytes": turns.received_bytes / turns.chunks,
            "chunks": turns.chunks,
            "load_us": turns.load_cpu_s / turns.chunks * 1e6,
        }


class Flat(Pace):
    name = "flat"
    title = "Flat out"
    told = (
        "50 sessions, each with an answer of 400 chunks as fast as they are taken: some 170 chunks share one read, which "
        "hides what a chunk costs at pace."
    )
    sessions = 50
    per_second = 0
    related = ("web_us",)

    def chunks(self, *, whole: bool) -> int:
        return 400
