"""`manage.py chat` from a script: what goes where, what it ends with, and that it survives what a client has to."""

import asyncio
import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from realtime_ai.env import BASE_DIR
from tests.fakes.gemini_script import Chunk, Reply, text
from tests.fakes.gemini_server import GeminiServer
from tests.sdk.front import Front
from tests.sockets.conftest import StartServer
from tests.sockets.shop import Ledger, StartShop, calls
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

from .conftest import Chat, environment

PAY = calls(("pay", {"amount": 5, "to": "Ann"}))


async def test_the_answer_is_all_that_a_pipe_gets(server: ServerProcess, chat: Chat) -> None:
    run = await chat("What time is it", "in Berlin?", "--url", server.url)
    assert run.code == 0, run.err
    assert run.out.startswith("In Europe/Berlin it is **")
    assert run.out.endswith("\n")
    assert "get_time" in run.err


async def test_what_is_piped_in_is_said_or_stands_behind_what_is_said(
    server: ServerProcess, chat: Chat
) -> None:
    alone = await chat("--url", server.url, stdin="Count to 3\n")
    assert (alone.code, alone.out) == (0, "1, 2, 3.\n")
    behind = await chat("What did", "-", "--url", server.url, stdin="I say first?")
    assert "What did" in behind.out, behind.err
    nothing = await chat("--url", server.url, stdin="  \n")
    assert (nothing.code, nothing.out) == (1, "")
    assert "Nothing to say" in nothing.err


async def test_a_text_in_another_encoding_is_said_as_far_as_it_can_be_read(
    server: ServerProcess, chat: Chat
) -> None:
    run = await chat("--url", server.url, stdin=b"Count to 3\n\xfc")
    assert (run.code, "Traceback" in run.err) == (0, False), run.err
    assert "1, 2, 3." in run.out


async def test_a_closed_input_is_an_empty_one(chat: Chat, tmp_path: Path) -> None:
    run = await asyncio.to_thread(
        subprocess.run,
        ["/bin/sh", "-c", f"exec {sys.executable} manage.py chat <&-"],
        cwd=BASE_DIR,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert run.returncode == 1
    assert "Nothing to say" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "greeting",
    ['{"type": "session.created", "event_id": "event_1", "session": {"id": "sess_1"}}', '{"hello": 1}', "hi"],
)
async def test_another_products_server_is_told_apart(chat: Chat, greeting: str) -> None:
    async def greet(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        await socket.send_str(greeting)
        await socket.receive()
        return socket

    app = web.Application()
    app.router.add_get("/v1/realtime", greet)
    async with TestServer(app) as foreign:
        run = await chat("Hello", "--url", f"http://127.0.0.1:{foreign.port}")
    assert run.code == 1
    assert "foreign_server" in run.err
    assert "Traceback" not in run.err


async def test_a_terminal_without_a_models_letters_shows_the_others(
    server: ServerProcess, chat: Chat
) -> None:
    run = await chat("My name is Ω", "--url", server.url, PYTHONIOENCODING="ascii")
    assert (run.code, "Traceback" in run.err) == (0, False), run.err


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
async def test_what_is_written_to_a_closed_stream_is_written_nowhere(
    server: ServerProcess, tmp_path: Path, closed: str
) -> None:
    run = await asyncio.to_thread(
        subprocess.run,
        ["/bin/sh", "-c", f"exec {sys.executable} manage.py chat 'Count to 3' --url {server.url} {closed}"],
        cwd=BASE_DIR,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (run.returncode, "Traceback" in run.stderr) == (0, False), run.stderr
    assert ("1, 2, 3." in run.stdout) == (closed == "2>&-")


def test_a_pipe_that_nobody_reads_ends_it_without_a_word(server: ServerProcess, tmp_path: Path) -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    try:
        run = subprocess.run(
            [sys.executable, "manage.py", "chat", "Count to 3", "--url", server.url],
            cwd=BASE_DIR,
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=write_fd,
            stderr=subprocess.PIPE,
            timeout=90,
            check=False,
        )
    finally:
        os.close(write_fd)
    assert (run.returncode, "pipe" in run.stderr.decode()) == (141, False), run.stderr


async def test_an_answer_to_something_else_is_no_success(server: ServerProcess, chat: Chat) -> None:
    run = await chat("--url", server.url, stdin="Count to 3\0")
    assert "invalid_text" in run.err
    assert run.code == 1


async def test_the_next_run_goes_on_with_the_same_conversation(
    server: ServerProcess, chat: Chat, tmp_path: Path
) -> None:
    refused = await chat("--resume", "Hello", "--url", server.url)
    assert refused.code == 1
    assert "Begin one without it" in refused.err
    await chat("My name is Ada", "--url", server.url)
    run = await chat("--resume", "What is my name?", "--url", server.url)
    assert run.code == 0, run.err
    assert "Ada" in run.out
    assert "My name is Ada" not in run.err + run.out.replace("“My name is Ada”", "")
    (kept,) = (tmp_path / "realtime-ai").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    (place,) = json.loads(kept.read_text()).values()
    named = await chat("--session", place["session_id"], "What is my name?", "--url", server.url)
    assert "Ada" in named.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--session", "none-of-that-name"], "session_not_found"),
        (["--model", "none"], "model_not_allowed"),
        (["--assistant", "none"], "assistant_not_found"),
        (["--session", "a", "--model", "b"], "a new session's"),
    ],
)
async def test_what_cannot_be_asked_is_told_by_its_code(
    server: ServerProcess, chat: Chat, arguments: list[str], told: str
) -> None:
    run = await chat("Hello", *arguments, "--url", server.url)
    assert (run.code, run.out) == (1, "")
    assert told in run.err


