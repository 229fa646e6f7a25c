"""One streamed answer through the openai SDK, for both of its APIs.

The SDK's typed methods are passed by; why, is told in ``docs/decisions/0010-openai-through-two-apis.md``.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

import httpx2
import msgspec
from openai import APIConnectionError, AsyncOpenAI, AsyncStream, Omit
from openai._types import RequestOptions

from chat.conf import conf
from chat.llm.failures import error_in, failure, told_in_stream
from chat.llm.http import PerLoop, new_http_client, opening_timeout
from chat.llm.provider import JSON, ModelRequest
from chat.llm.sse import SentEvent
from chat.llm.streaming import Given, StreamingProvider

OPENAI_URL = "https://api.openai.com/v1"

Stream = AsyncStream[object]

Typical = TypeVar("Typical")


class OpenAIRound(Generic[Typical]):
    """One model round being read, of either API. Feed it every event, then ask how it ended."""

    _typical: msgspec.json.Decoder[Typical]
    """Of the event that nearly all are; it refuses whatever may be another, or an error."""

    def __init__(self) -> None:
        self.began = False
        self.closed = False

    @abstractmethod
    def _said(self, event: Typical) -> Iterable[Given]: ...

    @abstractmethod
    def _event(self, event: JSON) -> Iterable[Given]:
        """Any other."""

    def read(self, sent: SentEvent) -> Iterable[Given]:
        """Raises `ProviderError` for an error in the place of an event."""
        if sent.event == "error":
            return self._unusual(sent)
        try:
            typical = self._typical.decode(sent.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._unusual(sent)
        return self._said(typical)

    def _unusual(self, sent: SentEvent) -> Iterable[Given]:
        text = sent.text
        self.closed = text.startswith("[DONE]")
        event = None if self.closed or not text else msgspec.json.decode(text)
        return () if event is None else self._event(_checked(msgspec.convert(event, JSON), sent.event))


class OpenAIStreaming(StreamingProvider):
    """``base_url`` None: OpenAI itself, or what stands in for it, with OpenAI's own settings (organization, project, headers).

    Another vendor's gets none of them, and no Authorization header where there is no key.
    """

    tail_s = 5.0
    thinks_in_silence = True
    unreachable = (APIConnectionError,)

    def __init__(self, *, api_key: str, base_url: str | None = None) -> None:
        self._key = api_key
        self._base_url = base_url
        self._clients: PerLoop[AsyncOpenAI] = PerLoop(self._new_client, AsyncOpenAI.close)

    @abstractmethod
    async def _ask(self, request: ModelRequest) -> Stream:
        """Returns with the head of the HTTP answer. Raises what the SDK raises."""

    async def _post(self, path: str, body: JSON) -> Stream:
        """The SDK wants to be told anew each time that it goes without a key."""
        options: RequestOptions = {
            "timeout": opening_timeout(),
            "headers": {} if self._key else {"Authorization": Omit()},
        }
        return await self._clients.get().post(
            path, cast_to=object, body=body, options=options, stream=True, stream_cls=Stream
        )

    async def _open(self, request: ModelRequest) -> httpx2.Response:
        return (await self._ask(request)).response

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


def _checked(event: JSON, name: str) -> JSON:
    """With its type, which some give as the event's name alone. An error may come by type or in the place of a chunk."""
    if name == "error" or name.startswith("response."):
        event.setdefault("type", name)
    if event.get("type") == "error" or error_in(event):
        raise failure(told_in_stream(event))
    return event
