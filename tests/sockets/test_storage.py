"""A database that goes away while people talk."""

import asyncio
from collections.abc import Iterator

import pytest
from django.db import connection

from bench.delay_proxy import DelayProxy
from bench.support import upstream_of
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.database import database_url
from tests.support.log import committed
from tests.support.sockets import joined, realtime

from .conftest import StartServer


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[DelayProxy]:
    with DelayProxy(upstream_of(connection.settings_dict)) as proxy:
        yield proxy


def through(proxy: DelayProxy) -> str:
    return database_url(host="127.0.0.1", port=str(proxy.port))


async def text_of(session_id: str) -> list[str | None]:
    return await in_db_thread(
        lambda: list(
            SessionEvent.objects.filter(session_id=session_id, event_type="assistant_message")
            .order_by("seq")
            .values_list("content", flat=True)
        )
    )


async def deltas_of(session_id: str) -> str:
    deltas = SessionEvent.objects.filter(session_id=session_id, event_type="assistant_delta").order_by("seq")
    texts = await in_db_thread(lambda: list(deltas.values_list("content", flat=True)))
    return "".join(text or "" for text in texts)


async def results_of(session_id: str) -> list[str]:
    results = SessionEvent.objects.filter(session_id=session_id, event_type="tool_result").order_by("seq")
    return await in_db_thread(lambda: list(results.values_list("payload__outcome", flat=True)))


async def test_an_outage_in_mid_answer_loses_nothing(start_server: StartServer, proxy: DelayProxy) -> None:
    server = start_server(DATABASE_URL=through(proxy), DEMO_DELAY_MS="10")
    async with realtime(server.ws_url) as client:
        await client.say("count to 200")
        await client.until("response.output_text.delta")
        proxy.cut()
        while not joined(client.frames).endswith("200."):  # it goes on streaming
            await client.until("response.output_text.delta")
        with pytest.raises(TimeoutError):  # the end waits for its commit
            await client.recv(timeout_s=1.0)
        proxy.mend()
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        assert await text_of(client.session_id) == [joined(client.frames)]


async def test_no_acknowledgement_and_no_token_before_the_message_is_stored(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    server = start_server(DATABASE_URL=through(proxy))
    async with realtime(server.ws_url) as client:
        await client.ask("count to 3")
        proxy.cut()
        before = len(client.frames)
        await client.say("count to 5")
        with pytest.raises(TimeoutError):
            await client.recv(timeout_s=1.0)
        proxy.mend()
        await client.until("response.done")
        assert [frame["type"] for frame in client.frames[before : before + 2]] == [
            "conversation.item.added",
            "conversation.item.done",
        ]


async def test_an_outage_beyond_the_buffer_is_a_retryable_error_and_the_session_survives(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    server = start_server(DATABASE_URL=through(proxy), SESSION_BUFFER_SECONDS="1", DEMO_DELAY_MS="10")
    async with realtime(server.ws_url) as client:
        await client.ask("count to 3")
        proxy.cut()
        await client.say("count to 500")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["x_retryable"]) == ("storage_unavailable", True)
        await client.say("one more")
        error = (await client.until("error"))["error"]
        assert error["code"] == "storage_unavailable"
        proxy.mend()
        done = await client.until("response.done")
        assert done["response"]["status"] == "failed"
        assert done["response"]["status_details"]["error"]["code"] == "storage_unavailable"
        text, done = await client.ask("count to 4")
        assert "4" in text
        assert done["response"]["status"] == "completed"


async def test_whoever_comes_while_the_end_of_an_answer_is_being_stored_gets_it_whole(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    server = start_server(DATABASE_URL=through(proxy), DEMO_DELAY_MS="10")
    async with realtime(server.ws_url, "/ws/session/slow") as client:
        await client.ask("count to 3")
        start = len(client.frames)
        await client.say("count to 40")
        await client.until("response.output_text.delta")
        proxy.cut()
        while not joined(client.frames[start:]).endswith("40."):
            await client.until("response.output_text.delta")
        last = client.frames[-1]["event_id"]
        await asyncio.sleep(0.3)  # the model is done by now, its last word is not stored
        async with (
            realtime(server.ws_url, "/ws/session/slow") as new,
            realtime(server.ws_url, f"/ws/session/slow?last_event_id={last}") as back,
        ):
            assert new.created["x_stream"]["status"] == "responding"
            proxy.mend()
            for one in (client, new, back):
                await one.until("response.done")
            answer = client.frames[
                [frame["type"] for frame in client.frames].index("response.created", start) :
            ]
            assert new.frames[1:] == answer
            assert back.frames[1:] == answer[-len(back.frames[1:]) :]


async def test_an_answer_that_the_full_buffer_ends_is_stored_as_far_as_it_was_told(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    server = start_server(DATABASE_URL=through(proxy), SESSION_BUFFER_SECONDS="1", DEMO_DELAY_MS="10")
    async with realtime(server.ws_url) as client:
        await client.say("count to 500")
        await client.until("response.output_text.delta")
        proxy.cut()
        await client.until("error")
        proxy.mend()
        await client.until("response.done")
        assert await text_of(client.session_id) == [await deltas_of(client.session_id)]


async def test_a_call_that_could_not_be_stored_in_time_is_not_made_and_says_so(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    server = start_server(DATABASE_URL=through(proxy), SESSION_BUFFER_SECONDS="1")
    async with realtime(server.ws_url) as client:
        await client.ask("count to 3")
        proxy.cut()
        await client.say("What is (12 + 30) * 7?")
        await client.until("error")
        proxy.mend()
        done = await client.until("response.done")
        (call,) = done["response"]["output"]
        assert (call["type"], call["x_outcome"]) == ("mcp_call", "error")
        assert "took no effect" in call["error"]["message"]
        assert await results_of(client.session_id) == ["error"]


async def test_a_database_that_is_away_when_a_socket_comes(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    server = start_server(DATABASE_URL=through(proxy))
    proxy.cut()
    async with realtime(server.ws_url, "/ws/session/chosen") as client:
        assert client.created["error"]["code"] == "storage_unavailable"
        assert await client.closed() == 1013
    proxy.mend()


async def test_deltas_that_were_shown_and_lost_with_their_process_are_taken_back(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    """The client is told where the log ends, and no seq that it has seen is ever given to another event."""
    env = {"DEMO_DELAY_MS": "10", "SESSION_LEASE_SECONDS": "1"}
    server = start_server(DATABASE_URL=through(proxy), **env)
    async with realtime(server.ws_url, "/ws/session/cut") as client:
        await client.say("count to 500")
        for _ in range(20):
            await client.until("response.output_text.delta")
        await committed("assistant_delta", session_id="cut")
        proxy.cut()
        for _ in range(40):
            await client.until("response.output_text.delta")
        server.kill()
        seen = {frame["event_id"]: frame for frame in client.frames[1:]}
    await asyncio.sleep(1.2)
    other = start_server(**env)
    path = f"/ws/session/cut?last_event_id={client.frames[-1]['event_id']}"
    async with realtime(other.ws_url, path) as again:
        kept_to = again.created["x_stream"]["truncated_to"]
        await again.until("response.done")
    ids = list(seen)
    kept = [seen[event_id] for event_id in ids[: ids.index(kept_to) + 1]]
    assert 0 < len(kept) < len(seen)
    assert not {frame["event_id"] for frame in again.frames[1:]} & set(ids)
    message = again.frames[-1]["response"]["output"][0]
    assert message["status"] == "incomplete"
    assert message["content"][0]["text"] == joined(kept) + joined(again.frames)
