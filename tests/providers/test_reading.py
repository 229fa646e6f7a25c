"""How the body of an answer is read: what one read brings, and what is lost with its connection."""

import asyncio
import gzip
import json
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pytest_django import Settings

from chat.errors import ModelOverloaded, ModelUnreachable
from chat.llm.gemini.provider import GeminiProvider
from chat.llm.http import new_http_client
from chat.llm.provider import TextDelta, ToolCallRequest
from chat.llm.sse import EventReader, SentEvent
from chat.llm.streaming import MOST_DELTAS, few
from chat.llm.transport import AiohttpTransport, BodyReader
from tests.fakes.gemini_script import Chunk, text
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.fakes.http_server import Exchange, HttpAnswer, HttpServer
from tests.providers.rounds import events_of, request, text_of
from tests.support.tls import self_signed
from tests.support.waiting import eventually

MODEL = "gemini-3.8-flash"


def chunk(words: str, finish: str = "") -> str:
    return f"data: {json.dumps(Chunk((text(words),), finish).body(MODEL))}\n\n"


def at_once(server: GeminiServer, body: str) -> None:
    server.http.instead.append(HttpAnswer(200, body, "text/event-stream"))


async def deltas(provider: GeminiProvider) -> list[str]:
    return [one.text for one in await events_of(provider, request("Hi")) if isinstance(one, TextDelta)]


async def test_the_few_pieces_of_one_read_stay_as_they_are(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    words = [f"{number} " for number in range(MOST_DELTAS - 1)]
    at_once(server, "".join(map(chunk, words)) + chunk("end", "STOP"))
    assert await deltas(provider) == [*words, "end"]


async def test_the_many_pieces_of_one_read_are_joined(server: GeminiServer, provider: GeminiProvider) -> None:
    words = [f"{number} " for number in range(150)]
    at_once(server, "".join(map(chunk, words)) + chunk("end", "STOP"))
    said = await deltas(provider)
    assert "".join(said) == "".join(words) + "end"
    assert 1 < len(said) < len(words) / 2


def test_what_is_more_than_text_keeps_its_place_among_the_joined() -> None:
    words = [TextDelta("a")] * (4 * MOST_DELTAS)
    signed, call = (
        TextDelta("", {"gemini": {"thought_signature": "c2ln"}}),
        ToolCallRequest("call_1", "x", "{}"),
    )
    joined = few([*words, signed, *words, call])
    assert [joined.index(signed), joined.index(call)] == [joined.index(call) // 2, len(joined) - 1]
    assert len(joined) <= MOST_DELTAS + 3
    texts = [one.text for one in joined if isinstance(one, TextDelta)]
    assert "".join(texts) == "a" * (8 * MOST_DELTAS)


async def test_words_before_an_error_of_the_same_read_are_given(
    server: GeminiServer, provider: GeminiProvider
) -> None:
    error = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    at_once(server, chunk("Hel") + f"data: {json.dumps(error)}\n\n" + chunk("lo", "STOP"))
    stream = provider.stream(request("Hi"))
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(ModelOverloaded):
        await anext(stream)


async def test_words_that_came_before_the_connection_was_lost_are_not_lost_with_it() -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.start_stream()
        await exchange.send(b"data: 1\n\n")
        await exchange.send(b"data: 2\n\n")
        exchange._finish()
        exchange._writer.write_eof()  # not how an answer ends

    with HttpServer(cut) as server:
        async with new_http_client() as client, client.stream("POST", server.url) as response:
            content = response.extensions["aiohttp_response"].content

            async def lost() -> None:
                assert content.exception()

            await eventually(lost)
            reader = BodyReader(response)
            assert await reader.read() == b"data: 1\n\ndata: 2\n\n"
            with pytest.raises(httpx2.RemoteProtocolError):
                await reader.read()


LINES = 'data: {"a":\ndata: 1}\n\n: no\n\nevent: x\ndata:\u00f6\n\ndata: [DONE]\n\n'
EVENTS = [("", b'{"a":\n1}'), ("x", "\u00f6".encode()), ("", b"[DONE]")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["plain", "BOM"])
async def test_an_event_is_the_same_wherever_the_bytes_are_cut(end: str, bom: str) -> None:
    whole = (bom + LINES.replace("\n", end)).encode()
    for at in range(len(whole)):
        assert await _events([whole[:at], whole[at:]]) == EVENTS
    assert await _events([whole[at : at + 1] for at in range(len(whole))]) == EVENTS


async def _events(pieces: list[bytes]) -> list[SentEvent]:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    reader, events = EventReader(httpx2.Response(200, content=body())), []
    while (sent := await reader.read()) is not None:
        events += list(sent)
    return events


async def test_a_packed_answer_is_unpacked(server: GeminiServer, provider: GeminiProvider) -> None:
    packed = gzip.compress((chunk("Hel") + chunk("lo", "STOP")).encode())

    async def answer(exchange: Exchange) -> None:
        head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
        await exchange._write(f"{head}content-length: {len(packed)}\r\n\r\n".encode())
        exchange._finish()
        await exchange._write(packed)

    server.http._handler = answer
    assert await text_of(provider, request("Hi")) == "Hello"


async def test_a_long_request_arrives_whole() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.reply(200, {})

    body = bytes(range(256)) * 5000
    with HttpServer(answer) as server:
        async with new_http_client() as client:
            await client.post(server.url, content=body)
        assert server.requests[0].body == body


async def test_the_environments_proxy_is_asked_where_it_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.reply_as(HttpAnswer(200, chunk("by proxy", "STOP"), "text/event-stream"))

    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    settings.CHAT_GOOGLE_GEMINI_BASE_URL = "http://model.invalid"
    with HttpServer(answer) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert await _said() == "by proxy"
        assert proxy.requests[0].headers["host"] == "model.invalid"
        monkeypatch.setenv("NO_PROXY", "model.invalid")
        with pytest.raises(ModelUnreachable):
            await _said()


async def _said() -> str:
    provider = GeminiProvider(API_KEY)
    try:
        return await text_of(provider, request("Hi"))
    finally:
        await provider.aclose()


async def test_only_a_host_whose_certificate_is_trusted_is_told_anything(tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        stranger = AiohttpTransport(ssl.create_default_context())
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await stranger.handle_async_request(httpx2.Request("GET", url))
        assert heads == []
        friend = AiohttpTransport(ssl.create_default_context(cafile=str(certificate)))
        response = await friend.handle_async_request(httpx2.Request("GET", url))
        assert await response.aread() == b"hi"
        await stranger.aclose()
        await friend.aclose()


@pytest.mark.parametrize(
    ("url", "cls"),
    [
        ("http://127.0.0.1:1/", httpx2.ConnectError),
        ("http://model.invalid/", httpx2.ConnectError),
        ("ftp://127.0.0.1/", httpx2.UnsupportedProtocol),
    ],
)
async def test_a_transport_fails_in_httpx2s_words(url: str, cls: type[Exception]) -> None:
    transport: Any = AiohttpTransport(ssl.create_default_context())
    with pytest.raises(cls):
        await transport.handle_async_request(httpx2.Request("POST", url, content=b"{}"))
    await transport.aclose()
