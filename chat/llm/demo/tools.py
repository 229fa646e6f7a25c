"""Which of the offered tools the demo calls for what the user says. It never calls one that is not offered."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from chat.llm.demo.arithmetic import expressions_in
from chat.llm.demo.turn import Turn
from chat.llm.provider import JSON, ToolCallRequest, ToolSpec
from sessions_app.ids import new_id

MAX_CALLS = 8
"""In one round."""

_Intent = Callable[[str], Iterator[JSON]]
"""What the user says -> the arguments of each call that it asks for."""


def calls_for(turn: Turn) -> list[ToolCallRequest]:
    """Several at once when several things are asked for; what ``tool_choice`` demands in any case."""
    if turn.tool_choice == "none" or not turn.offered:
        return []
    if turn.tool_choice in turn.offered:
        return _calls_of(turn.offered[turn.tool_choice], turn.said, forced=True)
    calls = [call for spec in turn.offered.values() for call in _calls_of(spec, turn.said)]
    if not calls and turn.tool_choice == "required":
        return _calls_of(next(iter(turn.offered.values())), turn.said, forced=True)
    return calls[:MAX_CALLS]


def missing_tool(turn: Turn) -> str | None:
    """Says it when the words ask for a tool that this session does not have."""
    wanted = [name for name, intent in INTENTS.items() if name not in turn.offered and any(intent(turn.said))]
    if not wanted:
        return None
    names = " and ".join(f"`{name}`" for name in wanted)
    return f"For that I would call {names}, which is not offered in this session."


def _calls_of(spec: ToolSpec, said: str, *, forced: bool = False) -> list[ToolCallRequest]:
    intent = INTENTS.get(spec.name)
    arguments = list(intent(said)) if intent else []
    if not arguments and (forced or _names(said, spec.name)):
        arguments = [_guessed(spec, said)]
    return [
        ToolCallRequest(new_id("call"), spec.name, msgspec.json.encode(one).decode()) for one in arguments
    ]


def _names(said: str, tool: str) -> bool:
    """Whether the user names the tool: any tool, also the client's own, can be called so."""
    return re.search(rf"(?<![\w-]){re.escape(tool)}(?![\w-])", said, re.IGNORECASE) is not None


def _guessed(spec: ToolSpec, said: str) -> JSON:
    """The required arguments, each the simplest thing of its type: a number or a quotation from the text."""
    properties = spec.parameters.get("properties", {})
    return {name: _simplest(properties.get(name, {}), said) for name in spec.parameters.get("required", [])}


def _simplest(schema: JSON, said: str) -> Any:
    if choices := schema.get("enum"):
        return next((one for one in choices if _names(said, str(one))), choices[0])
    number = re.search(r"-?\d+(?:\.\d+)?", said)
    match schema.get("type"):
        case "integer":
            return int(float(number.group())) if number else 1
        case "number":
            return float(number.group()) if number else 1.0
        case "boolean":
            return True
        case "array":
            return []
        case "object":
            return {}
    quoted = re.search(r"[\"“]([^\"”]+)[\"”]", said) or re.search(
        r"\b(?:for|of|with|in)\s+(.+?)[.?!]?$", said
    )
    return quoted[1] if quoted else said


def _profile(said: str) -> Iterator[JSON]:
    if re.search(
        r"\bmy (?:user )?(profile|account|e-?mail|user ?name|user data)\b|\bwho am i\b", said, re.IGNORECASE
    ):
        yield {}


def _user_data(said: str) -> Iterator[JSON]:
    pattern = r"\b(?:user )?(?:data|profile|account) (?:for|of) (?:the )?(?:user )?([\w@.+-]*\w)"
    for found in re.finditer(pattern, said, re.IGNORECASE):
        if found[1].lower() not in {"me", "myself", "this", "the", "my"}:
            yield {"user": found[1]}


def _analytics(said: str) -> Iterator[JSON]:
    pattern = r"\b(analytics|statistics|stats|figures)\b|\bhow (long|many (messages|tokens)) \w+"
    if re.search(pattern, said, re.IGNORECASE):
        yield {}


def _search(said: str) -> Iterator[JSON]:
    pattern = (
        r"\b(?:search|find|look)\b.{0,30}?\b(?:sessions?|conversations?|chats?|history)\b.{0,20}?\b(?:for|about|on|with) (.+)"
        r"|\b(?:did|have) (?:we|i) (?:ever )?(?:talk|talked|spoken|chat|chatted|discuss|discussed) (?:about )?(.+)"
    )
    if found := re.search(pattern, said, re.IGNORECASE):
        yield {"query": (found[1] or found[2]).strip(" .?!\"'“”")}


def _time(said: str) -> Iterator[JSON]:
    """A zone for each place named; UTC when none is."""
    if re.search(r"\b(first|last|long|some|every|any|this|next|response) time\b", said, re.IGNORECASE):
        return
    if found := re.search(
        r"\btime\b(?: is it)?(?: right)?(?: now)? (?:in|at|for) ([^?!;]+)", said, re.IGNORECASE
    ):
        yield from ({"zone": place} for place in _places(found[1]) or ["UTC"])
    elif re.search(
        r"\b(what time|the (?:current )?time|current time|time is it|time now)\b", said, re.IGNORECASE
    ):
        yield {"zone": "UTC"}


def _places(text: str) -> list[str]:
    """Names begin with a capital; where none does, the first words are taken for one."""
    pieces = [piece.strip(" .'\"") for piece in re.split(r",|\band\b|\bplease\b|\bnow\b", text)]
    names = [piece for piece in pieces if re.match(r"[A-Z][\w /+:.'-]*$", piece)]
    if names or re.match(r"(the|my|your|this|that|it|what)\b", pieces[0]):
        return names
    return [pieces[0]] if pieces[0] else []


def _calculate(said: str) -> Iterator[JSON]:
    for expression in expressions_in(said):
        yield {"expression": expression}


INTENTS: dict[str, _Intent] = {
    "get_my_profile": _profile,
    "get_user_data": _user_data,
    "get_session_analytics": _analytics,
    "search_my_sessions": _search,
    "get_time": _time,
    "calculate": _calculate,
}
