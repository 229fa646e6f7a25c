"""What a model call costs, how much of a history a model is sent, and how large texts are for a model.

Prices and context windows are those of the package genai-prices (docs/decisions/0042): its own snapshot of the vendors'
standard prices, nothing is fetched. `LLM_PRICES` corrects and adds. What nobody knows is unknown, and shown as unknown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from chat.conf import conf
from chat.llm.provider import (
    PDF,
    TEXT,
    FileItem,
    HistoryItem,
    ModelRequest,
    ToolCallItem,
    ToolResultItem,
    Usage,
    UserText,
    text_of,
)
from sessions_app.log.events import FileRef

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

# Costs


_VENDORS = {"gemini": "google", "openai": "openai", "anthropic": "anthropic", "groq": "groq"}
"""Our providers as the package calls them; a model of any other has a price only where the settings give one."""

_ADDED: Mapping[str, Mapping[str, float]] = {
    "demo": {"input": 0, "output": 0, "context": 1_000_000},
    "gemini:gemini-4-hydrogen": {"input": 1.5, "cached": 0.075, "output": 7.5, "context": 1_048_576},
    "gemini:gemini-3.1-pro-preview": {"context": 1_048_576},
}
"""As `LLM_PRICES`: what the package does not know yet (of 14 November and 7 October 2026, ai.google.dev)."""

_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
"""A dated name of a model costs what the model does."""


def cost_microusd(model: str, usage: Usage, *, on: date | None = None) -> int | None:
    """Millionths of a US dollar for one request to ``model`` (as ``PROVIDER:NAME``); None: its price is not known.

    ``usage`` has to be one request's: some vendors charge long ones at another rate.
    """
    cached = min(usage.cached_tokens, usage.input_tokens)
    for own in _own(model):
        if "input" in own and "output" in own:
            full, output = Decimal(str(own["input"])), Decimal(str(own["output"]))
            reduced = Decimal(str(own.get("cached", full)))
            total = (usage.input_tokens - cached) * full + cached * reduced + usage.output_tokens * output
            return _rounded(total)
    rates = _rates(model, on or datetime.now(UTC).date(), usage.input_tokens, cached)
    return None if rates is None else _rounded(rates[0] + usage.output_tokens * rates[1])


@lru_cache(maxsize=4096)
def _rates(model: str, on: date, input_tokens: int, cached_tokens: int) -> tuple[Decimal, Decimal] | None:
    """Microdollars of a request's input, and of each token of its output, whose rate goes by the input. Asked for each piece
    of an answer that has a budget, and looking one up takes some tenths of a millisecond."""
    asked = {"input_tokens": input_tokens, "cache_read_tokens": cached_tokens}
    at = datetime.combine(on, time(), UTC)
    nothing_said = _listed(model, at=at, output_tokens=0, **asked)
    said = _listed(model, at=at, output_tokens=1_000_000, **asked)
    if nothing_said is None or said is None:
        return None
    return nothing_said.total_price * 1_000_000, said.total_price - nothing_said.total_price


def _rounded(microusd: Decimal) -> int:
    return int(microusd.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _own(model: str) -> Iterator[Mapping[str, float]]:
    """What the settings say of the model, then what we add."""
    for known in (conf().prices, _ADDED):
        for name in _names(model):
            if name in known:
                yield known[name]


def _names(model: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((model, _SNAPSHOT.sub("", model))))


def _listed(model: str, *, at: datetime | None = None, **tokens: int) -> "PriceCalculation | None":
    """``tokens`` as genai-prices names them."""
    for one in _names(model):
        vendor, _, name = one.partition(":")
        if vendor not in _VENDORS:
            continue
        from genai_prices import (
            Usage as PricedUsage,
        )  # takes a third of a second, so not before somebody asks
        from genai_prices import calc_price

        try:
            return calc_price(
                PricedUsage(**tokens), name, provider_id=_VENDORS[vendor], genai_request_timestamp=at
            )
        except (LookupError, ValueError):  # not known; known, but not by these kinds of tokens
            continue
    return None


# Windows


UNKNOWN_CONTEXT_TOKENS = 32_000
"""The window that is taken for granted of a model that nobody looked up."""
_LEAST_TOKENS = 500
_OVERHEAD = 0.1
"""Of the window; stays free for what estimates get wrong."""
_OPENAI_ANSWER_TOKENS = 128_000
"""What OpenAI keeps free for the answer, within the window that it tells."""


def history_budget_tokens(model: str) -> int:
    """How many tokens of instructions, tools and history a model is sent at most, estimates included."""
    window = context_tokens(model) or UNKNOWN_CONTEXT_TOKENS
    free = int(window * (1 - _OVERHEAD)) - min(conf().max_output_tokens, window // 2)
    return max(min(conf().history_tokens, free), _LEAST_TOKENS)


def context_tokens(model: str) -> int | None:
    """What one request may hold; None: not known."""
    own = next((own["context"] for own in _own(model) if "context" in own), None)
    if own is not None:
        return int(own)
    return _listed_window(model)


@lru_cache(maxsize=256)
def _listed_window(model: str) -> int | None:
    listed = _listed(model)
    window = listed.model.context_window if listed else None
    if window and model.startswith("openai:"):
        return window - min(_OPENAI_ANSWER_TOKENS, window // 3)
    return window


# Sizes


TOKENS_PER_BYTE = 0.25
"""Until a vendor has counted: four bytes of UTF-8 a token is about right for prose, and too many for no alphabet."""
_ITEM_BYTES = 16
"""What a vendor wraps around an item."""
_LEAST, _MOST = 0.05, 1.0
TEXT_BYTES = 120_000
"""Of a file of text, about what is shown of it: `chat.llm.reading.TEXT_CHARS`."""


def tokens_of(size_bytes: int, tokens_per_byte: float) -> int:
    """``tokens_per_byte`` as the vendor's last count gave it; 0.0: there is none."""
    ratio = min(max(tokens_per_byte, _LEAST), _MOST) if tokens_per_byte else TOKENS_PER_BYTE
    return int(size_bytes * ratio)


