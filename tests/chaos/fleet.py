"""The servers and the worker of one run: started, killed, paused and replaced behind the router."""

import asyncio
import signal
from pathlib import Path

from tests.chaos.router import Router
from tests.plugin.reaper import Reaper
from tests.summary.program import Program
from tests.support.server import ServerProcess

ENV = {
    "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
    "LLM_MODEL": "chaos",
    "DEMO_DELAY_MS": "20",
    "SESSION_LEASE_SECONDS": "2",
    "SESSION_GRACE_SECONDS": "1",
    "SESSION_BUFFER_SECONDS": "3",
    "SOCKET_SEND_SECONDS": "2",
    "MAX_SOCKETS_PER_ADDRESS": "100000",
    "LOG_LEVEL": "INFO",
}
_EXIT_S = 20.0


class Server:
    """One place behind the router; each process in it has a name of its own, which the witness writes down."""

    def __init__(
        self, number: int, *, router: Router, folder: Path, reaper: Reaper, env: dict[str, str]
    ) -> None:
        self.number = number
        self.log = folder / f"server-{number}.log"
        self._router = router
        self._folder, self._reaper = folder, reaper
        self._process = ServerProcess(**{**ENV, **env})
        self._process.log = self.log
        self._generation = 0
        self._lock = asyncio.Lock()
        self.exits: list[int] = []

    async def start(self) -> None:
        self._generation += 1
        self._process.env["PGOPTIONS"] = f"-c chaos.writer=server-{self.number}.{self._generation}"
        await asyncio.to_thread(self._process.start)
        self._reaper.register(folder=self._folder, pid=self._process.process.pid)
        self._router.backends.add(self._process.port)

    async def kill(self, *, away_s: float) -> None:
        async with self._lock:
            self._process.kill()
            self._router.backends.discard(self._process.port)
            await asyncio.sleep(away_s)
            await self.start()

    async def pause(self, *, for_s: float) -> None:
        """The router goes on sending clients there for a while, as a load balancer would."""
        async with self._lock:
            self._process.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(for_s / 2)
                self._router.backends.discard(self._process.port)
                await asyncio.sleep(for_s / 2)
            finally:
                self._process.signal(signal.SIGCONT)
            self._router.backends.add(self._process.port)

    async def replace(self, *, away_s: float = 0.0) -> None:
        """SIGTERM, its end, a new process."""
        async with self._lock:
            self._router.backends.discard(self._process.port)
            self.exits.append(await asyncio.to_thread(self._process.stop, timeout_s=_EXIT_S))
            await asyncio.sleep(away_s)
            await self.start()

    @property
    def busy(self) -> bool:
        """Something is being done to it."""
        return self._lock.locked()

    async def stop(self) -> None:
        self.exits.append(await asyncio.to_thread(self._process.stop, timeout_s=_EXIT_S))

    def close(self) -> None:
        self._process.close()


class Worker:
    def __init__(self, *, folder: Path, reaper: Reaper, env: dict[str, str]) -> None:
        self.logs: list[Path] = []
        self._folder, self._reaper, self._env = folder, reaper, env
        self._program: Program | None = None

    def start(self) -> None:
        name = f"worker.{len(self.logs)}"
        self.logs.append(self._folder / f"{name}.log")
        env = {**ENV, **self._env, "PGOPTIONS": f"-c chaos.writer={name}"}
        self._program = Program(self.logs[-1], "worker", **env)
        self._reaper.register(folder=self._folder, pid=self._program.process.pid)

    def kill(self) -> None:
        self.close()
        self.start()

    def close(self) -> None:
        program, self._program = self._program, None
        if program:
            program.close()
