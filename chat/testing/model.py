"""A model that plays a script, and remembers what it was asked."""

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec

from chat.llm.provider import (
    Completed,
    FinishReason,
    ModelEvent,
    ModelRequest,
    Provider,
    TextDelta,
    ToolCallRequest,
    Usage,
)
from sessions_app.ids import new_id

_Alone = str | float | ModelEvent | Exception
Step = _Alone | Callable[[], Awaitable[object]]
"""One thing that a `ScriptedModel` does in a round."""
Round = _Alone | Sequence[Step]
"""All that it does when it is asked once."""
_WORD = re.compile(r"\s*\S+\s*|\s+")


class ScriptEnded(AssertionError):
    """The model was asked more often than its script has rounds; the message says what it was asked."""


def calls(name: str, /, **arguments: Any) -> ToolCallRequest:
    """As a step of a script: the model wants the tool ``name``, with these arguments."""
    return ToolCallRequest(new_id("call"), name, msgspec.json.encode(arguments).decode())


class ScriptedModel(Provider):
    """Plays one round of its script each time that it is asked; after a tool call it is asked again, with the result.

    A round is a step or a list of steps, or a function that is given the `ModelRequest` and returns one. A step is

    - a text: streamed word by word;
    - `calls`, or any other event of a provider's stream: given as it is, a `TextDelta` in one piece;
    - an exception: raised, so the stream breaks off there. Where nothing came before a `ProviderError` that may pass, the
      server asks the same model again, which is the next round;
    - a number: so many seconds of silence;
    - in a list, an async function such as ``asyncio.Event.wait``: called and waited for.

    A round ends in a `Completed` of its own, or in one with the reason "tool_calls" or "stop" and the model's ``usage``.
    """

    def __init__(
        self,
        *rounds: Round | Callable[[ModelRequest], Round],
        name: str = "scripted",
        usage: Usage | None = None,
        otherwise: Callable[[ModelRequest], Round] | None = None,
    ) -> None:
        """``otherwise``: what it says when its script is over; None: it raises `ScriptEnded`."""
        self.name = name
        self.requests: list[ModelRequest] = []
        """What it was asked, in order: the history, the instructions, the tools that it was offered."""
        self.asked_at: list[float] = []
        """When, by ``time.monotonic()``."""
        self.closed = 0
        """How many of its streams are over, of their own or because they were closed."""
        self.ended: ScriptEnded | None = None
        """It was asked for more than its script has."""
        self._rounds = deque(rounds)
        self._usage = usage or Usage()
        self._otherwise = otherwise

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """One round. Raises what its script says, or `ScriptEnded`."""
        self.requests.append(request)
        self.asked_at.append(time.monotonic())
        finish = FinishReason.STOP
        try:
            for step in _steps(self._next(request)):
                if isinstance(step, Exception):
                    raise step.with_traceback(None)
                if isinstance(step, float | int):
                    await asyncio.sleep(step)
                elif callable(step):
                    await step()
                else:
                    yield step
                if isinstance(step, Completed):
                    return
                if isinstance(step, ToolCallRequest):
                    finish = FinishReason.TOOL_CALLS
            yield Completed(finish, self._usage)
        finally:
            self.closed += 1

    def _next(self, request: ModelRequest) -> Round:
        one = self._rounds.popleft() if self._rounds else self._otherwise
        if one is None:
            self.ended = ScriptEnded(
                f"{self.name} was asked {len(self.requests)} times, its script has {len(self.requests) - 1} rounds; "
                f"the last thing that it was told: {request.history[-1] if request.history else 'nothing'}"
            )
            raise self.ended
        return one(request) if callable(one) else one


def _steps(said: Round) -> Iterator[ModelEvent | float | Exception | Callable[[], Awaitable[object]]]:
    """Texts cut into their words."""
    for step in [said] if isinstance(said, str) or not isinstance(said, Sequence) else said:
        if isinstance(step, str):
            yield from map(TextDelta, _WORD.findall(step))
        else:
            yield step
