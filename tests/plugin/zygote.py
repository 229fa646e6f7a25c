"""The run's zygote: one process from which the tests' servers are forked. It imports nothing before it is asked.

Linux only: elsewhere a fork of a process that has loaded so much is not safe, and every program is a fresh one.
``TESTS_ZYGOTE=`` (empty) has the same effect.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.pythons import SOCKET_VARIABLE

ROOT = Path(__file__).parents[2]


class _Zygote:
    """Held by the one process that started it; it ends when its stdin does, however this process goes."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rt-zygote-", dir="/tmp"))
        path = str(self._folder / "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(path)
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.zygote", str(listener.fileno())],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        os.environ[SOCKET_VARIABLE] = path

    def stop(self) -> None:
        del os.environ[SOCKET_VARIABLE]
        self._process.communicate(timeout=10)
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    options = early_config.known_args_namespace
    wanted = not (options.help or options.version)
    if wanted and sys.platform == "linux" and SOCKET_VARIABLE not in os.environ:
        early_config.add_cleanup(_Zygote().stop)
    return (yield)
