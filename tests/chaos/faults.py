"""Carries out a plan: each fault at its time, beside the ones that are still going on."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.chaos.crowd import Crowd
from tests.chaos.fleet import Server, Worker
from tests.chaos.plan import MOODS, Fault, Kind
from tests.chaos.router import Router
from tests.chaos.stores import Postgres, Redis
from tests.support.moody_proxy import Mood, MoodyProxy

_CUT_SHARE = 0.5
_KEPT_WHEN_FULL = 6
_CROWD = 150
_OF_ONE_SERVER = {Kind.KILL, Kind.PAUSE}


class Faults:
    def __init__(
        self,
        *,
        servers: Sequence[Server],
        worker: Worker,
        router: Router,
        postgres: Postgres,
        proxy: MoodyProxy,
        redis: Redis,
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self._servers, self._worker, self._router = servers, worker, router
        self._postgres, self._proxy, self._redis = postgres, proxy, redis
        self._rng = random.Random(f"faults {seed}")
        self._tell = tell
        database = asyncio.Lock()
        self._locks = {kind: database if kind in MOODS | {Kind.POSTGRES} else asyncio.Lock() for kind in Kind}
        self.done: Counter[Kind] = Counter()
        self.passed_over = 0
        """Faults whose target was still under the one before: on a busy machine a server takes long to come back."""
        self.cuts = 0
        self.stalls = 0
        self.left_in_a_crowd = 0
        self.kills_at: list[float] = []
        """`time.monotonic` of each kill of a server."""

    async def carry_out(self, plan: Sequence[Fault]) -> None:
        """Returns when the last one is mended."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in plan:
                await asyncio.sleep(max(0.0, started + fault.at_s - time.monotonic()))
                self._tell(str(fault))
                group.create_task(self._one(fault), name=str(fault))

    async def _one(self, fault: Fault) -> None:
        server = self._servers[fault.target]
        if self._locks[fault.kind].locked() or (fault.kind in _OF_ONE_SERVER and server.busy):
            self.passed_over += 1
            return
        self.done[fault.kind] += 1
        match fault.kind:
            case Kind.CUT:
                self._cut()
            case Kind.STALL:
                await self._stall(fault.for_s)
            case Kind.KILL:
                self.kills_at.append(time.monotonic())
                await server.kill(away_s=fault.for_s)
            case Kind.PAUSE:
                await server.pause(for_s=fault.for_s)
            case Kind.ROLL:
                await self._roll()
            case Kind.WORKER:
                await asyncio.to_thread(self._worker.kill)
            case Kind.CROWD:
                await self._crowd(fault.for_s)
            case Kind.BLACKOUT:
                await self._blackout(fault)
            case _:
                await self._store(fault)

    async def _store(self, fault: Fault) -> None:
        async with self._locks[fault.kind]:
            match fault.kind:
                case Kind.REDIS_FLUSH:
                    await self._flush()
                case Kind.REDIS_AWAY:
                    await asyncio.to_thread(self._redis.kill)
                    await asyncio.sleep(fault.for_s)
                    await asyncio.to_thread(self._redis.start)
                case Kind.POSTGRES:
                    await asyncio.to_thread(self._postgres.crash)
                    await asyncio.sleep(fault.for_s)
                    await asyncio.to_thread(self._postgres.start)
                case _:
                    await self._mood(fault)

    async def _mood(self, fault: Fault) -> None:
        postgres, proxy = self._postgres, self._proxy
        match fault.kind:
            case Kind.READ_ONLY | Kind.STATEMENT_TIMEOUT:
                setting = postgres.read_only if fault.kind is Kind.READ_ONLY else postgres.statement_timeout
                await asyncio.to_thread(setting, on=True)
                await asyncio.sleep(fault.for_s)
                await asyncio.to_thread(setting, on=False)
                return
            case Kind.FULL:
                proxy.be(Mood.FULL)
                proxy.end_some(keep=_KEPT_WHEN_FULL)
            case Kind.INTERNAL:
                proxy.be(Mood.FATAL)
            case Kind.HANG:
                proxy.be(Mood.HANG)
            case Kind.SLOW:
                proxy.be(Mood.SLOW)
        await asyncio.sleep(fault.for_s)
        if fault.kind is Kind.HANG:
            proxy.be(Mood.SWALLOW)
        proxy.be(Mood.WELL)

    async def _crowd(self, seconds: float) -> None:
        async with self._locks[Kind.CROWD], Crowd(self._router.ws_url, _CROWD) as crowd:
            await asyncio.sleep(seconds)
        self.left_in_a_crowd += crowd.came

    async def _flush(self) -> None:
        async with self._locks[Kind.REDIS_AWAY]:  # there is nothing to empty while it is away
            await asyncio.to_thread(self._redis.flush)

    async def _blackout(self, fault: Fault) -> None:
        """By SIGTERM or SIGKILL; the worker is back at once, the servers later, the clients last."""
        killed = self._rng.random() < 0.5
        async with self._locks[Kind.BLACKOUT], self._locks[Kind.ROLL]:
            self._router.shut()
            stops = [
                server.kill(away_s=fault.for_s) if killed else server.replace(away_s=fault.for_s)
                for server in self._servers
            ]
            await asyncio.gather(asyncio.to_thread(self._worker.kill), *stops)
            await asyncio.sleep(fault.for_s)
            self._router.open()

    async def _roll(self) -> None:
        async with self._locks[Kind.ROLL]:
            for server in self._servers:
                await server.replace()

    def _cut(self) -> None:
        links = list(self._router.links)
        for link in self._rng.sample(links, round(_CUT_SHARE * len(links))):
            link.reset()
            self.cuts += 1

    async def _stall(self, seconds: float) -> None:
        links = list(self._router.links)
        self.stalls += len(links)
        await asyncio.gather(*(link.stall(seconds) for link in links))
