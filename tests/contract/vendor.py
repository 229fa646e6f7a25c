"""The seam of the contract that all providers share: a vendor's local server, told what to answer in words of no vendor.

An adapter (`gemini_vendor`, `openai_vendor`, ...) is the only place of the suite that knows a vendor's wire. It translates
a `Script` into the vendor's own bytes, and what the server received into `Sent`.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pytest_django import Settings

from chat.llm.provider import FinishReason, Provider, Usage
from tests.fakes.http_server import HttpServer

JSON = dict[str, Any]

USAGE = Usage(input_tokens=21, output_tokens=13, cached_tokens=8, reasoning_tokens=5)
"""As we are to count it: the cached tokens are among the input, the reasoning ones among the output."""


SIGNS_OF_LIFE, SIGN_OF_LIFE_SECONDS = 1000, 0.3


class Ending(Enum):
    """What comes after the pieces of a `Reply`."""

    WHOLE = "the vendor's own end: finish reason and usage"
    DROPPED = "the connection is cut"
    SILENT = "nothing, and the connection stays open until the client leaves"
    GARBLED = "an event that is no JSON, then the vendor's own end"
    CLOSED = "the HTTP answer ends in order, but without the vendor's own end"
    OVERLOADED = "the vendor's error event in the middle of a stream: it is overloaded"
    NO_CALL = "the vendor's words for a call that the model wrote and that it could not read itself"
    THEN_SILENT = "the vendor's own end, then nothing, and the connection stays open"
    THEN_ALIVE = "the vendor's own end, then signs of life for as long as the client listens"
    THEN_OVERLOADED = "the vendor's own end, then its error event"
    THEN_DROPPED = "the vendor's own end, then the connection is cut"


@dataclass(frozen=True)
class Call:
    """A tool that the model wants. ``arguments`` as text goes onto the wire as it stands, valid JSON or not."""

    name: str
    arguments: JSON | str = field(default_factory=dict)

    @property
    def arguments_text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Thinking:
    """A stretch of reasoning, with whatever the vendor wants back unchanged. ``redacted``: without readable text."""

    text: str = "Let me think about that."
    redacted: bool = False


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A stream: the thinking, then the text (one event a piece), then the calls, then the ending."""

    text: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    thinking: tuple[Thinking, ...] = ()
    finish: FinishReason = FinishReason.STOP
    """TOOL_CALLS is implied by calls; OTHER is a reason that the vendor has and we have no word for."""
    usage: Usage = USAGE
    """What we are to make of the counts that the vendor sends."""
    ending: Ending = Ending.WHOLE
    first_byte_after_s: float = 0.0
    """Nothing is sent before, not even the head of the HTTP answer."""
    pause_s: float = 0.0
    """Before each piece of text."""


@dataclass(frozen=True)
class Refuse:
    """The vendor will not answer this at all, with HTTP status 200: a safety block, a refusal."""


class Failure(Enum):
    """An HTTP answer other than 200, in the vendor's own shape and with its own status."""

    BAD_KEY = "the key is not valid"
    NO_MODEL = "there is no such model"
    BAD_REQUEST = "a field is wrong"
    TOO_LONG = "the conversation has more tokens than the model takes"
    QUOTA = "too many requests"
    OVERLOADED = "too busy (503, or the vendor's own status for it)"
    SERVER_ERROR = "500"


@dataclass(frozen=True)
class Fail:
    failure: Failure
    retry_after_s: float | None = None
    """The vendor's hint, in the way in which it gives one."""
    message: str = ""
    """The vendor's sentence; empty: its usual one."""


Script = Reply | Refuse | Fail


@dataclass(frozen=True)
class Entry:
    """One piece of the conversation that the server received, in its order.

    ``kind`` is user, file (its ``text`` the base64, ``name`` what it is), operator (where the wire has a role for it), assistant,
    call, result, error (a result that says that the tool failed) or opaque (what the vendor wants back unchanged). ``text`` is the words, the call's arguments, the tool's output or the opaque data. ``link`` is
    the vendor's id that ties a result to its call; ``name`` the tool's.
    """

    kind: str
    text: str
    link: str = ""
    name: str = ""


