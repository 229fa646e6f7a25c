"""How a call and its result are put into words that both of the openai SDK's APIs take."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from chat.messages import JSON, HistoryItem, ToolCallItem, ToolResultItem

MAX_CALL_ID_CHARS = 64
"""OpenAI refuses a longer one; clients of ours may have chosen up to 128."""

NOTHING_SAID = "(The user has not said anything yet.)"
_NO_RESULT = "No result was given for this call."


def results_by_call(history: Sequence[HistoryItem]) -> dict[str, ToolResultItem]:
    return {item.call_id: item for item in history if isinstance(item, ToolResultItem)}


def call_id(call: ToolCallItem, provider: str) -> str:
    """The vendor's own, else ours."""
    given = str(own(call.extra, provider).get("id") or call.call_id)
    if len(given) <= MAX_CALL_ID_CHARS:
        return given
    return f"call_{hashlib.sha256(given.encode()).hexdigest()[:32]}"


def arguments(call: ToolCallItem) -> str:
    """JSON of an object, whatever the model that asked had written: some servers parse what they are sent."""
    try:
        msgspec.json.decode(call.arguments, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return msgspec.json.encode({"invalid_arguments": call.arguments}).decode()
    return call.arguments


def output(result: ToolResultItem | None) -> str:
    """Neither API has a mark for a tool that failed, so the words say it. Never empty: some servers refuse that."""
    if result is None:
        return f"Error: {_NO_RESULT}"
    if result.is_error:
        return f"Error: {result.output}"
    return result.output or "(empty)"


def own(extra: JSON | None, provider: str, model: str | None = None) -> JSON:
    """What the provider kept there; with ``model`` only if that model gave it."""
    kept: JSON = (extra or {}).get(provider) or {}
    return kept if model is None or kept.get("model") == model else {}
