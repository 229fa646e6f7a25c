"""Readers that lose their sockets while an answer runs, as often and as long as they like: the same bytes for all."""

import asyncio
from dataclasses import dataclass
from itertools import count

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.reliability import scripts
from tests.reliability.conftest import StartGemini
from tests.reliability.readers import Reader, kinds_of
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

Servers = list[ServerProcess]


@dataclass(frozen=True)
class Leg:
    """One connection and the time after it."""

    process: int
    frames: int
    """How many it reads before it is cut; fewer when the answer ends."""
    abort: bool
    away: str
    """no time, a while, answered (until the answer has ended) or ended (so has the session)."""


LEGS = st.builds(
    Leg,
    process=st.integers(0, 1),
    frames=st.one_of(st.integers(0, 3), st.integers(0, 60)),
    abort=st.booleans(),
    away=st.sampled_from(["no time", "no time", "a while", "answered", "ended"]),
)
PLANS = st.lists(st.lists(LEGS, min_size=1, max_size=8), min_size=5, max_size=5)
_numbers = count()


async def test_cut_readers_get_what_an_uninterrupted_one_gets(
    gemini: GeminiServer, start_gemini: StartGemini, redis_url: str
) -> None:
    """Each example is a conversation of its own with five such readers; in half of them somebody watches throughout."""
    servers = [start_gemini(REDIS_URL=redis_url, SESSION_GRACE_SECONDS="0.1") for _ in range(2)]

    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # an example that fails by waiting would be shrunk for an hour
        suppress_health_check=list(HealthCheck),
    )
    @given(plans=PLANS, watched=st.booleans(), home=st.integers(0, 1))
    def examples(plans: list[list[Leg]], watched: bool, home: int) -> None:
        gemini.then(*scripts.answer_with_tools(pause_s=0.01))
        talk = _Talk(f"live{next(_numbers)}", servers, home=home, watched=watched)
        asyncio.run(talk.run(plans))

    await asyncio.to_thread(examples)


class _Talk:
    """One question, and its readers."""

    def __init__(self, session_id: str, servers: Servers, *, home: int, watched: bool) -> None:
        self.session_id = session_id
        self._servers = servers
        self._home = home
        self._watched = watched
        self._readers_wait = asyncio.Event()

    async def run(self, plans: list[list[Leg]]) -> None:
        first = Reader(self.session_id)
        async with first.connected(self._servers[self._home].ws_url) as connection:
            readers = [Reader(self.session_id, last_event_id=first.last_event_id) for _ in plans]
            going = [
                asyncio.create_task(self._follow(reader, plan))
                for reader, plan in zip(readers, plans, strict=True)
            ]
            await first.ask(connection, "All of it")
            await first.read_until(connection, "response.done" if self._watched else "response.created")
        await asyncio.gather(*going)
        whole = await self._whole()
        assert whole[: len(first.frames)] == first.frames
        for reader in readers:
            assert reader.frames == whole

    async def _whole(self) -> list[str]:
        """What somebody sees who comes when all is over."""
        late = Reader(self.session_id, last_event_id=f"event_{self.session_id}_0")
        async with late.connected(self._servers[1 - self._home].ws_url) as connection:
            await late.read_until(connection, "response.done")
            await late.nothing_more(connection)
        return late.frames

    async def _follow(self, reader: Reader, plan: list[Leg]) -> None:
        for leg in plan:
            async with reader.connected(self._servers[leg.process].ws_url, abort=leg.abort) as connection:
                for _ in range(leg.frames):
                    if "response.done" in kinds_of(reader.frames[-1:]):
                        break
                    await reader.read(connection)
            await self._stay_away(leg.away)
        async with reader.connected(self._servers[self._home].ws_url) as connection:
            if "response.done" not in kinds_of(reader.frames[-1:]):
                await reader.read_until(connection, "response.done")
            await reader.nothing_more(connection)

    async def _stay_away(self, away: str) -> None:
        if away == "a while":
            await asyncio.sleep(0.2)
        elif away == "answered":
            await eventually(self._answered)
        elif away == "ended" and not self._watched:
            await eventually(self._ended)

    async def _answered(self) -> None:
        done = SessionEvent.objects.filter(session_id=self.session_id, event_type="response_done")
        assert await in_db_thread(done.exists)

    async def _ended(self) -> None:
        assert (await in_db_thread(lambda: Session.objects.get(pk=self.session_id))).end_time
