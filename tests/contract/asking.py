"""Asking a provider of the contract, and what its server then was sent."""

from contextlib import aclosing
from typing import Any

import pytest

from chat.errors import ProviderError
from chat.llm.provider import HistoryItem, ModelEvent, ModelRequest, Provider
from chat.llm.route import exchange
from tests.contract.vendor import Reply, Sent, Vendor
from tests.providers.rounds import request

HELLO = Reply(text=("Hello",))


def ask(vendor: Vendor, *history: HistoryItem | str, **more: Any) -> ModelRequest:
    """A text stands for a user's message."""
    return request(*history, **{"model": vendor.model, **more})


async def events(provider: Provider, asked: ModelRequest) -> list[ModelEvent]:
    async with aclosing(exchange(provider, asked)) as stream:
        return [event async for event in stream]


async def sent_for(vendor: Vendor, provider: Provider, *history: HistoryItem | str, **more: Any) -> Sent:
    """What the vendor receives for it."""
    vendor.then(HELLO)
    await events(provider, ask(vendor, *history, **more))
    return vendor.sent[-1]


async def failure(
    vendor: Vendor, provider: Provider, *history: HistoryItem | str, **more: Any
) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        await events(provider, ask(vendor, *(history or ("Hi",)), **more))
    return failed.value
