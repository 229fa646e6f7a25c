"""What a streamed chunk costs the server on each wire, beside the Realtime socket in the same run; and a thousand readers of
server-sent events on one process.

    python -m bench wires

The clients are a process of their own. The server's CPU is read while all answers run, so that who comes, and how a turn begins and
ends, does not count. Each round begins with another wire: what is left of the one before is not always the same one's.
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

from websockets.asyncio.client import connect

from bench.peers.cpu import cpu_s, resident_kib
from bench.streams import serve
from bench.support import proxied_database, table
from tests.support.server import ServerProcess

_CLIENT = "--client"
_AT_ONCE = 50
_COMING_S = 4.0
_GOING_S = 2.5
"""What is stored behind the last piece, and the sessions' end."""
REALTIME = "Realtime, socket"
SSE = "Responses, SSE"
_EVENTS = {  # the frame that carries a piece of the text
    REALTIME: b'"type":"response.output_text.delta"',
    SSE: b"event: response.output_text.delta",
    "useChat, SSE": b'"type":"text-delta"',
    "AG-UI, SSE": b'"type":"TEXT_MESSAGE_CONTENT"',
}


def _request(wire: str, words: str) -> tuple[str, object]:
    """(path, body)."""
    chat, message = uuid4().hex, {"id": uuid4().hex, "role": "user"}
    if wire == SSE:
        return "/v1/responses", {"input": words, "stream": True}
    if wire.startswith("useChat"):
        said = {**message, "parts": [{"type": "text", "text": words}]}
        return f"/api/ui/{chat}", {"id": chat, "trigger": "submit-message", "messages": [said]}
    return "/ag-ui", {"threadId": chat, "runId": uuid4().hex, "messages": [{**message, "content": words}]}


async def read_stream(port: int, wire: str, words: str) -> int:
    """How many pieces came."""
    path, value = _request(wire, words)
    body = json.dumps(value).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer guest\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200"), answer + await reader.read(2_000)
    pieces = 0
    async for line in reader:
        pieces += line.count(_EVENTS[wire])
    writer.close()
    return pieces


async def read_socket(port: int, words: str) -> int:
    async with connect(
        f"ws://127.0.0.1:{port}/v1/realtime", compression=None, ping_interval=None, open_timeout=60
    ) as socket:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
        await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await socket.send(json.dumps({"type": "response.create"}))
        pieces = 0
        async for frame in socket:
            text = frame if isinstance(frame, bytes) else frame.encode()
            pieces += _EVENTS[REALTIME] in text
            if b'"type":"response.done"' in text:
                return pieces
    raise ConnectionError("cut off in the middle of an answer")


async def read_all(port: int, wire: str, readers: int, words: str) -> int:
    gate = asyncio.Semaphore(_AT_ONCE)  # to come at their ease, not to be held there
    there = asyncio.Event()
    left = readers

    async def one() -> int:
        nonlocal left
        async with gate:
            await asyncio.sleep(0.02)
            reading = asyncio.create_task(
                read_socket(port, words) if wire == REALTIME else read_stream(port, wire, words)
            )
            await asyncio.sleep(0.1)
        left -= 1
        if not left:
            there.set()
        return await reading

    counts = await asyncio.gather(*(one() for _ in range(readers)))
    return sum(counts)


@contextlib.contextmanager
def clients(server: ServerProcess, wire: str, readers: int, words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.wires", _CLIENT, wire, str(server.port), str(readers), words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        yield client


def chunk_cost(server: ServerProcess, wire: str, options: argparse.Namespace) -> float:
    """In seconds of CPU, while all answers run."""
    chunks = int((_COMING_S + options.seconds) * options.per_second) + 1
    with clients(server, wire, options.readers, f"0 {chunks} {options.per_second}") as client:
        time.sleep(_COMING_S)
        began, before = time.perf_counter(), cpu_s(server.process.pid)
        time.sleep(options.seconds)
        spent, lasted = cpu_s(server.process.pid) - before, time.perf_counter() - began
        pieces, wanted = int(client.communicate()[0]), options.readers * chunks
    assert pieces == wanted, f"{wire}: {pieces} of {wanted} pieces came"
    time.sleep(_GOING_S)
    return spent / (lasted * float(options.readers * options.per_second))


def measure_chunks(server: ServerProcess, options: argparse.Namespace) -> None:
    wires = list(_EVENTS)
    found: dict[str, list[float]] = {wire: [] for wire in wires}
    for wire in wires:  # what is made with the first one
        with clients(
            server, wire, options.readers, f"0 {int(options.per_second)} {options.per_second}"
        ) as client:
            client.communicate()
    for turn in range(options.times):
        first = turn % len(wires)
        for wire in wires[first:] + wires[:first]:
            found[wire].append(chunk_cost(server, wire, options) * 1e6)
    base = statistics.median(found[REALTIME])
    rows = [
        (
            wire,
            f"{(cost := statistics.median(costs)):.0f}",
            f"{min(costs):.0f}-{max(costs):.0f}",
            f"{cost / base:.2f}",
        )
        for wire, costs in found.items()
    ]
    print(
        f"{options.readers} answers at once, {options.per_second:g} chunks a second each, {options.times} rounds of "
        f"{options.seconds:g} s\n"
    )
    print(table(("wire", "us of CPU a piece", "lowest-highest", "beside the socket"), rows))


def measure_readers(server: ServerProcess, options: argparse.Namespace) -> None:
    began = time.perf_counter()
    pid = server.process.pid
    spent, most = cpu_s(pid), (memory := resident_kib(pid))
    with clients(server, SSE, options.held, f"0 {options.held_seconds} 1") as client:
        while client.poll() is None:
            most = max(most, resident_kib(pid))
            time.sleep(0.2)
        pieces = int(client.communicate()[0])
    spent, wall_s = cpu_s(pid) - spent, time.perf_counter() - began
    wanted = options.held * options.held_seconds
    row = (
        str(options.held),
        f"{pieces} of {wanted}",
        f"{(most - memory) / options.held:.0f}",
        f"{spent / wall_s:.0%}",
    )
    print(
        f"\nreaders of server-sent events on one process, one chunk a second each for {options.held_seconds} s\n"
    )
    print(table(("readers", "pieces read", "KiB each, with its session", "server CPU"), [row]))


def main() -> None:
    if sys.argv[1:2] == [_CLIENT]:
        wire, port, readers, words = sys.argv[2:]
        print(asyncio.run(read_all(int(port), wire, int(readers), words)))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--per-second", type=float, default=15)
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--held", type=int, default=1000)
    parser.add_argument("--held-seconds", type=int, default=60)
    options = parser.parse_args()
    with proxied_database():
        server = serve(MAX_SOCKETS_PER_USER="100000", MAX_LIVE_SESSIONS="100000")
        try:
            measure_chunks(server, options)
            measure_readers(server, options)
        finally:
            server.stop()
            server.close()


if __name__ == "__main__":
    main()
