"""No, one, two and three readers of each session through another process than its own: what a chunk's way to them takes,
what it costs that process, the session's and Redis, and how many commands of Redis it takes.

    python -m bench readers
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass

import psutil
from redis import Redis
from websockets.asyncio.client import ClientConnection, connect

from bench.support import proxied_database, share_of, table
from tests.support.redis import RedisProcess, redis_executable
from tests.support.server import ServerProcess

READERS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Spent:
    """So far."""

    home_s: float
    away_s: float
    redis_s: float
    commands: int
    bytes: int

    @classmethod
    def now(cls, home: ServerProcess, away: ServerProcess, redis: Redis) -> "Spent":
        info = redis.info("all")
        processes = [psutil.Process(one.process.pid).cpu_times() for one in (home, away)]
        home_s, away_s = (one.user + one.system for one in processes)
        return cls(
            home_s,
            away_s,
            info["used_cpu_sys"] + info["used_cpu_user"],
            info["total_commands_processed"],
            info["total_net_input_bytes"] + info["total_net_output_bytes"],
        )


@dataclass(frozen=True)
class Measured:
    """For each chunk that the sessions' model gave."""

    readers: int
    p50_ms: float
    p99_ms: float
    home_us: float
    away_us: float
    redis_us: float
    commands: float
    bytes: float


async def _open(server: ServerProcess, session_id: str) -> ClientConnection:
    path = f"{server.ws_url}/ws/session/{session_id}"
    connection = await connect(path, compression=None, ping_interval=None)
    await connection.recv()
    return connection


async def _delays(reader: ClientConnection, chunks: int) -> list[float]:
    delays: list[float] = []
    while len(delays) < chunks:
        times = str(await reader.recv()).split()
        now = time.time()
        delays += [(now - float(one)) * 1000 for one in times]
    return delays


async def measure(
    home: ServerProcess, away: ServerProcess, redis: Redis, *, readers: int, options: argparse.Namespace
) -> Measured:
    chunks = int(options.seconds * options.per_second)
    ids = [f"bench-{readers}-{number}" for number in range(options.sessions)]
    askers = [await _open(home, one) for one in ids]
    watching = [await _open(away, one) for one in ids for _ in range(readers)]
    before = Spent.now(home, away, redis)
    for asker in askers:
        await asker.send(f"0 {chunks} {options.per_second}")
    results = await asyncio.gather(*(_delays(one, chunks) for one in (*askers, *watching)))
    spent = Spent.now(home, away, redis)
    delays = sorted(delay for result in results[len(askers) if readers else 0 :] for delay in result)
    await asyncio.gather(*(one.close() for one in (*askers, *watching)))
    each = chunks * len(ids)
    return Measured(
        readers,
        share_of(delays, 0.5),
        share_of(delays, 0.99),
        (spent.home_s - before.home_s) / each * 1e6,
        (spent.away_s - before.away_s) / each * 1e6,
        (spent.redis_s - before.redis_s) / each * 1e6,
        (spent.commands - before.commands) / each,
        (spent.bytes - before.bytes) / each,
    )


def _row(one: Measured, none: Measured) -> tuple[str, ...]:
    more_us = one.home_us - none.home_us + one.away_us - none.away_us + one.redis_us - none.redis_us
    figures = (one.home_us, one.away_us, one.redis_us, more_us)
    return (
        str(one.readers),
        f"{one.p50_ms:.1f}",
        f"{one.p99_ms:.1f}",
        *(f"{figure:.0f}" for figure in figures),
        f"{one.commands:.2f}",
        f"{one.bytes:,.0f}",
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--per-second", type=float, default=15)
    options = parser.parse_args()
    program = redis_executable()
    if program is None:
        print("no redis-server here: install one", file=sys.stderr)
        return 1
    with proxied_database(), RedisProcess(program) as redis:
        env = {"LLM_MODEL": "clock", "REDIS_URL": redis.url, "SESSION_GRACE_SECONDS": "1"}
        servers = [ServerProcess(module="bench.clock_server", **env) for _ in range(2)]
        try:
            home, away = (server.start() for server in servers)
            with Redis.from_url(redis.url) as client:
                found = [
                    asyncio.run(measure(home, away, client, readers=one, options=options)) for one in READERS
                ]
        finally:
            for server in servers:
                server.close()
    print(f"{options.sessions} sessions, {options.per_second:g} chunks/s each\n")
    costs = ("holder", "readers' process", "Redis", "all three, more than without")
    head = (
        "readers of each",
        "p50 ms",
        "p99 ms",
        *(f"{one}, us a chunk" for one in costs),
        "commands",
        "bytes",
    )
    print(table(head, [_row(one, found[0]) for one in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
