"""Streams through nginx as Debian ships it, which keeps an answer back by default: each event comes when it is there, and silence
is not taken for death."""

import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.api.talk import ask
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen unix:{folder}/socket;
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_http_version 1.1;
            proxy_set_header Host localhost;
            proxy_read_timeout {seconds}s;
        }}
    }}
}}
"""
SECONDS = 3
"""Without a word nginx gives up after them."""


@contextlib.contextmanager
def proxy(program: str, folder: Path, port: int) -> Iterator[Path]:
    """Its socket."""
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, seconds=SECONDS))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(config)])
    try:
        yield folder / "socket"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
async def through(
    nginx: str, start_server: StartServer, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[ServerProcess, httpx2.AsyncClient]]:
    delay: str = request.param
    server = start_server(
        DJANGO_SETTINGS_MODULE="tests.api.patient_settings",
        DEMO_DELAY_MS=delay,
        SESSION_GRACE_SECONDS="0.2",
    )
    folder = request.getfixturevalue("tmp_path_factory").mktemp("n")
    with proxy(nginx, folder, server.port) as path:
        transport = httpx2.AsyncHTTPTransport(uds=str(path))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:

            async def up() -> None:
                try:
                    response = await client.get("/healthz")
                except httpx2.ConnectError as error:  # nginx is there and does not listen yet
                    raise AssertionError from error
                assert response.status_code == 200

            await eventually(up)
            yield server, client


WIRES = ["responses", "ui", "events"]


async def begun(
    wire: str, server: ServerProcess, key: dict[str, str], text: str
) -> tuple[str, str, dict[str, Any] | None]:
    """The request whose answer is a stream."""
    match wire:
        case "responses":
            return "POST", "/v1/responses", {"model": "demo", "input": text, "stream": True}
        case "ui":
            said = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
            return "POST", "/api/ui/talk", {"messages": [said], "trigger": "submit-message"}
        case _:
            session_id = await ask(server, text, key)
            return "GET", f"/api/sessions/{session_id}/stream", None


def has_ended() -> bool:
    return SessionEvent.objects.filter(event_type="response_done").exists()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("through", ["40"], indirect=True)
async def test_each_event_comes_when_it_is_there(
    through: tuple[ServerProcess, httpx2.AsyncClient], key: dict[str, str], wire: str
) -> None:
    server, client = through
    method, address, body = await begun(wire, server, key, "count to 50")
    before_its_end, lines = False, []
    async with client.stream(method, address, json=body, headers=key) as response:
        assert response.status_code == 200
        assert "x-accel-buffering" not in response.headers  # nginx takes it for itself
        async for line in response.aiter_lines():
            lines.append(line)
            if "delta" in line and not before_its_end:
                before_its_end = not await in_db_thread(has_ended)
                assert before_its_end, "nginx has kept the answer back"
    assert before_its_end
    assert sum("delta" in line for line in lines) > 40


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("through", [str(SECONDS * 1000 + 2000)], indirect=True)
async def test_an_answer_that_keeps_silent_is_waited_for(
    through: tuple[ServerProcess, httpx2.AsyncClient], key: dict[str, str], wire: str
) -> None:
    server, client = through
    method, address, body = await begun(wire, server, key, "count to 2")
    async with client.stream(method, address, json=body, headers=key) as response:
        lines = [line async for line in response.aiter_lines()]
    assert lines.count(": keep-alive") >= 2
    assert any("response_done" in line or "completed" in line or "[DONE]" in line for line in lines)
