"""httpx2's transport over aiohttp, which reads an answer for a fraction of what httpx2's own costs a chunk.

The SDKs see httpx2 alone: its requests, its responses, its errors. Who reads a body takes it with `BodyReader`, past the
layers above.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import partial

import aiohttp
import httpx2
from yarl import URL

KEEP_ALIVE_SECONDS = 60.0
_MAX_HEADER_BYTES = 64 * 1024
_PIECE_BYTES = 256 * 1024
"""A longer request is sent in pieces: aiohttp would hold the event loop with it."""
_OURS = "aiohttp_response"
"""Where a response of ours carries aiohttp's, among its extensions."""
_FAILURES = (aiohttp.ClientError, OSError, RuntimeError)
"""What aiohttp raises; the last where a connection that is closed is read."""
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp adds where a request has none."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """For one event loop. Unbounded, because a stream holds its connection for as long as the answer takes: beyond a bound
    of 100 the 101st user would wait in silence. It knows no proxies, cookies or redirects; those are the client's."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        seconds = request.extensions.get("timeout", {}).get("connect")
        body = await request.aread()
        try:
            response = await self._opened().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=body if len(body) <= _PIECE_BYTES else _in_pieces(body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(connect=seconds),
            )
        except _FAILURES as error:
            raise _as_httpx2(error) from error
        return httpx2.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(response),
            request=request,
            extensions={"reason_phrase": (response.reason or "").encode("latin-1"), _OURS: response},
        )

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=self._tls)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=_AUTOMATIC,
                auto_decompress=False,  # httpx2 does that, by the header
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while read := await _read(self._response):
            yield read

    async def aclose(self) -> None:
        """Closes the connection unless the answer is whole."""
        self._response.close()


class BodyReader:
    """An answer's body, a piece for each time that something has come. Raises as httpx2 does."""

    def __init__(self, response: httpx2.Response) -> None:
        ours = response.extensions.get(_OURS)
        plain = ours is not None and "content-encoding" not in response.headers
        self._read = partial(_read, ours) if plain else partial(anext, response.aiter_bytes(), b"")

    async def read(self) -> bytes:
        """Empty at the end."""
        return await self._read()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = response.content
    try:
        return await content.readany()
    except _FAILURES as error:
        if rest := content._read_nowait(-1):  # came before the connection was lost, and was not read yet
            return rest
        raise _as_httpx2(error) from error


def _as_httpx2(error: Exception) -> httpx2.TransportError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx2.ConnectTimeout(str(error))
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx2.UnsupportedProtocol(str(error))
        case aiohttp.ClientConnectorError():
            return httpx2.ConnectError(str(error))
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return httpx2.RemoteProtocolError(str(error))
        case _:
            return httpx2.ReadError(str(error))


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
        await asyncio.sleep(0)
