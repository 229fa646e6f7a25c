"""A process that sleeps through its lease in the middle of a tool call that does something."""

import json
import signal

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.reliability.readers import Reader
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, realtime
from tests.support.waiting import eventually

__all__ = ["gemini", "ledger", "start_shop"]

COME_BACK = 1012


async def test_a_sleeper_steps_down_and_its_tool_call_is_of_unknown_outcome(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, redis_url: str
) -> None:
    gemini.then(calls(("ship", {"parcel": "7"})))
    one, two = (start_shop(REDIS_URL=redis_url, SESSION_LEASE_SECONDS="1.5") for _ in range(2))
    sleeper = Reader("talk")
    async with sleeper.connected(one.ws_url) as here:
        await sleeper.ask(here, "Ship it")
        await sleeper.read_until(here, "response.mcp_call.in_progress")
        await eventually(lambda: _shipping(ledger))
        one.signal(signal.SIGSTOP)
        try:
            cut_off = await eventually(lambda: _settled(two))
        finally:
            one.signal(signal.SIGCONT)
        assert cut_off["output"][0]["x_outcome"] == "unknown"
        await here.wait_closed()
        assert here.close_code == COME_BACK
    await _goes_on_elsewhere(sleeper, two)
    async with realtime(two.ws_url, "/ws/session/talk") as client:
        _, done = await client.ask("Did it work?")
        assert done["response"]["status"] == "completed"
    assert "whether it took effect is not known" in json.dumps(gemini.requests[-1]["contents"])
    assert ledger.lines() == ["shipping 7"]
    rows = await in_db_thread(lambda: list(SessionEvent.objects.filter(session_id="talk").order_by("seq")))
    assert [row.first_seq for row in rows] == [1, *(row.seq + 1 for row in rows[:-1])]
    outcomes = [row.payload["outcome"] for row in rows if row.event_type == "tool_result"]
    assert outcomes == ["unknown"]


async def _shipping(ledger: Ledger) -> None:
    assert ledger.lines()


async def _settled(server: ServerProcess) -> Frame:
    """The response that was cut off, as the process tells it that has taken the session over."""
    async with realtime(server.ws_url, "/ws/session/talk?last_event_id=event_talk_0") as client:
        assert client.created["type"] == "session.created", client.created
        response: Frame = (await client.until("response.done"))["response"]
        return response


async def _goes_on_elsewhere(sleeper: Reader, server: ServerProcess) -> None:
    """Together with what it saw before, the client has what one sees who reads it all at once."""
    whole = Reader("talk", last_event_id="event_talk_0")
    for reader in (sleeper, whole):
        async with reader.connected(server.ws_url) as connection:
            await reader.read_until(connection, "response.done")
            await reader.nothing_more(connection)
    assert sleeper.frames == whole.frames
