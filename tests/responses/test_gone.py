"""A client that leaves before it is answered, or whose key ends: while its request waits for the database."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import psycopg
import pytest

from identity.keys import revoke_key
from identity.models import ApiKey
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.responses.conftest import Client
from tests.responses.sdk import checked, text_of
from tests.responses.test_socket_doors import closed_with
from tests.sockets.conftest import StartServer
from tests.support.database import database_url
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.sockets import realtime
from tests.support.waiting import eventually

_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'session_events'::regclass"


@asynccontextmanager
async def log_held() -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Nobody reads or writes the log. What is given returns once somebody waits for it."""
    async with await psycopg.AsyncConnection.connect(database_url()) as holder:
        await holder.execute("LOCK TABLE session_events IN ACCESS EXCLUSIVE MODE")

        async def waits() -> None:
            cursor = await holder.execute(_WAITING)
            row = await cursor.fetchone()
            assert row
            assert row[0]

        yield lambda: eventually(waits)


@asynccontextmanager
async def left_midway(server: ServerProcess, key: str, head: str, body: bytes = b"") -> AsyncIterator[None]:
    """The request waits for the log's table; within, its client has gone."""
    lines = [head, "host: test", f"authorization: Bearer {key}", f"content-length: {len(body)}", "", ""]
    async with log_held() as waited_for:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write("\r\n".join(lines).encode() + body)
        await waited_for()
        writer.transport.abort()
        await asyncio.sleep(0.3)
    yield


async def test_an_answer_that_nobody_has_seen_the_beginning_of_waits_for_who_asks_again(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    body: dict[str, Any] = {"model": "demo", "input": "count to 300", "stream": True}
    sent = json.dumps(body, separators=(",", ":")).encode()  # as the SDK has it
    async with left_midway(server, key, "POST /v1/responses HTTP/1.1", sent):
        await committed("response_started")
        await asyncio.sleep(0.5)  # after which an SDK asks again at the earliest
        events = await client_of(server, key).post(
            "/responses",
            body=body,
            cast_to=object,
            stream=True,
            stream_cls=openai.AsyncStream[openai.types.responses.ResponseStreamEvent],
            options={"headers": {"x-stainless-retry-count": "1"}},
        )
        told = [checked(event) async for event in events]
    assert told[-1].type == "response.completed"
    assert text_of(told).endswith("300.")
    started = SessionEvent.objects.filter(event_type="response_started")
    assert await in_db_thread(started.count) == 1


@pytest.mark.parametrize("lost_at_home", [True, False])
async def test_who_asks_again_at_another_process_keeps_the_answer_whose_first_connection_is_lost(
    start_server: StartServer, redis_url: str, client_of: Client, key: str, lost_at_home: bool
) -> None:
    env = {"REDIS_URL": redis_url, "DEMO_DELAY_MS": "10"}
    home, other = start_server(**env), start_server(**env)
    async with realtime(
        home.ws_url, additional_headers={"Authorization": f"Bearer {key}"}
    ) as talk:  # it lives there
        asked: dict[str, Any] = {
            "model": "demo",
            "input": "count to 300",
            "conversation": f"conv_{talk.session_id}",
            "extra_headers": {"Idempotency-Key": "one"},
        }
        first, second = (home, other) if lost_at_home else (other, home)
        lost = await client_of(first, key).responses.create(stream=True, **asked)
        await anext(aiter(lost))
        again = await client_of(second, key).responses.create(stream=True, **asked)
        told = [checked(await anext(aiter(again))) for _ in range(100)]  # it reads on live by then
        await lost.close()
        told += [checked(event) async for event in again]
    assert told[-1].response.status == "completed"


async def test_who_has_gone_before_the_answer_is_no_fault(
    start_server: StartServer, client_of: Client, key: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    server = start_server(log=log)
    made = await client_of(server, key).responses.create(model="demo", input="count to 3")
    for head in (
        f"GET /v1/responses/{made.id} HTTP/1.1",
        f"GET /v1/responses/{made.id}?stream=true HTTP/1.1",
    ):
        async with left_midway(server, key, head):
            assert (await client_of(server, key).responses.retrieve(made.id)).id == made.id
    server.stop()
    assert log.read_text() == ""


async def test_whose_key_ends_before_the_answer_begins_is_given_none_of_it(
    start_server: StartServer, client_of: Client, key: str
) -> None:
    server = start_server(DJANGO_SETTINGS_MODULE="tests.identity.settings", DEMO_DELAY_MS="5")
    client = client_of(server, key)
    async with client.responses.connect() as another:  # whose end tells that all were looked at
        async with log_held() as waited_for:
            asked = asyncio.ensure_future(
                client.responses.create(model="demo", input="count to 300", stream=True)
            )
            await waited_for()
            await in_db_thread(lambda: revoke_key(ApiKey.objects.get()))
            assert await closed_with(another) == 4401
        told = []

        async def read() -> None:
            async for event in await asked:
                told.append((event.type, getattr(event, "code", None)))  # noqa: PERF401 - it breaks off

        with pytest.raises(openai.APIError):
            await read()
    assert told == [("error", "credentials_ended")]
