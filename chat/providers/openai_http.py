"""The openai SDK's clients and connections: one client for each event loop, bounded waits, no bound on streams, no retries."""

import asyncio
import ssl
from functools import cache
from typing import Any

import httpx2
from openai import AsyncOpenAI, Omit

from chat.conf import conf

_NO_AUTHORIZATION: dict[str, Any] = {"Authorization": Omit()}


class OpenAIClients:
    """``base_url`` None: OpenAI itself, with the SDK's own variables (OPENAI_BASE_URL, OPENAI_ORG_ID, ...).

    Another vendor's gets none of them, and no Authorization header where there is no key.
    """

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._key = api_key
        self._base_url = base_url
        self._clients: dict[asyncio.AbstractEventLoop, AsyncOpenAI] = {}

    def client(self) -> AsyncOpenAI:
        """The running event loop's."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients = {one: client for one, client in self._clients.items() if not one.is_closed()}
            self._clients[loop] = self._new_client()
        return self._clients[loop]

    async def aclose(self) -> None:
        """Closes the running loop's connections; one can only be closed where it was opened."""
        if client := self._clients.pop(asyncio.get_running_loop(), None):
            await client.close()

    def _new_client(self) -> AsyncOpenAI:
        client = AsyncOpenAI(
            api_key=self._key or "none", base_url=self._base_url, max_retries=0, http_client=_http_client()
        )
        if self._base_url is not None:
            client.organization = client.project = None
            # What OPENAI_CUSTOM_HEADERS says is for OpenAI's eyes; the SDK has no public way to leave it out.
            client._custom_headers = {} if self._key else _NO_AUTHORIZATION
        return client


def request_timeout() -> httpx2.Timeout:
    """Of the connection. The waits between two reads are bounded by the provider, which knows what an event is."""
    seconds = conf().model_connect_seconds
    return httpx2.Timeout(None, connect=seconds, write=seconds, pool=seconds)


@cache
def _tls() -> ssl.SSLContext:
    """Reads the certificates: 20 to 40 ms, so once."""
    return httpx2.create_ssl_context()


def _http_client() -> httpx2.AsyncClient:
    """The SDK's own would end at 1,000 streams and follow redirects, with the key, to wherever they lead."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0)
    return httpx2.AsyncClient(verify=_tls(), limits=limits, follow_redirects=False)
