"""What sockets cost a web process: a connect, of a guest and of somebody who is signed in; an idle one's memory, and what is
left when all have gone; and an old answer of 5,000 deltas, as it is and joined.

    python -m bench sockets
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from bench.streams import serve
from bench.support import proxied_database, table
from identity.guests import resume_token
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor, append_now, end_session, open_session
from tests.support.server import ServerProcess

DELTAS, DELTA_CHARS, DELTAS_A_ROW = 5_000, 48, 2
_CROWD = "--crowd"
_AT_ONCE = 16


# A client that costs next to nothing: the handshake by hand, then the first frame.


@dataclass(frozen=True)
class Crowd:
    """What a process of clients tells: seconds for all of its connects."""

    seconds: float


async def _open(port: int, cookie: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    extra = f"Origin: http://127.0.0.1:{port}\r\nCookie: {cookie}\r\n" if cookie else ""
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        (
            f"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
        ).encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    await reader.readuntil(b'"type":"session.created"')
    return writer


async def crowd(port: int, sockets: int, cookie: str) -> None:
    """Connect them all, say how long it took, stay until told to go."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one() -> asyncio.StreamWriter:
        async with gate:
            return await _open(port, cookie)

    began = time.perf_counter()
    held = await asyncio.gather(*(one() for _ in range(sockets)))
    print(time.perf_counter() - began, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for writer in held:
        writer.close()


class Crowds:
    """A server and the crowds that come to it."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._process = psutil.Process(server.process.pid)

    def come(self, sockets: int, cookie: str = "") -> tuple["subprocess.Popen[str]", float, float]:
        """(the crowd, connects a second, milliseconds of the server's CPU for each)."""
        command = [sys.executable, "-m", "bench.sockets", _CROWD, str(self.server.port), str(sockets), cookie]
        before = self.cpu_s
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        seconds = float(process.stdout.readline())
        time.sleep(0.5)
        return process, sockets / seconds, (self.cpu_s - before) / sockets * 1000

    def go(self, process: "subprocess.Popen[str]") -> None:
        process.communicate("\n")
        time.sleep(4.0)

    @property
    def cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    @property
    def kib(self) -> float:
        return float(self._process.memory_info().rss) / 1024


def signed_in_cookie() -> str:
    user = get_user_model().objects.create_user("bench", password=None)
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return f"{settings.SESSION_COOKIE_NAME}={store.session_key}"


def measure_connects(sockets: int, rounds: int, cookie: str) -> list[tuple[str, ...]]:
    server = serve(SECRET_KEY=settings.SECRET_KEY)
    crowds = Crowds(server)
    crowds.go(crowds.come(200)[0])
    rows: list[tuple[str, ...]] = []
    for who, its_cookie in (("a guest", ""), ("signed in", cookie)):
        rates, costs = [], []
        for _ in range(rounds):
            process, rate, cost = crowds.come(sockets, its_cookie)
            crowds.go(process)
            rates.append(rate)
            costs.append(cost)
        rows.append((who, f"{statistics.median(rates):.0f}", f"{statistics.median(costs):.2f} ms"))
    server.stop()
    server.close()
    return rows


def measure_memory(sockets: int) -> list[tuple[str, ...]]:
    server = serve()
    crowds = Crowds(server)
    crowds.go(crowds.come(50)[0])
    before = crowds.kib
    process, _, _ = crowds.come(sockets)
    time.sleep(3.0)
    held = crowds.kib
    crowds.go(process)
    time.sleep(8.0)
    after = crowds.kib
    server.stop()
    server.close()
    return [
        (
            f"{sockets} idle sockets, each with a session of its own",
            f"{(held - before) / sockets:.1f} KiB each",
        ),
        (
            "before, with all, after all have gone",
            f"{before / 1024:.0f}, {held / 1024:.0f}, {after / 1024:.0f} MiB",
        ),
        ("after against before", f"{after / before:.2f} x"),
    ]


# An old answer


def write_answer(session_id: str, process_id: str = "bench") -> None:
    """As the journal leaves it at pace: a few deltas a row."""
    visitor = Visitor(guest_id="")
    opened = open_session(session_id=session_id, visitor=visitor, process_id=process_id, model="clock")
    text = "x" * DELTA_CHARS

    def append(last_seq: int, *events: ev.Event) -> int:
        return append_now(session_id=session_id, epoch=opened.epoch, last_seq=last_seq, events=events)

    seq = append(0, ev.UserMessage(item_id="item_q", text="Tell me."))
    seq = append(
        seq,
        ev.ResponseStarted(response_id="resp_a", provider="clock", model="clock", input_item_ids=["item_q"]),
    )
    for index in range(0, DELTAS, DELTAS_A_ROW):
        deltas = [
            ev.AssistantDelta(
                response_id="resp_a", item_id="item_a", output_index=0, offset=number * DELTA_CHARS, text=text
            )
            for number in range(index, index + DELTAS_A_ROW)
        ]
        seq = append(seq, *deltas)
    seq = append(
        seq,
        ev.AssistantMessage(response_id="resp_a", item_id="item_a", output_index=0, text=text * DELTAS),
        ev.ResponseDone(response_id="resp_a", status=ev.ResponseStatus.COMPLETED),
    )
    end_session(session_id=session_id, epoch=opened.epoch, last_seq=seq, reason="left")


async def replay(url: str, session_id: str, query: str) -> tuple[int, int, float]:
    """(frames, bytes, milliseconds from the connect to the answer's end)."""
    began, frames, size = time.perf_counter(), 0, 0
    place = f"session_id={session_id}&resume_token={resume_token(session_id)}&last_event_id=event_{session_id}_0{query}"
    async with connect(
        f"{url}/ws/session?{place}",
        subprotocols=[Subprotocol("realtime")],
        compression=None,
        max_size=None,
        open_timeout=60,
    ) as socket:
        while True:
            frame = await socket.recv(decode=False)
            frames, size = frames + 1, size + len(frame)
            if b'"type":"response.done"' in frame:
                assert json.loads(frame)["response"]["status"] == "completed"
                return frames, size, (time.perf_counter() - began) * 1000


def measure_replay(rounds: int) -> list[tuple[str, ...]]:
    ways = {"as it came": "", "joined": "&history=joined"}
    write_answer("old")  # before a server is there: it would take an unfinished answer over
    server = serve(SECRET_KEY=settings.SECRET_KEY)
    crowds = Crowds(server)
    asyncio.run(replay(server.ws_url, "old", ""))
    seen: dict[str, list[tuple[int, int, float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, query in ways.items():
            before = crowds.cpu_s
            frames, size, wall_ms = asyncio.run(replay(server.ws_url, "old", query))
            time.sleep(2.0)  # its session ends, and is opened anew by the next
            seen[way].append((frames, size, wall_ms, (crowds.cpu_s - before) * 1000))
    server.stop()
    server.close()
    return [
        (
            way,
            str(runs[0][0]),
            f"{runs[0][1] / 1e6:.2f} MB",
            f"{statistics.median(run[2] for run in runs):.0f} ms",
            f"{statistics.median(run[3] for run in runs):.0f} ms",
        )
        for way, runs in seen.items()
    ]


def main() -> None:
    if sys.argv[1:2] == [_CROWD]:
        port, sockets, cookie = sys.argv[2:]
        asyncio.run(crowd(int(port), int(sockets), cookie))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["connects", "memory", "replay"])
    options = parser.parse_args()
    with proxied_database():
        if options.only in (None, "connects"):
            rows = measure_connects(options.sockets, options.rounds, signed_in_cookie())
            print(table(("connect of", "a second", "the server's CPU"), rows), "\n")
        if options.only in (None, "memory"):
            print(table(("memory", ""), measure_memory(3 * options.sockets)), "\n")
        if options.only in (None, "replay"):
            head = (f"{DELTAS:,} deltas", "frames", "bytes", "until the end", "the server's CPU")
            print(table(head, measure_replay(options.rounds)), "\n")


if __name__ == "__main__":
    main()
