"""A crowd that leaves: thousands of silent sockets drop in one instant while a few others read answers. How low does the
process's lease run, and for how long do the others stand still?

    python -m bench crowd
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench.delay_proxy import Address, DelayProxy
from bench.streams import connect_socket, read_delays, serve
from bench.support import proxied_database, table
from sessions_app.conf import conf
from tests.support.database import database_url
from tests.support.server import ServerProcess

TALKERS = 10
PER_SECOND = 15.0
_HOLD = "--hold"
_AT_ONCE = 50
_PATIENCE_S = 300.0


async def hold(url: str, sockets: int) -> None:
    """The crowd: a process of its own, since its end is what drops all its sockets at once."""
    opening = asyncio.Semaphore(_AT_ONCE)

    async def one() -> object:
        async with opening:
            return await connect_socket(url)

    held = await asyncio.gather(*(one() for _ in range(sockets)))
    print("here", flush=True)
    await asyncio.Event().wait()
    del held


@contextmanager
def crowd(url: str, sockets: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "bench.crowd", _HOLD, url, str(sockets)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.wait()


class Watch:
    """What is seen from outside from now on: the lease's lowest rest, the slowest answer of ``/healthz``."""

    def __init__(self, http_url: str, database: str) -> None:
        self.lease_s = float("inf")
        self.healthz_s = 0.0
        self._url, self._database = http_url, database
        self._over = False

    def over(self) -> None:
        self._over = True

    def lease(self) -> None:
        with psycopg.connect(self._database, autocommit=True) as link:
            while not self._over:
                row = link.execute(
                    "SELECT extract(epoch FROM max(expires_at) - now()) FROM server_processes"
                ).fetchone()
                if row and row[0] is not None:
                    self.lease_s = min(self.lease_s, float(row[0]))
                time.sleep(0.05)

    def healthz(self) -> None:
        while not self._over:
            started = time.perf_counter()
            with urllib.request.urlopen(f"{self._url}/healthz", timeout=30) as answer:
                answer.read()
            self.healthz_s = max(self.healthz_s, time.perf_counter() - started)
            time.sleep(0.01)

    def until_ended(self) -> None:
        """The crowd's sessions have all had their end."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._live() > TALKERS:
            if time.monotonic() > deadline:
                raise RuntimeError("the sessions of a crowd that has gone do not end")
            time.sleep(0.25)

    def _live(self) -> int:
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return int(float(next(line for line in lines if line.startswith("live_sessions ")).split()[1]))


async def measure(
    server: ServerProcess, proxy: DelayProxy, *, sockets: int, rtt_s: float, seconds: float
) -> tuple[str, ...]:
    watch = Watch(server.url, _direct(proxy.upstream))
    proxy.rtt_s = 0.0  # the crowd comes at its ease
    with crowd(server.ws_url, sockets) as process:
        talkers = [await connect_socket(server.ws_url) for _ in range(TALKERS)]
        await asyncio.gather(*(read_delays(one, chunks=1, per_second=1) for one in talkers))
        proxy.rtt_s = rtt_s
        chunks = int(seconds * PER_SECOND)
        reading = [
            asyncio.create_task(read_delays(one, chunks=chunks, per_second=PER_SECOND)) for one in talkers
        ]
        await asyncio.sleep(2.0)
        looks = [asyncio.create_task(asyncio.to_thread(look)) for look in (watch.lease, watch.healthz)]
        process.kill()
        left_at = time.monotonic()
        worst = max(delay for each in await asyncio.gather(*reading) for delay in each)
        await asyncio.to_thread(watch.until_ended)
        ended_s = time.monotonic() - left_at
        watch.over()
        await asyncio.gather(*looks)
        for one in talkers:
            await one.close()
    return (
        str(sockets),
        f"{watch.lease_s:.1f}",
        f"{worst:.0f}",
        f"{watch.healthz_s * 1000:.0f}",
        f"{ended_s:.0f}",
    )


def _direct(upstream: Address) -> str:
    """The database without the way to it."""
    folder, _, port = (
        upstream.rpartition("/.s.PGSQL.") if isinstance(upstream, str) else (upstream[0], "", upstream[1])
    )
    return database_url(host=str(folder), port=str(port))


def main() -> None:
    if sys.argv[1:2] == [_HOLD]:
        asyncio.run(hold(sys.argv[2], int(sys.argv[3])))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, nargs="+", default=[1000, 3000])
    parser.add_argument("--seconds", type=float, default=20, help="how long the others read")
    parser.add_argument("--rtt-ms", type=float, default=30, help="how far away the database is")
    options = parser.parse_args()
    rows = []
    with proxied_database() as proxy:
        for sockets in options.sockets:
            server = serve()
            rtt_s = options.rtt_ms / 1000
            rows.append(
                asyncio.run(measure(server, proxy, sockets=sockets, rtt_s=rtt_s, seconds=options.seconds))
            )
            server.stop()
            server.close()
    print(f"database {options.rtt_ms:g} ms away; {TALKERS} others read {PER_SECOND:g} chunks a second; ")
    print(f"a lease of {conf().lease_seconds:g} s, sessions end after a grace of 1 s\n")
    head = (
        "sockets that leave",
        "lease's lowest rest, s",
        "others' slowest chunk, ms",
        "slowest /healthz, ms",
        "all ended, s",
    )
    print(table(head, rows))


if __name__ == "__main__":
    main()
