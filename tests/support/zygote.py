"""One Python that has imported what every server imports, and forks: a server is up in a fifth of the CPU time.

``python -m tests.support.zygote FD`` (a listening socket), started once a run by `tests.plugin.zygote`; `tests.support.pythons` asks it.
A request is one message: JSON, and the file descriptors that the program is to have. The answer is its process id
(0: start it yourself), and at its end its exit code. It ends when its stdin does.

Only packages of others are imported before the fork, and only such as start nothing: what we wrote, and whatever
depends on settings, is imported by each program from its own environment. A variable that was read on the way is
remembered, and a program that wants another value for it is refused.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

MAX_MESSAGE = 1 << 17
MAX_FDS = 16
NUMBER = struct.Struct("i")
OWN = frozenset(("realtime_ai", "chat", "identity", "sessions_app"))

_FOR_EVERYONE = (
    "django.contrib.admin",
    "django.core.asgi",
    "django.core.management",
    "django.forms",
    "django.template.loader",
    "channels.auth",
    "channels.generic.websocket",
    "channels.layers",
    "channels.routing",
    "channels_redis.core",
    "uvicorn",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "uvloop",
    "psycopg",
    "psycopg_pool",
    "procrastinate.contrib.django.apps",
    "redis.asyncio",
    "prometheus_client",
    "msgspec",
    "httpx2",
    "markdown_it",
    "nh3",
    "sqlparse",
    "whitenoise",
    "croniter",
    "cryptography.x509",
    "OpenSSL.SSL",
    "service_identity",
    "twisted.internet.protocol",  # but no reactor, nor what makes one: it opens descriptors
    "twisted.web.http",
    "autobahn.twisted.websocket",
    "aiohttp",
    "pydantic.json_schema",
    "pydantic.networks",
    "pydantic.type_adapter",
    "fido2.server",
    "fido2.webauthn",
    "docstring_parser",
    "jwt",
    "environ",
    "dotenv",
    "tomllib",
    "django.db.backends.postgresql.base",
    "django.db.migrations.state",
)
_FOR_MODELS = {
    "gemini": "google.genai",
    "openai": "openai",
    "groq": "openai",
    "compatible": "openai",
    "anthropic": "anthropic",
}


class Request(NamedTuple):
    arguments: list[str]
    """As Python takes them: ``-m MODULE ...`` or ``PROGRAM ...``."""
    env: dict[str, str]
    cwd: str
    fds: list[int]
    """The numbers that the descriptors have in the program."""
    group: bool
    """It leads a process group of its own."""


class _Noting(os._Environ[str]):
    """``os.environ`` for as long as a package is imported."""

    names: set[str] = set()  # noqa: RUF012 - one process, one environment

    def get(
        self, key: str, default: Any = None
    ) -> Any:  # getenv's as well; whoever copies all of it asks for none
        self.names.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.names.add(str(key))
        return super().__contains__(key)


@contextlib.contextmanager
def _noting() -> Iterator[None]:
    plain = os.environ.__class__
    os.environ.__class__ = _Noting
    try:
        yield
    finally:
        os.environ.__class__ = plain


def _wanted(env: Mapping[str, str]) -> Iterator[str]:
    yield from _FOR_EVERYONE
    models = " ".join(value for name, value in env.items() if name.startswith(("LLM_", "SUMMARY_MODEL")))
    yield from (package for model, package in _FOR_MODELS.items() if model in models)
    if env.get("MCP_SERVERS"):
        yield "mcp"


def _prepare(env: Mapping[str, str]) -> None:
    missing = [name for name in _wanted(env) if name not in sys.modules]
    if not missing:
        return
    with _noting():
        for name in missing:
            importlib.import_module(name)
    assert threading.active_count() == 1, threading.enumerate()
    assert "twisted.internet.reactor" not in sys.modules
    assert not OWN & sys.modules.keys()
    gc.collect()
    gc.freeze()  # no program's collections look at all this, nor copy its pages


def _fits(env: Mapping[str, str]) -> bool:
    return all(env.get(name) == os.environ.get(name) for name in _Noting.names)


class _Zygote:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._running: dict[int, socket.socket] = {}
        signal.signal(signal.SIGCHLD, lambda *_: self._bury())  # also while a package is imported

    def serve(self) -> Request | None:
        """What to be: this is a forked program. None: the zygote itself is to end."""
        while True:
            waiting: list[Any] = [0, self._listener]
            ready, _, _ = select.select(waiting, [], [])
            if 0 in ready:
                return None
            if program := self._begin():
                return program

    def _begin(self) -> Request | None:
        """In the forked program its request; in the zygote None."""
        asker, _ = self._listener.accept()
        message, fds, _, _ = socket.recv_fds(asker, MAX_MESSAGE, MAX_FDS)
        if not message:  # it is gone already
            asker.close()
            return None
        request = Request(*json.loads(message))
        _prepare(request.env)
        pid = os.fork() if _fits(request.env) else None
        if pid == 0:
            for known in (asker, self._listener, *self._running.values()):
                known.detach()  # its number is about to be another's
            _become(request, fds)
            return request
        for fd in fds:
            os.close(fd)
        if pid and request.group:
            with contextlib.suppress(OSError):  # it was quicker, or is gone
                os.setpgid(pid, pid)
        with contextlib.suppress(OSError):
            asker.send(NUMBER.pack(pid or 0))
        if pid:
            self._running[pid] = asker
            self._bury()  # the signal may have come before it was known here
        return None

    def _bury(self) -> None:
        for pid in list(self._running):
            with contextlib.suppress(ChildProcessError):  # a signal came in between, and did it
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    self._tell(pid, os.waitstatus_to_exitcode(status))

    def _tell(self, pid: int, code: int) -> None:
        with self._running.pop(pid) as asker, contextlib.suppress(OSError):
            asker.send(NUMBER.pack(code))


def _become(request: Request, fds: list[int]) -> None:
    """Leaves nothing of the zygote but its imports."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if request.group:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
    _place(fds, request.fds)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through="PYTHONUNBUFFERED" in request.env)  # type: ignore[union-attr]


def _place(fds: list[int], numbers: list[int]) -> None:
    """The descriptors get their numbers, stdin is empty, and no other stays open."""
    above = max([*fds, *numbers]) + 1
    spare = list(range(above, above + len(fds)))
    for fd, number in zip(fds, spare, strict=True):
        os.dup2(fd, number)
    for fd, number in zip(spare, numbers, strict=True):
        os.dup2(fd, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    kept = sorted({0, 1, 2, *numbers})
    for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)


def _run(arguments: list[str]) -> Any:
    """As ``python ARGUMENTS`` would: an exception is told, and everything that ends with the interpreter does."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = str(Path.cwd())
        return runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    return runpy.run_path(arguments[0], run_name="__main__")


def main(fd: int) -> None:
    program = _Zygote(socket.socket(fileno=fd)).serve()
    if program:
        _run(program.arguments)


if __name__ == "__main__":
    main(int(sys.argv[1]))
