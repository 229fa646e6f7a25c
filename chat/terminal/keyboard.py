"""What a person types: whole lines of a terminal, and Ctrl-C, without a thread that nobody could end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator

INTERRUPT = "\x03"
"""Stands for Ctrl-C."""


class Keyboard:
    def __init__(self, fd: int = 0) -> None:
        self._fd = fd
        self._typed: asyncio.Queue[str | None] = asyncio.Queue()
        self._rest = b""

    @contextlib.contextmanager
    def open(self) -> Iterator["Keyboard"]:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._fd, self._read)  # the terminal edits the line; it is readable once that is sent
        loop.add_signal_handler(signal.SIGINT, self._typed.put_nowait, INTERRUPT)
        try:
            yield self
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_reader(self._fd)

    async def lines(self) -> AsyncIterator[str]:
        """Until Ctrl-D."""
        while (line := await self._typed.get()) is not None:
            yield line

    def end(self) -> None:
        """As if Ctrl-D had been typed."""
        self._typed.put_nowait(None)

    def _read(self) -> None:
        try:
            read = os.read(self._fd, 65536)
        except OSError:
            read = b""  # the terminal is gone
        if not read:
            asyncio.get_running_loop().remove_reader(self._fd)
            self.end()
            return
        *whole, self._rest = (self._rest + read).split(b"\n")
        for line in whole:
            self._typed.put_nowait(line.decode(errors="replace"))
