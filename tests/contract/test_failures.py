"""The contract of all providers: each failure has its class, says when to come back, and tells no key."""

import asyncio
import socket
from collections.abc import AsyncGenerator

import pytest
from pytest_django import Settings

from chat.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelContextTooLong,
    ModelCredentials,
    ModelNotFound,
    ModelOverloaded,
    ModelQuota,
    ModelTimeout,
    ModelUnreachable,
    ProviderError,
)
from chat.llm.provider import ModelEvent, Provider, TextDelta
from tests.contract.asking import HELLO, ask, events, failure
from tests.contract.vendor import Ending, Fail, Failure, Reply, Vendor
from tests.providers.rounds import joined

CLASSES = {
    Failure.BAD_KEY: ModelCredentials,
    Failure.NO_MODEL: ModelNotFound,
    Failure.BAD_REQUEST: ModelBadRequest,
    Failure.TOO_LONG: ModelContextTooLong,
    Failure.QUOTA: ModelQuota,
    Failure.OVERLOADED: ModelOverloaded,
    Failure.SERVER_ERROR: ModelOverloaded,
}


async def interrupted(vendor: Vendor, provider: Provider) -> ProviderError:
    """The failure behind the first piece of text."""
    stream = provider.stream(ask(vendor, "Hi"))
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(ProviderError) as failed:
        await exhausted(stream)
    return failed.value


async def exhausted(stream: AsyncGenerator[ModelEvent, None]) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize("kind", Failure, ids=lambda kind: kind.name.lower())
async def test_each_refusal_has_its_class(vendor: Vendor, provider: Provider, kind: Failure) -> None:
    vendor.then(Fail(kind))
    error = await failure(vendor, provider)
    assert type(error) is CLASSES[kind]
    assert error.cause
    assert error.cause not in error.message


@pytest.mark.parametrize("kind", Failure, ids=lambda kind: kind.name.lower())
async def test_a_provider_asks_once_whatever_its_sdk_would_do(
    vendor: Vendor, provider: Provider, kind: Failure
) -> None:
    """Asking again is decided in one place above all providers (`chat.llm.route`)."""
    vendor.then(Fail(kind), HELLO)
    await failure(vendor, provider)
    assert vendor.hits == (vendor.looks_for_models if kind is Failure.NO_MODEL else 1)


async def test_a_wrong_key_is_told_to_the_operator(vendor: Vendor) -> None:
    vendor.tolerant = True
    wrong = "wrong-key-9876543210-wrong"
    provider = vendor.provider(wrong)
    error = await failure(vendor, provider)
    assert type(error) is ModelCredentials
    assert wrong not in f"{error!r} {error.message} {error.cause}"
    await provider.aclose()


@pytest.mark.parametrize("kind", [Failure.QUOTA, Failure.OVERLOADED], ids=lambda kind: kind.name.lower())
async def test_the_vendors_hint_says_when_to_come_back(
    vendor: Vendor, provider: Provider, kind: Failure
) -> None:
    vendor.then(Fail(kind, retry_after_s=7.5))
    error = await failure(vendor, provider)
    assert error.retryable
    assert error.retry_after_s == pytest.approx(7.5, abs=0.5)


async def test_the_key_is_in_no_message_even_where_the_vendor_repeats_it(
    vendor: Vendor, provider: Provider, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK's log is read before our log's formatter takes keys out."""
    setattr(settings, f"CHAT_{vendor.name.upper()}_API_KEY", vendor.key)
    caplog.set_level("DEBUG")
    vendor.then(Fail(Failure.BAD_KEY, message=f"The key {vendor.key} was reported as leaked."))
    error = await failure(vendor, provider)
    assert "was reported as leaked" in error.cause
    assert vendor.key not in f"{error!r} {error.message} {error.cause} {caplog.text}"


async def test_an_error_in_the_middle_of_an_answer(vendor: Vendor, provider: Provider) -> None:
    """It is not asked again: what was said would be said twice."""
    vendor.then(Reply(text=("Hel",), ending=Ending.OVERLOADED), HELLO)
    assert type(await interrupted(vendor, provider)) is ModelOverloaded
    assert vendor.hits == 1


@pytest.mark.parametrize(
    "ending", [Ending.DROPPED, Ending.GARBLED, Ending.CLOSED], ids=lambda ending: ending.name.lower()
)
async def test_an_answer_that_breaks_off(vendor: Vendor, provider: Provider, ending: Ending) -> None:
    vendor.then(Reply(text=("Hel",), ending=ending), HELLO)
    error = await interrupted(vendor, provider)
    assert type(error) is (ModelBadAnswer if ending is Ending.GARBLED else ModelUnreachable)
    assert error.cause
    assert vendor.hits == 1


async def test_silence_in_the_middle(vendor: Vendor, provider: Provider, settings: Settings) -> None:
    settings.CHAT_MODEL_SILENCE_SECONDS = 1.0
    vendor.then(Reply(text=("Hel",), ending=Ending.SILENT))
    async with asyncio.timeout(30):
        assert type(await interrupted(vendor, provider)) is ModelTimeout
    assert await vendor.hung_up_within(5)


async def test_a_model_that_never_begins(vendor: Vendor, provider: Provider, settings: Settings) -> None:
    settings.CHAT_MODEL_FIRST_EVENT_SECONDS = 0.3
    vendor.then(Reply(text=("too late",), first_byte_after_s=60.0))
    assert type(await failure(vendor, provider)) is ModelTimeout
    assert await vendor.hung_up_within(5)


async def test_a_first_byte_that_takes_longer_than_any_silence_may(
    vendor: Vendor, provider: Provider, settings: Settings
) -> None:
    settings.CHAT_MODEL_SILENCE_SECONDS = 1.5
    vendor.then(Reply(text=("Hello",), first_byte_after_s=2.5))
    assert joined(await events(provider, ask(vendor, "Hi"))) == "Hello"


async def test_silence_is_counted_anew_with_every_piece(
    vendor: Vendor, provider: Provider, settings: Settings
) -> None:
    settings.CHAT_MODEL_SILENCE_SECONDS = 2.0
    vendor.then(Reply(text=tuple("abcde"), pause_s=0.6))
    assert joined(await events(provider, ask(vendor, "Hi"))) == "abcde"


async def test_a_reader_that_takes_its_time_is_not_the_models_silence(
    vendor: Vendor, provider: Provider, settings: Settings
) -> None:
    settings.CHAT_MODEL_SILENCE_SECONDS = 1.5
    vendor.then(Reply(text=("a", "b")))
    texts: list[str] = []
    async for event in provider.stream(ask(vendor, "Hi")):
        if not texts:
            await asyncio.sleep(2.0)
        texts.append(event.text if isinstance(event, TextDelta) else "")
    assert "".join(texts) == "ab"


async def test_nobody_listens(vendor: Vendor, settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        vendor.point_at(f"http://127.0.0.1:{free.getsockname()[1]}", settings)
    provider = vendor.provider(vendor.key)
    error = await failure(vendor, provider)
    assert type(error) is ModelUnreachable
    assert vendor.key not in error.cause
    await provider.aclose()
