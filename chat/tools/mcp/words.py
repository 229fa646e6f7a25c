"""What an MCP server says of itself, fit for a log: short, on one line, without the secrets that we gave it."""

import logging
import time
from collections import deque

from chat.tools.mcp.config import McpServer

logger = logging.getLogger(__name__)

MAX_CHARS = 300
KEPT_LINES = 5
LINES_PER_SECOND = 20


class Words:
    """Keeps the last lines of a server's stderr, and logs some of them."""

    def __init__(self, server: McpServer) -> None:
        self._name = server.name
        self._secrets = server.secrets()
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._second, self._lines = 0, 0

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = " ".join(text.split())
        return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}…"

    def of(self, error: BaseException) -> str:
        """The first cause of a group, by its own words."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return self.clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

    def hear(self, text: str) -> None:
        for line in text[-MAX_CHARS * 4 * KEPT_LINES :].splitlines():
            if line.strip():
                self._last.append(line)
                self._log(line)

    def last(self) -> str:
        return self.clean(" / ".join(self._last))

    def _log(self, line: str) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines <= LINES_PER_SECOND:
            logger.debug("MCP server %r wrote: %s", self._name, self.clean(line))
