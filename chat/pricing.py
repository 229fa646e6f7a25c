"""What a model call costs, and how much of a history a model is sent."""

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from django.core.signals import setting_changed

from chat.conf import conf
from chat.messages import Usage
from chat.price_list import PRICE_LIST, ModelFacts, Rates

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


setting_changed.connect(_forget, dispatch_uid="chat.pricing")
