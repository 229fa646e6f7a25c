"""The rules of the Messages API across messages: whose turn, which call is answered by what, whose thoughts.

Sources: the API's guides to tool use and to thinking. Neighbours of one role are joined first, as the API does. Stricter
than the real one in one point: thinking that came before a call has to come back as long as the turn goes on, not only
unchanged where it does.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence

from tests.fakes.anthropic_refusals import refuse
from tests.fakes.anthropic_rules import blocks_of
from tests.fakes.anthropic_script import JSON

_SECRET = b"the fake's own; fixed, so that a session outlives the fake's restart"
_SPOKEN = ("text", "image", "document")
_THOUGHTS = ("thinking", "redacted_thinking")


def seal(model: str, words: str) -> str:
    """A signature that only this thought of this model can carry."""
    nonce = os.urandom(8)
    return base64.b64encode(nonce + _mac(nonce, model, words)).decode()


def check_turns(body: JSON, thoughts: Mapping[str, Sequence[JSON]]) -> None:
    """Messages whose fields are right. ``thoughts`` are those that this model had before each call, by the call's id.

    Raises `RefusedError`.
    """
    messages = _joined(body["messages"])
    _check_ends(messages)
    _check_calls_answered(messages)
    if any(_is_about_tools(message) for message in messages) and not body.get("tools"):
        raise refuse("Requests which include `tool_use` or `tool_result` blocks must define tools")
    _check_seals(messages, body["model"])
    _check_thoughts_kept(messages, thoughts)


def _joined(messages: Sequence[JSON]) -> list[JSON]:
    joined: list[JSON] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1]["content"].extend(blocks_of(message))
        else:
            joined.append({"role": message["role"], "content": blocks_of(message)})
    return joined


def _check_ends(messages: Sequence[JSON]) -> None:
    if messages[0]["role"] != "user":
        raise refuse('messages: first message must use the "user" role')
    if messages[-1]["role"] != "user":
        raise refuse(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    for index, message in enumerate(messages):
        if message["content"][-1]["type"] in _THOUGHTS:
            raise refuse(f"messages.{index}: The final block in an assistant message cannot be `thinking`.")


def _check_calls_answered(messages: Sequence[JSON]) -> None:
    seen: set[str] = set()
    asked: list[str] = []
    for index, message in enumerate(messages):
        leading = _leading_results(message)
        _check_results(message, asked, leading, index)
        if missing := [one for one in asked if one not in leading]:
            raise refuse(
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
                "message."
            )
        asked = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        if len(asked) != len(set(asked)) or seen & set(asked):
            raise refuse("messages: `tool_use` ids must be unique")
        seen |= set(asked)


def _leading_results(message: JSON) -> list[str]:
    """Results count only at the head of the message."""
    leading = []
    for block in message["content"]:
        if block["type"] != "tool_result":
            break
        leading.append(block["tool_use_id"])
    return leading


def _check_results(message: JSON, asked: Sequence[str], leading: Sequence[str], index: int) -> None:
    for number, block in enumerate(message["content"]):
        if block["type"] == "tool_result" and block["tool_use_id"] not in asked:
            raise refuse(
                f"messages.{index}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )
    for one in leading:
        if leading.count(one) > 1:
            raise refuse(
                "each tool_use must have a single result. Found multiple `tool_result` blocks with id: " + one
            )


def _is_about_tools(message: JSON) -> bool:
    return any(block["type"] in ("tool_use", "tool_result") for block in message["content"])


def _check_seals(messages: Sequence[JSON], model: str) -> None:
    for index, message in enumerate(messages):
        for number, block in enumerate(message["content"]):
            where = f"messages.{index}.content.{number}"
            if block["type"] == "thinking" and not _is_seal(
                block.get("signature"), model, block.get("thinking")
            ):
                raise refuse(f"{where}: Invalid `signature` in `thinking` block")
            if block["type"] == "redacted_thinking" and not _is_seal(block.get("data"), model, ""):
                raise refuse(f"{where}: Invalid `data` in `redacted_thinking` block")


def _check_thoughts_kept(messages: Sequence[JSON], thoughts: Mapping[str, Sequence[JSON]]) -> None:
    """Of the calls since the user last spoke."""
    spoken = max((index for index, message in enumerate(messages) if _is_spoken(message)), default=0)
    for index, message in enumerate(messages[spoken:], start=spoken):
        before: list[JSON] = []
        for number, block in enumerate(message["content"]):
            if block["type"] in _THOUGHTS:
                before.append(block)
            elif block["type"] == "tool_use" and before != list(thoughts.get(block["id"], before)):
                raise refuse(
                    f"messages.{index}.content.{number}: `thinking` or `redacted_thinking` blocks in the latest assistant "
                    "message cannot be modified. These blocks must remain as they were in the original response."
                )


def _is_spoken(message: JSON) -> bool:
    return message["role"] == "user" and any(block["type"] in _SPOKEN for block in message["content"])


def _is_seal(given: object, model: str, words: object) -> bool:
    try:
        seal_bytes = base64.b64decode(str(given), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(seal_bytes[8:], _mac(seal_bytes[:8], model, str(words)))


def _mac(nonce: bytes, model: str, words: str) -> bytes:
    return hmac.digest(_SECRET, nonce + f"{model}\n{words}".encode(), hashlib.sha256)