async def test_a_key_that_is_none_and_a_server_that_is_not_there(server: ServerProcess, chat: Chat) -> None:
    run = await chat("Hello", "--url", server.url, TERMINAL_KEY="rta_none")
    assert (run.code, run.out) == (1, "")
    assert "invalid_credentials" in run.err
    run = await chat("Hello", PORT="9")
    assert (run.code, run.out) == (1, "")
    assert "ws://127.0.0.1:9/v1/realtime" in run.err
    assert "Does the server run there?" in run.err
    run = await chat("Hello", PORT="9", HOST="::1")
    assert "ws://[::1]:9/v1/realtime" in run.err
    run = await chat("Hello", "--url", "ftp://chat.example.com")
    assert "an address like https://chat.example.com" in run.err


async def test_an_answer_over_a_line_that_breaks_is_whole(server: ServerProcess, chat: Chat) -> None:
    whole = await chat("Explain WebSocket streaming", "--url", server.url)
    front = Front(server.port)
    front.cut_after_bytes = [7001, 6002]
    async with front.serving():
        run = await chat("Explain WebSocket streaming", "--url", f"http://127.0.0.1:{front.port}")
    assert run.code == 0, run.err
    assert front.connections == 3
    assert run.out == whole.out
    assert "connecting again" in run.err


async def test_a_message_that_was_lost_with_the_line_is_said_once(server: ServerProcess, chat: Chat) -> None:
    front = Front(server.port)
    front.deaf = True

    async def connected() -> None:
        assert front.connections == 1

    async with front.serving():
        running = asyncio.create_task(chat("My name is Ada", "--url", f"http://127.0.0.1:{front.port}"))
        await eventually(connected, timeout_s=60)
        await asyncio.sleep(1)
        front.deaf = False
        await front.cut()
        run = await running
        assert run.code == 0, run.err
        again = await chat("--resume", "What did I say first?", "--url", f"http://127.0.0.1:{front.port}")
    assert "My name is Ada" in again.out


