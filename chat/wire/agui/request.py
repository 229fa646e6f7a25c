"""``RunAgentInput``: what an AG-UI client sends, its whole list of messages each time."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chat.errors import FrameError
from chat.wire.agui.events import JSON
from chat.wire.codes import FrameCode
from chat.wire.realtime.checks import MAX_TOOLS, invalid
from chat.wire.realtime.client import FunctionTool, check_tools
from chat.wire.responses.files import GivenFile, given_at
from chat.wire.responses.input import check_length
from chat.wire.responses.request import object_in

MOST_MESSAGES = 1000
"""Of the end of a list so many are looked at."""


_MOST_CONTEXTS = 100


class Function(msgspec.Struct):
    name: str
    arguments: str = "{}"


class Call(msgspec.Struct):
    id: str
    function: Function


class Message(msgspec.Struct, rename="camel"):
    role: str
    id: str = ""
    content: Any = None
    tool_calls: list[Call] | None = None
    tool_call_id: str = ""

    @property
    def calls(self) -> list[Call]:
        return self.tool_calls or []

    @property
    def text(self) -> str:
        """What is no text is passed over, as AG-UI has it of what a server cannot use."""
        if isinstance(self.content, str):
            return self.content
        parts = self.content if isinstance(self.content, list) else []
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
        return "\n\n".join(text for text in texts if isinstance(text, str))

    @property
    def files(self) -> list[GivenFile]:
        """Pictures and documents. What no model here is given is passed over: sounds, films, and what lies elsewhere."""
        parts = self.content if isinstance(self.content, list) else []
        return [file for part in parts if (file := _file_of(part))]


class Answer(msgspec.Struct, rename="camel"):
    """Of an interrupt."""

    interrupt_id: str
    status: Literal["resolved", "cancelled"]
    payload: Any = None


class Tool(msgspec.Struct):
    name: str
    description: str = ""
    parameters: Any = None


class Context(msgspec.Struct):
    description: str = ""
    value: Any = None


class RunAgentInput(msgspec.Struct, rename="camel"):
    thread_id: Annotated[str, Meta(min_length=1)]
    run_id: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: list[Message] = []
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    resume: list[Answer] | None = None
    forwarded_props: Any = None
    context: Annotated[list[Context], Meta(max_length=_MOST_CONTEXTS)] | None = None
    state: Any = None
    protocol_version: str | None = None

    @property
    def newer(self) -> bool:
        """It knows what 1.0 added; what came before did not say its version."""
        return bool(self.protocol_version) and not (self.protocol_version or "").startswith("0.")

    @property
    def model(self) -> str | None:
        name = self.forwarded_props.get("model") if isinstance(self.forwarded_props, dict) else None
        return name if isinstance(name, str) else None

    def told_beside(self) -> str | None:
        """What the application tells of itself: its ``context``, and its ``state`` where there is one. Raises `FrameError`."""
        told = [(one.description, one.value) for one in self.context or []]
        if self.state:
            told.append(("state", self.state))
        lines = [f"{about}: {_as_text(value)}" if about else _as_text(value) for about, value in told]
        text = "\n".join(lines)
        check_length(text, "context")
        return text or None

    def options_tools(self) -> list[JSON] | None:
        """As a response's options have them; None: those of its session. Raises `FrameError`."""
        if self.tools is None:
            return None
        found = []
        for index, tool in enumerate(self.tools):
            about = {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or None,
            }
            try:
                found.append(msgspec.convert(about, FunctionTool))
            except msgspec.ValidationError as error:
                raise invalid(str(error).replace("`$", f"`$.tools[{index}]", 1)) from error
        check_tools(found, "tools")
        return [{"type": "function", **msgspec.to_builtins(tool)} for tool in found]


def decode(body: bytes) -> RunAgentInput:
    """Raises `FrameError`."""
    try:
        return msgspec.convert(object_in(body), RunAgentInput)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error


def _file_of(part: Any) -> GivenFile | None:
    """By a part of AG-UI 1.0, or as it was before: ``binary``."""
    match part:
        case {"type": "image" | "document", "source": {"type": "file", "value": str(file_id)}}:
            return GivenFile(file_id=file_id)
        case {"type": "binary", "id": str(file_id)} if file_id:
            return GivenFile(file_id=file_id)
        case {"type": "image" | "document", "source": {"type": "url", "value": str(url)}}:
            return _at(url)
        case {"type": "binary", "url": str(url)} if url:
            return _at(url, str(part.get("filename") or ""))
        case {
            "type": "image" | "document",
            "source": {"type": "data", "value": str(data), "mimeType": str(media_type)},
        }:
            return GivenFile(url=f"data:{media_type};base64,{data}")
        case {"type": "binary", "data": str(data), "mimeType": str(media_type)}:
            return GivenFile(url=f"data:{media_type};base64,{data}", name=str(part.get("filename") or ""))
        case _:
            return None


def _at(url: str, name: str = "") -> GivenFile | None:
    """None: elsewhere, from where nothing is fetched."""
    given = given_at(url, name)
    return given if given.file_id or url.startswith("data:") else None


def approved(answer: Answer) -> tuple[bool, str]:
    """Whether a tool may run, and why. Raises `FrameError` for one that says neither yes nor no."""
    if answer.status == "cancelled":
        return False, ""
    payload = answer.payload if isinstance(answer.payload, dict) else {"approved": answer.payload}
    if not isinstance(yes := payload.get("approved"), bool):
        raise FrameError(
            'resume: an answer to a tool\'s question has a payload {"approved": true} or {"approved": false}.',
            param="resume",
        )
    reason = payload.get("reason")
    reason = reason if isinstance(reason, str) else ""
    check_length(reason, "resume")
    return yes, reason


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def words(message: Message) -> str:
    """Raises `FrameError` where there are too many, or none, and no files."""
    text = message.text.strip()
    if not text and not message.files:
        has_others = isinstance(message.content, list) and message.content
        raise FrameError(
            "The message has no text."
            + (
                " Pictures and documents are taken as data, or by the id of a file that was sent to /api/files."
                if has_others
                else ""
            ),
            code=FrameCode.UNSUPPORTED_CONTENT if has_others else FrameCode.EMPTY_MESSAGE,
            param="messages",
        )
    check_length(text, "messages")
    return text
