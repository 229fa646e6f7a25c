"""The doors of the Responses socket are those of the others: keys, their ends, what they may, and how much at once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from identity.keys import make_key
from identity.models import ApiKey, Scope
from sessions_app.postgres.threads import in_db_thread
from tests.responses.conftest import Client
from tests.responses.sdk import text_of
from tests.responses.socket_sdk import checked_frame, until_over
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.waiting import eventually


async def closed_with(connection: Any) -> int | None:
    """The code with which the server closes it, whatever comes before."""
    with pytest.raises(ConnectionClosedError) as closed:  # noqa: PT012 - what is read until then does not count
        async with asyncio.timeout(20):
            while True:
                await connection.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None


async def test_a_key_that_only_reads_resumes_and_asks_nothing(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    made = await client_of(server, key).responses.create(model="demo", input="count to 9")
    user = await in_db_thread(lambda: get_user_model().objects.get(username="ann"))
    reads = await in_db_thread(lambda: make_key(user=user, label="reads", scope=Scope.READ).value)
    async with client_of(server, reads).responses.connect(extra_query={"resume": made.id}) as connection:
        assert text_of(await until_over(connection)) == made.output_text
        await connection.response.create(model="demo", input="count to 3")
        refused = checked_frame(await connection.recv())
        assert (refused.status, refused.error.code) == (403, "read_only_key")


async def test_with_its_key_a_connection_ends(start_server: StartServer, client_of: Client, key: str) -> None:
    server = start_server(DJANGO_SETTINGS_MODULE="tests.identity.settings")
    async with client_of(server, key).responses.connect() as connection:
        await connection.response.create(model="demo", input="count to 3")
        await until_over(connection)
        await in_db_thread(ApiKey.objects.all().delete)
        ended = checked_frame(await connection.recv())
        assert (ended.status, ended.error.code) == (401, "credentials_ended")
        assert await closed_with(connection) == 4401


async def test_a_handshake_that_is_refused_is_no_fault_of_the_servers(
    start_server: StartServer, client_of: Client, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    server = start_server(log=log)
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(server, "sk-wrong").responses.connect():
            pass
    assert refused.value.response.status_code == 401
    server.stop()
    assert log.read_text() == ""


async def test_connections_and_frames_are_bounded(start_server: StartServer, client_of: Client) -> None:
    server = start_server(MAX_SOCKETS_PER_ADDRESS="1")
    client = client_of(server)
    async with client.responses.connect() as connection:
        with pytest.raises(InvalidStatus) as refused:
            async with client.responses.connect():
                pass
        assert refused.value.response.status_code == 429
        for _ in range(210):
            await connection.send({"type": "nonsense"})
        assert await closed_with(connection) == 4429


async def test_a_connection_that_breaks_and_is_not_resumed_stops_its_answer(
    server: ServerProcess, client_of: Client
) -> None:
    client = client_of(server)
    connection = await client.responses.connect().enter()
    await connection.response.create(model="demo", input="count to 4000")
    first = checked_frame(await connection.recv())
    connection._connection.transport.abort()

    async def stopped() -> None:
        assert (await client.responses.retrieve(first.response.id)).status == "cancelled"

    await eventually(stopped, timeout_s=30)
