"""Servers over streamable HTTP: lost and found again, cancelled, and bounded in what they answer."""

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx2
import pytest

from chat.tools.mcp.config import McpServer
from chat.tools.mcp.transports import MAX_BODY_BYTES, http_client
from tests.mcp.conftest import HERE, SECRET, Notebook, Run
from tests.support.waiting import eventually

StartNotes = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def start_notes(port: int, notebook: Notebook) -> Iterator[StartNotes]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        env = {**os.environ, "NOTES_JOURNAL": str(notebook.path)}
        command = [sys.executable, str(HERE / "notes_server.py"), str(port)]
        started.append(subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


async def test_a_service_that_is_restarted_is_found_again(
    run: Run, port: int, start_notes: StartNotes, notebook: Notebook
) -> None:
    notes = start_notes()
    async with run(notes={"url": f"http://127.0.0.1:{port}/mcp", "timeout_s": 4}) as running:
        assert (await running.call("notes__count_notes", "")).outcome == "ok"
        outcome = await running.call("notes__wait_long", "")
        assert "gave no result within 4 seconds" in outcome.output

        async def cancelled() -> None:
            assert "wait_long cancelled" in notebook.words()

        await eventually(cancelled)
        notes.kill()
        notes.wait(10)
        outcome = await running.call("notes__count_notes", "")
        assert outcome.outcome == "error"

        async def noticed() -> None:
            assert not running.status("notes").connected

        await eventually(noticed)
        start_notes()
        await running.connected("notes")
        assert (await running.call("notes__count_notes", "")).outcome == "ok"


class Answers(BaseHTTPRequestHandler):
    """By path: too long, compressed, elsewhere."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}' if self.path == "/long" else b"{}"
        encoding = "gzip" if self.path.endswith("/gzip") else "identity"
        body = gzip.compress(body) if encoding == "gzip" else body
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-encoding", encoding)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("path", "why"), [("/long", "more than"), ("/gzip", "compressed")])
async def test_an_answer_without_bounds_is_refused(service: str, path: str, why: str) -> None:
    server = McpServer(name="s", url=service, headers={"X-Token": SECRET})
    async with http_client(server) as client:
        assert (await client.post(service, json={})).json() == {}
        assert Answers.seen[-1]["x-token"] == SECRET
        with pytest.raises((httpx2.TransportError, httpx2.StreamError), match=why):
            await client.post(service + path, content=json.dumps({}))


async def test_a_secret_with_a_lines_end_is_sent_without_it(service: str) -> None:
    server = McpServer(name="s", url=service, headers={"X-Token": f" {SECRET}\n"})
    async with http_client(server) as client:
        await client.post(service, json={})
    assert Answers.seen[-1]["x-token"] == SECRET


async def test_a_secret_that_cannot_be_sent_is_not_told_either(
    run: Run, service: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bearer {SECRET}\n{SECRET[::-1]}"}
    async with run(wait=False, s={"url": service, "headers": headers}) as running:

        async def told() -> None:
            assert "Illegal header value" in running.status("s").problem

        await eventually(told, timeout_s=60)
        assert not [one for one in (SECRET, SECRET[::-1]) if one in running.status("s").problem + caplog.text]


async def test_the_environments_proxy_is_asked_and_bounded_where_it_is_named(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTP_PROXY", service)
    there = "http://mcp.invalid"
    async with http_client(McpServer(name="s", url=f"{there}/mcp")) as client:
        assert (await client.post(f"{there}/mcp", json={})).json() == {}
        assert Answers.seen[-1]["host"] == "mcp.invalid"
        with pytest.raises(httpx2.TransportError, match="compressed"):
            await client.post(f"{there}/gzip", json={})
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with http_client(McpServer(name="s", url=service)) as client:
        assert (await client.post(service, json={})).json() == {}, "a proxy has another machine's localhost"
    monkeypatch.setenv("NO_PROXY", "mcp.invalid")
    async with http_client(McpServer(name="s", url=there)) as client:
        with pytest.raises(httpx2.ConnectError, match=r"not known|resolution"):
            await client.post(there, json={})
