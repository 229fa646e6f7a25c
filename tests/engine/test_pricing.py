"""What a model call costs, and how much of a history a model is sent."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from chat.llm.prices import PRICE_LIST, UNKNOWN_CONTEXT_TOKENS, cost_microusd, history_budget_tokens, rates_of
from chat.llm.provider import Usage

NOVEMBER, NEXT_YEAR = date(2026, 11, 21), date(2027, 1, 1)
FLASH = "gemini:gemini-3.8-flash"


def usage(input_: int = 0, output: int = 0, cached: int = 0) -> Usage:
    return Usage(input_tokens=input_, output_tokens=output, cached_tokens=cached)


@pytest.mark.parametrize(
    ("model", "used", "microusd"),
    [
        (FLASH, usage(1_000_000), 750_000),
        (FLASH, usage(0, 1_000_000), 3_750_000),
        (FLASH, usage(1_000_000, 0, 1_000_000), 75_000),
        (FLASH, usage(1_000, 100, 400), 855),
        (FLASH, usage(1), 1),  # 0.75 millionths
        ("demo", usage(1_000_000, 1_000_000), 0),
        ("openai:gpt-6-luna", usage(272_000), 27_200),
        ("openai:gpt-6-luna", usage(272_001), 54_400),
        ("anthropic:claude-haiku-4-5-20251001", usage(1_000), 1_000),
    ],
)
def test_a_call_costs_what_the_list_says(model: str, used: Usage, microusd: int) -> None:
    assert cost_microusd(model, used, on=NOVEMBER) == microusd


def test_an_unknown_model_costs_an_unknown_sum() -> None:
    assert cost_microusd("openai:gpt-99", usage(1_000, 1_000)) is None
    assert cost_microusd("compatible:llama", usage()) is None


def test_a_price_with_an_end_changes_on_its_day() -> None:
    assert cost_microusd(FLASH, usage(1_000), on=date(2026, 12, 31)) == 750
    assert cost_microusd(FLASH, usage(1_000), on=NEXT_YEAR) == 1_500
    assert cost_microusd(FLASH, usage(1_000, 0, 1_000), on=NEXT_YEAR) == 1_500  # nobody knows the cached one


def test_the_settings_prices_go_first(settings: Any) -> None:
    settings.CHAT_PRICES = {
        FLASH: {"input": 2, "cached": 0.5, "output": 8},
        "compatible:llama": {"context": 8_192},
    }
    assert cost_microusd(FLASH, usage(2_000, 10, 1_000)) == 2_000 + 500 + 80
    assert rates_of("compatible:llama") is None
    assert 500 <= history_budget_tokens("compatible:llama") < 4_000


def test_a_small_window_lowers_what_is_sent_and_a_large_one_does_not_raise_it(settings: Any) -> None:
    assert history_budget_tokens(FLASH) == 64_000
    assert history_budget_tokens("compatible:unknown") < UNKNOWN_CONTEXT_TOKENS - 8_192
    settings.CHAT_HISTORY_TOKENS = 1_000
    assert history_budget_tokens("compatible:unknown") == 1_000


@pytest.mark.parametrize("model", PRICE_LIST)
def test_every_entry_says_where_it_is_from(model: str) -> None:
    facts = PRICE_LIST[model]
    assert facts.rates is not None
    assert facts.rates.output >= facts.rates.input >= (facts.rates.cached or Decimal(0))
    assert (facts.long_above_tokens is None) == (facts.long_rates is None)
    assert (facts.until is None) == (facts.later_rates is None)
    if model != "demo":
        assert facts.source.startswith("https://")
        assert facts.as_of is not None
        assert facts.as_of <= NOVEMBER
