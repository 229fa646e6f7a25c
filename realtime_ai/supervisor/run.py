"""The supervisor: PostgreSQL, then the schema, then web and worker; stopped in the reverse order."""

import contextlib
import os
import signal
import socket
import sys
import time

from realtime_ai.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from realtime_ai.env import BASE_DIR, Env
from realtime_ai.processes import Child, StopSignals, describe_exit, lifeline
from realtime_ai.supervisor.instance import ChildRecord, sole_instance
from realtime_ai.supervisor.listener import answers, base_url, bind, public_url
from realtime_ai.supervisor.plan import AlreadyTold, Plan, SupervisorError, make_plan

_READY_SECONDS = 60.0
_BEYOND_DRAIN_S = 5.0
"""A web process closes its sockets first, lets answers finish for `DRAIN_SECONDS`, and writes what is left."""
_LEAST_STOP_S = 8.0
"""After so long, and a longer drain, SIGKILL. With PostgreSQL's own time, everything is gone within 10 s at a drain of 3 s."""
_WORKER_STOP_S = 5.5
"""The worker is told to stop when the web processes are gone, and so long before the end at the latest: its jobs have 5 s."""
_POSTGRES_STOP_S = 1.0
_TICK_S = 1.0


class Supervisor:
    def __init__(self, env: Env, *, serve: bool, with_worker: bool = True) -> None:
        self._env = env
        self._with_worker = with_worker
        self._plan: Plan = make_plan(env, serve=serve)
        self._signals = StopSignals()
        self._record = ChildRecord(env.var_dir)
        self._postgres: EmbeddedPostgres | None = None
        self._postgres_retry_at = 0.0
        self._web: list[Child] = []
        self._worker: Child | None = None
        self._lifeline_fd = -1

    def run(self) -> int:
        """Returns the exit code. Raises `SupervisorError`, `EnvError` or `Stopped`, with everything stopped again."""
        with sole_instance(self._env.var_dir), lifeline() as self._lifeline_fd:
            if count := self._record.stop_leftovers():
                say(f"stopped {count} processes that the last run had left behind")
            with bind(self._env) as listener:
                try:
                    self._start(listener)
                    self._watch()
                finally:
                    self._stop()
        return 0

    # --- up ----------------------------------------------------------------------------------------------------------

    def _start(self, listener: socket.socket) -> None:
        for line in self._plan.warnings:
            say(f"WARNING: {line}")
        environment = self._plan.environment | self._start_postgres()
        self._signals.check()
        self._prepare(environment)
        self._start_web(environment, listener)
        if self._with_worker:
            self._worker = self._child("worker", ["manage.py", "worker"], environment)
            self._worker.start()
        self._write_record()
        say("")
        url = public_url(self._env, listener, serve=self._plan.serve)
        say(f"Chat    {url}/")
        say(f"Admin   {url}/admin/")
        if url != base_url(listener):
            say(f"Listens on {base_url(listener)}")
        say("Ctrl-C stops everything.")

    def _start_postgres(self) -> dict[str, str]:
        if self._env.database_url:
            say("Database: DATABASE_URL")
            return {}
        self._postgres = EmbeddedPostgres(self._env.var_dir / "postgres", tell=say, check=self._signals.check)
        url = self._postgres.start()
        say(f"Database: embedded PostgreSQL in {_short(self._postgres.home)}")
        return {"DATABASE_URL": url}

    def _prepare(self, environment: dict[str, str]) -> None:
        """Checks, static files, migrations and the admin's user, in a process that can be stopped."""
        command = ["-m", "realtime_ai.supervisor.prepare", *(["--serve"] if self._plan.serve else [])]
        child = self._child("preparation", command, environment)
        child.start()
        try:
            while child.exit_code is None:
                self._signals.check()
                self._signals.wait(_TICK_S)
        finally:
            child.kill()
        if child.exit_code == 1:
            raise AlreadyTold
        if child.exit_code:
            raise SupervisorError(f"preparation failed ({describe_exit(child.exit_code)}).")

    def _start_web(self, environment: dict[str, str], listener: socket.socket) -> None:
        fd = listener.fileno()
        for number in range(1, self._plan.web_processes + 1):
            name = "web" if self._plan.web_processes == 1 else f"web {number}"
            command = ["-m", "realtime_ai.server", "--fd", str(fd)]
            self._web.append(self._child(name, command, environment, fd))
            self._web[-1].start()
        self._write_record()
        deadline = time.monotonic() + _READY_SECONDS
        while not answers(listener):
            self._signals.check()
            codes = [child.exit_code for child in self._web if child.exit_code is not None]
            if codes:
                raise SupervisorError(
                    f"the web server did not start ({describe_exit(codes[0])}); the reason stands above."
                )
            if time.monotonic() > deadline:
                raise SupervisorError(f"the web server did not answer within {_READY_SECONDS:g} s.")
            self._signals.wait(0.05)

    def _child(self, name: str, command: list[str], environment: dict[str, str], *fds: int) -> Child:
        return Child(
            name,
            [sys.executable, *command],
            environment=environment,
            lifeline_fd=self._lifeline_fd,
            pass_fds=fds,
        )

    # --- on ----------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            if self._signals.count:
                return
            self._look_after_postgres()
            self._forget_figures()
            told = [line for child in self._children() if (line := child.revive(time.monotonic()))]
            for line in told:
                say(line)
            if told:
                self._write_record()
            self._signals.wait(_TICK_S)

    def _forget_figures(self) -> None:
        """The sockets and sessions of a process that was killed would be counted on, beside those of the one that follows it."""
        folder = self._plan.environment.get("PROMETHEUS_MULTIPROC_DIR")
        for pid in [pid for child in self._web if (pid := child.ended_pid)] if folder else []:
            from prometheus_client.multiprocess import mark_process_dead  # costs the start 0.1 s

            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]

    def _look_after_postgres(self) -> None:
        if (
            self._postgres is None
            or self._postgres.is_running()
            or time.monotonic() < self._postgres_retry_at
        ):
            return
        self._postgres_retry_at = time.monotonic() + 5.0
        say(f"PostgreSQL ended; starting it again (its log: {_short(self._postgres.home / 'log')})")
        try:
            self._postgres.start()
        except EmbeddedPostgresError as error:
            say(f"error: {error}")

    # --- down --------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Web first (it may queue a last job), then the worker, then PostgreSQL. A second signal cuts it short."""
        started, asked = time.monotonic(), self._signals.count
        everyone = self._children()
        if everyone:
            say("stopping ...")
        for child in self._web:
            child.signal(signal.SIGTERM)
        end = started + max(_LEAST_STOP_S, self._env.chat.drain_seconds + _BEYOND_DRAIN_S)
        self._wait_for_end(self._web, end - _WORKER_STOP_S, asked)
        if self._worker:
            self._worker.signal(signal.SIGTERM)
        self._wait_for_end(everyone, end, asked)
        for child in everyone:
            if child.pid:
                say(f"{child.name} did not stop in time: killed")
                child.kill()
        self._record.write([])
        if self._postgres is not None:
            self._postgres.stop(patience_s=_POSTGRES_STOP_S)
        if everyone:
            say("stopped")

    def _wait_for_end(self, children: list[Child], deadline: float, asked: int) -> None:
        while any(child.pid for child in children):
            if time.monotonic() > deadline or self._signals.count > max(asked, 1):
                return
            self._signals.wait(0.05)

    def _children(self) -> list[Child]:
        return [*self._web, *([self._worker] if self._worker else [])]

    def _write_record(self) -> None:
        self._record.write([child.pid for child in self._children() if child.pid])


def say(line: str) -> None:
    """A closed terminal is no reason to stop in the middle of stopping."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def _short(path: os.PathLike[str]) -> str:
    relative = os.path.relpath(path, BASE_DIR)
    return os.fspath(path) if relative.startswith("..") else relative
