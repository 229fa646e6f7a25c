"""One response's way to an answer: who is asked, how often, and who is asked next (docs/decisions/0014).

Nothing is ever asked again once a word of a round has come: it would be said twice.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from chat.conf import conf
from chat.errors import (
    ModelBadRequest,
    ModelContextTooLong,
    ModelEmptyAnswer,
    ModelNotFound,
    ModelOverloaded,
    ModelQuota,
    ModelRefused,
    ProviderError,
)
from chat.llm.catalog import Candidate
from chat.llm.names import ToolNames, call_id
from chat.llm.provider import (
    Completed,
    FinishReason,
    HistoryItem,
    ModelEvent,
    ModelRequest,
    Provider,
    TextDelta,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
    Usage,
    model_spec,
)
from chat.llm.reading import readable, shows_files, without_files

logger = logging.getLogger(__name__)


# Models in cooldown: not to be asked for a while, because their vendor said so; this process's own memory of it.
#
# Only a quota or an overload that came with a hint counts, and a quota that is spent for good. A hint may be hours long;
# we look again after a minute, since somebody may have raised the quota meanwhile.


MAX_COOLDOWN_S = 60.0

_cooldowns: dict[str, tuple[float, ProviderError]] = {}
"""By model's spec: until when (`time.monotonic`), and what it answered."""


def begin_cooldown(spec: str, error: ProviderError) -> None:
    """Remember the error when it says how long to leave the model alone, or that asking again is of no use."""
    if not isinstance(error, ModelQuota | ModelOverloaded):
        return
    seconds = error.retry_after_s if error.ask_again else error.retry_after_s or MAX_COOLDOWN_S
    if seconds:
        told = type(error)(cause=error.cause, ask_again=error.ask_again)  # without a traceback to hold on to
        _cooldowns[spec] = (time.monotonic() + min(seconds, MAX_COOLDOWN_S), told)


def cooldown_error(spec: str) -> ProviderError | None:
    """None when the model may be asked; else the error that its vendor would give, with the seconds left as hint."""
    until, error = _cooldowns.get(spec, (0.0, None))
    left_s = until - time.monotonic()
    if error is None or left_s <= 0:
        _cooldowns.pop(spec, None)
        return None
    return type(error)(
        cause=f"not asked: its vendor wants to be left alone for {left_s:.1f} s more; it said: {error.cause}",
        retry_after_s=left_s,
        ask_again=error.ask_again,
    )


def forget() -> None:
    """For tests, and when settings change."""
    _cooldowns.clear()


# The one way from a conversation to a vendor and back: what goes is what every vendor takes, what comes is an answer.
#
# A model may say anything. What it said is in the log as it came, and goes back to it, or to the model that takes its
# place, so that nobody refuses the rest of the conversation for it.


_SAYS_NOTHING = (FinishReason.STOP, FinishReason.TOOL_CALLS, FinishReason.OTHER)
"""Ends that mean that nothing was said where nothing was; the others (a limit, a filter) have a reason of their own."""


