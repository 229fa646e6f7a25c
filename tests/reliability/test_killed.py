"""A process is killed, or told to stop, with an answer half given, two turns waiting and a tool's question unanswered: the
client comes back to another process and loses nothing, and the log it leaves can be read again from each frame."""

import asyncio
import json
import signal
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.fakes.gemini_server import GeminiServer
from tests.reliability import scripts
from tests.reliability.readers import Reader, kinds_of, place_of
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop
from tests.support.server import ServerProcess
from tests.support.waiting import eventually

__all__ = ["gemini", "ledger", "start_shop"]

SESSION = "killed"
PAY = ("pay", {"amount": 5, "to": "Ann"})
TURNS_AFTER = 4
"""The end of the answer that was cut off, the same answer again, and the two that waited."""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_everything_survives_the_process_and_the_open_client_goes_on_elsewhere(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, redis_url: str, end: signal.Signals
) -> None:
    env = {"REDIS_URL": redis_url, "SESSION_LEASE_SECONDS": "1.5", "DRAIN_SECONDS": "0.1"}
    one, two = start_shop(**env), start_shop(**env)
    gemini.then(calls(PAY), scripts.endless(pause_s=0.02))
    reader = Reader(SESSION)
    async with reader.connected(one.ws_url) as here:
        await reader.ask(here, "Pay Ann")
        await reader.read_until(here, "response.done")
        request = _approval_request(reader)
        await reader.ask(here, "Talk without an end")
        await reader.read_until(here, "response.output_text.delta", times=20)
        for words in ("And then this", "And then that"):
            await reader.ask(here, words)
            await reader.read_until(here, "response.created")
        await reader.read_until(here, "response.output_text.delta", times=10)
        one.signal(end)
        await here.wait_closed()
    gemini.then(*(scripts.cut_short() for _ in range(TURNS_AFTER - 1)))
    ends = await eventually(lambda: _come_back(reader, two), timeout_s=40)
    assert [end["status"] for end in ends] == ["incomplete"] * TURNS_AFTER
    assert ends[0]["status_details"]["x_reason"] == "interrupted"
    assert ends[1]["x_retry_of"] == ends[0]["id"]
    assert {end["status_details"]["x_reason"] for end in ends[1:]} == {"max_output_tokens"}
    assert ledger.lines() == []
    await _approve(reader, two, request)
    assert len(ledger.lines()) == 1
    await _read_again_from_each_frame(two, reader.frames)


def _approval_request(reader: Reader) -> str:
    output = json.loads(reader.frames[-1])["response"]["output"]
    return next(str(item["id"]) for item in output if item["type"] == "mcp_approval_request")


async def _come_back(reader: Reader, server: ServerProcess) -> list[dict[str, Any]]:
    """As a client does that comes again when it is told to, and takes back what the log does not have; the ends of the
    responses that were left to do."""
    try:
        async with reader.connected(server.ws_url, may_truncate=True) as connection:
            while len(ends := _ends(reader)) < TURNS_AFTER:
                await reader.read(connection)
    except ConnectionClosed as error:
        raise AssertionError("the session moves once more") from error
    return ends


def _ends(reader: Reader) -> list[dict[str, Any]]:
    frames = [json.loads(frame) for frame in reader.frames]
    return [frame["response"] for frame in frames if frame["type"] == "response.done"][1:]


async def _approve(reader: Reader, server: ServerProcess, request: str) -> None:
    async with reader.connected(server.ws_url) as connection:
        answer = {"type": "mcp_approval_response", "approval_request_id": request, "approve": True}
        await connection.send(json.dumps({"type": "conversation.item.create", "item": answer}))
        await reader.read_until(connection, "response.done")
    assert "response.mcp_call.completed" in kinds_of(reader.frames)


async def _read_again_from_each_frame(server: ServerProcess, frames: list[str]) -> None:
    whole = Reader(SESSION, last_event_id=f"event_{SESSION}_0")
    async with whole.connected(server.ws_url) as connection:
        await whole.read_until(connection, "response.done", times=TURNS_AFTER + 2)
        await whole.nothing_more(connection)
    assert frames == whole.frames
    for start in range(0, len(frames), 6):
        await asyncio.gather(
            *(_rest(server, frames, seen) for seen in range(start, min(start + 6, len(frames))))
        )


async def _rest(server: ServerProcess, frames: list[str], seen: int) -> None:
    late = Reader(SESSION, last_event_id=place_of(frames[seen]))
    async with late.connected(server.ws_url) as connection:
        for _ in frames[seen + 1 :]:
            await late.read(connection)
        assert late.frames == frames[seen + 1 :]
        await late.nothing_more(connection)
