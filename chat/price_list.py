"""What the vendors' models cost and how much they can read, as far as somebody has looked it up, and when.

Prices are the vendors' standard ones in US dollars per million tokens, thinking counted as output; not their batch,
priority or regional ones. ``as_of`` is the day for which the figures were found, and ``source`` the vendor's page
that they are from. Whatever is not listed is unknown, and shown as unknown: `LLM_PRICES` adds and corrects.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

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