@dataclass(frozen=True)
class Sent:
    """A request that the server received and accepted."""

    body: JSON
    model: str
    instructions: str
    entries: list[Entry]
    tools: list[str]
    tool_choice: str
    """auto, none, required or the one tool's name; auto as well where no tool is offered."""
    max_output_tokens: int | None

    def of(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]


class Vendor(ABC):
    """A vendor on this machine: its server (wire-true, and as strict as the real one) and our provider on it."""

    name: str
    """Of the provider, as a model's spec begins."""
    model: str
    title = ""
    """Of the tests with it, where it is not the provider's."""
    key: str = "fake-key-0123456789-contract"
    scripted = True
    """False: it does not do what `then` says (the demo)."""
    refuses_in_words = False
    """True: a `Refuse` streams a sentence of the model's; False: there is nothing to show."""
    wants_thinking_back = True
    """False: reasoning goes back with the calls that it led to, and not with a text (Chat Completions)."""
    redacts_thinking = False
    """True: the vendor has thinking without readable text (`Thinking.redacted`)."""
    says_tool_errors = True
    """False: the wire has no mark for a result that is an error, only words."""
    calls_are_text = True
    """False: a call's arguments are an object on the wire, so they cannot be invalid JSON."""
    counts_reasoning = True
    """False: the vendor does not tell how many of the output's tokens were reasoning."""
    looks_for_models = 1
    """Requests until a model is said to be unknown: an API may have two versions with models of their own."""
    tolerant = False
    """A test that provokes refusals sets it; else the suite ends with none."""

    @property
    def spec(self) -> str:
        """For ``LLM_MODEL``."""
        return f"{self.name}:{self.model}"

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the server listens, as the base-URL variable wants it."""

    @abstractmethod
    def env(self, url: str) -> dict[str, str]:
        """The variables for a process of ours: the key's, and the one that leads the SDK to ``url``."""

    @abstractmethod
    def provider(self, key: str) -> Provider:
        """A new one of ours, which finds the server through the settings alone."""

    def point_at(self, url: str, settings: Settings) -> None:
        """What `env` does to a process of ours, done to this one."""
        for name, value in self.env(url).items():
            if name.endswith("_BASE_URL"):
                setattr(settings, f"CHAT_{name}", value)

    @abstractmethod
    def then(self, *scripts: Script) -> None:
        """Queue answers: one for each request to come that the server accepts."""

    @property
    @abstractmethod
    def sent(self) -> list[Sent]:
        """What the server received and accepted, in order."""

    @property
    @abstractmethod
    def refusals(self) -> list[str]:
        """The messages of the requests that broke the vendor's rules."""

    @property
    @abstractmethod
    def opaque_given(self) -> list[str]:
        """All that the server has handed out to be sent back unchanged, in order."""

    @property
    @abstractmethod
    def hits(self) -> int:
        """Requests of any kind, also those that were refused."""

    @property
    @abstractmethod
    def connections(self) -> int:
        """TCP connections that the server has accepted."""

    @property
    @abstractmethod
    def http(self) -> HttpServer:
        """The server under the vendor's API: its style, and what stands before it."""

    @property
    @abstractmethod
    def novelties(self) -> tuple[bytes, ...]:
        """Events of a stream, or parts of them, that nobody knows yet."""

    @abstractmethod
    def whole(self, text: str, call: Call) -> JSON:
        """An answer in one piece: the text, then the call. As the vendor gives it to those who want no stream."""

    @abstractmethod
    async def got_request(self) -> None:
        """Waits until one was accepted; AssertionError after 10 s."""

    @abstractmethod
    async def hung_up_within(self, seconds: float) -> bool:
        """Whether a client hung up in the middle of an answer."""


def file_entry(data_url: str) -> Entry:
    head, _, data = data_url.partition(";base64,")
    return Entry("file", data, name=head.removeprefix("data:"))
