"""A tool that leaves a process behind: the server's port and its clients' sockets are not that process's."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.server import ServerProcess
from tests.support.sockets import realtime

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def start_naughty(tmp_path: Path) -> Iterator[Callable[[str], ServerProcess]]:
    """Starts a server that alone has its port; what its tools left behind ends with the test."""
    started: list[ServerProcess] = []

    def start(module: str) -> ServerProcess:
        server = ServerProcess(
            module=module,
            DJANGO_SETTINGS_MODULE="tests.tools.naughty.settings",
            NAUGHTY_FLAG=str(tmp_path / "flag"),
        )
        started.append(server)
        server.start()
        server._socket.close()
        return server

    yield start
    (tmp_path / "flag").touch()
    for server in started:
        server.close()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("module", ["realtime_ai.server", "daphne realtime_ai.asgi:application"])
@pytest.mark.parametrize("way", ["os_fork", "multiprocessing", "subprocess", "os_system"])
async def test_a_server_comes_back_on_its_port_while_a_tools_child_lives(
    way: str, module: str, start_naughty: Callable[[str], ServerProcess]
) -> None:
    server = await asyncio.to_thread(start_naughty, module)
    async with realtime(server.ws_url) as bystander, realtime(server.ws_url) as client:
        _, done = await client.ask(f"Call leave_a_child with {way}")
        child = int(done["response"]["output"][0]["output"])
        text, _ = await bystander.ask("count to 3")
        assert "3" in text
        server.kill()
        for one in (client, bystander):
            with pytest.raises(ConnectionClosed):
                await one.recv()
    assert lives(child)
    server._socket = socket.create_server(("127.0.0.1", server.port), backlog=2048)
    await asyncio.to_thread(server.start)
    async with realtime(server.ws_url) as client:
        await client.ask("count to 3")
    assert lives(child)
