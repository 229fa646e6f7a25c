"""MCP servers behind a real server, through a socket."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mcp.conftest import HERE, SECRET, Notebook, alive
from tests.mcp.raw_server import NAMES
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, realtime
from tests.support.waiting import eventually


def ready(server: ServerProcess) -> Frame:
    with urllib.request.urlopen(f"{server.url}/readyz", timeout=10) as response:
        found: Frame = json.loads(response.read())
    return found


async def connected(server: ServerProcess) -> None:
    async def check() -> None:
        body = await asyncio.to_thread(ready, server)
        assert "notices" not in body, body

    await eventually(check, timeout_s=90)


async def outputs(client: Realtime, words: str) -> list[Frame]:
    _, done = await client.ask(words)
    items: list[Frame] = done["response"]["output"]
    return items


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def http_server(port: int, notebook: Notebook) -> Iterator["subprocess.Popen[bytes]"]:
    env = {"NOTES_JOURNAL": str(notebook.path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, str(HERE / "notes_server.py"), str(port)]
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait(10)


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_tool_is_called_and_named_by_its_server(
    start_server: StartServer,
    notebook: Notebook,
    transport: str,
    port: int,
    request: pytest.FixtureRequest,
) -> None:
    entry: dict[str, Any] = notebook.notes()
    if transport == "http":
        request.getfixturevalue("http_server")
        entry = {"url": f"http://127.0.0.1:{port}/mcp", "headers": {"Authorization": f"Bearer {SECRET}"}}
    server = start_server(MCP_SERVERS=json.dumps({"notes": entry}))
    await connected(server)
    async with realtime(server.ws_url) as client:
        (item, answer) = await outputs(client, 'Call notes__read_note "shopping"')
        assert (item["type"], item["server_label"], item["name"]) == ("mcp_call", "notes", "notes__read_note")
        assert json.loads(item["arguments"]) == {"title": "shopping"}
        assert item["output"] == "The note 'shopping' says: buy milk"
        assert "buy milk" in answer["content"][0]["text"]

        (asked, *_) = await outputs(client, 'Call notes__write_note "party"')
        assert (asked["type"], asked["server_label"]) == ("mcp_approval_request", "notes")
        assert "write_note party" not in notebook.words(), "nobody allowed it"
        approval = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}
        await client.send(type="conversation.item.create", item=approval)
        done = await client.until("response.done")
        made = done["response"]["output"][0]
        assert (made["type"], made["server_label"], made["output"]) == ("mcp_call", "notes", "written: party")
        assert "write_note party" in notebook.words()


async def test_a_server_is_started_once_and_ends_with_the_process(
    start_server: StartServer, notebook: Notebook
) -> None:
    server = start_server(MCP_SERVERS=json.dumps({"raw": notebook.raw()}))
    await connected(server)
    for _ in range(3):
        async with realtime(server.ws_url) as client:
            (item, *_) = await outputs(client, 'Call raw__echo "hello"')
            assert item["output"] == "echo: hello"
    assert notebook.words().count("started") == 1
    server.stop()
    assert notebook.words()[-1] == "end of stdin"

    async def gone() -> None:
        assert not any(alive(pid) for pid in notebook.pids())

    await eventually(gone, timeout_s=30)


@pytest.mark.parametrize("mode", ["", "stubborn"])
async def test_a_killed_process_leaves_no_server_behind(
    start_server: StartServer, notebook: Notebook, mode: str
) -> None:
    server = start_server(MCP_SERVERS=json.dumps({"raw": notebook.raw(mode)}))
    await connected(server)
    (pid,) = notebook.pids()
    assert alive(pid)
    server.signal(signal.SIGKILL)

    async def gone() -> None:
        assert not alive(pid)

    await eventually(gone, timeout_s=60)


BAD_CALLS = ["die", "hang", "garbage", "endless", "bad_result", "many_changes"]


async def test_a_server_that_does_its_worst_hurts_no_session(
    start_server: StartServer, notebook: Notebook, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    entries = {
        "raw": notebook.raw(timeout_s=5, env={"TOKEN": SECRET}),
        "silent": notebook.raw("silent"),
        "none": {"command": "no-such-command", "env": {"TOKEN": SECRET}},
        "away": {"url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": f"Bearer {SECRET}"}},
        "bad": {"command": "x", "url": f"https://{SECRET}.example"},
    }
    server = start_server(log=log, LOG_LEVEL="DEBUG", DEMO_DELAY_MS="2", MCP_SERVERS=json.dumps(entries))

    async def raw_is_up() -> None:
        notices = (await asyncio.to_thread(ready, server))["notices"]
        assert not any("'raw'" in notice for notice in notices), notices
        assert any("'none' is not connected: " in notice for notice in notices), notices
        assert any("'away' is not connected: " in notice for notice in notices), notices

    for call in BAD_CALLS:
        await eventually(raw_is_up, timeout_s=60)
        async with realtime(server.ws_url) as neighbour, realtime(server.ws_url) as client:
            (text, done), (_, bad) = await asyncio.gather(
                neighbour.ask("Count to 60"), client.ask(f'Call raw__{call} "x"')
            )
            assert done["response"]["status"] == "completed"
            assert "60" in text
            assert bad["response"]["status"] == "completed", bad
            assert bad["response"]["output"][0]["type"] == "mcp_call"
            again, _ = await client.ask("What is 6 * 7?")
            assert "42" in again
    assert ready(server)["status"] == "ready"
    server.stop()
    said = log.read_text(encoding="utf-8", errors="replace")
    assert "MCP server 'none' is not connected" in said
    assert "MCP server 'bad': it needs either a command or a url; it is left out" in said
    assert SECRET not in said


async def test_who_may_not_read_the_metrics_reads_no_notices(
    start_server: StartServer, notebook: Notebook
) -> None:
    entries = {"none": {"command": "no-such-command"}}
    server = start_server(MCP_SERVERS=json.dumps(entries), METRICS_TOKEN="x" * 20)
    assert ready(server) == {"status": "ready"}
    request = urllib.request.Request(f"{server.url}/readyz", headers={"Authorization": f"Bearer {'x' * 20}"})

    def read() -> Frame:
        with urllib.request.urlopen(request, timeout=10) as response:
            found: Frame = json.loads(response.read())
        return found

    assert "'none' is not connected" in (await asyncio.to_thread(read))["notices"][0]


async def test_the_figures_tell_which_server_is_connected(
    start_server: StartServer, notebook: Notebook
) -> None:
    server = start_server(
        MCP_SERVERS=json.dumps({"raw": notebook.raw(), "none": {"command": "no-such-command"}})
    )

    def figures() -> list[str]:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as response:
            return [line for line in response.read().decode().splitlines() if "chat_mcp_" in line]

    async def told() -> None:
        lines = await asyncio.to_thread(figures)
        assert 'chat_mcp_connected{server="raw"} 1.0' in lines
        assert 'chat_mcp_connected{server="none"} 0.0' in lines
        assert f'chat_mcp_tools{{server="raw"}} {len(NAMES)}.0' in lines

    await eventually(told, timeout_s=60)
