"""A chunk's cost at the pace of people: 60 sessions, 15 chunks a second each; and flat out."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

import psycopg

from bench.peers.contenders import Server
from bench.peers.cpu import core_of_its_own, cpu_s, tree_cpu_s
from bench.peers.load import Load
from bench.peers.measure import Contender, Figure, Figures, Measure, Stage
from bench.peers.model import CHUNK_CHARS

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


@dataclass(frozen=True)
class Stored:
    """What a server's database has on disk, and has written to its WAL."""

    disk_bytes: int
    wal_bytes: int

    @classmethod
    def of(cls, server: Server) -> "Stored":
        asked = "SELECT pg_database_size(current_database())::bigint, (pg_current_wal_insert_lsn() - '0/0')::bigint"
        with psycopg.connect(server.database_url, autocommit=True) as link:
            row = link.execute(asked).fetchone()
        assert row
        return cls(int(row[0]), int(row[1]))

    def __sub__(self, earlier: "Stored") -> "Stored":
        return Stored(self.disk_bytes - earlier.disk_bytes, self.wal_bytes - earlier.wal_bytes)


def share_while_all_run(cpu_s: float, wall_s: float, spread_s: float) -> float:
    """In percent of a core. What begins in the course of ``spread_s`` ends in as long a time: over the whole of it the process
    would look less full than it is while all answers run."""
    return cpu_s / (wall_s - spread_s) * 100


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
        Figure("disk_kb", "disk KB per 4 KB of text", 1),
        Figure("wal_kb", "WAL KB per 4 KB of text", 1),
        Figure("web_share", "web process, % of a core"),
        Figure("bytes", "bytes a chunk"),
    )
    contenders: ClassVar[Sequence[Contender]] = GEMINI
    related: ClassVar[Sequence[str]] = ("web_us", "p99_ms")
    sessions = 60
    per_second = 15.0
    begin_per_second: ClassVar[float] = 60.0
    seconds: ClassVar[tuple[float, float]] = (6.0, 20.0)
    """Of each answer: quick, whole."""

    def chunks(self, *, whole: bool) -> int:
        return int(self.seconds[whole] * self.per_second)

    def cores(self, stage: Stage, server: Server, load: Load) -> AbstractContextManager[None]:
        """Who runs where."""
        return nullcontext()

    def run(self, stage: Stage, contender: Contender) -> Figures:
        server = stage.server(contender.server)
        with Load() as load, self.cores(stage, server, load):
            load.open(port=server.port, wire=contender.wire, sockets=self.sessions)
            load.turn(chunks=3, per_second=15, spread_s=0.5)  # the first turn opens connections
            time.sleep(_SETTLE_S)
            web, postgres = cpu_s(server.pids[0]), tree_cpu_s(server.postgres_pid)
            stored = Stored.of(server)
            spread_s = self.sessions / self.begin_per_second if self.per_second else 0.0
            turns = load.turn(
                chunks=self.chunks(whole=stage.whole), per_second=self.per_second, spread_s=spread_s
            )
            time.sleep(_SETTLE_S)
            web, postgres = cpu_s(server.pids[0]) - web, tree_cpu_s(server.postgres_pid) - postgres
            stored = Stored.of(server) - stored
            load.close()
        texts = turns.chunks * CHUNK_CHARS / 4096
        return {
            "web_us": web / turns.chunks * 1e6,
            "postgres_us": postgres / turns.chunks * 1e6,
            "p50_ms": turns.p50_ms,
            "p99_ms": turns.p99_ms,
            "max_ms": turns.max_ms,
            "disk_kb": stored.disk_bytes / 1000 / texts,
            "wal_kb": stored.wal_bytes / 1000 / texts,
            "web_share": share_while_all_run(web, turns.wall_s, spread_s),
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
    per_second = 0.0
    related = ("web_us",)

    def chunks(self, *, whole: bool) -> int:
        return 400


class Sweep(Pace):
    name = "sweep"
    title = "Sessions on one process"
    told = (
        "As at pace, with more and more sessions on one process, which has a core of its own; database, model and load generator share "
        "the other; as there, 60 answers begin in each second. A wall is where the process fills its core (85 %), or a chunk in a hundred takes longer than 50 ms."
    )
    contenders = tuple(
        Contender(f"{name}, {sessions}", server, wire)
        for sessions in (60, 150, 250, 350)
        for name, server, wire in (
            ("ours, plain", "ours", "plain"),
            (RELAY_AIOHTTP, "relay-gemini-aiohttp", "relay"),
        )
    )
    quick_repeats = 1

    def cores(self, stage: Stage, server: Server, load: Load) -> AbstractContextManager[None]:
        return core_of_its_own(server.pids[0], (stage.model_pid, load.pid, server.postgres_pid))

    def run(self, stage: Stage, contender: Contender) -> Figures:
        self.sessions = int(contender.title.rpartition(" ")[2])
        return super().run(stage, contender)
