"""A model that answers what the test says, at once, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from chat.errors import ModelUnreachable, ProviderError
from chat.llm.provider import (
    Completed,
    FinishReason,
    ModelEvent,
    ModelRequest,
    Provider,
    TextDelta,
    Usage,
    UserText,
)

NAME = "scripted"


class ScriptedModel(Provider):
    """Counts a token for every two bytes of text, so that estimates have to learn it."""

    name = NAME

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        self.summaries: list[ModelRequest] = []
        self.answer: Callable[[str], list[ModelEvent]] = lambda said: [TextDelta(f"Yes: {said[:20]}")]
        self.summary_error: ProviderError | None = None
        self.summary = "THE SUMMARY"
        self.gate: asyncio.Semaphore | None = None
        """Answers wait for it; summaries do not."""
        self.completes = True
        """False: the stream breaks off after its last word, as one does that is cut."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        last = request.history[-1]
        if last.item_id == "compaction":
            self.summaries.append(request)
            if self.summary_error:
                raise self.summary_error
            yield TextDelta(self.summary)
            yield Completed(FinishReason.STOP, Usage(input_tokens=100, output_tokens=10))
            return
        self.requests.append(request)
        if self.gate:
            await self.gate.acquire()
        events = self.answer(last.text if isinstance(last, UserText) else "")
        for event in events:
            yield event
        if not self.completes:
            raise ModelUnreachable
        yield Completed(FinishReason.STOP, Usage(input_tokens=tokens(request), output_tokens=20))


def tokens(request: ModelRequest) -> int:
    """As this model counts."""
    size = sum(len(getattr(item, "text", "")) for item in request.history) + len(request.instructions)
    return size // 2
