import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chat.tools.base import ToolContext, ToolOutcome
from chat.tools.mcp.servers import McpServers
from chat.tools.mcp.status import ServerStatus
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from tests.sockets.conftest import start_server
from tests.support.waiting import eventually

__all__ = ["start_server"]

HERE = Path(__file__).parent
SECRET = "hunter2-secret"
CONTEXT = ToolContext(session_id="s1", call_id="call_1")


class Notebook:
    """What a server of the tests wrote down: lines of pid and words."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []

    def words(self) -> list[str]:
        return [line.partition(" ")[2] for line in self.lines()]

    def pids(self) -> list[int]:
        return list(dict.fromkeys(int(line.split()[0]) for line in self.lines()))

    def raw(self, *mode: str, **options: Any) -> dict[str, Any]:
        """The entry of the raw server."""
        return {
            "command": sys.executable,
            "args": [str(HERE / "raw_server.py"), str(self.path), *mode],
            **options,
        }

    def notes(self, **options: Any) -> dict[str, Any]:
        """The entry of the SDK's server, on stdio."""
        env = {"NOTES_JOURNAL": str(self.path), "NOTES_TOKEN": SECRET}
        return {"command": sys.executable, "args": [str(HERE / "notes_server.py")], "env": env, **options}


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path / "journal")


class Running:
    """MCP servers as a process runs them."""

    def __init__(self, servers: McpServers, registry: Registry) -> None:
        self.servers = servers
        self.registry = registry

    def status(self, name: str = "raw") -> ServerStatus:
        return next(one for one in self.servers.statuses() if one.name == name)

    def names(self) -> list[str]:
        return [tool.name for tool in self.registry]

    async def call(self, name: str, arguments: str = '{"text": "hi"}') -> ToolOutcome:
        return await run_tool(self.registry, name=name, arguments=arguments, context=CONTEXT)

    async def connected(self, name: str = "raw") -> None:
        async def check() -> None:
            assert self.status(name).connected, self.status(name).problem

        await eventually(check, timeout_s=60)


Run = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def run() -> Run:
    """``async with run(name=entry, ...) as running``: started, and stopped at the end."""

    @asynccontextmanager
    async def running(*, wait: bool = True, **entries: Any) -> AsyncIterator[Running]:
        registry = Registry()
        servers = McpServers(entries, registry)
        servers.start()
        try:
            found = Running(servers, registry)
            for name in entries if wait else ():
                await found.connected(name)
            yield found
        finally:
            await servers.stop()

    return running


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def kill(pid: int, number: int) -> None:
    os.kill(pid, number)
