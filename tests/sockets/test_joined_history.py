"""``history=joined`` on a running server."""

import asyncio
import json
from typing import Any

from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, joined, realtime


async def until_done(client: Realtime) -> list[dict[str, Any]]:
    await client.until("response.done")
    return client.frames[1:]


async def test_an_old_answer_in_few_frames_from_memory_and_from_the_database(
    start_server: StartServer,
) -> None:
    server = start_server(SESSION_GRACE_SECONDS="0.2")
    async with realtime(server.ws_url) as client:
        await client.ask("count to 100")
        whole, session_id, back_to = client.frames[1:], client.session_id, client.back
        path = f"/ws/session?{back_to}&last_event_id=event_{session_id}_0&history=joined"
        async with realtime(server.ws_url, path) as other:
            remembered = await until_done(other)
    await asyncio.sleep(0.6)
    async with realtime(server.ws_url, path) as back:
        stored = await until_done(back)

    assert joined(remembered) == joined(stored) == joined(whole)
    assert len(remembered) < len(whole) - 50
    for frames in (remembered, stored):
        ids = [one["event_id"] for one in whole]
        assert [one for one in frames if one["event_id"] not in ids] == []
        assert frames[-1]["response"]["output"][0]["content"][0]["x_text_chars"] == len(joined(whole))
    cut = next(one["event_id"] for one in stored if one["type"] == "response.output_text.delta")
    async with realtime(server.ws_url, f"/ws/session?{back_to}&last_event_id={cut}") as again:
        rest = whole[[one["event_id"] for one in whole].index(cut) + 1 :]
        assert json.dumps([await again.recv() for _ in rest]) == json.dumps(rest)


async def test_an_answer_under_way_goes_on_with_frames_of_its_own(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="10")
    async with realtime(server.ws_url) as client:
        await client.say("count to 100")
        for _ in range(40):
            await client.until("response.output_text.delta")
        path = f"/ws/session?{client.back}&history=joined"
        async with realtime(server.ws_url, path) as other:
            frames, whole = await asyncio.gather(until_done(other), until_done(client))
        assert joined(frames) == joined(whole)
        deltas = [one["delta"] for one in frames if one["type"] == "response.output_text.delta"]
        assert len(deltas[0]) > max(map(len, deltas[1:]))
        assert frames[-1] == whole[-1]


async def test_any_other_word_is_refused(server: ServerProcess) -> None:
    async with realtime(server.ws_url, "/ws/session?history=whole") as client:
        error = client.created["error"]
        assert (error["code"], error["param"]) == ("invalid_history", "history")
        assert await client.closed() == 4400
