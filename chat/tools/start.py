"""The one moment at which a call starts, or never will: "was not started" has to stay true."""

import asyncio
import threading


class Start:
    """Taken in the tool's own thread, given up in the server's; whoever is first decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = self._given_up = False

    def take(self) -> None:
        """Raises CancelledError when the call was given up before."""
        with self._lock:
            if self._given_up:
                raise asyncio.CancelledError
            self._taken = True

    def give_up(self) -> bool:
        """Whether the call has started; if not, it will not any more."""
        with self._lock:
            self._given_up = True
            return self._taken
