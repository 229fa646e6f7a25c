"""A model that says the time: each delta is the moment at which it was made, so that its delay can be measured."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator

from chat.llm.provider import Completed, FinishReason, ModelEvent, ModelRequest, Provider, TextDelta, UserText


class ClockProvider(Provider):
    """The last user message is ``FIRST_S CHUNKS PER_SECOND``: seconds to the first token, then how many, how fast."""

    name = "clock"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        last = next(item for item in reversed(request.history) if isinstance(item, UserText))
        first_s, chunks, per_second = (float(word) for word in last.text.split())
        due = time.monotonic() + first_s + random.random() / per_second * (first_s == 0)
        for _ in range(int(chunks)):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += 1 / per_second
            yield TextDelta(f"{time.time():.6f} ")
        yield Completed(FinishReason.STOP)
