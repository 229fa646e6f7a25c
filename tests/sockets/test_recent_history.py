"""``history=recent``, pages of what was before, and the heartbeat, on a running server."""

from django.contrib.auth import get_user_model

from identity.keys import make_key
from identity.models import Scope
from sessions_app.log import pages
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, joined, realtime

TURNS = 45
"""Ninety messages and responses: two pages, and a part of one."""


def said(frames: list[Frame]) -> list[str]:
    """The items in the order in which they became whole."""
    return [frame["item"]["id"] for frame in frames if frame["type"] == "conversation.item.done"]


async def until_now(client: Realtime) -> list[Frame]:
    """What was there, without the greeting and the word that this was all."""
    await client.until("x_history.done")
    return client.frames[1:-1]


async def page(client: Realtime, until: str) -> Frame:
    await client.send(type="x_history.get", event_id="mine_1", until=until)
    return await client.until("x_history.given")


async def test_a_long_session_begins_near_its_end_and_is_read_upwards_whole(
    start_server: StartServer,
) -> None:
    server = start_server()
    async with realtime(server.ws_url) as client:
        for number in range(TURNS):
            await client.ask(f"count to {number % 4 + 1}")
        back, start = client.back, f"event_{client.session_id}_0"
        async with realtime(server.ws_url, f"/ws/session?{back}&last_event_id={start}&history=joined") as tab:
            while len(said(tab.frames)) < 2 * TURNS:
                await tab.recv()
            whole = tab.frames
        async with realtime(server.ws_url, f"/ws/session?{back}&history=recent") as tab:
            told = [await until_now(tab)]
            place, seen = tab.created["x_stream"]["last_event_id"], 1
            assert not tab.created["x_stream"]["resumed"]
            assert len(said(told[0])) == pages.ENTRIES
            while place != start:
                given = await page(tab, place)
                assert given["until"] == place
                assert given["events"][0]["type"] == "conversation.item.added"
                assert given["events"][-1]["type"] == "response.done"
                told.insert(0, given["events"])
                place, seen = given["after"], seen + 1
        everything = [frame for events in told for frame in events]
    assert seen == 3
    assert said(everything) == said(whole)
    assert joined(everything) == joined(whole)


async def test_a_place_that_is_none_is_refused_and_the_connection_goes_on(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("count to 2")
        inside = f"{done['event_id'].rpartition('_')[0]}_4.1"
        for until in ("event_other_3", f"event_{client.session_id}_999999", inside):
            await client.send(type="x_history.get", event_id="mine_2", until=until)
            error = (await client.until("error"))["error"]
            assert (error["code"], error["event_id"]) == ("invalid_cursor", "mine_2")
        assert (await page(client, done["event_id"]))["after"] == f"event_{client.session_id}_0"


async def test_a_resumed_socket_is_told_where_the_present_begins(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="10")
    async with realtime(server.ws_url, "/ws/session?history=recent") as client:
        assert await until_now(client) == [], "a new session has no past"
        await client.say("count to 60")
        while "20, " not in joined(client.frames):
            cut = await client.recv()
        path = f"/ws/session?{client.back}&history=recent&last_event_id={cut['event_id']}"
        async with realtime(server.ws_url, path) as other:
            past = await until_now(other)
            assert other.created["x_stream"]["resumed"]
            await other.until("response.done")
            present = other.frames[len(past) + 2 :]
        assert "60." not in joined(past)
        assert joined(present).endswith("60.")
        await client.until("response.done")
        after_cut = client.frames[client.frames.index(cut) + 1 :]
        assert joined(past) + joined(present) == joined(after_cut)


async def test_nobody_else_is_told(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        await client.ask("count to 2")
        start = f"last_event_id=event_{client.session_id}_0"
        async with realtime(server.ws_url, f"/ws/session?{client.back}&history=joined&{start}") as tab:
            await tab.until("response.done")
            assert not [frame for frame in (*client.frames, *tab.frames) if frame["type"].startswith("x_")]


async def test_a_ping_is_answered_whatever_goes_on(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with realtime(server.ws_url) as client:
        await client.say("count to 100")
        await client.until("response.output_text.delta")
        await client.send(type="x_ping", event_id="mine_7")
        assert (await client.until("x_pong"))["x_client_event_id"] == "mine_7"
        await client.send(type="x_ping")
        assert "x_client_event_id" not in await client.until("x_pong")
        assert "100." not in joined(client.frames)


async def test_who_only_reads_may_look_back_and_ping(server: ServerProcess) -> None:
    def keys() -> tuple[str, ...]:
        ada = get_user_model().objects.create_user("ada")
        return tuple(make_key(user=ada, label=scope, scope=scope).value for scope in (Scope.CHAT, Scope.READ))

    writes, reads = ({"Authorization": f"Bearer {key}"} for key in await in_db_thread(keys))
    async with realtime(server.ws_url, additional_headers=writes) as client:
        _, done = await client.ask("count to 2")
        path = f"/ws/session?session_id={client.session_id}"
        async with realtime(server.ws_url, path, additional_headers=reads) as tab:
            await tab.send(type="x_ping")
            await tab.until("x_pong")
            assert said((await page(tab, done["event_id"]))["events"]) == said(client.frames)
