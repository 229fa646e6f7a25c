"""What a model call costs, and how much of a history a model is sent."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from chat.llm.prices import UNKNOWN_CONTEXT_TOKENS, context_tokens, cost_microusd, history_budget_tokens
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
    assert cost_microusd(FLASH, usage(1_000, 0, 1_000), on=NEXT_YEAR) == 150


def test_the_settings_prices_go_first(settings: Any) -> None:
    settings.CHAT_PRICES = {
        FLASH: {"input": 2, "cached": 0.5, "output": 8},
        "compatible:llama": {"context": 8_192},
    }
    assert cost_microusd(FLASH, usage(2_000, 10, 1_000)) == 2_000 + 500 + 80
    assert cost_microusd("compatible:llama", usage(1_000)) is None
    assert 500 <= history_budget_tokens("compatible:llama") < 4_000


def test_a_small_window_lowers_what_is_sent_and_a_large_one_does_not_raise_it(settings: Any) -> None:
    assert history_budget_tokens(FLASH) == 64_000
    assert history_budget_tokens("compatible:unknown") < UNKNOWN_CONTEXT_TOKENS - 8_192
    settings.CHAT_HISTORY_TOKENS = 1_000
    assert history_budget_tokens("compatible:unknown") == 1_000


LOOKED_UP = {
    "gemini:gemini-4-hydrogen": ("1.50", "0.075", "7.50"),
    "gemini:gemini-3.8-flash": ("0.75", "0.075", "3.75"),
    "gemini:gemini-3.5-flash": ("1.50", "0.15", "9.00"),
    "gemini:gemini-3.5-flash-lite": ("0.30", "0.03", "2.50"),
    "gemini:gemini-3.1-pro-preview": ("2.00", "0.20", "12.00"),
    "gemini:gemini-3-flash-preview": ("0.50", "0.05", "3.00"),
    "openai:gpt-6-astra": ("10", "1.00", "50"),
    "openai:gpt-6.1-sol": ("2", "0.10", "10"),
    "openai:gpt-6.1-terra": ("1", "0.05", "5"),
    "openai:gpt-6-sol": ("2", "0.20", "10"),
    "openai:gpt-6-luna": ("0.10", "0.01", "0.50"),
    "openai:gpt-5.5": ("5", "0.50", "30"),
    "openai:gpt-5.4-mini": ("0.75", "0.075", "4.50"),
    "openai:gpt-5.4-nano": ("0.20", "0.02", "1.25"),
    "anthropic:claude-fable-5-1": ("10", "0.25", "50"),
    "anthropic:claude-opus-5-5": ("4", "0.20", "20"),
    "anthropic:claude-opus-5": ("5", "0.50", "25"),
    "anthropic:claude-sonnet-5-5": ("2", "0.10", "10"),
    "anthropic:claude-sonnet-5": ("2", "0.20", "10"),
    "anthropic:claude-sonnet-4-6": ("3", "0.30", "15"),
    "anthropic:claude-haiku-5-5": ("0.10", "0.01", "0.50"),
    "anthropic:claude-haiku-4-5": ("1", "0.10", "5"),
    "groq:openai/gpt-oss-120b": ("0.15", "0.075", "0.60"),
    "groq:openai/gpt-oss-20b": ("0.075", "0.0375", "0.30"),
}
"""As looked up by hand in the autumn of 2026, from copies of the vendors' pages."""


@pytest.mark.parametrize(("model", "looked_up"), LOOKED_UP.items())
def test_the_package_says_what_was_looked_up(model: str, looked_up: tuple[str, str, str]) -> None:
    """An update of genai-prices that changes one of them is looked at by somebody."""
    at_a_time = 40_000  # below every vendor's bound for a long request
    used = (usage(at_a_time), usage(at_a_time, cached=at_a_time), usage(output=at_a_time))
    costs = tuple(cost_microusd(model, one, on=NOVEMBER) for one in used)
    assert costs == tuple(Decimal(price) * at_a_time for price in looked_up)


def test_a_vendors_odd_count_fails_no_answer() -> None:
    assert cost_microusd(FLASH, usage(10_000, 0, 20_000), on=NOVEMBER) == 750


def test_windows_leave_room_for_what_the_vendor_counts_in_them() -> None:
    assert context_tokens("openai:gpt-6.1-terra") == 922_000
    assert context_tokens("anthropic:claude-haiku-4-5-20251001") == 200_000
    assert context_tokens("gemini:gemini-3.1-pro-preview") == 1_048_576
    assert context_tokens("groq:openai/gpt-oss-120b") == 131_072
    assert context_tokens("compatible:llama") is None


def test_the_package_fetches_nothing() -> None:
    from genai_prices.data_snapshot import get_snapshot

    assert cost_microusd(FLASH, usage(1)) is not None
    assert not get_snapshot().from_auto_update
