"""The supervisor's children: watched, restarted with growing pauses, ended."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from realtime_ai.processes import Child, describe_exit
from realtime_ai.supervisor.instance import ChildRecord, sole_instance
from realtime_ai.supervisor.plan import SupervisorError
from tests.summary.program import wait_until


@pytest.fixture
def lifeline() -> Iterator[int]:
    read_fd, write_fd = os.pipe()
    yield read_fd
    os.close(read_fd)
    os.close(write_fd)


def child(lifeline: int, code: str) -> Child:
    return Child("worker", [sys.executable, "-c", code], environment=os.environ, lifeline_fd=lifeline)


def wait_for_end(one: Child) -> None:
    deadline = time.monotonic() + 10
    while one.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_crashed_child_starts_again_after_pauses_that_grow(lifeline: int) -> None:
    one = child(lifeline, "raise SystemExit(3)")
    one.start()
    told = []
    now = time.monotonic()
    for _ in range(3):
        wait_for_end(one)
        told += [one.revive(now), one.revive(now + 0.1), one.revive(now + 60)]
    assert told[0] == "worker ended (exit code 3); starts again in 0.5 s"
    assert told[1] is None
    assert told[2] == "worker started again"
    assert [line.split(" in ")[1] for line in told if line and " in " in line] == ["0.5 s", "1 s", "2 s"]
    one.kill()


def test_a_child_that_cannot_be_started_again_is_tried_again(lifeline: int, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o700)
    one = Child("worker", [str(program)], environment=os.environ, lifeline_fd=lifeline)
    one.start()
    wait_for_end(one)
    now = time.monotonic()
    assert one.revive(now)
    program.rename(tmp_path / "away")
    assert one.revive(now + 60) == "worker cannot be started (No such file or directory)"
    assert one.revive(now + 60) == "worker ended (exit code 3); starts again in 1 s"
    (tmp_path / "away").rename(program)
    assert one.revive(now + 62) == "worker started again"
    wait_for_end(one)


def test_a_child_that_ignores_sigterm_is_killed(lifeline: int, tmp_path: Path) -> None:
    ignores = tmp_path / "ignores"
    code = "import pathlib, signal, time; signal.signal(15, signal.SIG_IGN)"
    one = child(lifeline, f"{code}; pathlib.Path({str(ignores)!r}).touch(); time.sleep(60)")
    one.start()
    wait_until(ignores.exists, timeout_s=30, what=lambda: "SIGTERM to be ignored")
    one.signal(signal.SIGTERM)
    assert one.pid
    one.kill()
    assert one.exit_code == -signal.SIGKILL
    assert one.pid is None


def test_exit_codes_are_told_in_words() -> None:
    assert describe_exit(1) == "exit code 1"
    assert describe_exit(-9) == "SIGKILL"


def test_a_second_supervisor_in_one_folder_is_refused(tmp_path: Path) -> None:
    with (
        sole_instance(tmp_path),
        pytest.raises(SupervisorError, match=f"process {os.getpid()}"),
        sole_instance(tmp_path),
    ):
        pass
    with sole_instance(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SupervisorError, match="VAR_DIR"), sole_instance(tmp_path / "file" / "var"):
        pass


def test_leftovers_of_a_killed_supervisor_are_stopped(tmp_path: Path, lifeline: int) -> None:
    one = child(lifeline, "import time; time.sleep(60)")
    one.start()
    assert one.pid
    record = ChildRecord(tmp_path)
    record.write([one.pid])
    assert ChildRecord(tmp_path).stop_leftovers() == 1
    wait_for_end(one)
    assert one.exit_code == -signal.SIGTERM
    assert ChildRecord(tmp_path).stop_leftovers() == 0


def test_a_folder_that_is_gone_or_full_does_not_keep_the_rest_from_being_stopped(tmp_path: Path) -> None:
    ChildRecord(tmp_path / "gone").write([os.getpid()])
    assert ChildRecord(tmp_path / "gone").leftovers() == []


def test_a_recycled_pid_is_nobody_of_ours(tmp_path: Path) -> None:
    mine = psutil.Process()
    (tmp_path / "children.json").write_text(f'[{{"pid": {mine.pid}, "started": {mine.create_time() - 100}}}]')
    assert ChildRecord(tmp_path).leftovers() == []
    with contextlib.suppress(FileNotFoundError):
        (tmp_path / "children.json").write_text("half a li")
    assert ChildRecord(tmp_path).leftovers() == []
