"""What one response costs, counted while it is written: by the vendor's counts, and where they are missing by its texts."""

from collections.abc import Callable

from chat.engine.sizes import request_bytes, tokens_of
from chat.messages import ModelRequest, Usage
from chat.pricing import cost_microusd


class Meter:
    """``model`` says who answers now, as ``PROVIDER:NAME``; ``tokens_per_byte`` is as the vendor's last count gave it."""

    def __init__(self, model: Callable[[], str], tokens_per_byte: float) -> None:
        self._model = model
        self._tokens_per_byte = tokens_per_byte
        self._finished: int | None = 0
        self._round: Usage | None = None
        self._request_bytes = 0
        self._output_bytes = 0
        self._answered = False
        self.context_tokens = 0
        self.context_bytes = 0
        self.estimated = False

    def begin(self, request: ModelRequest) -> None:
        """A request goes out."""
        self._request_bytes, self._output_bytes, self._answered = request_bytes(request), 0, False
        self._round = self._guess()

    def received(self, size_bytes: int) -> None:
        self._answered = True
        self._output_bytes += size_bytes
        self._round = self._guess()

    def complete(self, usage: Usage) -> None:
        """The vendor's count of the request; all zero: it gave none."""
        if usage == Usage():
            self.give_up()
            return
        self._add(usage)
        self.context_tokens, self.context_bytes = usage.input_tokens, self._request_bytes

    def wasted(self, usage: Usage) -> None:
        """An attempt gave nothing to show and is counted all the same; the request goes out again."""
        running = self._round
        self.estimated = self.estimated or usage == Usage()
        self._add(self._guess() if usage == Usage() else usage)
        self._round = running

    def refused(self) -> None:
        """The vendor failed the request: before its first word it charges nothing."""
        if self._answered:
            self.give_up()
        self._round = None

    def give_up(self) -> None:
        """The request ends without the vendor's count, if one is under way."""
        if self._round is not None:
            self.estimated = True
            self._add(self._round)

    @property
    def microusd(self) -> int | None:
        """So far; None: the model's price is not known."""
        if self._finished is None or self._round is None:
            return self._finished
        running = cost_microusd(self._model(), self._round)
        return None if running is None else self._finished + running

    def _add(self, usage: Usage) -> None:
        cost = cost_microusd(self._model(), usage)
        self._finished = None if self._finished is None or cost is None else self._finished + cost
        self._round = None

    def _guess(self) -> Usage:
        return Usage(
            input_tokens=tokens_of(self._request_bytes, self._tokens_per_byte),
            output_tokens=tokens_of(self._output_bytes, self._tokens_per_byte),
        )
