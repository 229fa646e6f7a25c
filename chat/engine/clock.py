"""How long a response takes."""

import time

from chat import metrics
from sessions_app import events as ev


class Clock:
    def __init__(self) -> None:
        self._started = time.monotonic()
        self._first_s: float | None = None
        self.model_s = 0.0
        self.tools_s = 0.0

    def first_token(self) -> None:
        if self._first_s is None:
            self._first_s = time.monotonic() - self._started
            metrics.first_token_seconds.observe(self._first_s)

    def timings(self) -> ev.Timings:
        return ev.Timings(
            first_token_ms=None if self._first_s is None else round(self._first_s * 1000, 1),
            total_ms=round((time.monotonic() - self._started) * 1000, 1),
            model_ms=round(self.model_s * 1000, 1),
            tools_ms=round(self.tools_s * 1000, 1),
        )