async def exchange(provider: Provider, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
    """As `Provider.stream`. Nothing comes before the first word or call; without any it raises `ModelEmptyAnswer`."""
    names = ToolNames(spec.name for spec in request.tools)
    held: list[ModelEvent] = []
    said = False
    asked = readable(acceptable(request, names), model_spec(provider.name, request.model))
    async with aclosing(provider.stream(asked)) as stream:
        async for event in stream:
            if isinstance(event, Completed) and not said and event.finish in _SAYS_NOTHING:
                raise _nothing_said(event)
            held.append(_named(event, names))
            said = said or _says_something(event)
            if said or isinstance(event, Completed):
                for one in held:
                    yield one
                held.clear()


def acceptable(request: ModelRequest, names: ToolNames) -> ModelRequest:
    """The request with every name and call id as all vendors take them."""
    choice = request.tool_choice
    return msgspec.structs.replace(
        request,
        history=[_acceptable(item, names) for item in request.history],
        tools=[msgspec.structs.replace(spec, name=names.there(spec.name)) for spec in request.tools],
        tool_choice=choice if choice in {"auto", "none", "required"} else names.there(choice),
    )


def _acceptable(item: HistoryItem, names: ToolNames) -> HistoryItem:
    if isinstance(item, ToolCallItem | ToolResultItem):
        return msgspec.structs.replace(item, name=names.there(item.name), call_id=call_id(item.call_id))
    return item


def _named(event: ModelEvent, names: ToolNames) -> ModelEvent:
    if isinstance(event, ToolCallRequest):
        return msgspec.structs.replace(event, name=names.here(event.name))
    return event


def _says_something(event: ModelEvent) -> bool:
    return isinstance(event, ToolCallRequest) or (isinstance(event, TextDelta) and not _is_blank(event.text))


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _nothing_said(end: Completed) -> ModelEmptyAnswer:
    why = end.vendor_reason or end.finish.value
    return ModelEmptyAnswer(cause=f"neither text nor a call, finish reason {why}", usage=end.usage)


# Who is asked, how often, and who next.


@dataclass(frozen=True, kw_only=True)
class FailedAttempt:
    """One attempt that gave nothing, or broke off, and what is done about it."""

    spec: str
    error: ProviderError
    attempt: int
    """From 1 for each model in each round; 0: it was not asked, because it is in cooldown."""
    next_spec: str = ""
    """Who is asked now; empty: nobody, the response fails."""
    delay_s: float = 0.0

    @property
    def usage(self) -> Usage:
        """What its vendor counts for it all the same: an answer without a word costs like any other."""
        return self.error.usage if isinstance(self.error, ModelEmptyAnswer) else Usage()


class Route:
    """The models of one response, in the order in which they are asked.

    The first that gives an event answers the whole response: its later rounds ask it again and nobody else.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        attempts: int | None = None,
        on_failure: Callable[[FailedAttempt], None] = lambda _: None,
    ) -> None:
        """``attempts`` at each model; None: as the settings say."""
        self._current, *self._fallbacks = candidates
        self._attempts = attempts or conf().model_attempts
        self._on_failure = on_failure
        self._blind = False
        """The current model's vendor has refused a picture or a file: for this response it is given none."""

    def end(self) -> None:
        """No model is asked any more; whoever hears of failures is let go, for it may well hold this."""
        self._on_failure = lambda _: None

    @property
    def current(self) -> Candidate:
        """Who answers, as far as that is known: who is asked now, or was asked last."""
        return self._current

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """As `Provider.stream`, for whichever model answers; the request's own ``model`` does not count.

        Raises the `ProviderError` of the last attempt.
        """
        tries = _Tries(self._attempts)
        await asyncio.sleep(self._begin(tries))
        while True:
            began = False
            try:
                seen = without_files(request) if self._blind else request
                asked = msgspec.structs.replace(seen, model=self._current.model)
                async with aclosing(exchange(self._current.provider, asked)) as stream:
                    async for event in stream:
                        began, self._fallbacks = True, []
                        yield event
                return
            except ProviderError as error:
                if began:
                    self._give_up(error, tries.attempt)
                delay_s = self._after(error, tries, asked)
            await asyncio.sleep(delay_s)

    def _begin(self, tries: "_Tries") -> float:
        """Pass over the models in cooldown while there is another; the seconds to wait for the last one."""
        while (error := cooldown_error(self._current.spec)) is not None:
            wait_s = error.retry_after_s or 0.0
            if self._fallbacks:
                self._switch(error, attempt=0)
            elif error.ask_again and tries.may_wait(wait_s):
                self._tell(error, 0, next_spec=self._current.spec, delay_s=wait_s)
                return wait_s
            else:
                self._give_up(error, 0)
        return 0.0

    def _after(self, error: ProviderError, tries: "_Tries", asked: ModelRequest) -> float:
        """Who is asked after this error is `current`; the seconds until then. Raises the error when nobody is left."""
        if _is_about_files(error) and shows_files(asked, self._current.spec):
            self._blind = True
            self._tell(error, tries.attempt, next_spec=self._current.spec)
            return 0.0
        begin_cooldown(self._current.spec, error)
        delay_s = tries.delay_s(error)
        if error.ask_again and tries.may_ask_again(delay_s) and not (error.retry_after_s and self._fallbacks):
            self._tell(error, tries.attempt, next_spec=self._current.spec, delay_s=delay_s)
            tries.attempt += 1
            return delay_s
        if error.another_may_help and self._fallbacks:
            self._switch(error, attempt=tries.attempt)
            tries.attempt = 1
            return self._begin(tries)
        return self._give_up(error, tries.attempt)

    def _switch(self, error: ProviderError, *, attempt: int) -> None:
        self._tell(error, attempt, next_spec=self._fallbacks[0].spec)
        self._current, self._blind = self._fallbacks.pop(0), False

    def _give_up(self, error: ProviderError, attempt: int) -> float:
        self._tell(error, attempt)
        raise error

    def _tell(self, error: ProviderError, attempt: int, *, next_spec: str = "", delay_s: float = 0.0) -> None:
        then = f"{next_spec} is asked in {delay_s:.1f} s" if next_spec else "nobody is left to ask"
        logger.warning(
            "%s, attempt %d: %s: %s; %s", self._current.spec, attempt, error.code, error.cause, then
        )
        self._on_failure(
            FailedAttempt(
                spec=self._current.spec, error=error, attempt=attempt, next_spec=next_spec, delay_s=delay_s
            )
        )


_FILES = re.compile(
    r"image|picture|\bpdf|document|\bfiles?\b|vision|multi.?modal|media|inline.?data|HTTP 413", re.IGNORECASE
)


def _is_about_files(error: ProviderError) -> bool:
    """A file that the vendor cannot read stands in the conversation for good; each later turn would be refused for it."""
    kinds = ModelBadRequest | ModelNotFound | ModelRefused | ModelContextTooLong
    return isinstance(error, kinds) and bool(_FILES.search(error.cause))


class _Tries:
    """One round's attempts at the current model, and its time."""

    def __init__(self, most: int) -> None:
        self.attempt = 1
        self._most = most
        self._began = time.monotonic()

    def may_ask_again(self, delay_s: float) -> bool:
        return self.attempt < self._most and self.may_wait(delay_s)

    def may_wait(self, delay_s: float) -> bool:
        return time.monotonic() - self._began + delay_s <= conf().model_retry_total_seconds

    def delay_s(self, error: ProviderError) -> float:
        """Doubling, half of it random, so that sessions that failed together do not come back together; behind the
        vendor's hint where there is one."""
        backoff_s = conf().model_retry_seconds * 2.0 ** (self.attempt - 1) * random.uniform(0.5, 1.0)
        return (error.retry_after_s or 0.0) + backoff_s
