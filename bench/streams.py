"""One process under load: 200 sockets that stream at once, the delay of every chunk, the memory of an idle socket, and
what a distant database does to the first token.

The model says the time in each chunk (`bench.clock_provider`), so a chunk's delay is the time from the model's
hand to the client's, on one clock.

    python -m bench streams
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import os
import statistics
import time

import psutil
from websockets.asyncio.client import ClientConnection, connect

from bench.delay_proxy import DelayProxy
from bench.support import proxied_database, share_of, table
from tests.support.server import ServerProcess


async def connect_socket(url: str) -> ClientConnection:
    connection = await connect(f"{url}/ws/session", compression=None, ping_interval=None, open_timeout=60)
    await connection.recv()
    return connection


async def read_delays(connection: ClientConnection, *, chunks: int, per_second: float) -> list[float]:
    """Milliseconds that each chunk took."""
    await connection.send(f"0 {chunks} {per_second}")
    delays: list[float] = []
    while len(delays) < chunks:
        times = str(await connection.recv()).split()
        now = time.time()
        delays += [(now - float(one)) * 1000 for one in times]
    return delays


async def stream_all(url: str, *, sockets: int, chunks: int, per_second: float) -> list[float]:
    connections = [await connect_socket(url) for _ in range(sockets)]
    results = await asyncio.gather(
        *(read_delays(one, chunks=chunks, per_second=per_second) for one in connections)
    )
    await asyncio.gather(*(one.close() for one in connections))
    return sorted(delay for delays in results for delay in delays)


async def idle_memory(server: ServerProcess, *, sockets: int) -> float:
    """KiB of the server's resident memory for each idle socket with a session of its own."""
    process = psutil.Process(server.process.pid)
    warm = [await connect_socket(server.ws_url) for _ in range(50)]
    await asyncio.sleep(1.0)
    before = process.memory_info().rss
    idle = [await connect_socket(server.ws_url) for _ in range(sockets)]
    await asyncio.sleep(1.0)
    per_socket = (process.memory_info().rss - before) / sockets / 1024
    await asyncio.gather(*(one.close() for one in [*warm, *idle]))
    return per_socket


async def first_token(url: str, *, model_s: float, turns: int) -> tuple[float, float]:
    """Medians in ms: from a message to its first token on an open socket, and from opening the socket to it."""
    on_open, from_connect = [], []
    for _ in range(turns):
        started = time.perf_counter()
        connection = await connect_socket(url)
        await connection.send(f"{model_s} 1 1")
        await connection.recv()
        from_connect.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.3)
        started = time.perf_counter()
        await connection.send(f"{model_s} 1 1")
        await connection.recv()
        on_open.append((time.perf_counter() - started) * 1000)
        await connection.close()
    return statistics.median(on_open), statistics.median(from_connect)


def serve(**env: str) -> ServerProcess:
    env = {"LLM_MODEL": "clock", "MAX_SOCKETS_PER_ADDRESS": "100000", "SESSION_GRACE_SECONDS": "1", **env}
    env.setdefault("MAX_CONNECTS_PER_10_SECONDS", "100000")
    return ServerProcess(module="bench.clock_server", **env).start()


def measure_load(options: argparse.Namespace) -> None:
    server = serve()
    chunks = int(options.seconds * options.per_second)
    used = psutil.Process(server.process.pid).cpu_times()
    started = time.perf_counter()
    delays = asyncio.run(
        stream_all(server.ws_url, sockets=options.sockets, chunks=chunks, per_second=options.per_second)
    )
    wall_s = time.perf_counter() - started
    spent = psutil.Process(server.process.pid).cpu_times()
    cpu = (spent.user + spent.system - used.user - used.system) / wall_s
    memory = asyncio.run(idle_memory(server, sockets=options.idle))
    server.stop()
    server.close()
    row = (
        str(options.sockets),
        f"{options.per_second:g}",
        str(len(delays)),
        *(f"{share_of(delays, share):.1f}" for share in (0.5, 0.99, 1.0)),
        f"{cpu:.0%}",
    )
    print(table(("sockets", "chunks/s each", "chunks", "p50 ms", "p99 ms", "max ms", "server CPU"), [row]))
    print(f"\nmemory per idle socket with its session: {memory:.1f} KiB ({options.idle} sockets)\n")


def measure_first_token(proxy: DelayProxy) -> None:
    server = serve()
    rows = []
    for rtt_ms in (0, 50):
        proxy.rtt_s = rtt_ms / 1000
        message, connect_too = asyncio.run(first_token(server.ws_url, model_s=0.3, turns=7))
        rows.append((f"{rtt_ms} ms", f"{message:.0f}", f"{connect_too:.0f}"))
    server.stop()
    server.close()
    print("first token of a model that takes 300 ms, median ms:\n")
    print(table(("database round trip", "from the message", "from opening the socket"), rows))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--per-second", type=float, default=15)
    parser.add_argument("--idle", type=int, default=1000)
    options = parser.parse_args()
    with proxied_database() as proxy:
        print(f"{os.cpu_count()} cores; the client shares them with the server and PostgreSQL\n")
        measure_load(options)
        measure_first_token(proxy)


if __name__ == "__main__":
    main()
