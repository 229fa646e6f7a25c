"""``python -m tests.docs.asyncapi`` writes ``docs/asyncapi.json``: the sockets' frames as AsyncAPI 3 has them, from their types.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import json
import os
import re
from collections.abc import Iterable
from typing import Any

import django
import msgspec

from realtime_ai.env import BASE_DIR

FILE = BASE_DIR / "docs" / "asyncapi.json"
JSON = dict[str, Any]
_REF = "#/components/schemas/{name}"
_ABOUT = (
    "The OpenAI Realtime API (GA), for text, and plain text. Events and fields that begin with x_ are ours. What happens when, "
    "and what each error means: docs/protocol.md."
)
_KEY: JSON = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key, a token or a client secret; from a browser as the subprotocol openai-insecure-api-key.VALUE.",
}
_QUERY: JSON = {
    "type": "object",
    "properties": {
        "session_id": {"type": "string", "description": "One that exists."},
        "resume_token": {"type": "string", "description": "Lets in who has no name."},
        "last_event_id": {"type": "string", "description": "Goes on at the very next event."},
        "model": {"type": "string", "description": "Of a new session."},
        "assistant": {"type": "string", "description": "Of a new session."},
        "history": {"enum": ["joined", "recent"]},
    },
}
_PLAIN = {"title": "A text frame", "contentType": "text/plain", "payload": {"type": "string"}}


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def document() -> JSON:
    from chat.wire.realtime.client import CLIENT_EVENT_TYPES
    from chat.wire.realtime.server import SERVER_EVENT_TYPES

    asked, told = _messages(CLIENT_EVENT_TYPES, "client"), _messages(SERVER_EVENT_TYPES, "server")
    types = [*CLIENT_EVENT_TYPES.values(), *SERVER_EVENT_TYPES.values()]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    payloads = dict(zip([*asked, *told], schemas, strict=True))
    messages = {name: {**about, "payload": payloads[name]} for name, about in (asked | told).items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Realtime AI sockets", "version": "1", "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {
            "this": {
                "host": "localhost:8000",
                "protocol": "ws",
                "security": [{"$ref": "#/components/securitySchemes/key"}],
            }
        },
        "channels": {
            "realtime": _channel("/v1/realtime", messages, "What OpenAI's SDKs speak."),
            "session": _channel(
                "/ws/session",
                {**messages, "text": _PLAIN},
                "The same with the subprotocol realtime; without one each frame is a text.",
            ),
        },
        "operations": {
            f"{channel}.{action}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
            }
            for channel, more in (("realtime", ()), ("session", ("text",)))
            for action, names in (("receive", [*asked, *more]), ("send", [*told, *more]))
        },
        "components": {
            "messages": {**messages, "text": _PLAIN},
            "schemas": _as_asyncapi(components),
            "securitySchemes": {"key": _KEY},
        },
    }


def _as_asyncapi(schema: Any) -> Any:
    """msgspec writes the ``discriminator`` of OpenAPI, an object; AsyncAPI's is a text, and what each kind's ``type`` is stands in the
    kinds themselves."""
    match schema:
        case dict():
            return {name: _as_asyncapi(value) for name, value in schema.items() if name != "discriminator"}
        case list():
            return [_as_asyncapi(value) for value in schema]
    return schema


def _messages(types: Iterable[str], side: str) -> dict[str, JSON]:
    """By names that stand in addresses; the client's and the server's own of one type are two."""
    return {f"{side}.{re.sub(r'[^A-Za-z0-9_.]', '_', name)}": {"name": name, "title": name} for name in types}


def _channel(address: str, messages: Iterable[str], description: str) -> JSON:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.test")
    django.setup()
    FILE.write_text(text(), encoding="utf-8")
