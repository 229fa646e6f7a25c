"""Stands between this server and an MCP server that it started: ``python leash.py COMMAND [ARGUMENT ...]``.

It starts the command, hands it its own stdin, and passes its stdout on line by line. So the command does not outlive
us: however we go, also by SIGKILL, the kernel closes the other end of stdin, and what has not ended some seconds later
is killed with all that it started. And it cannot drown us: a line may have 32 MiB, lines that are no JSON objects (what
a program prints) go to stderr, and what comes faster than ``LINES_PER_SECOND`` waits.

It runs as a script, without the project's packages: standard library only.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

MAX_LINE_BYTES = 32 * 1024 * 1024
CHUNK_BYTES = 65_536
LINES_PER_SECOND = 500.0
BYTES_PER_SECOND = 8.0 * 1024 * 1024
BURST_SECONDS = 4.0
LAST_SECONDS = 6.0
"""Longer than the SDK gives it (2 seconds to end by itself, 2 more after SIGTERM)."""
CANNOT_START = 127


class LineTooLongError(Exception):
    """A line without an end."""


class Pace:
    """A bucket of ``per_second`` times ``BURST_SECONDS``; what overdraws it waits."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second * BURST_SECONDS
        self._at = time.monotonic()

    def take(self, amount: float) -> None:
        now = time.monotonic()
        self._left += (now - self._at) * self._per_second
        self._left = min(self._left, self._per_second * BURST_SECONDS) - amount
        self._at = now
        if self._left < 0:
            time.sleep(min(-self._left / self._per_second, 1.0))


class Lines:
    """Cuts what it is fed into lines, and passes on whole ones: JSON objects to stdout, all else to stderr."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._length = 0
        self._lines, self._bytes = Pace(LINES_PER_SECOND), Pace(BYTES_PER_SECOND)

    def feed(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            self._add(piece)
            _write(b"".join([*self._begun, b"\n"]))
            self._begun, self._length = [], 0
        self._add(rest)
        self._lines.take(len(whole))
        self._bytes.take(len(chunk))

    def _add(self, piece: bytes) -> None:
        self._begun.append(piece)
        self._length += len(piece)
        if self._length > MAX_LINE_BYTES:
            raise LineTooLongError


def _write(line: bytes) -> None:
    target = 1 if line.lstrip()[:1] == b"{" else 2
    view = memoryview(line)
    while view:
        view = view[os.write(target, view) :]


def pump(child: "subprocess.Popen[bytes]") -> None:
    """Until the child's stdout ends, or its last seconds after our stdin did."""
    assert child.stdout
    lines, output = Lines(), child.stdout.fileno()
    poll = select.poll()
    poll.register(output, select.POLLIN)
    poll.register(0, 0)  # POLLHUP alone, without reading what is the child's
    ends_at: float | None = None
    while ends_at is None or time.monotonic() < ends_at:
        ready = dict(poll.poll(None if ends_at is None else 200))
        if 0 in ready:
            poll.unregister(0)
            ends_at = time.monotonic() + LAST_SECONDS
        if output in ready:
            chunk = os.read(output, CHUNK_BYTES)
            if not chunk:
                return
            lines.feed(chunk)


def main(command: list[str]) -> int:
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return CANNOT_START
    try:
        pump(child)
        print(f"{command[0]} ended with status {child.wait(LAST_SECONDS)}", file=sys.stderr)
    except LineTooLongError:
        print(f"a line of its output had more than {MAX_LINE_BYTES} bytes", file=sys.stderr)
    except (OSError, subprocess.TimeoutExpired):
        pass  # nobody listens any more, or it does not end by itself
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os.killpg(0, signal.SIGKILL)  # the command, what it started and left behind, and this process
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
