"""What of a client's list of messages the log has not: the end of the list, from behind the last message that the log knows."""

import re
from collections.abc import Sequence

from chat.errors import FrameError
from chat.session.commands import AddMessage, AddToolCall, AddToolOutput
from chat.wire.agui.request import MOST_MESSAGES, Call, Message, words
from chat.wire.responses.files import GivenFile, check_given
from chat.wire.responses.input import Command, check_length
from sessions_app.log import events as ev
from sessions_app.log.lookup import KeptItem, items_of

_OURS = re.compile(r"(item|resp)_[0-9a-f]{24}(\.result)?")
"""An id of this server's that is not in the log (yet): what it gave is not said by a client."""
_ID = re.compile(r"[A-Za-z0-9._~:-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def news_in(session_id: str, messages: Sequence[Message]) -> list[Command]:
    """Raises `FrameError`."""
    looked_at = [one for one in messages[-MOST_MESSAGES:] if one.role not in ("activity", "reasoning")]
    names = {name for message in looked_at for name in _names_of(message) if name}
    kept = items_of(session_id=session_id, item_ids=sorted(names))
    first = len(looked_at)
    while first and not _is_known(looked_at[first - 1], kept):
        first -= 1
    news = looked_at[first:]
    told_calls = {call.id for message in news for call in message.calls if call.id not in kept}
    return [command for message in news for command in _commands_of(message, kept, told_calls)]


def files_of(messages: Sequence[Message], said: Sequence[Command]) -> dict[str, list[GivenFile]]:
    """Those of what is said that have any, by their ids. Raises `FrameError`, `TooManyFiles`."""
    ids = {one.item_id for one in said if isinstance(one, AddMessage) and one.role == "user"}
    found = {one.id: one.files for one in messages if one.id in ids and one.files}
    for files in found.values():
        check_given(files, "messages")
    return found


def _names_of(message: Message) -> list[str]:
    return [message.id, message.tool_call_id, *(call.id for call in message.calls)]


def _is_known(message: Message, kept: dict[str, KeptItem]) -> bool:
    if message.role == "tool":
        return message.id in kept or _is_answered(message, kept)
    calls = [call.id for call in message.calls]
    return message.id in kept or (bool(calls) and all(call_id in kept for call_id in calls))


def _is_answered(message: Message, kept: dict[str, KeptItem]) -> bool:
    """A tool of the server's: it gave the result itself."""
    call = kept.get(message.tool_call_id)
    return call is not None and not (
        isinstance(call.event, ev.ToolCall) and call.event.location != ev.Location.SERVER
    )


def _commands_of(message: Message, kept: dict[str, KeptItem], told_calls: set[str]) -> list[Command]:
    match message.role:
        case "user":
            return [AddMessage(text=words(message), item_id=_checked(message.id))]
        case "system" | "developer":
            return [AddMessage(text=words(message), role="system", item_id=_checked(message.id))]
        case "assistant":
            return _said_elsewhere(message, told_calls)
        case "tool":
            return _result(message, kept, told_calls)
        case _:
            raise FrameError(f"messages: there is no role {message.role[:40]!r}.", param="messages")


def _said_elsewhere(message: Message, told_calls: set[str]) -> list[Command]:
    if _OURS.fullmatch(message.id):
        return []
    said: list[Command] = []
    if message.text.strip():
        said.append(AddMessage(text=words(message), role="assistant", item_id=_checked(message.id)))
    return [*said, *(_call(call) for call in message.calls if call.id in told_calls)]


def _call(call: Call) -> AddToolCall:
    if not _NAME.fullmatch(call.function.name):
        raise FrameError(
            "messages: a tool's name has 1 to 64 characters of A-Z a-z 0-9 _ -", param="messages"
        )
    check_length(call.function.arguments, "messages")
    call_id = _checked(call.id)
    return AddToolCall(
        call_id=call_id, name=call.function.name, arguments=call.function.arguments, item_id=call_id
    )


def _result(message: Message, kept: dict[str, KeptItem], told_calls: set[str]) -> list[Command]:
    """Of no call that anybody knows: what a front end makes up is passed over."""
    check_length(message.text, "messages")
    call = kept.get(message.tool_call_id)
    if call and isinstance(call.event, ev.ToolCall):
        call_id = call.event.call_id
    elif message.tool_call_id in told_calls and not _OURS.fullmatch(message.tool_call_id):
        call_id = message.tool_call_id
    else:
        return []
    return [AddToolOutput(call_id=call_id, output=message.text, item_id=_checked(message.id))]


def _checked(item_id: str) -> str:
    """Raises `FrameError`."""
    if not _ID.fullmatch(item_id):
        raise FrameError("messages: an id has 1 to 128 characters of A-Z a-z 0-9 . _ ~ : -", param="messages")
    return item_id
