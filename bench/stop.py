"""How long a stop takes: from `response.cancel` to the `response.done` that says what was kept, on the answer's own
process and through another one, next to a single commit of the same run. The promise is 200 ms and one commit.

    python -m bench stop
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench.support import proxied_database, table
from sessions_app.ids import uuid7
from tests.support.database import database_url
from tests.support.redis import RedisProcess, redis_executable
from tests.support.server import ServerProcess
from tests.support.sockets import realtime

STOPS = 40


async def stop_ms(home: ServerProcess, other: ServerProcess) -> list[float]:
    """The session lives in ``home``; the stop and its acknowledgement go through ``other``."""
    path = f"/ws/session/stop-{uuid7()}"  # an id of our form is one that a server told
    took = []
    async with realtime(home.ws_url, path) as here, realtime(other.ws_url, path) as there:
        for _ in range(STOPS):
            await here.say("count to 500")
            for _ in range(3):
                await there.until("response.output_text.delta")
            started = time.perf_counter()
            await there.send(type="response.cancel")
            done = await there.until("response.done")
            took.append((time.perf_counter() - started) * 1000)
            assert done["response"]["status"] == "cancelled"
            await here.until("response.done")
    return took


@contextmanager
def two_servers(redis_url: str) -> Iterator[list[ServerProcess]]:
    env = {"REDIS_URL": redis_url, "DEMO_DELAY_MS": "10", "SESSION_GRACE_SECONDS": "1"}
    servers = [ServerProcess(**env) for _ in range(2)]
    try:
        yield [server.start() for server in servers]
    finally:
        for server in servers:
            server.close()


def commit_ms() -> list[float]:
    """An insert in autocommit, on the connection path that the servers use."""
    took = []
    with psycopg.connect(database_url(), autocommit=True) as link:
        link.execute("CREATE TABLE bench_commits (line text)")
        for _ in range(STOPS):
            started = time.perf_counter()
            link.execute("INSERT INTO bench_commits VALUES ('stopped')")
            took.append((time.perf_counter() - started) * 1000)
        link.execute("DROP TABLE bench_commits")
    return took


def _row(name: str, rtt_ms: int, took: list[float]) -> tuple[str, ...]:
    p95 = statistics.quantiles(took, n=20)[-1]
    return f"{rtt_ms} ms", name, f"{statistics.median(took):.1f}", f"{p95:.1f}"


def main() -> int:
    program = redis_executable()
    if program is None:
        print("no redis-server here: install one", file=sys.stderr)
        return 1
    rows = []
    with proxied_database() as proxy, RedisProcess(program) as redis, two_servers(redis.url) as servers:
        for rtt_ms in (0, 50):
            proxy.rtt_s = rtt_ms / 1000
            rows.append(_row("one commit", rtt_ms, commit_ms()))
            for name, other in (("stop, same process", servers[0]), ("stop, other process", servers[1])):
                rows.append(_row(name, rtt_ms, asyncio.run(stop_ms(servers[0], other))))
        proxy.rtt_s = 0.0
    print(table(("round trip", "what", "median ms", "p95 ms"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
