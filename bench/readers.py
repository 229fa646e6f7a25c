"""One, two and three readers of each session through another process than its own: what a chunk's way to them takes, and
what it costs that process, as ratios to one reader.

    python -m bench readers
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass

import psutil
from websockets.asyncio.client import ClientConnection, connect

from bench.support import proxied_database, share_of, table
from sessions_app.ids import uuid7
from tests.support.redis import RedisProcess, redis_executable
from tests.support.server import ServerProcess

READERS = (1, 2, 3)


@dataclass(frozen=True)
class Measured:
    readers: int
    p50_ms: float
    p99_ms: float
    chunk_us: float
    """CPU time of the readers' process for each chunk that it passed on to one of them."""


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
    home: ServerProcess, away: ServerProcess, *, readers: int, options: argparse.Namespace
) -> Measured:
    chunks = int(options.seconds * options.per_second)
    ids = [uuid7() for _ in range(options.sessions)]
    askers = [await _open(home, one) for one in ids]
    watching = [await _open(away, one) for one in ids for _ in range(readers)]
    process = psutil.Process(away.process.pid)
    before = process.cpu_times()
    for asker in askers:
        await asker.send(f"0 {chunks} {options.per_second}")
    results = await asyncio.gather(*(_delays(one, chunks) for one in watching))
    spent = process.cpu_times()
    delays = sorted(delay for result in results for delay in result)
    await asyncio.gather(*(one.close() for one in (*askers, *watching)))
    cpu_s = spent.user + spent.system - before.user - before.system
    p50_ms, p99_ms = share_of(delays, 0.5), share_of(delays, 0.99)
    return Measured(readers, p50_ms, p99_ms, cpu_s / len(delays) * 1e6)


def _row(one: Measured, first: Measured) -> tuple[str, ...]:
    def against(value: float, base: float, form: str) -> str:
        return f"{value:{form}} ({value / base:.1f} x)"

    return (
        str(one.readers),
        against(one.p50_ms, first.p50_ms, ".1f"),
        against(one.p99_ms, first.p99_ms, ".1f"),
        against(one.chunk_us, first.chunk_us, ".0f"),
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
            found = [asyncio.run(measure(home, away, readers=one, options=options)) for one in READERS]
        finally:
            for server in servers:
                server.close()
    print(f"{options.sessions} sessions, {options.per_second:g} chunks/s each\n")
    head = ("readers of each", "p50 ms", "p99 ms", "us a chunk")
    print(table(head, [_row(one, found[0]) for one in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
