"""The contract of all providers: streams by their standard, what comes in their place, and errors whatever their clothes."""

import json
import time
import warnings
from collections.abc import Callable
from email.utils import formatdate

import pytest

from chat.errors import (
    ModelBadRequest,
    ModelContextTooLong,
    ModelCredentials,
    ModelNotFound,
    ModelOverloaded,
    ModelQuota,
    ModelUnreachable,
    ProviderError,
)
from chat.llm.provider import FinishReason, Provider, Usage
from tests.contract.asking import ask, events, failure
from tests.contract.test_tools import TOOLS
from tests.contract.vendor import USAGE, Call, Reply, Thinking, Vendor
from tests.fakes.http_server import HttpAnswer
from tests.fakes.sse_styles import STYLES, SseStyle
from tests.providers.rounds import calls_of, end_of, joined

CALL = Call("get_time", {"zone": "Asia/Tokyo"})
PIECES = ("It is ", "n\u00f6on \u2028", "\n\n", "\U0001f44b\U0001f3fd.")
SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in</title><style>p {}</style></head><body><p>To the network</p></body></html>"
CLOTHES: dict[str, Callable[[int, str], tuple[object, str]]] = {
    "a list": lambda status, words: ([{"error": {"code": status, "message": words}}], "application/json"),
    "detail": lambda _, words: ({"detail": words}, "application/json"),
    "faults": lambda _, words: (
        {"detail": [{"type": "value_error", "loc": ["body", "x"], "msg": words}]},
        "application/json",
    ),
    "message": lambda status, words: ({"message": words, "code": status}, "application/json"),
    "a string": lambda _, words: ({"error": words}, "application/json"),
    "within": lambda _, words: (
        {"error": {"message": "Provider returned error", "metadata": {"raw": words}}},
        "application/json",
    ),
    "a page": lambda _, words: (
        f"<html><head><title>Oops</title></head><body><h1>{words}</h1></body></html>",
        "text/html",
    ),
    "plain text": lambda _, words: (words, "text/plain"),
}
SAID: list[tuple[int, str, type[ProviderError]]] = [
    (400, "The input exceeds the maximum number of tokens", ModelContextTooLong),
    (422, "prompt is too long", ModelContextTooLong),
    (400, "The model some-model does not exist", ModelNotFound),
    (400, "Your credit balance is too low", ModelQuota),
    (400, "Something is wrong", ModelBadRequest),
    (401, "Who are you", ModelCredentials),
    (429, "Slow down, please", ModelQuota),
    (503, "no healthy upstream", ModelOverloaded),
]


def instead(
    vendor: Vendor, status: int, body: object, content_type: str = "application/json", **headers: str
) -> None:
    """Given in the vendor's place."""
    text = body if isinstance(body, str) else json.dumps(body)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    vendor.http.instead.append(HttpAnswer(status, text, content_type, more))


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
async def test_a_stream_may_be_written_in_many_ways(
    vendor: Vendor, provider: Provider, style: SseStyle
) -> None:
    vendor.http.style = style
    vendor.then(Reply(text=PIECES), Reply(thinking=(Thinking(),), calls=(CALL, CALL)))
    got = await events(provider, ask(vendor, "Hi", tools=TOOLS))
    assert joined(got) == "".join(PIECES)
    assert end_of(got).finish is FinishReason.STOP
    assert end_of(got).usage == USAGE
    got = await events(provider, ask(vendor, "Hi", tools=TOOLS))
    assert [json.loads(call.arguments) for call in calls_of(got)] == [CALL.arguments] * 2
    assert vendor.connections == 1


