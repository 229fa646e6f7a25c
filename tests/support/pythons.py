"""A Python program beside the tests: forked by the run's zygote where that can be, else started."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.zygote import MAX_MESSAGE, NUMBER, Request

SOCKET_VARIABLE = "TESTS_ZYGOTE"
"""Names the zygote's socket; where it is not set, every program is a fresh one."""


class ForkedProcess:
    """What `subprocess.Popen` is for a process that is another's child."""

    def __init__(self, request: Request, files: Sequence[int], path: str) -> None:
        """`pid` is 0 where the zygote does not do it."""
        self.args = [sys.executable, *request.arguments]
        self.returncode: int | Any = None
        self._zygote = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._zygote.connect(path)
        message = json.dumps(request).encode()
        assert len(message) < MAX_MESSAGE
        socket.send_fds(self._zygote, [message], files)
        self.pid = self._number()
        if not self.pid:
            self._zygote.close()

    def _number(self) -> int:
        said = self._zygote.recv(NUMBER.size)
        assert said, "the zygote is gone"
        return int(NUMBER.unpack(said)[0])

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._zygote.settimeout(timeout)
            try:
                self.returncode = self._number()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._zygote.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[bytes] | ForkedProcess


def start_python(
    arguments: Sequence[str],
    *,
    env: dict[str, str],
    cwd: Path,
    output: int | None = None,
    pass_fds: Sequence[int] = (),
    group: bool = False,
) -> Process:
    """``output``: the file that takes stdout and stderr, else they are the test's own.

    A test that is about the start itself calls `subprocess`.
    """
    zygote = os.environ.get(SOCKET_VARIABLE)
    if zygote and _interpreters(env) == _interpreters(os.environ.copy()):
        files = [1 if output is None else output, 2 if output is None else output, *pass_fds]
        request = Request(list(arguments), env, str(cwd), [1, 2, *pass_fds], group)
        forked = ForkedProcess(request, files, zygote)
        if forked.pid:
            return forked
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        stdout=output,
        stderr=output,
        pass_fds=pass_fds,
        process_group=0 if group else None,
    )


def _interpreters(env: dict[str, str]) -> dict[str, str]:
    """What Python itself reads, at a start that is over when the zygote forks."""
    return {
        name: value for name, value in env.items() if name.startswith("PYTHON") and name != "PYTHONUNBUFFERED"
    }
