"""How a call and its result are put into words that both of the openai SDK's APIs take."""

import hashlib
import json
from collections.abc import Sequence

from chat.messages import JSON, HistoryItem, ToolCallItem, ToolResultItem
from chat.providers.fillers import NO_RESULT, object_in

MAX_CALL_ID_CHARS = 64
"""OpenAI refuses a longer one; clients of ours may have chosen up to 128. No other has that limit: a gateway hides
signatures in its ids."""
MAX_DEPTH = 100
"""Of a call's arguments; deeper JSON travels as text within an object, since servers have limits of their own."""


def results_by_call(history: Sequence[HistoryItem]) -> dict[str, ToolResultItem]:
    return {item.call_id: item for item in history if isinstance(item, ToolResultItem)}


def call_id(call: ToolCallItem, provider: str) -> str:
    """The vendor's own, unchanged; else ours, as all of them take it."""
    if given := own(call.extra, provider).get("id"):
        return str(given)
    if len(call.call_id) <= MAX_CALL_ID_CHARS:
        return call.call_id
    return f"call_{hashlib.sha256(call.call_id.encode()).hexdigest()[:32]}"


def arguments(call: ToolCallItem) -> str:
    """JSON of an object, whatever the model that asked had written: some servers parse what they are sent."""
    if object_in(call.arguments, max_depth=MAX_DEPTH) is None:
        return json.dumps({"invalid_arguments": call.arguments})
    return call.arguments


def output(result: ToolResultItem | None) -> str:
    """Neither API has a mark for a tool that failed, so the words say it. Never empty: some servers refuse that."""
    if result is None:
        return f"Error: {NO_RESULT}"
    if result.is_error:
        return f"Error: {result.output}"
    return result.output or "(empty)"


def own(extra: JSON | None, provider: str, model: str | None = None) -> JSON:
    """What the provider kept there; with ``model`` only if that model gave it."""
    kept: JSON = (extra or {}).get(provider) or {}
    return kept if model is None or kept.get("model") == model else {}