async def test_what_nobody_knows_yet_changes_nothing(vendor: Vendor, provider: Provider) -> None:
    vendor.http.style = SseStyle(noise=vendor.novelties)
    vendor.then(Reply(text=PIECES), Reply(thinking=(Thinking(),), calls=(CALL,)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # google-genai warns of words that it does not know
        got = await events(provider, ask(vendor, "Hi", tools=TOOLS))
        assert (joined(got), end_of(got).finish) == ("".join(PIECES), FinishReason.STOP)
        [call] = calls_of(await events(provider, ask(vendor, "Hi", tools=TOOLS)))
    assert json.loads(call.arguments) == CALL.arguments


async def test_a_whole_answer_in_the_place_of_a_stream(vendor: Vendor, provider: Provider) -> None:
    instead(vendor, 200, vendor.whole("One moment.", CALL))
    got = await events(provider, ask(vendor, "Hi", tools=TOOLS))
    assert joined(got) == "One moment."
    [call] = calls_of(got)
    assert (call.name, json.loads(call.arguments)) == ("get_time", CALL.arguments)
    assert end_of(got).finish is FinishReason.TOOL_CALLS
    assert end_of(got).usage == Usage(input_tokens=7, output_tokens=3)
    assert vendor.hits == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_an_error_in_the_place_of_a_stream(
    vendor: Vendor, provider: Provider, content_type: str
) -> None:
    instead(vendor, 200, {"error": {"message": "no credits", "code": 429}}, content_type)
    error = await failure(vendor, provider)
    assert (type(error), error.ask_again) == (ModelQuota, False)
    assert "no credits" in error.cause
    assert vendor.hits == 1


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (SIGN_IN, "text/html", "an HTML page came: Sign in: To the network"),
        (SIGN_IN, "text/event-stream", "an HTML page came"),
        ("upstream is resting", "text/plain", "upstream is resting"),
    ],
    ids=["a page", "a page that calls itself a stream", "a text"],
)
async def test_a_page_in_the_place_of_a_stream_is_not_asked_for_again(
    vendor: Vendor, provider: Provider, body: str, content_type: str, words: str
) -> None:
    instead(vendor, 200, body, content_type)
    error = await failure(vendor, provider)
    assert (type(error), error.ask_again) == (ModelUnreachable, False)
    assert words in error.cause
    assert vendor.hits == 1


@pytest.mark.parametrize("clothes", CLOTHES.values(), ids=CLOTHES)
async def test_an_error_is_known_whatever_its_clothes(
    vendor: Vendor, provider: Provider, clothes: Callable[[int, str], tuple[object, str]]
) -> None:
    for status, words, cls in SAID:
        instead(vendor, status, *clothes(status, words))
        error = await failure(vendor, provider)
        assert type(error) is cls, words
        assert words in error.cause
        assert words not in error.message


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "1.5"}, 1.5, 1.5),
        ({"retry-after": "DATE"}, 20, 31),
        ({"retry-after-ms": "1500"}, 1.5, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5, 1.5),
    ],
    ids=str,
)
async def test_when_to_come_back_is_said_in_many_ways(
    vendor: Vendor, provider: Provider, headers: dict[str, str], least: float, most: float
) -> None:
    date = formatdate(time.time() + 30, usegmt=True)
    headers = {name: value.replace("DATE", date) for name, value in headers.items()}
    vendor.http.instead.append(HttpAnswer(429, '{"error": {"message": "Slow down."}}', headers=headers))
    error = await failure(vendor, provider)
    assert type(error) is ModelQuota
    assert least <= (error.retry_after_s or 0) <= most


async def test_googles_hint_counts_from_whoever_hands_it_on(vendor: Vendor, provider: Provider) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "23.5s"}
    instead(vendor, 429, [{"error": {"code": 429, "message": "Slow down.", "details": [info]}}])
    assert (await failure(vendor, provider)).retry_after_s == 23.5


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"code": "insufficient_quota", "type": "insufficient_quota", "message": "Check your plan."}),
        (402, {"message": "Insufficient Balance", "type": "unknown_error"}),
    ],
    ids=["429", "402"],
)
async def test_money_that_is_spent_is_no_rate_limit(
    vendor: Vendor, provider: Provider, status: int, error: dict[str, str]
) -> None:
    instead(vendor, status, {"error": error})
    told = await failure(vendor, provider)
    assert (type(told), told.ask_again) == (ModelQuota, False)
