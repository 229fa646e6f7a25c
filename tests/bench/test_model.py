"""The fast model: every vendor's server stays strict, and streams what and how fast it is asked to."""

import asyncio
import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from bench.peers.model import CHUNK_CHARS, STAMP, VENDORS, Pace, marked_pieces, pace_in
from tests.fakes import anthropic_server, gemini_server, openai_server

JSON = dict[str, Any]
_BEARER = {"authorization": f"Bearer {openai_server.API_KEY}"}


def said(text: str) -> JSON:
    return {"role": "user", "content": text}


REQUESTS: dict[str, tuple[str, dict[str, str], Any]] = {
    "gemini": (
        "/v1/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
        {"x-goog-api-key": gemini_server.API_KEY},
        lambda text: {"contents": [{"role": "user", "parts": [{"text": text}]}]},
    ),
    "openai": (
        "/responses",
        _BEARER,
        lambda text: {"model": "gpt-6.1-terra", "input": [said(text)], "stream": True, "store": False},
    ),
    "compatible": (
        "/chat/completions",
        _BEARER,
        lambda text: {"model": "local", "messages": [said(text)], "stream": True},
    ),
    "anthropic": (
        "/v1/messages",
        {"x-api-key": anthropic_server.API_KEY, "anthropic-version": "2023-06-01"},
        lambda text: {
            "model": "claude-sonnet-5-5",
            "max_tokens": 100,
            "messages": [said(text)],
            "stream": True,
        },
    ),
}


def ask(vendor: str, body: JSON | None = None, text: str = "stream 6 at 0") -> str:
    path, headers, make = REQUESTS[vendor]
    with VENDORS[vendor]() as server:
        request = Request(server.url + path, json.dumps(body or make(text)).encode())
        for name, value in {"content-type": "application/json", **headers}.items():
            request.add_header(name, value)
        with urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())


@pytest.mark.parametrize("vendor", REQUESTS)
async def test_an_answer_has_its_chunks_each_with_the_time_at_which_it_was_sent(vendor: str) -> None:
    started = time.time()
    stream = await asyncio.to_thread(ask, vendor)
    stamps = list(dict.fromkeys(STAMP.findall(stream.encode())))
    times = [float(stamp) for stamp in stamps]
    assert len(times) == 6
    assert times == sorted(times)
    assert started <= times[0] <= times[-1] <= time.time()


@pytest.mark.parametrize("vendor", REQUESTS)
async def test_what_the_vendor_refuses_is_refused(vendor: str) -> None:
    body = REQUESTS[vendor][2]("stream 6 at 0") | {"no_such_field": 1}
    with pytest.raises(HTTPError) as refused:
        await asyncio.to_thread(ask, vendor, body)
    with refused.value as error:
        assert error.code == 400


async def test_without_a_pace_it_answers_as_ever() -> None:
    assert "You said: hello" in await asyncio.to_thread(ask, "openai", text="hello")


def test_the_last_message_counts() -> None:
    assert pace_in(b"stream 3 at 15 ... stream 300 at 0.5") == Pace(300, 0.5)
    assert pace_in(b"hello") is None
    assert pace_in(str(Pace(20, 15)).encode()) == Pace(20, 15)


def test_a_chunk_has_48_characters_and_its_number() -> None:
    pieces = marked_pieces(12)
    assert {len(piece) for piece in pieces} == {CHUNK_CHARS}
    assert len(set(pieces)) == 12
