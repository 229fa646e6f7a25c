"""The wall clock of a server jumps by hours while people talk: leases and durations are the database's, waiting is
monotonic, and nobody notices but the tool that tells the time."""

import json
import signal
from datetime import UTC, datetime, timedelta

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, realtime
from tests.support.waiting import eventually

MODULE = "tests.reliability.jumping_clock"
CONNECTS = 30
"""Within ten seconds, as this server allows; the jumps must neither take them away nor give them for good."""


async def test_a_clock_that_jumps_while_an_answer_runs(start_server: StartServer, redis_url: str) -> None:
    env = {
        "REDIS_URL": redis_url,
        "DEMO_DELAY_MS": "20",
        "SESSION_LEASE_SECONDS": "2",
        "SESSION_GRACE_SECONDS": "1",
    }
    one, two = start_server(module=MODULE, **env), start_server(**env)
    started = datetime.now(UTC)
    async with (
        realtime(one.ws_url, "/ws/session/jumps") as here,
        realtime(two.ws_url, "/ws/session/jumps") as there,
    ):
        for jump in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
            await here.say("count to 100")
            await there.until("response.output_text.delta")
            one.signal(jump)
            for client in (here, there):
                done = await client.until("response.done")
                assert done["response"]["status"] == "completed"
        assert here.frames[1:] == there.frames[1:]
        offset = await _clock_of(here) - datetime.now(UTC)
        assert abs(offset) < timedelta(minutes=10)  # it is back where it was: 6 - 12 + 6 hours
        one.signal(signal.SIGUSR1)
        assert await _clock_of(here) - datetime.now(UTC) > timedelta(hours=5)
    session = await eventually(_ended)
    assert session.lease_epoch == 1  # nobody took it over
    elapsed_s = (datetime.now(UTC) - started).total_seconds()
    assert session.duration_seconds is not None
    assert 0 < session.duration_seconds <= elapsed_s
    timings = await in_db_thread(
        lambda: [
            event.payload["timings"]
            for event in SessionEvent.objects.filter(session_id="jumps", event_type="response_done")
        ]
    )
    assert all(0 < one["total_ms"] <= elapsed_s * 1000 for one in timings)


async def _clock_of(client: Realtime) -> datetime:
    """What the server's own tool says."""
    _, done = await client.ask("What time is it in UTC?")
    output = json.loads(done["response"]["output"][0]["output"])
    return datetime.fromisoformat(output["time"])


async def _ended() -> Session:
    session = await in_db_thread(lambda: Session.objects.get(pk="jumps"))
    assert session.status == "ended"
    return session


async def test_a_clock_that_goes_back_does_not_shut_an_address_out(start_server: StartServer) -> None:
    server = start_server(module=MODULE, MAX_CONNECTS_PER_10_SECONDS=str(CONNECTS))
    assert await _connects_until_refused(server) >= CONNECTS
    server.signal(signal.SIGUSR2)

    async def let_in_again() -> None:
        assert await _connects_until_refused(server, at_most=CONNECTS // 2) == CONNECTS // 2

    await eventually(let_in_again, timeout_s=40)


async def _connects_until_refused(server: ServerProcess, *, at_most: int = 10 * CONNECTS) -> int:
    for count in range(at_most):
        async with realtime(server.ws_url) as client:
            if client.created["type"] != "session.created":
                assert client.created["error"]["code"] == "too_many_connections"
                return count
    return at_most
