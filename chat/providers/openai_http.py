"""The openai SDK's clients: one for each event loop, without retries, and without OpenAI's variables for other vendors."""

import asyncio

from openai import AsyncOpenAI, Omit
from openai._types import RequestOptions

from chat.providers.http_client import new_http_client, opening_timeout


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

    def options(self) -> RequestOptions:
        """For each request; the SDK wants to be told anew each time that it goes without a key."""
        return {"timeout": opening_timeout(), "headers": {} if self._key else {"Authorization": Omit()}}

    async def aclose(self) -> None:
        """Closes the running loop's connections; one can only be closed where it was opened."""
        if client := self._clients.pop(asyncio.get_running_loop(), None):
            await client.close()

    def _new_client(self) -> AsyncOpenAI:
        client = AsyncOpenAI(
            api_key=self._key or "none", base_url=self._base_url, max_retries=0, http_client=new_http_client()
        )
        if self._base_url is not None:
            client.organization = client.project = None
            # What OPENAI_CUSTOM_HEADERS says is for OpenAI's eyes; the SDK has no public way to leave it out.
            client._custom_headers = {}
        return client
