"""``manage.py runserver`` as somebody types it: with the worker beside it, an end that drains, and nothing left behind."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.db.models.functions import Now

from realtime_ai.env import BASE_DIR
from sessions_app.log import events as ev
from sessions_app.models import ServerProcess, Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.plugin.reaper import Reaper
from tests.support.database import database_url
from tests.support.sockets import realtime
from tests.support.waiting import eventually

from .support import START_S, clean_environment, run_python


class Runserver:
    """The program, in a process group of its own as a shell would start it."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self._log = folder / "output"
        defaults = {
            "DATABASE_URL": database_url(),
            "DATABASE_POOL_MAX": "4",
            "LLM_MODEL": "demo",
            "DEMO_DELAY_MS": "20",
            "SESSION_GRACE_SECONDS": "0",
            "DRAIN_SECONDS": "20",
            "PYTHONUNBUFFERED": "1",
        }
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", f"127.0.0.1:{self.port}", *options],
                cwd=BASE_DIR,
                env=clean_environment(**(defaults | variables)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.reaper = Reaper()
        self.reaper.register(folder=folder, pid=self.process.pid)

    @property
    def text(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def up(self) -> "Runserver":
        deadline = time.monotonic() + START_S
        while not await asyncio.to_thread(self._answers):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            await asyncio.sleep(0.1)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=1):
            return True
        return False

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        return [child for child in self.children() if child.cmdline()[-1] == "worker"]


StartRunserver = Callable[..., Runserver]


@pytest.fixture
def start(transactional_db: None, tmp_path: Path) -> Iterator[StartRunserver]:
    started: list[Runserver] = []

    def start(*options: str, **variables: str) -> Runserver:
        started.append(Runserver(tmp_path, *options, **variables))
        return started[-1]

    yield start
    for one in started:
        left = []
        with contextlib.suppress(psutil.NoSuchProcess):
            left = one.children()
        for process in [*left, *([psutil.Process(one.process.pid)] if one.process.poll() is None else [])]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        one.process.wait(10)
        one.reaper.close()


async def say(server: Runserver, session_id: str) -> None:
    async with realtime(server.ws_url, f"/ws/session/{session_id}") as client:
        _, done = await client.ask("count to 3")
        assert done["response"]["status"] == "completed"


async def summarised(session_id: str) -> None:
    async def written() -> None:
        session = await in_db_thread(lambda: Session.objects.get(pk=session_id))
        assert session.summary_state == "written"

    await eventually(written, timeout_s=45)


async def gone(processes: list[psutil.Process]) -> None:
    async def all_gone() -> None:
        left = [process for process in processes if process.is_running()]
        assert [one for one in left if one.status() != psutil.STATUS_ZOMBIE] == []

    await eventually(all_gone, timeout_s=20)


@contextlib.asynccontextmanager
async def mid_answer(server: Runserver, session_id: str) -> AsyncIterator[None]:
    """What happens within it stops the server, which closes the socket with 1012, finishes its answer and lets go."""
    pids = {server.process.pid, *(child.pid for child in server.children())}
    async with realtime(server.ws_url, f"/ws/session/{session_id}", max_queue=None) as client:
        await client.say("count to 60")
        await client.until("response.output_text.delta")
        yield
        try:
            assert await client.closed() == 1012
        except TimeoutError:
            pytest.fail(f"the socket stays open: {server.text}")
    await asyncio.to_thread(server.process.wait, 40)
    rows = SessionEvent.objects.filter(session_id=session_id, event_type=ev.ResponseDone.event_type)
    assert [row.payload["status"] for row in await in_db_thread(lambda: list(rows))] == ["completed"]
    leases = ServerProcess.objects.filter(pid__in=pids, expires_at__gt=Now())
    assert await in_db_thread(lambda: list(leases)) == []
    assert "Traceback" not in server.text


async def test_one_command_serves_and_summarises_and_a_stop_drains(start: StartRunserver) -> None:
    server = await start().up()
    assert server.text.count("Worker: process ") == 1
    await say(server, "first")
    await summarised("first")
    children = server.children()
    assert len(server.workers()) == 1
    async with mid_answer(server, "second"):
        server.process.send_signal(signal.SIGTERM)
    assert server.process.returncode == 0
    await gone(children)


async def test_a_ctrl_c_drains_as_well_and_without_the_autoreloader(start: StartRunserver) -> None:
    server = await start("--noreload").up()
    children = server.children()
    assert children == server.workers() != []
    async with mid_answer(server, "only"):
        os.killpg(server.process.pid, signal.SIGINT)
    await gone(children)


async def test_a_ctrl_c_with_the_autoreloader(start: StartRunserver) -> None:
    server = await start().up()
    children = server.children()
    async with mid_answer(server, "only"):
        os.killpg(server.process.pid, signal.SIGINT)
    await gone(children)


@pytest.mark.parametrize("options", [(), ("--noreload",)], ids=["reloading", "alone"])
async def test_nothing_outlives_a_kill(start: StartRunserver, options: tuple[str, ...]) -> None:
    server = await start(*options).up()
    children = server.children()
    assert len(children) == 2 - len(options)
    server.process.kill()
    await gone(children)


async def test_a_change_of_the_code_renews_server_and_worker_and_drains(
    start: StartRunserver, tmp_path: Path
) -> None:
    changed = tmp_path / "changed_settings.py"
    changed.write_text("from realtime_ai.settings.development import *\n")
    server = await start(DJANGO_SETTINGS_MODULE="changed_settings", PYTHONPATH=str(tmp_path)).up()
    before = server.children()
    async with realtime(server.ws_url, "/ws/session/changing", max_queue=None) as client:
        await client.say("count to 300")
        await client.until("response.output_text.delta")

        async def closed() -> None:
            with changed.open("a") as file:  # again and again: the reloader may not have looked at it yet
                file.write("MORE = 1\n")
            with contextlib.suppress(TimeoutError):
                await client.closed(timeout_s=2)
            assert client.connection.close_code == 1012, server.text

        await eventually(closed, timeout_s=40)
    await gone(before)
    await server.up()
    await say(server, "after")
    await summarised("changing")
    await summarised("after")
    rows = SessionEvent.objects.filter(session_id="changing", event_type=ev.ResponseDone.event_type)
    assert [row.payload["status"] for row in await in_db_thread(lambda: list(rows))] == ["completed"]


@pytest.mark.parametrize(("options", "variables"), [(("--no-worker",), {}), ((), {"RUNSERVER_WORKER": "0"})])
async def test_without_the_worker_it_says_so(
    start: StartRunserver, options: tuple[str, ...], variables: dict[str, str]
) -> None:
    server = await start("--noreload", *options, **variables).up()
    assert server.children() == []
    assert server.text.count("No worker beside the server") == 1


def test_a_port_that_is_taken_ends_it_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_python("manage.py", "runserver", f"127.0.0.1:{port}", VAR_DIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"CommandError: 127.0.0.1, port {port}: Address already in use.")
    assert done.stderr.count("\n") == 1
