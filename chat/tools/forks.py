"""What a tool's forked child must not keep: the server's port, and the sockets of its clients.

A child without an ``exec`` has every socket of its parent. When the server ends, they stay open in it: the port is taken, and
clients are not told that they have lost their server. So the child lets go of them before anything else runs in it.
"""

import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

_served: set[int | str] = set()
"""TCP ports, and the paths of Unix sockets."""


def serves_on(server: Sequence[str | int | None] | None) -> None:
    """``server`` of an ASGI scope: [host, port], or [path, None]."""
    if server and (address := server[0] if server[1] is None else server[1]):
        _served.add(address)


def _let_go() -> None:
    """Each is replaced, not closed: its number must not become another file's while the parent's objects name it."""
    if not _served:
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for name in [one.name for one in Path("/dev/fd").iterdir()]:
        if _is_served(int(name)):
            os.dup2(nowhere, int(name), inheritable=False)
    os.close(nowhere)


def _is_served(fd: int) -> bool:
    """The listening socket, or one that was accepted by it: both have its address as their own."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return False
        one = socket.socket(fileno=fd)
    except OSError:
        return False
    try:
        name = one.getsockname()
        return (name if one.family == socket.AF_UNIX else name[1]) in _served
    except (OSError, IndexError):
        return False
    finally:
        one.detach()


os.register_at_fork(after_in_child=_let_go)
