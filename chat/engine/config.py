"""What a session, or one response, asks of the model. Kept in the log, so that any process rebuilds it."""

from functools import lru_cache
from typing import Any

import msgspec

from chat.conf import conf
from chat.messages import JSON, ToolSpec
from chat.tool_schemas import UnusableSchemaError, repaired


class ResponseOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One response's own wishes; what is None follows the session's."""

    instructions: str | None = None
    tools: list[JSON] | None = None
    tool_choice: Any = None
    max_output_tokens: int | str | None = None
    metadata: JSON | None = None
    conversation: str | None = None
    """none: the response is no part of the conversation, and leaves no trace in the model's history."""
    input: list[JSON] | None = None
    """What the model looks at instead of the conversation; see `chat.engine.outside`."""


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The session's settings as ``session.update`` changes them."""

    instructions: str = ""
    tools: list[JSON] = []
    """The client's own tools: flat ``{"type": "function", "name", "description", "parameters"}``."""
    tool_choice: Any = "auto"
    max_output_tokens: int | str | None = None
    """Tokens, ``"inf"``, or None for the server's default."""
    model: str = ""
    """PROVIDER:NAME, as the client chose it later; empty: the one that the session was opened with."""
    turn_policy: str = ""
    """enqueue, interrupt or reject; empty: the server's."""

    def updated(self, changes: JSON) -> "SessionConfig":
        """Raises `msgspec.ValidationError` for a wrong type."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, SessionConfig)

    @property
    def policy(self) -> str:
        return self.turn_policy or conf().turn_policy

    def for_response(self, options: ResponseOptions) -> "SessionConfig":
        given = msgspec.to_builtins(options)
        for name in ("metadata", "conversation", "input"):
            given.pop(name, None)
        return self.updated(given)

    def client_tools(self) -> list[ToolSpec]:
        return [
            ToolSpec(tool["name"], tool.get("description", ""), _parameters(tool.get("parameters") or {}))
            for tool in self.tools
            if tool.get("type") == "function"
        ]

    def tool_choice_name(self) -> str:
        """auto, none, required, or the name of the one function to call."""
        if isinstance(self.tool_choice, dict):
            return str(self.tool_choice.get("name", "auto"))
        return str(self.tool_choice)

    def output_token_limit(self) -> int:
        limit = self.max_output_tokens
        return min(limit, conf().max_output_tokens) if isinstance(limit, int) else conf().max_output_tokens


def _parameters(schema: JSON) -> JSON:
    """As every vendor takes them; the session keeps them as the client gave them."""
    parameters: JSON = msgspec.json.decode(_repaired(msgspec.json.encode(schema)))
    return parameters


@lru_cache(maxsize=256)
def _repaired(schema: bytes) -> bytes:
    """Of each of a client's tools, in every round. What was taken before schemas were checked says nothing."""
    try:
        return msgspec.json.encode(repaired(msgspec.json.decode(schema)))
    except UnusableSchemaError:
        return msgspec.json.encode(repaired({}))
