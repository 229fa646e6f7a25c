"""How large texts are for a model: bytes that we count, tokens that we estimate from them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import msgspec
from django.core.signals import setting_changed

from chat.conf import conf
from chat.llm.provider import HistoryItem, ModelRequest, ToolCallItem, ToolResultItem, Usage

# What the vendors' models cost and how much they can read, as far as somebody has looked it up, and when.
#
# Prices are the vendors' standard ones in US dollars per million tokens, thinking counted as output; not
# their batch, priority or regional ones. ``as_of`` is the day for which the figures were found, and
# ``source`` the vendor's page that they are from. Whatever is not listed is unknown, and shown as unknown:
# `LLM_PRICES` adds and corrects.


_GEMINI = "https://ai.google.dev/gemini-api/docs/pricing"
_OPENAI = "https://developers.openai.com/api/docs/pricing"
_ANTHROPIC = "https://platform.claude.com/docs/en/about-claude/pricing"
_GROQ = "https://console.groq.com/docs/models"


@dataclass(frozen=True)
class Rates:
    """US dollars per million tokens, which are millionths of a dollar per token."""

    input: Decimal
    cached: Decimal | None
    """For input that the vendor had in its cache; None: not known, and counted as any other input."""
    output: Decimal


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    rates: Rates | None = None
    """None: not known."""
    context_tokens: int | None = None
    """What one request may hold; None: not known."""
    long_above_tokens: int | None = None
    """A request with more input than this is charged by ``long_rates``, as a whole."""
    long_rates: Rates | None = None
    until: date | None = None
    """The last day of ``rates``; from then on ``later_rates`` hold."""
    later_rates: Rates | None = None
    as_of: date | None = None
    source: str = ""


def _usd(input_: str, cached: str | None, output: str) -> Rates:
    return Rates(Decimal(input_), None if cached is None else Decimal(cached), Decimal(output))


def _openai(rates: Rates, long_rates: Rates, as_of: date) -> ModelFacts:
    """The GPT-6 models: a window of 1,050,000 tokens, 128,000 of them for the answer."""
    return ModelFacts(
        rates=rates,
        long_above_tokens=272_000,
        long_rates=long_rates,
        context_tokens=922_000,
        as_of=as_of,
        source=_OPENAI,
    )


def _anthropic(rates: Rates, context_tokens: int | None) -> ModelFacts:
    return ModelFacts(rates=rates, context_tokens=context_tokens, as_of=date(2026, 10, 24), source=_ANTHROPIC)


def _groq(rates: Rates) -> ModelFacts:
    return ModelFacts(rates=rates, context_tokens=131_072, as_of=date(2026, 5, 19), source=_GROQ)


_OCTOBER = date(2026, 10, 7)
_NOVEMBER = date(2026, 11, 5)

PRICE_LIST: dict[str, ModelFacts] = {
    "demo": ModelFacts(rates=_usd("0", "0", "0"), context_tokens=1_000_000, source="built in"),
    "gemini:gemini-4-hydrogen": ModelFacts(
        rates=_usd("1.50", "0.075", "7.50"),
        context_tokens=1_048_576,
        as_of=date(2026, 11, 14),
        source=_GEMINI,
    ),
    "gemini:gemini-3.8-flash": ModelFacts(
        rates=_usd("0.75", "0.075", "3.75"),
        until=date(2026, 12, 31),
        later_rates=_usd("1.50", None, "7.50"),
        context_tokens=1_048_576,
        as_of=_OCTOBER,
        source=_GEMINI,
    ),
    "gemini:gemini-3.5-flash": ModelFacts(
        rates=_usd("1.50", "0.15", "9.00"), context_tokens=1_048_576, as_of=_OCTOBER, source=_GEMINI
    ),
    "gemini:gemini-3.5-flash-lite": ModelFacts(
        rates=_usd("0.30", "0.03", "2.50"), as_of=_OCTOBER, source=_GEMINI
    ),
    "gemini:gemini-3.1-pro-preview": ModelFacts(
        rates=_usd("2.00", "0.20", "12.00"),
        long_above_tokens=200_000,
        long_rates=_usd("4.00", None, "18.00"),
        context_tokens=1_048_576,
        as_of=_OCTOBER,
        source=_GEMINI,
    ),
    "gemini:gemini-3-flash-preview": ModelFacts(
        rates=_usd("0.50", "0.05", "3.00"), context_tokens=1_048_576, as_of=date(2026, 7, 4), source=_GEMINI
    ),
    "openai:gpt-6-astra": _openai(_usd("10", "1.00", "50"), _usd("20", "2.00", "75"), date(2026, 9, 3)),
    "openai:gpt-6.1-sol": _openai(_usd("2", "0.10", "10"), _usd("4", "0.20", "15"), _NOVEMBER),
    "openai:gpt-6.1-terra": _openai(_usd("1", "0.05", "5"), _usd("2", "0.10", "7.50"), _NOVEMBER),
    "openai:gpt-6-sol": _openai(_usd("2", "0.20", "10"), _usd("4", "0.40", "15"), _NOVEMBER),
    "openai:gpt-6-luna": _openai(_usd("0.10", "0.01", "0.50"), _usd("0.20", "0.02", "0.75"), _NOVEMBER),
    "openai:gpt-5.5": ModelFacts(
        rates=_usd("5", "0.50", "30"), context_tokens=1_000_000, as_of=date(2026, 6, 1), source=_OPENAI
    ),
    "openai:gpt-5.4-mini": ModelFacts(
        rates=_usd("0.75", "0.075", "4.50"), as_of=date(2026, 6, 1), source=_OPENAI
    ),
    "openai:gpt-5.4-nano": ModelFacts(
        rates=_usd("0.20", "0.02", "1.25"), as_of=date(2026, 6, 1), source=_OPENAI
    ),
    "anthropic:claude-fable-5-1": _anthropic(_usd("10", "0.25", "50"), 1_000_000),
    "anthropic:claude-opus-5-5": _anthropic(_usd("4", "0.20", "20"), 1_000_000),
    "anthropic:claude-opus-5": _anthropic(_usd("5", "0.50", "25"), 1_000_000),
    "anthropic:claude-sonnet-5-5": _anthropic(_usd("2", "0.10", "10"), 1_000_000),
    "anthropic:claude-sonnet-5": _anthropic(_usd("2", "0.20", "10"), 1_000_000),
    "anthropic:claude-sonnet-4-6": _anthropic(_usd("3", "0.30", "15"), None),
    "anthropic:claude-haiku-5-5": ModelFacts(
        rates=_usd("0.10", "0.01", "0.50"),
        long_above_tokens=100_000,
        long_rates=_usd("0.50", "0.05", "2.50"),
        as_of=date(2026, 10, 24),
        source=_ANTHROPIC,
    ),
    "anthropic:claude-haiku-4-5": _anthropic(_usd("1", "0.10", "5"), 200_000),
    "groq:openai/gpt-oss-120b": _groq(_usd("0.15", "0.075", "0.60")),
    "groq:openai/gpt-oss-20b": _groq(_usd("0.075", "0.037", "0.30")),
}


# What a model call costs, and how much of a history a model is sent.


UNKNOWN_CONTEXT_TOKENS = 32_000
"""The window that is taken for granted of a model that nobody looked up."""
_LEAST_TOKENS = 500
_OVERHEAD = 0.1
"""Of the window; stays free for what estimates get wrong."""
_SNAPSHOT = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
"""A dated name of a model costs what the model does."""


def cost_microusd(model: str, usage: Usage, *, on: date | None = None) -> int | None:
    """Millionths of a US dollar for one request to ``model`` (as ``PROVIDER:NAME``); None: its price is not known.

    ``usage`` has to be one request's: some vendors charge long ones at another rate.
    """
    rates = rates_of(model, input_tokens=usage.input_tokens, on=on)
    if rates is None:
        return None
    cached = rates.input if rates.cached is None else rates.cached
    total = (
        (usage.input_tokens - usage.cached_tokens) * rates.input
        + usage.cached_tokens * cached
        + usage.output_tokens * rates.output
    )
    return int(total.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def rates_of(model: str, *, input_tokens: int = 0, on: date | None = None) -> Rates | None:
    facts = model_facts(model)
    if facts.long_above_tokens is not None and input_tokens > facts.long_above_tokens:
        return facts.long_rates
    if facts.until is not None and (on or datetime.now(UTC).date()) > facts.until:
        return facts.later_rates
    return facts.rates


def history_budget_tokens(model: str) -> int:
    """How many tokens of instructions, tools and history a model is sent at most, estimates included."""
    window = model_facts(model).context_tokens or UNKNOWN_CONTEXT_TOKENS
    free = int(window * (1 - _OVERHEAD)) - min(conf().max_output_tokens, window // 2)
    return max(min(conf().history_tokens, free), _LEAST_TOKENS)


@lru_cache(maxsize=256)
def model_facts(model: str) -> ModelFacts:
    """What is known of a model; the settings' word goes before the list's."""
    own = _from_settings(model)
    if own is not None:
        return own
    plain = _SNAPSHOT.sub("", model)
    return PRICE_LIST.get(model) or _from_settings(plain) or PRICE_LIST.get(plain) or ModelFacts()


def _from_settings(model: str) -> ModelFacts | None:
    given = conf().prices.get(model)
    if given is None:
        return None
    listed = PRICE_LIST.get(model) or ModelFacts()
    context = given.get("context")
    window = listed.context_tokens if context is None else int(context)
    if "input" not in given or "output" not in given:
        return ModelFacts(rates=listed.rates, context_tokens=window, source="LLM_PRICES")
    cached = given.get("cached")
    rates = Rates(
        Decimal(str(given["input"])),
        None if cached is None else Decimal(str(cached)),
        Decimal(str(given["output"])),
    )
    return ModelFacts(rates=rates, context_tokens=window, source="LLM_PRICES")


def _forget(*, setting: str, **_: object) -> None:
    if setting.startswith("CHAT_"):
        model_facts.cache_clear()


setting_changed.connect(_forget, dispatch_uid="chat.llm.prices")


TOKENS_PER_BYTE = 0.25
"""Until a vendor has counted: four bytes of UTF-8 a token is about right for prose, and too many for no alphabet."""
_ITEM_BYTES = 16
"""What a vendor wraps around an item."""
_LEAST, _MOST = 0.05, 1.0


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
    match item:
        case ToolCallItem():
            return _ITEM_BYTES + len(item.name) + text_bytes(item.arguments)
        case ToolResultItem():
            return _ITEM_BYTES + len(item.name) + text_bytes(item.output)
        case _:
            return _ITEM_BYTES + text_bytes(item.text)
