"""A provider that plays what it is told, one script for each round, and remembers what it was asked."""

import time
from collections import deque
from collections.abc import AsyncGenerator

from chat.errors import ProviderError
from chat.llm.catalog import Candidate
from chat.llm.provider import Completed, FinishReason, ModelEvent, ModelRequest, Provider, TextDelta

Script = list[str | ProviderError]
"""Words, and an error where the stream breaks off."""


class Scripted(Provider):
    name = "scripted"

    def __init__(self, *scripts: Script) -> None:
        self._scripts = deque(scripts)
        self.asked: list[ModelRequest] = []
        self.asked_at: list[float] = []
        self.closed = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.asked.append(request)
        self.asked_at.append(time.monotonic())
        try:
            for step in self._scripts.popleft():
                if isinstance(step, ProviderError):
                    raise step
                yield TextDelta(step)
            yield Completed(FinishReason.STOP)
        finally:
            self.closed += 1


def candidate(name: str, *scripts: Script) -> tuple[Candidate, Scripted]:
    provider = Scripted(*scripts)
    return Candidate(f"scripted:{name}", provider, name), provider
