"""A session that has everything in it, read again from each of its frames: always exactly the rest."""

import asyncio
import json

from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_server import GeminiServer
from tests.reliability import scripts
from tests.reliability.conftest import StartGemini
from tests.reliability.readers import Reader, kinds_of, place_of
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

SESSION = "cuts"
TURNS = 4
AT_ONCE = 6


async def test_every_cut_point_gives_exactly_the_rest(
    gemini: GeminiServer, start_gemini: StartGemini, redis_url: str
) -> None:
    """From both processes; the session lives in one of them, has ended, or is just ending."""
    servers = [start_gemini(REDIS_URL=redis_url, SESSION_GRACE_SECONDS="0.1") for _ in range(2)]
    frames = await _tell_everything(servers, gemini)
    assert {"response.output_text.delta", "response.mcp_call.completed", "response.mcp_call.failed"} < set(
        kinds_of(frames)
    )
    await eventually(_ended)
    places = [f"event_{SESSION}_0", *map(place_of, frames)]
    cuts = list(enumerate(places))
    for start in range(0, len(cuts), AT_ONCE):
        await asyncio.gather(
            *(_rest(servers[seen % 2], place, frames[seen:]) for seen, place in cuts[start : start + AT_ONCE])
        )


async def _ended() -> None:
    assert (await in_db_thread(lambda: Session.objects.get(pk=SESSION))).status == "ended"


async def _rest(server: ServerProcess, place: str, wanted: list[str]) -> None:
    reader = Reader(SESSION, last_event_id=place)
    async with reader.connected(server.ws_url) as connection:
        for _ in wanted:
            await reader.read(connection)
        assert reader.frames == wanted
        await reader.nothing_more(connection)


async def _tell_everything(servers: list[ServerProcess], gemini: GeminiServer) -> list[str]:
    """The frames of a conversation, as three sockets of two processes saw them alike."""
    gemini.then(*scripts.answer_with_tools(pause_s=0.005), scripts.endless(pause_s=0.02))
    gemini.then(scripts.cut_short(), scripts.refused())
    here, tab, late = (Reader(SESSION) for _ in range(3))
    late.last_event_id = f"event_{SESSION}_0"
    async with here.connected(servers[0].ws_url) as one, tab.connected(servers[1].ws_url) as two:
        await here.ask(one, "Tell me all")
        await here.read_until(one, "response.output_text.delta", times=3)
        async with late.connected(servers[1].ws_url) as three:
            await here.read_until(one, "response.done")
            await tab.ask(two, "And without an end")
            await here.read_until(one, "response.output_text.delta", times=20)
            await two.send(json.dumps({"type": "response.cancel"}))
            await here.read_until(one, "response.done")
            for words in ("Too long", "Not allowed"):
                await here.ask(one, words)
                await here.read_until(one, "response.done")
            for reader, connection in ((tab, two), (late, three)):
                await reader.read_until(connection, "response.done", times=TURNS)
    assert tab.frames == here.frames
    assert late.frames == here.frames
    return here.frames
