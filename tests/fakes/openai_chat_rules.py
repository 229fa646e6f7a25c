"""The rules by which Chat Completions refuse a request: OpenAI's, and those of the servers that are stricter.

From vLLM's and llama.cpp's templates: the system speaks first and once, user and assistant in turns, the user first and
last; from Mistral's, that a user does not speak right behind a tool. From Groq: reasoning only as it was given, with the calls that it led to.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.fakes import openai_rules as rules
from tests.fakes.openai_script import JSON, RefusedError

_BODY = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "temperature",
    "top_p",
    "stop",
    "seed",
    "user",
}
_MESSAGES: dict[str, set[str]] = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls", "reasoning", "reasoning_content", "reasoning_details"},
    "tool": {"role", "content", "tool_call_id"},
}


def check_request(
    body: Any, *, limit_field: str, reasoning_given: Sequence[object], wanted: bool = False
) -> None:
    """``reasoning_given``: all the reasoning that this server has told; ``wanted``: of every message of the assistant's. Raises
    `RefusedError`."""
    rules.known(body, {*_BODY, limit_field}, "")
    rules.required(body, ["model", "messages"], "")
    rules.model(body["model"])
    rules.limit(body.get(limit_field), limit_field, 1)
    if body.get("stream") is not True:
        raise RefusedError("This fake streams only.")
    rules.known(body.get("stream_options", {}), {"include_usage"}, "stream_options")
    names = _check_tools(body.get("tools"))
    _check_tool_choice(body, names)
    _check_format(body)
    if wanted:
        _check_reasoning_wanted(body["messages"])
        reasoning_given = [*reasoning_given, ""]
    _check_messages(body["messages"], reasoning_given, wanted=wanted)


def _check_reasoning_wanted(messages: Sequence[JSON]) -> None:
    for index, message in enumerate(messages):
        if message["role"] == "assistant" and "reasoning_content" not in message:
            raise RefusedError(
                f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}"
            )


def _check_format(body: JSON) -> None:
    """``json_object`` wants the word JSON among the messages, so that the model knows of it."""
    if "response_format" not in body:
        return
    wanted = body["response_format"]
    rules.known(wanted, {"type", "json_schema"}, "response_format")
    rules.one_of(wanted.get("type"), ("text", "json_object", "json_schema"), "response_format.type")
    if wanted["type"] == "json_schema":
        rules.required(wanted, ["json_schema"], "response_format")
        rules.known(
            wanted["json_schema"], {"name", "schema", "strict", "description"}, "response_format.json_schema"
        )
        rules.answer_format(wanted["json_schema"], "response_format.json_schema")
    elif wanted["type"] == "json_object" and "json" not in str(body["messages"]).lower():
        raise RefusedError(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        )


def _check_tools(tools: Any) -> list[str]:
    if tools == []:
        raise RefusedError("[] is too short - 'tools'", param="tools")
    names: list[str] = []
    for index, tool in enumerate(tools or ()):
        where = f"tools[{index}]"
        rules.known(tool, {"type", "function"}, where)
        rules.one_of(tool.get("type"), ("function",), f"{where}.type")
        rules.required(tool, ["function"], where)
        rules.known(tool["function"], {"name", "description", "parameters", "strict"}, f"{where}.function")
        names.append(rules.function(tool["function"], f"{where}.function"))
    return names


def _check_tool_choice(body: JSON, names: Sequence[str]) -> None:
    if "tool_choice" not in body:
        return
    choice = body["tool_choice"]
    if not names:
        raise RefusedError("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if isinstance(choice, str):
        rules.one_of(choice, ("none", "auto", "required"), "tool_choice")
        return
    rules.known(choice, {"type", "function"}, "tool_choice")
    rules.required(choice, ["type", "function"], "tool_choice")
    if choice["function"].get("name") not in names:
        raise RefusedError("Tool choice is not in 'tools'.", param="tool_choice")


def _check_messages(messages: Any, reasoning_given: Sequence[object], *, wanted: bool) -> None:
    if not isinstance(messages, list) or not messages:
        raise RefusedError("[] is too short - 'messages'", param="messages")
    for index, message in enumerate(messages):
        _check_message(message, index, reasoning_given, wanted=wanted)
    spoken = messages[1:] if messages[0]["role"] == "system" else messages
    _check_turns(spoken)
    _check_answers(spoken)
    if any((one["role"], other["role"]) == ("tool", "user") for one, other in pairwise(spoken)):
        raise RefusedError("Unexpected role 'user' after role 'tool'", code="3230")


def _check_message(message: Any, index: int, reasoning_given: Sequence[object], *, wanted: bool) -> None:
    where = f"messages[{index}]"
    role = str(message.get("role")) if isinstance(message, dict) else ""
    rules.one_of(role, tuple(_MESSAGES), f"{where}.role")
    rules.known(message, _MESSAGES[role], where)
    if role == "system" and index:
        raise RefusedError("System message must be at the beginning.")
    if role == "assistant" and "tool_calls" in message:
        _check_calls(message, where)
        if message["content"] is not None:
            _words(message["content"], f"{where}.content")
        _check_reasoning(message, where, reasoning_given)
        return
    if not wanted and any(name.startswith("reasoning") for name in message):
        raise RefusedError(f"property '{where}.reasoning' is unsupported here")
    if role == "user" and isinstance(message.get("content"), list):
        _check_parts(message["content"], f"{where}.content")
        return
    _words(message.get("content"), f"{where}.content")


def _words(value: Any, where: str) -> None:
    """Blank ones are refused by Claude, whatever gateway stands before it."""
    rules.text(value, where)
    if not value.strip():
        raise RefusedError("messages: text content blocks must contain non-whitespace text", param=where)


_PARTS = {"text": {"type", "text"}, "image_url": {"type", "image_url"}, "file": {"type", "file"}}


def _check_parts(parts: Sequence[Any], where: str) -> None:
    """Only where there are pictures or files: servers without them take text alone."""
    if all(part.get("type") == "text" for part in parts):
        raise RefusedError(f"'{where}' must be a string", param=where)
    for index, part in enumerate(parts):
        at = f"{where}[{index}]"
        rules.one_of(part.get("type"), tuple(_PARTS), f"{at}.type")
        rules.known(part, _PARTS[part["type"]], at)
        match part["type"]:
            case "text":
                _words(part.get("text"), f"{at}.text")
            case "image_url":
                rules.known(part["image_url"], {"url", "detail"}, f"{at}.image_url")
                rules.picture(part["image_url"].get("url"), f"{at}.image_url.url")
            case _:
                rules.known(part["file"], {"filename", "file_data"}, f"{at}.file")
                rules.pdf(part["file"], f"{at}.file")


def _check_calls(message: JSON, where: str) -> None:
    if not message["tool_calls"]:
        raise RefusedError(f"[] is too short - '{where}.tool_calls'")
    for number, call in enumerate(message["tool_calls"]):
        at = f"{where}.tool_calls[{number}]"
        rules.known(call, {"id", "type", "function", "extra_content"}, at)
        rules.required(call, ["id", "type", "function"], at)
        rules.text(call["id"], f"{at}.id")
        rules.known(call["function"], {"name", "arguments"}, f"{at}.function")
        rules.name(call["function"].get("name"), f"{at}.function.name")
        rules.text(call["function"].get("arguments"), f"{at}.function.arguments")


def _check_reasoning(message: JSON, where: str, reasoning_given: Sequence[object]) -> None:
    for field in ("reasoning", "reasoning_content", "reasoning_details"):
        if field in message and message[field] not in reasoning_given:
            raise RefusedError(f"property '{where}.{field}' is not what this model said")


def check_signatures(body: JSON, signed: Mapping[tuple[str, str], JSON]) -> None:
    """``signed``: what was given beside each call, by model and id; it has to come back with that call, and on no other.

    Stricter than Google, who asks for it in the current turn alone. Raises `RefusedError`.
    """
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            given = signed.get((body["model"], call["id"]))
            if given and "extra_content" not in call:
                raise RefusedError("Function call is missing a thought_signature in functionCall parts.")
            if call.get("extra_content") != given:
                raise RefusedError("Corrupted thought signature.")


def check_short_ids(body: JSON) -> None:
    """Mistral's, and its templates' on other servers. Raises `RefusedError`."""
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            if not re.fullmatch("[a-zA-Z0-9]{9}", call["id"]):
                raise RefusedError(
                    f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9."
                )


def check_room(body: JSON, limit: int, window: int) -> None:
    """Raises `RefusedError`."""
    prompt = len(str(body["messages"])) // 4
    if prompt + limit > window:
        raise RefusedError(
            f"'max_tokens' or 'max_completion_tokens' is too large: {limit}. This model's maximum context length is {window} "
            f"tokens and your request has {prompt} input tokens ({limit} > {window} - {prompt})."
        )


def _check_turns(messages: Sequence[JSON]) -> None:
    """A round of calls and results stands within the assistant's turn."""
    roles = [message["role"] for message in messages if message["role"] != "tool"]
    ends = [
        message["role"] for message in messages if message["role"] != "tool" and "tool_calls" not in message
    ]
    if not roles or roles[0] != "user":
        raise RefusedError("Conversation roles must alternate user/assistant, beginning with the user.")
    if messages[-1]["role"] == "assistant":
        raise RefusedError(
            "Cannot set `add_generation_prompt` to True when the last message is from the assistant."
        )
    if any(one == other == "assistant" for one, other in pairwise(ends)):
        raise RefusedError("Conversation roles must alternate user/assistant/user/assistant/...")
    if any(one == other == "user" for one, other in pairwise(roles)):
        raise RefusedError("Conversation roles must alternate user/assistant/user/assistant/...")


def _check_answers(messages: Sequence[JSON]) -> None:
    """Each call is answered by one tool message directly behind, in the calls' order."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if not waiting:
                raise RefusedError(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                    "'tool_calls'."
                )
            if message["tool_call_id"] != waiting.pop(0):
                raise RefusedError(
                    f"Invalid parameter: 'tool_call_id' {message['tool_call_id']} is not next."
                )
            continue
        if waiting:
            raise RefusedError(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}"
            )
        waiting = [call["id"] for call in message.get("tool_calls", ())]
    if waiting:
        raise RefusedError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}"
        )
