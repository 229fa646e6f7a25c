"""How Claude fails, beyond what the contract asks of every provider (`tests/contract`)."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
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
from chat.llm.anthropic import provider
from chat.llm.anthropic.provider import AnthropicProvider
from chat.llm.provider import TextDelta
from tests.fakes.anthropic_script import (
    PING,
    Event,
    Hang,
    HttpError,
    Raw,
    Sleep,
    Step,
    Stop,
    overloaded,
    rate_limited,
    reply,
    say,
    stream_error,
    text,
)
from tests.fakes.anthropic_server import API_KEY, AnthropicServer
from tests.providers.anthropic_rounds import request
from tests.providers.rounds import events_of, text_of

WITHIN_S = 10.0
"""Milliseconds on an idle machine; a forgotten connection would stay open for ever."""


async def failure_of(provider: AnthropicProvider, **more: Any) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        await events_of(provider, request("Hi", **more))
    return failed.value


@pytest.mark.parametrize(
    ("answer", "cls"),
    [
        (HttpError(400, "invalid_request_error", "messages.0: Something is wrong."), ModelBadRequest),
        (
            HttpError(400, "invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum"),
            ModelContextTooLong,
        ),
        (
            HttpError(
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length or "
                "`max_tokens` and try again",
            ),
            ModelContextTooLong,
        ),
        (
            HttpError(
                400,
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            ),
            ModelQuota,
        ),
        (
            HttpError(
                400, "invalid_request_error", "You have reached your specified API usage limits. You will"
            ),
            ModelQuota,
        ),
        (HttpError(401, "authentication_error", "invalid x-api-key"), ModelCredentials),
        (HttpError(402, "billing_error", "Check your payment details."), ModelQuota),
        (HttpError(403, "permission_error", "Your API key may not use this resource."), ModelCredentials),
        (HttpError(404, "not_found_error", "model: claude-0"), ModelNotFound),
        (HttpError(409, "conflict_error", "Something else."), ModelBadRequest),
        (HttpError(413, "request_too_large", "Request exceeds the maximum size"), ModelContextTooLong),
        (HttpError(429, "rate_limit_error", "Number of requests has exceeded your limit"), ModelQuota),
        (HttpError(500, "api_error", "Internal server error"), ModelOverloaded),
        (HttpError(503, "api_error", "Service unavailable"), ModelOverloaded),
        (HttpError(504, "timeout_error", "The request timed out"), ModelTimeout),
        (HttpError(529, "overloaded_error", "Overloaded"), ModelOverloaded),
        (HttpError(302, "found", "Over there.", {"location": "http://127.0.0.1:9/"}), ModelUnreachable),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, HttpError) else value.__name__,
)
async def test_each_refusal_has_its_class_and_is_not_repeated(
    claude_server: AnthropicServer, claude: AnthropicProvider, answer: HttpError, cls: type[ProviderError]
) -> None:
    claude_server.then(answer)
    error = await failure_of(claude)
    assert type(error) is cls
    assert answer.message in error.cause
    assert answer.message not in error.message
    assert claude_server.hits == 1


async def test_a_request_that_breaks_the_rules_is_a_bad_request(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    assert type(await failure_of(claude, max_output_tokens=1_000_000)) is ModelBadRequest


@pytest.mark.parametrize(
    ("hint", "seconds"), [("23", 23.0), ("1.5", 1.5), ("-3", 0.0), ("soon", None), ("inf", None)]
)
async def test_a_rate_limit_says_when_to_come_back(
    claude_server: AnthropicServer, claude: AnthropicProvider, hint: str, seconds: float | None
) -> None:
    claude_server.then(rate_limited(hint))
    error = await failure_of(claude)
    assert (type(error), error.retry_after_s, error.retryable) == (ModelQuota, seconds, True)


async def test_nothing_is_tried_again_down_here(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(overloaded(), say("too early"))
    assert type(await failure_of(claude)) is ModelOverloaded
    assert claude_server.hits == 1


@pytest.mark.parametrize(
    ("kind", "words", "cls"),
    [
        ("overloaded_error", "Overloaded", ModelOverloaded),
        ("api_error", "Internal server error", ModelOverloaded),
        ("rate_limit_error", "Too many", ModelQuota),
        ("timeout_error", "Too slow", ModelTimeout),
        ("authentication_error", "Revoked", ModelCredentials),
        ("invalid_request_error", "prompt is too long", ModelContextTooLong),
        ("invalid_request_error", "Something", ModelBadRequest),
        ("mood_error", "Something new", ModelUnreachable),
    ],
)
async def test_an_error_in_the_middle_of_a_stream(
    claude_server: AnthropicServer, claude: AnthropicProvider, kind: str, words: str, cls: type[ProviderError]
) -> None:
    claude_server.then(reply(text("Hel", whole=False), stream_error(kind, f"{words} {API_KEY}")))
    stream = claude.stream(request("Hi"))
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(ProviderError) as failed:
        await anext(stream)
    assert type(failed.value) is cls
    assert failed.value.cause == f"{kind}: {words} [key]"


@pytest.mark.parametrize(
    "garbage",
    [
        Raw(b"event: content_block_delta\ndata: {not json}\n\n"),
        Raw(b"event: content_block_delta\ndata: \n\n"),
        Raw(b"event: content_block_delta\ndata: \xff\xfe\n\n"),
        Event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": 7}}),
        Event("content_block_delta", {"index": 7, "delta": {"type": "text_delta", "text": "whose?"}}),
        Event("content_block_stop", {"index": 7}),
        Event("error", {}),
    ],
    ids=["no json", "no data", "no utf-8", "no text", "no block", "no block to end", "no error"],
)
async def test_a_malformed_event(
    claude_server: AnthropicServer, claude: AnthropicProvider, garbage: Step
) -> None:
    claude_server.then(reply(text("Hel", whole=False), garbage, Stop()))
    error = await failure_of(claude)
    assert type(error) is ModelBadAnswer
    assert error.cause


async def test_an_answer_that_is_no_stream(claude_server: AnthropicServer, claude: AnthropicProvider) -> None:
    """A portal's page, say, with status 200."""
    claude_server.then(reply(Raw(b"<html>Please sign in.</html>\n"), begun=False))
    assert type(await failure_of(claude)) is ModelUnreachable


