"""What fails by a fault of our own (`faulty_server`) is told, and what comes next is served."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, realtime
from tests.support.waiting import eventually

ENV = {
    "DEMO_DELAY_MS": "5",
    "DJANGO_SETTINGS_MODULE": "tests.reliability.settings",
    "SESSION_GRACE_SECONDS": "0.2",
    "SESSION_LEASE_SECONDS": "2",
}
FAILED = ("failed", "internal_error")


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(module="tests.reliability.faulty_server", **ENV)
    server.log = tmp_path / "server.log"
    server.start()
    yield server
    server.close()


def how(done: Frame) -> tuple[str, str]:
    response = done["response"]
    return response["status"], (response["status_details"] or {}).get("error", {}).get("code", "")


async def logged(server: ServerProcess, words: str) -> None:
    async def told() -> None:
        assert server.log
        assert words in server.log.read_text()

    await eventually(told)


async def served(server: ServerProcess, session_id: str) -> None:
    async def answered() -> None:
        async with realtime(server.ws_url, f"/ws/session/{session_id}") as client:
            assert client.created["type"] == "session.created", client.created
            assert (await client.ask("count to 3"))[1]["response"]["status"] == "completed"

    await eventually(answered)


async def test_a_hook_that_fails_at_the_end_leaves_a_session_that_can_be_come_back_to(
    server: ServerProcess,
) -> None:
    for _ in range(2):
        await served(server, "unending")
        await logged(server, "session unending: its end failed")
    assert (await in_db_thread(Session.objects.get)).status == "active"


@pytest.mark.parametrize("fault", ["[turn]", "[settle]"])
async def test_a_turn_that_fails_is_told_as_failed_and_those_behind_it_are_answered(
    server: ServerProcess, fault: str
) -> None:
    async with realtime(server.ws_url, "/ws/session/turns") as client:
        for words in (f"{fault} count to 3", "count to 4", f"{fault} count to 5", "count to 6"):
            await client.say(words)
        ends = [how(await client.until("response.done")) for _ in range(4)]
        assert sorted(ends) == [("completed", "")] * 2 + [FAILED] * 2
        started = [frame["response"]["id"] for frame in client.frames if frame["type"] == "response.created"]
        ended = [frame["response"]["id"] for frame in client.frames if frame["type"] == "response.done"]
        assert set(ended) <= set(started)
    await logged(server, "RuntimeError: a")
    await served(server, "turns")


async def test_a_session_that_dies_is_told_and_taken_over_by_who_comes_next(server: ServerProcess) -> None:
    async with realtime(server.ws_url, "/ws/session/dying") as client:
        await client.say("[session] count to 3")
        assert (await client.until("error"))["error"]["code"] == "internal_error"
        assert await client.closed() == 1012
    await logged(server, "session dying died")
    async with realtime(server.ws_url, "/ws/session/dying?last_event_id=event_dying_0") as client:
        await _completed(client)
    await served(server, "dying")


@pytest.mark.parametrize("item_id", ["item_there", "item_missing"], ids=["answer", "error"])
async def test_a_frame_whose_socket_closes_before_its_answer_is_no_fault(
    server: ServerProcess, item_id: str
) -> None:
    async with realtime(server.ws_url, "/ws/session/moving") as client:
        await client.say("count to 3", event_id="said")
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
        await client.send(type="conversation.item.create", item={**item, "id": "item_there"})
        await client.until("response.done")
        await client.send(type="conversation.item.retrieve", item_id=item_id)
        assert await client.closed() == 1012
    await served(server, "moving")
    assert server.log
    assert " ERROR " not in server.log.read_text()


async def test_an_event_that_cannot_be_encoded_hurts_its_session_alone(server: ServerProcess) -> None:
    async with (
        realtime(server.ws_url, "/ws/session/healthy") as other,
        realtime(server.ws_url, "/ws/session/poisoned") as client,
    ):
        await client.say("[poison]")
        assert (await client.until("error"))["error"]["code"] == "storage_rejected"
        assert await client.closed() == 1011
        assert (await other.ask("count to 3"))[1]["response"]["status"] == "completed"
    await served(server, "poisoned")


async def test_a_journal_whose_thread_dies_ends_its_process_and_nobody_waits_in_vain(
    server: ServerProcess,
) -> None:
    async with (
        realtime(server.ws_url, "/ws/session/other") as other,
        realtime(server.ws_url, "/ws/session/deadly") as client,
    ):
        await other.say("count to 300")
        await other.until("response.output_text.delta")
        await client.say("[thread]")
        assert await client.closed() == 1012
        with contextlib.suppress(ConnectionClosed):
            while True:
                await other.recv()
        assert other.connection.close_code == 1012
    server.process.wait(20)
    await logged(server, "its thread died")
    server.start()
    await served(server, "deadly")
    await _comes_to_its_answer(server)


async def _comes_to_its_answer(server: ServerProcess) -> None:
    async def answered() -> None:
        async with realtime(server.ws_url, "/ws/session/other?last_event_id=event_other_0") as client:
            assert client.created["type"] == "session.created", client.created
            await _completed(client)

    await eventually(answered)


async def _completed(client: Realtime) -> None:
    while (await client.until("response.done"))["response"]["status"] != "completed":
        pass
