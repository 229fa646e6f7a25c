"""The leash: a server that we start does not outlive us, and cannot drown us."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from chat.tools.mcp import leash
from tests.mcp.conftest import alive
from tests.support.waiting import eventually

LEASH = Path(leash.__file__)


@pytest.fixture
def started() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Whatever a test starts; none is left behind."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def leashed(started: list["subprocess.Popen[bytes]"], program: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(LEASH), sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    started.append(process)
    return process


def read_until_ended(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    return process.communicate(timeout=60)


def test_json_objects_pass_and_what_is_printed_goes_to_stderr(
    started: list["subprocess.Popen[bytes]"],
) -> None:
    program = "print('hello'); print('{\"a\": 1}'); print('   '); print('[1]'); print(' {\"b\": 2}')"
    out, err = read_until_ended(leashed(started, program))
    assert out == b'{"a": 1}\n {"b": 2}\n'
    assert err.startswith(b"hello\n")
    assert b"[1]\n" in err
    assert b"ended with status 0" in err


def test_a_long_message_passes_byte_for_byte(started: list["subprocess.Popen[bytes]"]) -> None:
    program = "import json; print(json.dumps({'text': 'äöü ' * 1_000_000}))"
    out, _ = read_until_ended(leashed(started, program))
    assert json.loads(out) == {"text": "äöü " * 1_000_000}


def test_a_line_without_end_is_the_end(started: list["subprocess.Popen[bytes]"]) -> None:
    program = "import sys\nwhile True: sys.stdout.write('{' + 'x' * 1_000_000)"
    out, err = read_until_ended(leashed(started, program))
    assert out == b""
    assert b"had more than 33554432 bytes" in err


def test_what_it_reads_is_the_commands(started: list["subprocess.Popen[bytes]"]) -> None:
    program = "import sys\nfor line in sys.stdin: print('{\"heard\": ' + line.strip() + '}', flush=True)"
    process = leashed(started, program)
    assert process.stdin
    assert process.stdout
    for number in range(3):
        process.stdin.write(f"{number}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"heard": number}


def test_a_flood_of_lines_is_slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(leash, "time", SimpleNamespace(sleep=slept.append, monotonic=lambda: 100.0))
    pace = leash.Pace(500.0)
    for _ in range(2_000):
        pace.take(1)
    assert slept == [], "a burst may pass"
    pace.take(100)
    assert slept == [pytest.approx(0.2)]


STUBBORN = """
import json, os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[1:] != ["grandchild"]:
    grandchild = subprocess.Popen([sys.executable, __file__, "grandchild"])
    print(json.dumps({"pids": [os.getpid(), grandchild.pid]}), flush=True)
time.sleep(600)
"""
HOLDER = """
import subprocess, sys, time
child = subprocess.Popen({command!r}, stdin=subprocess.PIPE, stdout=sys.stdout, start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def held(started: list["subprocess.Popen[bytes]"], program: Path) -> "subprocess.Popen[bytes]":
    """A process that holds the leash of a stubborn command; prints their ids."""
    program.write_text(STUBBORN, encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(LEASH), sys.executable, str(program)]
    holder = subprocess.Popen([sys.executable, "-c", HOLDER.format(command=command)], stdout=subprocess.PIPE)
    started.append(holder)
    return holder


async def test_what_was_started_does_not_outlive_a_killed_server(
    started: list["subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    """The process that holds it is killed with SIGKILL; the command ignores SIGTERM and the end of stdin, and so does
    what it started itself."""
    holder = held(started, tmp_path / "stubborn.py")
    assert holder.stdout
    lines = [holder.stdout.readline(), holder.stdout.readline()]
    leash_pid = next(int(line) for line in lines if not line.startswith(b"{"))
    pids = [leash_pid, *json.loads(next(line for line in lines if line.startswith(b"{")))["pids"]]
    try:
        assert all(alive(pid) for pid in pids)
        os.kill(holder.pid, signal.SIGKILL)

        async def gone() -> None:
            assert not any(alive(pid) for pid in pids)

        await eventually(gone, timeout_s=60)
    finally:
        for pid in pids:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
