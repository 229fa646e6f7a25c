"""The openai SDK's clients: one for each event loop, without retries, and with nothing that our settings do not say."""

import asyncio

from openai import AsyncOpenAI, Omit
from openai._types import RequestOptions

from chat.conf import conf
from chat.providers.http_client import new_http_client, opening_timeout

OPENAI_URL = "https://api.openai.com/v1"


class OpenAIClients:
    """``base_url`` None: OpenAI itself, or what stands in for it, with OpenAI's own settings (organization, project, headers).

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
        """The SDK reads a dozen variables where it is told nothing, an empty one as a value: so it is told everything."""
        ours = self._base_url is None
        client = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._base_url or conf().openai_base_url or OPENAI_URL,
            max_retries=0,
            http_client=new_http_client(),
        )
        client.organization = conf().openai_org_id if ours else None
        client.project = conf().openai_project_id if ours else None
        client.admin_api_key = None
        # The SDK has no public way to leave OPENAI_CUSTOM_HEADERS out.
        client._custom_headers = dict(conf().openai_custom_headers) if ours else {}
        return client
