"""Children do not outlive the supervisor: they hold the read end of its pipe, and end when it closes.

However the supervisor goes, also by SIGKILL, the kernel closes the pipe's other end. Unlike Linux's
``PR_SET_PDEATHSIG`` this works on every Unix and does not depend on which thread made the child.
"""

import contextlib
import os
import signal
import threading
import time

FD_VARIABLE = "REALTIME_AI_LIFELINE_FD"
_LAST_SECONDS = 9.0


def watch_supervisor() -> None:
    """In a child: stop, as on SIGTERM, when the supervisor is gone. Does nothing in a process without one."""
    number = os.environ.pop(FD_VARIABLE, None)
    if number is not None:
        threading.Thread(target=_wait, args=(int(number),), name="lifeline", daemon=True).start()


def _wait(fd: int) -> None:
    with contextlib.suppress(OSError):  # a pipe that cannot be read is as good as closed
        while os.read(fd, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST_SECONDS)
    os._exit(1)
