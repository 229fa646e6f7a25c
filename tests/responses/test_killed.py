"""The process that answers is killed in mid-answer: another one brings the same response to its end, and a client that was cut
off gets exactly the rest from it."""

import asyncio
import contextlib
import signal
from typing import Any

import httpx2
import openai
import pytest

from tests.responses.conftest import Client
from tests.responses.sdk import checked, checked_response, text_of
from tests.sockets.conftest import StartServer
from tests.support.log import committed
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

ENV = {"REDIS_URL": "", "DEMO_DELAY_MS": "20", "SESSION_LEASE_SECONDS": "1", "DRAIN_SECONDS": "0.1"}


async def until_cut(stream: Any, server: ServerProcess, *, deltas: int, end: signal.Signals) -> list[Any]:
    """What came until the server's end, which the client is told of by an error, never by a clean end."""
    seen: list[Any] = []
    try:
        async for event in stream:
            seen.append(event)
            if sum(one.type == "response.output_text.delta" for one in seen) == deltas:
                server.signal(end)
    except (openai.APIError, httpx2.TransportError):
        return seen
    raise AssertionError("a clean end, which a client takes for that of the answer")


async def rest_of(client: Any, seen: list[Any]) -> list[Any]:
    last = seen[-1].sequence_number
    stream = await client.responses.retrieve(seen[0].response.id, stream=True, starting_after=last)
    return [checked(event) async for event in stream]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_the_same_response_comes_to_its_end_elsewhere(
    start_server: StartServer, client_of: Client, end: signal.Signals
) -> None:
    one, two = start_server(**ENV), start_server(**ENV)
    stream = await client_of(one).responses.create(
        model="demo", input="count to 150", stream=True, background=True
    )
    seen = await until_cut(stream, one, deltas=20, end=end)
    client = client_of(two)
    rest = await rest_of(client, seen)
    done = checked_response(rest[-1].response)
    assert rest[-1].type == "response.completed"
    assert {event.response.id for event in [*seen, *rest] if hasattr(event, "response")} == {done.id}
    numbers = [event.sequence_number for event in [*seen, *rest]]
    assert numbers == sorted(set(numbers))
    assert [item.status for item in done.output] == ["incomplete", "completed"]
    assert done.output[1].content[0].text.endswith("149, 150.")
    shown = text_of([event for event in [*seen, *rest] if getattr(event, "output_index", 0) == 0])
    assert shown == done.output[0].content[0].text
    whole = [event.to_dict() async for event in await client.responses.retrieve(done.id, stream=True)]
    assert whole == [event.to_dict() for event in [*seen, *rest]]


async def test_it_comes_to_its_end_though_nobody_asks(start_server: StartServer, client_of: Client) -> None:
    one = start_server(**ENV)
    response = await client_of(one).responses.create(model="demo", input="count to 60", background=True)
    one.signal(signal.SIGKILL)
    client = client_of(start_server(**ENV))

    async def done() -> Any:
        now = await client.responses.retrieve(response.id)
        assert now.status == "completed", now.status
        return now

    assert (await eventually(done, timeout_s=30)).output[-1].content[0].text.endswith("59, 60.")


async def test_a_client_that_repeats_its_request_elsewhere_gets_the_same_turn(
    start_server: StartServer, client_of: Client, key: str
) -> None:
    one, two = start_server(**ENV), start_server(**ENV)
    body = {"model": "demo", "input": "count to 150"}
    waiting = asyncio.create_task(client_of(one, key).post("/responses", body=body, cast_to=object))
    named = asyncio.create_task(
        client_of(one, key).post(
            "/responses",
            body={**body, "background": True},
            cast_to=object,
            options={"headers": {"Idempotency-Key": "this one"}},
        )
    )
    first = await named
    await committed("assistant_delta", sessions=2)
    one.signal(signal.SIGKILL)
    with contextlib.suppress(openai.APIConnectionError):
        await waiting
    client = client_of(two, key)
    headers = {"x-stainless-retry-count": "1"}
    again: Any = await client.post("/responses", body=body, cast_to=object, options={"headers": headers})
    assert again["status"] == "completed"
    assert [item["status"] for item in again["output"]] == ["incomplete", "completed"]
    same: Any = await client.post(
        "/responses",
        body={**body, "background": True},
        cast_to=object,
        options={"headers": {"Idempotency-Key": "this one"}},
    )
    assert same["id"] == first["id"]


async def test_a_request_that_comes_again_after_a_change_of_the_secret_key_is_the_same_turn(
    start_server: StartServer, client_of: Client, key: str
) -> None:
    """The key is changed by a restart, and that is when answers get lost and clients repeat themselves."""
    body = {"model": "demo", "input": "count to 3"}

    async def ask(server: ServerProcess, **headers: str) -> Any:
        client = client_of(server, key)
        return await client.post("/responses", body=body, cast_to=object, options={"headers": headers})

    one = start_server(**ENV)
    two = start_server(**ENV, DJANGO_SETTINGS_MODULE="tests.identity.rotated_settings")
    by_name, by_body = {"Idempotency-Key": "this one"}, {"x-stainless-retry-count": "1"}
    named, plain = await ask(one, **by_name), await ask(one)
    assert (await ask(two, **by_body))["id"] == plain["id"]
    assert (await ask(two, **by_name))["id"] == named["id"]
