"""One run: everything is started, people talk, faults happen, everything is left to come to rest, and then it is judged."""

import asyncio
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from asgiref.sync import sync_to_async

from tests.chaos.ai_tools import MARKS_VARIABLE
from tests.chaos.comparison import check_client
from tests.chaos.faults import Faults
from tests.chaos.figures import check_waits, figures
from tests.chaos.fleet import Server, Worker
from tests.chaos.logged import read_sessions, stand_of, unsettled
from tests.chaos.people import Person
from tests.chaos.plan import Kind, make_plan
from tests.chaos.router import Router
from tests.chaos.stores import Postgres, Redis
from tests.chaos.verdict import Finding, check_marks, check_session
from tests.plugin.reaper import Reaper
from tests.support.moody_proxy import MoodyProxy

_CRASH = re.compile(r"response resp_\w+ failed")
_LOUD = ("Traceback", "Task exception", "Exception in")
_REST_S = 60.0
"""Generous: after the last fault everybody has their answer, and every session its end and summary, long before."""


@dataclass(frozen=True)
class Options:
    seed: int
    seconds: float
    processes: int
    clients: int
    gap_s: float
    """Between two faults, on the average."""
    kinds: tuple[Kind, ...] = tuple(Kind)
    longest_wait_s: float = 30.0
    """From a question to the end of its answer, whatever happens in between; a longer one is a finding."""


@dataclass(frozen=True)
class Outcome:
    figures: dict[str, object]
    findings: list[Finding]
    complaints: list[str]
    """What the processes wrote into their logs that no fault explains."""


class Run:
    def __init__(
        self,
        options: Options,
        *,
        folder: Path,
        postgres: Postgres,
        redis: Redis,
        reaper: Reaper,
        tell: Callable[[str], None],
    ) -> None:
        self._options, self._folder, self._tell = options, folder, tell
        self._postgres, self._redis, self._reaper = postgres, redis, reaper
        self._marks = folder / "marks"
        self._marks.touch()
        self._env = {"REDIS_URL": redis.url, MARKS_VARIABLE: str(self._marks)}
        self._servers: list[Server] = []
        self._worker = Worker(folder=folder, reaper=reaper, env=self._env)
        self._exits: list[int] = []

    async def run(self) -> Outcome:
        async with Router(rng=random.Random(f"router {self._options.seed}")) as router:
            with MoodyProxy(self._postgres.socket) as proxy:
                self._env["DATABASE_URL"] = self._postgres.url_through(proxy.port)
                people, faults, findings = await self._happen(router, proxy)
        return await self._judge(people, faults, findings)

    async def _happen(self, router: Router, proxy: MoodyProxy) -> tuple[list[Person], Faults, list[Finding]]:
        options = self._options
        try:
            await self._start(router)
            people = [
                Person(router.ws_url, number=number, seed=options.seed) for number in range(options.clients)
            ]
            faults = self._faults(router, proxy)
            findings = await self._let_happen(people, faults)
            await self._stop()
        finally:
            for server in self._servers:
                server.close()
            self._worker.close()
        return people, faults, findings

    async def _start(self, router: Router) -> None:
        for number in range(self._options.processes):
            self._servers.append(
                Server(number, router=router, folder=self._folder, reaper=self._reaper, env=self._env)
            )
        self._worker.start()
        await asyncio.gather(*(server.start() for server in self._servers))

    def _faults(self, router: Router, proxy: MoodyProxy) -> Faults:
        return Faults(
            servers=self._servers,
            worker=self._worker,
            router=router,
            postgres=self._postgres,
            proxy=proxy,
            redis=self._redis,
            seed=self._options.seed,
            tell=self._tell,
        )

    async def _let_happen(self, people: list[Person], faults: Faults) -> list[Finding]:
        options = self._options
        plan = make_plan(
            seed=options.seed,
            seconds=options.seconds,
            processes=options.processes,
            gap_s=options.gap_s,
            kinds=options.kinds,
        )
        tasks = [asyncio.create_task(person.run()) for person in people]
        await faults.carry_out(plan)
        self._tell("the last fault is mended; coming to rest")
        for person in people:
            person.stop()
        findings = await self._answers_come(tasks)
        return findings + await self._sessions_settle()

    async def _answers_come(self, tasks: "list[asyncio.Task[None]]") -> list[Finding]:
        done, late = await asyncio.wait(tasks, timeout=_REST_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for task in done:
            task.result()
        return [Finding("-", None, f"{len(late)} clients wait for an answer in vain")] if late else []

    async def _sessions_settle(self) -> list[Finding]:
        deadline = time.monotonic() + _REST_S
        while left := await sync_to_async(unsettled)():
            if time.monotonic() > deadline:
                for session_id in {one.partition(":")[0] for one in left}:
                    await self._tell_of(session_id)
                return [Finding("-", None, f"after {_REST_S:g} s not settled: {one}") for one in left]
            await asyncio.sleep(0.3)
        return []

    async def _tell_of(self, session_id: str) -> None:
        """Such a run may not come again: what is known is told at once."""
        for line in await sync_to_async(stand_of)(session_id):
            self._tell(f"{session_id}: {line}")
        for log in [*(server.log for server in self._servers), *self._worker.logs[-1:]]:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            for line in [line for line in lines if session_id in line][-20:]:
                self._tell(f"{log.name}: {line}")

    async def _stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._servers))

    async def _judge(self, people: list[Person], faults: Faults, findings: list[Finding]) -> Outcome:
        sessions = await sync_to_async(read_sessions)()
        clients = [client for person in people for client in person.clients]
        for session in sessions.values():
            findings += check_session(session)
        for client in clients:
            findings += check_client(client, sessions.get(client.session_id))
        lines = [line.split(" ") for line in self._marks.read_text(encoding="utf-8").splitlines()]
        findings += check_marks(list(sessions.values()), [(one, other) for one, other in lines])
        for server in self._servers:
            findings += [
                Finding("-", None, f"server {server.number} ended with {code} on SIGTERM")
                for code in server.exits
                if code
                not in (0, -signal.SIGTERM)  # uvicorn ends itself by the signal that it was stopped with
            ]
        findings += check_waits(clients, longest_s=self._options.longest_wait_s)
        told = figures(clients, list(sessions.values()), faults, findings)
        return Outcome(told, findings, self._complaints())

    def _complaints(self) -> list[str]:
        logs = [server.log for server in self._servers] + self._worker.logs
        return [line for log in logs if log.exists() for line in _complaints_in(log)]


def _complaints_in(log: Path) -> Iterator[str]:
    """But for the model that crashes on demand, which is logged as it should be."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    for before, line in pairwise(["", *lines]):
        if (" ERROR " in line and not _CRASH.search(line)) or (
            line.startswith(_LOUD) and not _CRASH.search(before)
        ):
            yield f"{log.name}: {line}"
