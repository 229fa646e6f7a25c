"""What a socket costs: its memory, idle and with an answer, and its coming."""

import os
import subprocess
import sys
import threading
import time
from typing import ClassVar

import psycopg

from bench.peers.contenders import Ours, Server, server_of
from bench.peers.cpu import cpu_s, resident_kib, tree_cpu_s
from bench.peers.load import Load
from bench.peers.measure import Contender, Figure, Figures, Measure, Stage

_REST_S = 1.0
_GONE_S = 8.0
"""After the sockets' end, and that of their sessions where there are any: what the allocator gives back."""
_ENDED_S = 60.0


class Memory(Measure):
    name = "memory"
    title = "Memory"
    told = (
        "A new server each time; resident memory of its web process. Idle: 1,000 sockets (whole: 3,000), each with its session. "
        "Active: 100 more with an answer of 10 chunks a second each, beyond an idle one. After: all have gone and their sessions are ended, against before they came."
    )
    figures = (
        Figure("before_mib", "before, MiB"),
        Figure("idle_kib", "idle socket, KiB", 1),
        Figure("active_kib", "an answer more, KiB", 1),
        Figure("after_ratio", "after all have gone, x", 2),
    )
    contenders = (
        Contender("ours, plain", "ours", "plain", ("relay",)),
        Contender("ours, Realtime", "ours", "realtime", ("relay",)),
        Contender("relay", "relay-gemini", "relay"),
    )
    related = ("idle_kib", "active_kib")
    quick_repeats = 1
    active: ClassVar[int] = 100

    def run(self, stage: Stage, contender: Contender) -> Figures:
        sockets = 3000 if stage.whole else 1000
        server = server_of(contender.server, stage.model_urls)
        with server, Load() as crowd, Load() as talkers:
            pid = server.pids[0]
            talkers.open(port=server.port, wire=contender.wire, sockets=20)
            talkers.turn(chunks=5, per_second=15)
            talkers.close()
            time.sleep(3 * _REST_S)
            before = resident_kib(pid)
            crowd.open(port=server.port, wire=contender.wire, sockets=sockets)
            time.sleep(_REST_S)
            idle = (resident_kib(pid) - before) / sockets
            full = resident_kib(pid)
            talkers.open(port=server.port, wire=contender.wire, sockets=self.active)
            peak = self._peak_of_a_turn(talkers, pid)
            talkers.close()
            crowd.close()
            _wait_for_ends(server)
            time.sleep(_GONE_S)
            after = resident_kib(pid)
        return {
            "before_mib": before / 1024,
            "idle_kib": idle,
            "active_kib": (peak - full) / self.active - idle,
            "after_ratio": after / before,
        }

    def _peak_of_a_turn(self, load: Load, pid: int) -> float:
        over = threading.Event()
        seen: list[float] = [resident_kib(pid)]

        def watch() -> None:
            while not over.wait(0.1):
                seen.append(resident_kib(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            load.turn(chunks=60, per_second=10, spread_s=1.0)
        finally:
            over.set()
            watcher.join()
        return max(seen)


def _wait_for_ends(server: Server) -> None:
    """A crowd's sessions are ended a few at a time, for the sake of those who stay."""
    if not isinstance(server, Ours):
        return
    deadline = time.monotonic() + _ENDED_S
    with psycopg.connect(server.database_url, autocommit=True) as link:
        while link.execute("SELECT FROM sessions WHERE status <> 'ended' LIMIT 1").fetchone() is not None:
            if time.monotonic() > deadline:
                raise RuntimeError("the sessions of a crowd that has gone do not end")
            time.sleep(0.2)


_SIGN_IN = """
import django; django.setup()
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
user, _ = get_user_model().objects.get_or_create(username="bench")
store = import_module(settings.SESSION_ENGINE).SessionStore()
store[SESSION_KEY] = str(user.pk)
store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
store[HASH_SESSION_KEY] = user.get_session_auth_hash()
store.save()
print(settings.SESSION_COOKIE_NAME + "=" + store.session_key)
"""


def signed_in(server: Ours) -> dict[str, str]:
    """The headers of a browser that is signed in there."""
    env = {
        **os.environ,
        **server.settings,
        "ENV_FILE": os.devnull,
        "DATABASE_URL": server.database_url,
        "DJANGO_SETTINGS_MODULE": "realtime_ai.settings.production",
    }
    said = subprocess.run(
        [sys.executable, "-c", _SIGN_IN], env=env, capture_output=True, text=True, check=True
    )
    return {"Cookie": said.stdout.strip().splitlines()[-1], "Origin": f"http://127.0.0.1:{server.port}"}


class Connects(Measure):
    name = "connects"
    title = "Connecting"
    told = (
        "500 sockets, 20 at a time, until each has its greeting; CPU of the web process and of PostgreSQL for each. Signed in: with "
        "the cookie of a signed-in browser."
    )
    figures = (
        Figure("per_second", "connects/s"),
        Figure("web_ms", "web ms each", 2),
        Figure("postgres_ms", "PostgreSQL ms each", 2),
    )
    contenders = (
        Contender("ours, plain", "ours", "plain", ("relay",)),
        Contender("ours, Realtime", "ours", "realtime", ("relay",)),
        Contender("ours, signed in", "ours", "realtime", ("relay",)),
        Contender("relay", "relay-gemini", "relay"),
    )
    related = ("per_second", "web_ms")
    sockets: ClassVar[int] = 500

    def run(self, stage: Stage, contender: Contender) -> Figures:
        server = stage.server(contender.server)
        headers = (
            signed_in(server) if contender.title.endswith("signed in") and isinstance(server, Ours) else {}
        )
        with Load() as load:
            load.open(port=server.port, wire=contender.wire, sockets=20, headers=headers)
            time.sleep(_REST_S)
            web, postgres = cpu_s(server.pids[0]), tree_cpu_s(server.postgres_pid)
            opened = load.open(port=server.port, wire=contender.wire, sockets=self.sockets, headers=headers)
            web, postgres = cpu_s(server.pids[0]) - web, tree_cpu_s(server.postgres_pid) - postgres
            load.close()
        time.sleep(_GONE_S)
        return {
            "per_second": self.sockets / opened["wall_s"],
            "web_ms": web / self.sockets * 1000,
            "postgres_ms": postgres / self.sockets * 1000,
            "load_ms": opened["load_cpu_s"] / self.sockets * 1000,
        }