async def test_an_answer_is_given_though_its_server_is_killed(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(DEMO_DELAY_MS="15")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", "chat", "--url", server.url, "Count to 150"),
        cwd=BASE_DIR,
        env=environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    begun = await asyncio.wait_for(process.stdout.readuntil(b" 20,"), 60)
    server.kill()
    server.start()
    rest = await asyncio.wait_for(process.stdout.read(), 90)
    errors = (await process.stderr.read()).decode()
    assert await process.wait() == 0, errors
    answer = ", ".join(str(number) for number in range(1, 151)) + "."
    assert (begun + rest).decode().endswith(answer + "\n")
    assert "interrupted" in errors


async def test_a_tool_runs_only_where_it_was_said_that_it_may(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, chat: Chat
) -> None:
    server = start_shop()
    gemini.then(PAY)
    run = await chat("Pay Ann", "--url", server.url)
    assert ledger.lines() == []
    assert "? " in run.err
    assert "· no" in run.err
    gemini.then(PAY)
    run = await chat("Pay Ann", "--approve", "--url", server.url)
    assert len(ledger.lines()) == 1
    assert run.code == 0, run.err
    assert "Paid 5 to Ann." in run.err


async def test_a_yes_that_is_not_enough_is_no_success(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, chat: Chat
) -> None:
    gemini.then(calls(("move", {"amount": 5000, "to": "Ann"})))
    run = await chat("Move it", "--approve", "--url", start_shop().url)
    assert run.code == 1
    assert "1 more person has to say yes" in run.err
    assert ledger.lines() == []


async def test_an_answer_that_does_not_complete_is_no_success(
    start_shop: StartShop, gemini: GeminiServer, chat: Chat
) -> None:
    server = start_shop()
    gemini.then(Reply((Chunk((text("Half an"),)), Chunk(finish="MAX_TOKENS"))))
    run = await chat("Say more than you can", "--url", server.url)
    assert (run.code, run.out) == (1, "Half an\n")
    assert "max_output_tokens" in run.err


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_A_TERMINAL, *arguments],
            cwd=BASE_DIR,
            env=environment(state, TERM="xterm"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def until(self, awaited: str, *, timeout_s: float = 60) -> str:
        """What was shown up to and with it, since the last time."""
        deadline = time.monotonic() + timeout_s
        while awaited not in self.shown:
            assert time.monotonic() < deadline, f"no {awaited!r} in {self.shown!r}"
            if select.select([self._ours], [], [], 0.2)[0]:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
        before, _, self.shown = self.shown.partition(awaited)
        return before + awaited

    def type(self, line: str) -> None:
        os.write(self._ours, line.encode())

    def close(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        os.close(self._ours)
        return self.process.wait(10)


_IN_A_TERMINAL = """
import fcntl, runpy, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is its
sys.argv = ["manage.py", "chat", *sys.argv[1:]]
runpy.run_path("manage.py", run_name="__main__")
"""
PROMPT = "> \x1b[0m"


def test_a_person_at_a_terminal(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(DEMO_DELAY_MS="10", SESSION_GRACE_SECONDS="0.3")
    terminal = Terminal(tmp_path, "--url", server.url)
    try:
        terminal.until(PROMPT)
        terminal.type("What time is it in Berlin?\n")
        assert "get_time" in terminal.until("it is **")
        terminal.until(PROMPT)
        terminal.type("Count to 2000\n")
        terminal.until(" 9, ")
        terminal.type("\x03")
        assert " 2000" not in terminal.until("client_cancelled")
        terminal.until(PROMPT)
        terminal.type("/nonsense\n")
        terminal.until("There is no /nonsense")
        terminal.until(PROMPT)
        terminal.type("\x04")
        terminal.until("--resume")
        assert terminal.process.wait(30) == 0
    finally:
        terminal.close()
    terminal = Terminal(tmp_path, "--url", server.url, "--resume")
    try:
        assert "What time is it in Berlin?" in terminal.until("Count to 2000")
        terminal.until(PROMPT)
        terminal.type("/quit\n")
        assert terminal.process.wait(30) == 0
    finally:
        terminal.close()


def test_what_a_tool_asks_is_asked_of_whoever_sits_there(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, tmp_path: Path
) -> None:
    server = start_shop()
    gemini.then(PAY)
    terminal = Terminal(tmp_path, "--url", server.url)
    try:
        terminal.until(PROMPT)
        terminal.type("Pay Ann\n")
        terminal.until("yes or no? ")
        assert ledger.lines() == []
        terminal.type("perhaps\n")
        terminal.until("y or n, please")
        terminal.type("y\n")
        terminal.until("Paid 5 to Ann.")
        terminal.until(PROMPT)
        assert len(ledger.lines()) == 1
    finally:
        terminal.close()


def test_a_terminal_obeys_no_word_of_a_models(
    start_shop: StartShop, gemini: GeminiServer, tmp_path: Path
) -> None:
    gemini.then(Reply((Chunk((text("before\x1b]0;a title\x07after\x9b2J"),)), Chunk(finish="STOP"))))
    terminal = Terminal(tmp_path, "--url", start_shop().url)
    try:
        terminal.until(PROMPT)
        terminal.type("Say it\n")
        shown = terminal.until("after")
        assert "before]0;a titleafter" in shown
        assert "\x07" not in shown
    finally:
        terminal.close()
