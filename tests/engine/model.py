"""A model that answers what the test says, at once, and sums up what it is asked to."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from chat.errors import ModelUnreachable, ProviderError
from chat.llm.provider import (
    Completed,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    Usage,
    UserText,
)
from chat.testing import Round, ScriptedModel

NAME = "scripted"


class EngineModel(ScriptedModel):
    """Counts a token for every two bytes of text, so that estimates have to learn it."""

    def __init__(self) -> None:
        super().__init__(name=NAME, otherwise=self._round)
        self.answer: Callable[[str], list[ModelEvent]] = lambda said: [TextDelta(f"Yes: {said[:20]}")]
        self.summary_error: ProviderError | None = None
        self.summary = "THE SUMMARY"
        self.gate: asyncio.Semaphore | None = None
        """Answers wait for it; summaries do not."""
        self.completes = True
        """False: the stream breaks off after its last word, as one does that is cut."""
        self._summariser = ScriptedModel(
            usage=Usage(input_tokens=100, output_tokens=10),
            otherwise=lambda _: self.summary_error or [TextDelta(self.summary)],
        )
        self.summaries = self._summariser.requests

    def fails_to_sum_up(self, *rounds: Round) -> None:
        """The next summaries that it is asked for come to this."""
        self._summariser._rounds.extend(rounds)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        sums_up = request.history[-1].item_id == "compaction"
        return self._summariser.stream(request) if sums_up else super().stream(request)

    def _round(self, request: ModelRequest) -> Round:
        last = request.history[-1]
        usage = Usage(input_tokens=tokens(request), output_tokens=20)
        return [
            *([self.gate.acquire] if self.gate else []),
            *self.answer(last.text if isinstance(last, UserText) else ""),
            Completed(FinishReason.STOP, usage) if self.completes else ModelUnreachable(),
        ]


def tokens(request: ModelRequest) -> int:
    """As this model counts."""
    size = sum(len(getattr(item, "text", "")) for item in request.history) + len(request.instructions)
    return size // 2
