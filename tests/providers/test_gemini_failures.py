"""How Gemini fails: each failure has its class, says when to come back, and tells no key."""

import asyncio
import socket
import time
from typing import Any

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
from chat.llm.gemini.provider import GeminiProvider
from chat.llm.provider import TextDelta
from tests.fakes.gemini_script import (
    Chunk,
    Drop,
    Hang,
    HttpError,
    Raw,
    Sleep,
    Step,
    overloaded,
    quota,
    reply,
    say,
    text,
)
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.providers.rounds import events_of, request, text_of

WITHIN_S = 10.0
"""Milliseconds on an idle machine; a forgotten connection would stay open for ever."""


async def failure_of(provider: GeminiProvider, **more: Any) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        await events_of(provider, request("Hi", **more))
    return failed.value


async def test_a_wrong_key(server: GeminiServer) -> None:
    provider = GeminiProvider("wrong-key-0123456789")
    error = await failure_of(provider)
    assert type(error) is ModelCredentials
    assert "API_KEY_INVALID" in error.cause
    await provider.aclose()


@pytest.mark.parametrize(
    ("answer", "cls"),
    [
        (HttpError(400, "INVALID_ARGUMENT", "Request contains an invalid argument."), ModelBadRequest),
        (
            HttpError(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
            ModelCredentials,
        ),
        (
            HttpError(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            ),
            ModelContextTooLong,
        ),
        (
            HttpError(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
            ModelContextTooLong,
        ),
        (
            HttpError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
            ModelCredentials,
        ),
        (HttpError(403, "PERMISSION_DENIED", "Your API key was reported as leaked."), ModelCredentials),
        (HttpError(409, "ABORTED", "Something else."), ModelBadRequest),
        (HttpError(413, "INVALID_ARGUMENT", "Request payload size exceeds the limit."), ModelContextTooLong),
        (HttpError(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."), ModelQuota),
        (HttpError(504, "DEADLINE_EXCEEDED", "The request timed out."), ModelTimeout),
        (
            HttpError(302, "FOUND", "Over there.", headers={"location": "http://127.0.0.1:9/"}),
            ModelUnreachable,
        ),
    ],
    ids=lambda value: str(value.status) if isinstance(value, HttpError) else value.__name__,
)
async def test_each_refusal_has_its_class_and_is_not_repeated(
    server: GeminiServer, provider: GeminiProvider, answer: HttpError, cls: type[ProviderError]
) -> None:
    server.then(answer)
    error = await failure_of(provider)
    assert type(error) is cls
    assert answer.message in error.cause
    assert answer.message not in error.message
    assert server.hits == 1


async def test_an_unknown_model_is_told_to_the_operator(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    error = await failure_of(provider, model="palm-2")
    assert type(error) is ModelNotFound
    assert "does not know the model" in error.message
    assert "models/palm-2 is not found for API version v1beta" in error.cause
    assert paths(server) == ["v1", "v1beta"]


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_what_v1_does_not_serve_is_asked_of_v1beta_and_from_then_on_there(
    server: GeminiServer, provider: GeminiProvider, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.beta_alone = status
    for _ in range(2):
        assert await text_of(provider, request("Hi", model="gemini-flash-latest")) == "You said: Hi"
    assert paths(server) == ["v1", "v1beta", "v1beta"]
    [line] = [record.getMessage() for record in caplog.records if "v1beta" in record.getMessage()]
    assert "gemini-flash-latest" in line


async def test_an_alias_lives_below_v1beta_and_a_stable_model_below_v1(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    for model in ("gemini-3.8-flash", "gemini-flash-latest", "gemini-3.8-flash"):
        assert await text_of(provider, request("Hi", model=model)) == "You said: Hi"
    assert paths(server) == ["v1", "v1", "v1beta", "v1"]


async def test_other_failures_are_not_asked_of_another_version(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    server.then(HttpError(400, "INVALID_ARGUMENT", "No."), overloaded())
    for _ in range(2):
        await failure_of(provider)
    assert paths(server) == ["v1", "v1"]


@pytest.mark.parametrize(
    ("version", "asked"), [("v1", "v1"), ("v1beta", "v1beta"), ("beta", "v1beta"), ("v1alpha", "v1alpha")]
)
async def test_a_version_that_is_set_is_asked_alone(
    server: GeminiServer, settings: Settings, version: str, asked: str
) -> None:
    settings.CHAT_GEMINI_API_VERSION = version
    provider = GeminiProvider(API_KEY)
    assert type(await failure_of(provider, model="palm-2")) is ModelNotFound
    assert paths(server) == [asked]
    await provider.aclose()


def paths(server: GeminiServer) -> list[str]:
    """The versions that were asked, in order."""
    return [one.path.split("/")[1] for one in server.http.requests]


async def test_a_request_that_breaks_the_rules_is_a_bad_request(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    assert type(await failure_of(provider, max_output_tokens=1_000_000)) is ModelBadRequest


async def test_a_used_up_quota_says_when_to_come_back(server: GeminiServer, provider: GeminiProvider) -> None:
    server.then(quota("23.5s"))
    error = await failure_of(provider)
    assert (type(error), error.retry_after_s, error.retryable) == (ModelQuota, 23.5, True)
    assert server.hits == 1


async def test_the_header_says_it_too(server: GeminiServer, provider: GeminiProvider) -> None:
    server.then(HttpError(429, "RESOURCE_EXHAUSTED", "Slow down.", headers={"retry-after": "7"}))
    assert (await failure_of(provider)).retry_after_s == 7


@pytest.mark.parametrize("hint", ["soon", "-3s", "", "1e999s"])
async def test_a_senseless_hint_does_no_harm(
    server: GeminiServer, provider: GeminiProvider, hint: str
) -> None:
    server.then(quota(hint))
    assert (await failure_of(provider)).retry_after_s in {None, 0.0}


async def test_the_sdk_asks_once(server: GeminiServer, provider: GeminiProvider) -> None:
    """Whoever is asked again is the route's business, and it tells every attempt."""
    server.then(overloaded(), say("too late"))
    assert type(await failure_of(provider)) is ModelOverloaded
    assert server.hits == 1


async def test_an_error_in_the_middle_of_a_stream(server: GeminiServer, provider: GeminiProvider) -> None:
    """It is not tried again: what was said would be said twice."""
    error = b'data: {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}\r\n\r\n'
    server.then(reply(Chunk((text("Hel"),)), Raw(error)))
    stream = provider.stream(request("Hi"))
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(ModelOverloaded):
        await anext(stream)
    assert server.hits == 1


@pytest.mark.parametrize("said", [(), (Chunk((text("Hel"),)),)], ids=["at once", "mid-stream"])
async def test_a_cut_connection(
    server: GeminiServer, provider: GeminiProvider, said: tuple[Step, ...]
) -> None:
    server.then(reply(*said, Drop()))
    assert type(await failure_of(provider)) is ModelUnreachable
    assert server.hits == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {not json}\r\n\r\n",
        b'data: {"candidates": 7}\r\n\r\n',
        b'data: {"candidates": [{"content": {"parts": [{"text": 7}]}}]}\r\n\r\n',
        b"\xff\xfe\x00\r\n\r\n",
    ],
)
async def test_a_malformed_chunk(server: GeminiServer, provider: GeminiProvider, garbage: bytes) -> None:
    server.then(reply(Chunk((text("Hel"),)), Raw(garbage), Chunk(finish="STOP")))
    error = await failure_of(provider)
    assert type(error) is ModelBadAnswer
    assert error.cause


async def test_a_server_that_never_begins(
    server: GeminiServer, provider: GeminiProvider, settings: Settings
) -> None:
    await text_of(provider, request("Warm up"))  # the bound is on everything, certificates included
    settings.CHAT_MODEL_FIRST_EVENT_SECONDS = 0.5
    server.then(reply(Hang(), silent_start=True))
    started = time.monotonic()
    assert type(await failure_of(provider)) is ModelTimeout
    assert time.monotonic() - started < 30
    assert await server.hung_up_within(WITHIN_S)


async def test_a_head_without_an_event_is_no_beginning(
    server: GeminiServer, provider: GeminiProvider, settings: Settings
) -> None:
    await text_of(provider, request("Warm up"))  # the bound is on everything, certificates included
    settings.CHAT_MODEL_FIRST_EVENT_SECONDS = 0.5
    server.then(reply(Hang()))
    assert type(await failure_of(provider)) is ModelTimeout
    assert await server.hung_up_within(WITHIN_S)


async def test_silence_between_two_events(
    server: GeminiServer, provider: GeminiProvider, settings: Settings
) -> None:
    settings.CHAT_MODEL_SILENCE_SECONDS = 0.2
    server.then(reply(Chunk((text("Hel"),)), Hang()))
    stream = provider.stream(request("Hi"))
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(ModelTimeout):
        await anext(stream)
    assert await server.hung_up_within(WITHIN_S)


async def test_silence_is_counted_anew_with_every_event(
    server: GeminiServer, provider: GeminiProvider, settings: Settings
) -> None:
    settings.CHAT_MODEL_FIRST_EVENT_SECONDS = settings.CHAT_MODEL_SILENCE_SECONDS = 2.0
    steps = [step for word in "abcd" for step in (Sleep(0.6), Chunk((text(word),)))]
    server.then(reply(*steps, Chunk(finish="STOP")))
    assert await text_of(provider, request("Hi")) == "abcd"


async def test_a_reader_that_takes_its_time_is_not_the_models_silence(
    server: GeminiServer, provider: GeminiProvider, settings: Settings
) -> None:
    settings.CHAT_MODEL_SILENCE_SECONDS = 1.5
    server.then(say("a", "b"))
    texts: list[Any] = []
    async for event in provider.stream(request("Hi")):
        if not texts:
            await asyncio.sleep(2.0)
        texts.append(event)
    assert len(texts) == 3


async def test_nobody_listens(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.CHAT_GOOGLE_GEMINI_BASE_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    provider = GeminiProvider(API_KEY)
    assert type(await failure_of(provider)) is ModelUnreachable
    await provider.aclose()


async def test_a_connection_that_is_never_accepted(settings: Settings) -> None:
    """A listener with a full queue drops what knocks: the wait is bounded by the connection's own limit."""
    settings.CHAT_MODEL_CONNECT_SECONDS = 0.1
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for knocking in (one, two):
            knocking.setblocking(False)
            knocking.connect_ex(full.getsockname())
        settings.CHAT_GOOGLE_GEMINI_BASE_URL = f"http://127.0.0.1:{full.getsockname()[1]}"
        provider = GeminiProvider(API_KEY)
        started = time.monotonic()
        assert type(await failure_of(provider)) is ModelUnreachable
        assert time.monotonic() - started < 30
        await provider.aclose()


async def test_the_key_is_in_no_message(
    server: GeminiServer, provider: GeminiProvider, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Even when the vendor repeats it, and whatever the SDK logs."""
    settings.CHAT_GEMINI_API_KEY = API_KEY
    caplog.set_level("DEBUG")
    server.then(HttpError(403, "PERMISSION_DENIED", f"The key {API_KEY} was reported as leaked."))
    error = await failure_of(provider)
    assert "The key [key] was reported" in error.cause
    assert API_KEY not in f"{error!r} {error.message} {error.cause} {caplog.text}"


async def test_a_long_cause_is_cut(server: GeminiServer, provider: GeminiProvider) -> None:
    server.then(HttpError(400, "INVALID_ARGUMENT", "x" * 100_000))
    assert len((await failure_of(provider)).cause) == 2000
