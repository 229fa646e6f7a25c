"""Children end when their supervisor is gone."""

import os
import signal
import subprocess
import sys

from realtime_ai.env import BASE_DIR
from realtime_ai.processes import FD_VARIABLE
from tests.platform.support import clean_environment

CHILD = "import time; from realtime_ai.processes import watch_supervisor; watch_supervisor(); print('up', flush=True); time.sleep(60)"


def test_a_child_gets_sigterm_when_the_pipe_closes() -> None:
    read_fd, write_fd = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=BASE_DIR,
        env=clean_environment(**{FD_VARIABLE: str(read_fd)}),
        pass_fds=[read_fd],
        stdout=subprocess.PIPE,
    ) as child:
        os.close(read_fd)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        assert child.poll() is None
        os.close(write_fd)
        assert child.wait(5) == -signal.SIGTERM


def test_a_process_without_a_supervisor_is_left_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD.replace("time.sleep(60)", "print('still here')")],
        cwd=BASE_DIR,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "up\nstill here\n"
