"""What the ``input`` of ``response.create`` gives a model to look at instead of the conversation."""

from collections.abc import Sequence

from chat.errors import FrameError, ItemNotFound
from chat.llm.provider import JSON
from chat.session.commands import ResponseOptions
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.items import Call, Message, Said
from sessions_app.log.state import SessionState

_Given = Said | Call | ev.ToolResult


def view_for(options: ResponseOptions, conversation: SessionState) -> SessionState | None:
    """The state from which the model of a response is told that looks at something of its own, as it stands now; None when
    the response takes part in the conversation.

    Raises `ItemNotFound` for a reference to no item, `FrameError` for the output of a call that is not there.
    """
    if options.input is not None:
        return _view(options.input, conversation)
    return conversation.items_alone() if options.conversation == "none" else None


def _view(given: Sequence[JSON], conversation: SessionState) -> SessionState:
    view, before = SessionState(), list[_Given]()
    for index, one in enumerate(given):
        item = _item(one, f"response.input[{index}]", before, conversation)
        view.items.add(item)
        before.append(item)
    return view


def _item(given: JSON, param: str, before: list[_Given], conversation: SessionState) -> _Given:
    item_id = given.get("id") or new_id("item")
    match given["type"]:
        case "item_reference":
            return _referenced(item_id, param, conversation)
        case "function_call":
            return ev.ToolCall(
                response_id="",
                item_id=item_id,
                call_id=given["call_id"],
                output_index=0,
                name=given["name"],
                arguments=given["arguments"],
                location=ev.Location.HISTORY,
            )
        case "function_call_output":
            return _output(item_id, given, param, before)
        case _:
            return Said(_message(item_id, given))


def _message(item_id: str, given: JSON) -> Message:
    text = "\n\n".join(part.get("text", part.get("transcript", "")) for part in given["content"])
    match given["role"]:
        case "assistant":
            return ev.AssistantMessage(item_id=item_id, text=text, response_id="", output_index=0)
        case "system":
            return ev.OperatorMessage(item_id=item_id, text=text, author="client")
        case _:
            return ev.UserMessage(item_id=item_id, text=text)


def _referenced(item_id: str, param: str, conversation: SessionState) -> _Given:
    if item := conversation.find(item_id):
        return item
    raise ItemNotFound(f"There is no item {item_id!r} in this conversation.", param=param)


def _output(item_id: str, given: JSON, param: str, before: list[_Given]) -> ev.ToolResult:
    for call in before:
        if isinstance(call, Call) and call.call_id == given["call_id"]:
            return ev.ToolResult(
                item_id=item_id, call_id=call.call_id, name=call.name, output=given["output"]
            )
    raise FrameError(
        f"There is no function_call with call_id {given['call_id']!r} before this output.", param=param
    )
