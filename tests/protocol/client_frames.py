"""Frames as a client of the Realtime dialect sends them."""

import json
from typing import Any

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def frame(event_type: str, **fields: Any) -> str:
    return json.dumps({"type": event_type, "event_id": "mine_1", **fields})


def update(**session: Any) -> str:
    return frame("session.update", session={"type": "realtime", **session})


def create(**item: Any) -> str:
    return frame("conversation.item.create", item=item)


def message(text: Any = "Hello", **fields: Any) -> str:
    parts = [{"type": "input_text", "text": text}]
    return create(**{"type": "message", "role": "user", "content": parts, **fields})


def respond(**response: Any) -> str:
    return frame("response.create", response=response)
