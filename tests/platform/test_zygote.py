"""A program that the tests fork is the program that they would start."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.pythons import SOCKET_VARIABLE, ForkedProcess, Process, start_python

pytestmark = pytest.mark.skipif(
    not os.environ.get(SOCKET_VARIABLE), reason="every program is a fresh one here"
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def run(
    program: Path,
    code: str,
    *arguments: str,
    pass_fds: Sequence[int] = (),
    group: bool = False,
    env: dict[str, str] | None = None,
) -> tuple[Process, Path]:
    program.write_text(code)
    printed = program.with_name("printed")
    with printed.open("wb") as output:
        process = start_python(
            [str(program), *arguments],
            env={**os.environ, **(env or {})},
            cwd=program.parent,
            output=output.fileno(),
            pass_fds=pass_fds,
            group=group,
        )
    return process, printed


def result(program: Path, code: str, *arguments: str, **env: str) -> tuple[int, str]:
    """Of a program that is forked."""
    process, printed = run(program, code, *arguments, env=env)
    assert isinstance(process, ForkedProcess)
    return process.wait(30), printed.read_text()


def test_it_has_its_own_arguments_environment_and_folder(written: Path) -> None:
    code = "import os, sys; print(sys.argv[1:], os.environ['MINE'], os.environ.get('PATH'), os.getcwd(), __name__)"
    code += "; print(sys.path[0])"
    said = f"['one', 'two'] yes {os.environ['PATH']} {written.parent} __main__\n{written.parent}\n"
    assert result(written, code, "one", "two", MINE="yes") == (0, said)


def test_it_has_nothing_of_the_zygote_but_imports_of_others(written: Path) -> None:
    code = """
import os, signal, sys, threading
from django.conf import settings
open_fds = set()
for number in range(256):
    try:
        os.fstat(number)
    except OSError:
        continue
    open_fds.add(number)
print(open_fds - {0, 1, 2}, threading.active_count(), settings.configured, signal.getsignal(signal.SIGCHLD).name)
print({"realtime_ai", "chat", "identity", "sessions_app", "twisted.internet.reactor"} & set(sys.modules))
print(sys.stdin.read() == "", "uvicorn" in sys.modules)
"""
    assert result(written, code) == (0, "set() 1 False SIG_DFL\nset()\nTrue True\n")


@pytest.mark.parametrize(
    ("code", "returned", "told"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import atexit; atexit.register(print, 'at its end')", 0, "at its end\n"),
        (
            "import threading; threading.Timer(0.1, print, ['a thread ends first']).start()",
            0,
            "a thread ends first\n",
        ),
    ],
)
def test_its_end_is_a_programs_end(written: Path, code: str, returned: int, told: str) -> None:
    assert result(written, code) == (returned, told)


def test_an_exception_is_told(written: Path) -> None:
    returned, told = result(written, "raise ValueError('broken')")
    assert returned == 1
    assert told.endswith("ValueError: broken\n")


@pytest.fixture
def sleeping(written: Path) -> Iterator[ForkedProcess]:
    process, _ = run(written, "import time; time.sleep(60)", group=True)
    assert isinstance(process, ForkedProcess)
    yield process
    process.kill()
    process.wait(10)


def test_it_is_waited_for_and_ended_by_signals(sleeping: ForkedProcess) -> None:
    assert sleeping.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        sleeping.wait(0.01)
    sleeping.terminate()
    assert sleeping.wait(10) == -signal.SIGTERM
    assert sleeping.poll() == sleeping.returncode == -signal.SIGTERM
    sleeping.kill()  # it is gone, which is no error


def test_it_leads_a_group_where_that_is_asked_for(sleeping: ForkedProcess) -> None:
    assert os.getpgid(sleeping.pid) == sleeping.pid


def test_descriptors_keep_their_numbers(written: Path) -> None:
    ends = [os.pipe() for _ in range(5)]
    writing = [end[1] for end in ends]
    code = "import os, sys\nfor number in sys.argv[1:]: os.write(int(number), number.encode())"
    program, _ = run(written, code, *map(str, writing), pass_fds=writing)
    assert isinstance(program, ForkedProcess)
    assert program.wait(30) == 0
    assert [os.read(end[0], 10).decode() for end in ends] == [str(number) for number in writing]
    for end in ends:
        os.close(end[0])
        os.close(end[1])


@pytest.mark.parametrize(
    "env", [{"OPENAI_LOG": "debug"}, {"PYTHONWARNINGS": "error"}], ids=["a package's", "Python's own"]
)
def test_what_was_read_before_the_fork_cannot_be_changed_by_it(written: Path, env: dict[str, str]) -> None:
    """It is started then."""
    env = {**env, "LLM_MODEL": "openai:any"}
    process, _ = run(written, "", env=env)
    assert isinstance(process, subprocess.Popen)
    assert process.args == [sys.executable, str(written)]
    assert process.wait(30) == 0