@pytest.mark.parametrize("silence_s", [3600.0, 0.0], ids=["before the head", "before the first event"])
async def test_a_server_that_never_begins(
    claude_server: AnthropicServer, claude: AnthropicProvider, settings: Settings, silence_s: float
) -> None:
    await text_of(claude, request("Warm up"))  # the bound is on everything, certificates included
    settings.CHAT_MODEL_FIRST_EVENT_SECONDS = 0.5
    claude_server.then(reply(Hang(), begun=False, silence_s=silence_s))
    assert type(await failure_of(claude)) is ModelTimeout
    assert await claude_server.hung_up_within(WITHIN_S)


async def test_pings_end_a_silence(
    claude_server: AnthropicServer, claude: AnthropicProvider, settings: Settings
) -> None:
    """A model that thinks without showing it sends nothing else for minutes."""
    settings.CHAT_MODEL_SILENCE_SECONDS = 3.0
    pinging = [step for _ in range(6) for step in (Sleep(0.6), PING)]
    claude_server.then(reply(*pinging, text("There."), Stop()))
    assert await text_of(claude, request("Hi")) == "There."


async def test_nothing_but_pings_for_too_long(
    claude_server: AnthropicServer, claude: AnthropicProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "PINGS_SECONDS", 0.2)
    pinging = [step for _ in range(1000) for step in (Sleep(0.05), PING)]
    claude_server.then(reply(*pinging))
    error = await failure_of(claude)
    assert type(error) is ModelTimeout
    assert "pings" in error.cause
    assert await claude_server.hung_up_within(WITHIN_S)


async def test_a_connection_that_stays_open_after_the_end_holds_up_nothing(
    claude_server: AnthropicServer, claude: AnthropicProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.llm.http.DRAIN_SECONDS", 0.1)
    claude_server.then(reply(text("Hello"), Stop(), Hang()))
    assert await text_of(claude, request("Hi")) == "Hello"
    assert await claude_server.hung_up_within(WITHIN_S)


async def test_nobody_listens(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.CHAT_ANTHROPIC_BASE_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
        provider = AnthropicProvider(API_KEY)
        error = await failure_of(provider)
    assert type(error) is ModelUnreachable
    assert "ConnectError" in error.cause
    await provider.aclose()


async def test_a_connection_that_is_never_accepted(settings: Settings) -> None:
    """The connection's own bound is reached long before that of the first event."""
    settings.CHAT_MODEL_CONNECT_SECONDS = 0.1
    settings.CHAT_MODEL_FIRST_EVENT_SECONDS = 60.0
    with deaf_listener() as url:
        settings.CHAT_ANTHROPIC_BASE_URL = url
        provider = AnthropicProvider(API_KEY)
        assert type(await failure_of(provider)) is ModelUnreachable
        await provider.aclose()


@contextmanager
def deaf_listener() -> Generator[str]:
    """A listener with a full queue drops what knocks."""
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for knocking in (one, two):
            knocking.setblocking(False)
            knocking.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"