def items_bytes(items: Iterable[HistoryItem]) -> int:
    return sum(_item_bytes(item) for item in items)


def request_bytes(request: ModelRequest) -> int:
    tools = len(msgspec.json.encode(request.tools)) if request.tools else 0
    return text_bytes(request.instructions) + tools + items_bytes(request.history)


def text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _item_bytes(item: HistoryItem) -> int:
    name = item.name if isinstance(item, ToolCallItem | ToolResultItem) else ""
    files = sum(map(file_bytes, item.files)) if isinstance(item, UserText) else 0
    return _ITEM_BYTES + len(name) + text_bytes(text_of(item)) + files


_PX_PER_TOKEN = 750
_LONG_EDGE_PX = 1_568
_LEAST_PICTURE_TOKENS = 258
_PAGE_TOKENS = 1_500
_PDF_PAGE_BYTES = 50_000
"""Where the pages cannot be counted."""


def file_tokens(file: FileItem | FileRef) -> int:
    """By the dearest of the vendors' published rules, so that a history is cut too early and not too late: of a picture Claude's,
    its pixels / 750 once its long edge is brought down to 1568, and at least Gemini's 258; of a page of a PDF 1,500; of text as of
    any words."""
    if file.media_type == TEXT:
        return int(min(file.size, TEXT_BYTES) * TOKENS_PER_BYTE)
    if file.media_type == PDF:
        return (file.pages or file.size // _PDF_PAGE_BYTES + 1) * _PAGE_TOKENS
    shrunk = min(1.0, _LONG_EDGE_PX / max(file.width, file.height, 1))
    return max(_LEAST_PICTURE_TOKENS, int(file.width * file.height * shrunk**2 / _PX_PER_TOKEN))


def file_bytes(file: FileItem | FileRef) -> int:
    """As many bytes of text as would take these tokens."""
    return int(file_tokens(file) / TOKENS_PER_BYTE)
