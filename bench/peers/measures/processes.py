"""More than one process: a reader elsewhere, and what the second web process brings."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

import redis

from bench.peers.contenders import Ours
from bench.peers.cpu import cpu_s, tree_cpu_s
from bench.peers.load import Load
from bench.peers.measure import Contender, Figure, Figures, Measure, Stage
from tests.support.redis import RedisProcess, redis_executable

_SESSIONS_EACH = 60
_SETTLE_S = 0.5


def redis_server() -> RedisProcess:
    program = redis_executable()
    if program is None:
        raise RuntimeError("no redis-server here: install one")
    return RedisProcess(program)


class RedisCounts:
    """What a Redis has done from its making to `since`."""

    def __init__(self, server: RedisProcess) -> None:
        self._server = server
        self._at = self._now()

    def since(self) -> dict[str, float]:
        now = self._now()
        return {key: now[key] - self._at[key] for key in now}

    def _now(self) -> dict[str, float]:
        with redis.Redis.from_url(self._server.url) as client:
            told: Mapping[str, Any] = client.info()
        return {
            "cpu_s": float(told["used_cpu_sys"]) + float(told["used_cpu_user"]),
            "commands": float(told["total_commands_processed"]),
            "bytes": float(told["total_net_input_bytes"]),
        }


class Elsewhere(Measure):
    name = "elsewhere"
    title = "A reader through another process"
    told = (
        "20 sessions at pace; then the same with one more socket for each session on another server process (Redis between them). What a "
        "chunk costs more: CPU of holder, reader's process and Redis together, Redis' commands and the bytes that go into it."
    )
    figures = (
        Figure("more_us", "us a chunk more"),
        Figure("holder_us", "holder us more"),
        Figure("reader_us", "reader's process us"),
        Figure("redis_us", "Redis us"),
        Figure("commands", "Redis commands a chunk", 2),
        Figure("bytes", "bytes a chunk into Redis"),
    )
    contenders = (Contender("ours, Realtime", "ours", "realtime"),)
    quick_repeats = 1
    sessions: ClassVar[int] = 20

    def run(self, stage: Stage, contender: Contender) -> Figures:
        chunks = 225 if stage.whole else 105
        with redis_server() as middle, Ours(stage.model_urls, REDIS_URL=middle.url) as home:
            other = Ours(
                stage.model_urls,
                REDIS_URL=middle.url,
                DATABASE_URL=home.database_url,
                SECRET_KEY=home.settings["SECRET_KEY"],
            )
            with other, Load() as load:
                opened = load.open(port=home.port, wire=contender.wire, sockets=self.sessions)
                paths = [f"/v1/realtime?{session['back']}" for session in opened["sessions"]]
                alone = self._turn(load, home, other, middle, chunks)
                load.open(
                    port=other.port, wire=contender.wire, sockets=self.sessions, paths=paths, listens=True
                )
                read = self._turn(load, home, other, middle, chunks)
                load.close()
        more = {key: read[key] - alone[key] for key in read}
        return {**more, "more_us": more["holder_us"] + more["reader_us"] + more["redis_us"]}

    def _turn(self, load: Load, home: Ours, other: Ours, middle: RedisProcess, chunks: int) -> Figures:
        """For each chunk that the model has said."""
        load.turn(chunks=3, per_second=15)
        time.sleep(_SETTLE_S)
        counts, holder, reader = RedisCounts(middle), cpu_s(home.pids[0]), cpu_s(other.pids[0])
        load.turn(chunks=chunks, per_second=15, spread_s=1.0)
        time.sleep(_SETTLE_S)
        said = chunks * self.sessions
        done = counts.since()
        return {
            "holder_us": (cpu_s(home.pids[0]) - holder) / said * 1e6,
            "reader_us": (cpu_s(other.pids[0]) - reader) / said * 1e6,
            "redis_us": done["cpu_s"] / said * 1e6,
            "commands": done["commands"] / said,
            "bytes": done["bytes"] / said,
        }


class Processes(Measure):
    name = "processes"
    title = "One and two web processes"
    told = (
        "60 sessions at pace for each process, on one listening socket, with Redis: what a chunk costs all web processes together. "
        "With two cores for everything the load generator cannot be counted out by the clock; by CPU it is: two processes do 2 / ratio "
        "of one's work. What the machine has of its own part in it (caches, the core's clock) is told by two servers that share nothing, "
        "each with its own database and Redis."
    )
    figures = (Figure("web_us", "web us a chunk, all"), Figure("postgres_us", "PostgreSQL us a chunk"))
    contenders = (
        Contender("one", "1", "plain"),
        Contender("two", "2", "plain", ("one", "two that share nothing")),
        Contender("two that share nothing", "1 1", "plain", ("one",)),
    )
    related = ("web_us",)
    quick_repeats = 2

    def run(self, stage: Stage, contender: Contender) -> Figures:
        chunks = 225 if stage.whole else 105
        with ExitStack() as stack:
            servers = []
            for processes in contender.server.split():
                middle = stack.enter_context(redis_server())
                server = Ours(stage.model_urls, REDIS_URL=middle.url, WEB_PROCESSES=processes)
                servers.append(stack.enter_context(server))
            load = stack.enter_context(Load())
            for server in servers:
                sockets = _SESSIONS_EACH * len(server.pids)
                load.open(port=server.port, wire=contender.wire, sockets=sockets)
            load.turn(chunks=3, per_second=15, spread_s=0.5)
            time.sleep(_SETTLE_S)
            web, postgres = _used(servers)
            turns = load.turn(chunks=chunks, per_second=15, spread_s=1.0)
            time.sleep(_SETTLE_S)
            web_after, postgres_after = _used(servers)
            load.close()
        return {
            "web_us": (web_after - web) / turns.chunks * 1e6,
            "postgres_us": (postgres_after - postgres) / turns.chunks * 1e6,
        }


def _used(servers: Sequence[Ours]) -> tuple[float, float]:
    """CPU seconds of all web processes, and of all databases."""
    web = sum(cpu_s(pid) for server in servers for pid in server.pids)
    return web, sum(tree_cpu_s(server.postgres_pid) for server in servers)
