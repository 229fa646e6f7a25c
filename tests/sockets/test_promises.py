"""Rules that always hold and that only a database out of reach, or a client that does not read, can show."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.delay_proxy import DelayProxy
from bench.support import upstream_of
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_script import Chunk, Hang, Reply, Step, Until
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.support.sockets import Realtime, realtime
from tests.support.waiting import eventually

from .conftest import StartServer
from .test_storage import through


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[DelayProxy]:
    with DelayProxy(upstream_of(connection.settings_dict)) as proxy:
        yield proxy


async def test_the_model_is_called_while_the_message_commits(
    start_server: StartServer, proxy: DelayProxy
) -> None:
    """Latency is hidden: with the database out of reach the model has the question all the same."""
    with GeminiServer() as gemini:
        server = start_server(
            DATABASE_URL=through(proxy),
            LLM_MODEL="gemini:gemini-3-flash",
            GEMINI_API_KEY=API_KEY,
            GOOGLE_GEMINI_BASE_URL=gemini.url,
        )
        async with realtime(server.ws_url) as client:
            await client.ask("Hello")
            proxy.cut()
            await client.say("Are you there?")

            async def called() -> None:
                assert len(gemini.requests) == 2

            await eventually(called)
            assert client.frames[-1]["type"] == "response.done"  # of the first turn: nothing is shown yet
            proxy.mend()
            await client.until("response.done")


async def test_a_tool_runs_only_once_its_call_is_stored(start_server: StartServer, proxy: DelayProxy) -> None:
    """The tool is the clock: what it says must not be earlier than the moment at which the database came back."""
    server = start_server(DATABASE_URL=through(proxy))
    async with realtime(server.ws_url) as client:
        await client.ask("Hello")
        proxy.cut()
        await client.say("What time is it in UTC?")
        await asyncio.sleep(2.5)
        mended = datetime.now(UTC).replace(microsecond=0)
        proxy.mend()
        done = await client.until("response.done")
    call = done["response"]["output"][0]
    assert call["name"] == "get_time"
    told = datetime.fromisoformat(json.loads(call["output"])["time"])
    assert told >= mended


@pytest.mark.parametrize(
    ("end", "status"),
    [
        pytest.param(Chunk(finish="SAFETY"), "incomplete", id="filtered"),
        pytest.param(Chunk(finish="STOP"), "failed", id="empty"),
        pytest.param(Hang(), "cancelled", id="cancelled"),
    ],
)
async def test_the_end_of_an_answer_without_a_word_is_seen_once_it_is_stored(
    start_server: StartServer, proxy: DelayProxy, end: Step, status: str
) -> None:
    """Nothing else of such an answer has to wait for the database."""
    go_on = threading.Event()
    with GeminiServer() as gemini:
        gemini.then(Reply((Until(go_on), end)))
        server = start_server(
            DATABASE_URL=through(proxy),
            LLM_MODEL="gemini:gemini-3-flash",
            MODEL_ATTEMPTS="1",
            GEMINI_API_KEY=API_KEY,
            GOOGLE_GEMINI_BASE_URL=gemini.url,
        )
        async with realtime(server.ws_url) as client:
            await client.say("Are you there?")
            await client.until("response.created")
            proxy.cut()
            go_on.set()
            if status == "cancelled":
                await client.send(type="response.cancel")
                assert await gemini.hung_up_within(5)
            with pytest.raises(TimeoutError):
                await client.recv(timeout_s=1.0)
            proxy.mend()
            done = await client.until("response.done")
            assert done["response"]["status"] == status
            assert done["response"]["output"] == []


async def test_a_reader_that_does_not_read_is_cut_off_and_can_resume(start_server: StartServer) -> None:
    server = start_server(SOCKET_SEND_SECONDS="1", SESSION_GRACE_SECONDS="60")
    async with realtime(server.ws_url, "/ws/session/long") as writer:
        await asyncio.gather(write_much(writer), read_items(writer, MESSAGES))
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        lazy = await connect(
            f"{server.ws_url}/ws/session/long?last_event_id=event_long_0",
            sock=raw,
            subprotocols=[Subprotocol("realtime")],
            compression=None,
            ping_interval=None,
            max_queue=1,
        )

        async def cut_off() -> None:
            codes = await in_db_thread(
                lambda: [
                    event.payload["close_code"]
                    for event in SessionEvent.objects.filter(
                        session_id="long", event_type="connection_closed"
                    )
                ]
            )
            assert codes == [4408]

        await eventually(cut_off, timeout_s=30)
        last = ""
        with contextlib.suppress(ConnectionClosed):
            while True:
                async with asyncio.timeout(5):
                    frame = json.loads(await lazy.recv())
                if frame["event_id"].startswith("event_"):
                    last = frame["event_id"]
        assert last
        path = f"/ws/session/long?last_event_id={last}"
        async with realtime(server.ws_url, path) as again:
            seen = int(last.rsplit("_", 1)[1].split(".")[0])
            await read_items(again, FIRST_MESSAGE_SEQ + MESSAGES - 1 - seen)
        await lazy.close()


MESSAGES = 300
FIRST_MESSAGE_SEQ = 3
"""After the session's start and its first connection."""


async def write_much(client: Realtime) -> None:
    """Some 9 MB: more than the sockets of both sides hold."""
    content = [{"type": "input_text", "text": "x" * 30_000}]
    for index in range(MESSAGES):
        item = {"type": "message", "role": "user", "content": content}
        await client.send(type="conversation.item.create", item=item)
        if index > 150:
            await asyncio.sleep(0.05)  # the budget of frames


async def read_items(client: Realtime, count: int) -> None:
    for _ in range(count):
        await client.until("conversation.item.done", timeout_s=60)
