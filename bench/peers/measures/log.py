"""What the log gives back: a long answer told again, a stop in the middle of a very fast one, one of 8 MB, summaries."""

import time
from typing import ClassVar

import psycopg

from bench.peers.contenders import Ours, Server
from bench.peers.cpu import cpu_s, resident_kib
from bench.peers.load import Load
from bench.peers.measure import Contender, Figure, Figures, Measure, Stage
from bench.peers.model import CHUNK_CHARS

_PATIENCE_S = 90.0


class Replay(Measure):
    name = "replay"
    title = "An answer told again"
    told = "A new socket on the Realtime wire is told an answer of 5,000 chunks (240 KB) from the session's beginning."
    figures = (
        Figure("kb", "KB on the wire"),
        Figure("ms", "ms"),
        Figure("web_ms", "web CPU ms"),
    )
    contenders = (
        Contender("every delta", "ours", "realtime"),
        Contender("joined history", "ours", "realtime", ("every delta",)),
    )
    related = ("kb", "ms")
    chunks: ClassVar[int] = 5000
    rounds: ClassVar[int] = 5

    def run(self, stage: Stage, contender: Contender) -> Figures:
        server = stage.server(contender.server)
        with Load() as load:
            session = load.open(port=server.port, wire="realtime", sockets=1)["sessions"][0]
            load.turn(chunks=self.chunks)
            path = f"/v1/realtime?{session['back']}&last_event_id=event_{session['id']}_0"
            path += "&history=joined" if contender.title.startswith("joined") else ""
            web = cpu_s(server.pids[0])
            told = [load.replay(port=server.port, path=path) for _ in range(self.rounds)]
            web = cpu_s(server.pids[0]) - web
            load.close()
        assert all(one["chunks"] == self.chunks for one in told)
        return {
            "kb": told[0]["bytes"] / 1000,
            "ms": sorted(one["wall_s"] for one in told)[self.rounds // 2] * 1000,
            "web_ms": web / self.rounds * 1000,
        }


class Stop(Measure):
    name = "stop"
    title = "A stop under a very fast model"
    told = (
        "`response.cancel` as soon as the first of 20,000 chunks has come, which the model sends as fast as they are taken; until "
        "`response.done`. The promise is 200 ms."
    )
    figures = (
        Figure("ms", "median ms", 1),
        Figure("max_ms", "max ms", 1),
        Figure("told", "chunks told by then"),
    )
    contenders = (Contender("ours, Realtime", "ours", "realtime"),)
    rounds: ClassVar[int] = 9

    def run(self, stage: Stage, contender: Contender) -> Figures:
        server = stage.server(contender.server)
        stops = []
        with Load() as load:
            for _ in range(self.rounds):
                load.open(port=server.port, wire=contender.wire, sockets=1)
                stops.append(load.stop(chunks=20_000))
                load.close()
        took = sorted(one["ms"] for one in stops)
        return {"ms": took[len(took) // 2], "max_ms": took[-1], "told": max(one["told"] for one in stops)}


class Long(Measure):
    name = "long"
    title = "An answer of 8 MB"
    told = "One answer of 8 MB on the Realtime wire, the model as fast as it is taken: what goes to the client, the time, the memory."
    figures = (
        Figure("mb", "MB on the wire", 1),
        Figure("chunks", "chunks told"),
        Figure("s", "s", 1),
        Figure("more_mib", "memory more, MiB"),
    )
    contenders = (Contender("ours, Realtime", "ours", "realtime"),)
    quick_repeats = 1

    def run(self, stage: Stage, contender: Contender) -> Figures:
        server = stage.server(contender.server)
        with Load() as load:
            load.open(port=server.port, wire=contender.wire, sockets=1)
            before = resident_kib(server.pids[0])
            turn = load.turn(chunks=8_000_000 // CHUNK_CHARS, patience_s=300)
            more = resident_kib(server.pids[0]) - before
            load.close()
        return {
            "mb": turn.received_bytes / 1e6,
            "chunks": turn.chunks,
            "s": turn.wall_s,
            "more_mib": more / 1024,
        }


class Summaries(Measure):
    name = "summaries"
    title = "Summaries after a mass disconnect"
    told = (
        "200 sessions of one turn each drop in one instant (a grace of 1 s); one worker, a model that answers at once. From the first "
        "session's end to the last summary."
    )
    figures = (Figure("s", "s", 1), Figure("from_drop_s", "s from the drop", 1))
    contenders = (Contender("ours", "ours", "realtime"),)
    quick_repeats = 1
    sessions: ClassVar[int] = 200

    def run(self, stage: Stage, contender: Contender) -> Figures:
        with Ours(stage.model_urls, worker=True) as server:
            with Load() as load:
                load.open(port=server.port, wire=contender.wire, sockets=self.sessions)
                load.turn(text="Hello there, how are you?", spread_s=1.0)
                dropped = time.monotonic()
            first, last = self._watch(server)
        return {"s": last - first, "from_drop_s": last - dropped}

    def _watch(self, server: Server) -> tuple[float, float]:
        """When the first session had ended, and when the last summary was written."""
        asked = "SELECT count(*) FILTER (WHERE status = 'ended'), count(*) FILTER (WHERE summary_state = 'written') FROM sessions"
        first, deadline = 0.0, time.monotonic() + _PATIENCE_S
        with psycopg.connect(server.database_url, autocommit=True) as link:
            while time.monotonic() < deadline:
                ended, written = link.execute(asked).fetchone() or (0, 0)
                first = first or (time.monotonic() if ended else 0.0)
                if written >= self.sessions:
                    return first, time.monotonic()
                time.sleep(0.02)
        raise TimeoutError(f"{written} of {self.sessions} summaries after {_PATIENCE_S:g} s")
