"""What the models of a server with Chat Completions have refused, and how they are asked since (docs/decisions/0035)."""

import logging
import re
import sys
from enum import StrEnum
from typing import Any

import msgspec

from chat.errors import ModelContextTooLong
from chat.llm.failures import Told, failure
from chat.llm.provider import ModelRequest, ToolCallItem, ToolSpec

logger = logging.getLogger(__name__)


class Form(StrEnum):
    """How a server is asked for JSON."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    """Of any schema; the instructions tell of ours."""
    WORDS = ""
    """By the instructions alone."""


LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
"""Groq calls the first deprecated, OpenAI's newer models refuse it; elsewhere it is the name that every server knows."""

_UNKNOWN = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|extra (inputs|fields)|not (permitted|allowed)|deprecated"
    r"|extra_forbidden|unsupported_parameter|use '?max",
    re.IGNORECASE,
)

_ABOUT_JSON = re.compile(
    r"response.?format|json.?schema|json.?object|structured.?output|grammar", re.IGNORECASE
)

_NO_TOOLS = re.compile(
    r"not support(ed)?\b.{0,40}(\btools?\b|tool.?(use|call)|function.?call)|(tool|function).?call(s|ing)?\W.{0,20}not supported"
    r"|no endpoints found that support tool|tool choice requires --|tools param requires",
    re.IGNORECASE,
)
"""Ollama's, DeepSeek's and Together's; Groq's; OpenRouter's; vLLM's and llama.cpp's without the option for tools."""

_TOOLS_WANTED = re.compile(
    r"toolConfig field must be defined|`?tools=`? param|must define tools", re.IGNORECASE
)
"""Bedrock's and Claude's, whatever gateway is before them, of a history with calls and a request without tools."""

_DESCRIPTION = re.compile(r"description': string too long.*maximum length (\d+)", re.IGNORECASE | re.DOTALL)
"""OpenAI's and Azure's, of a tool."""

_REASONING_WANTED = re.compile(r"reasoning_content.{0,60}(is missing|must be passed back)", re.IGNORECASE)
"""Kimi's and DeepSeek's, who think unasked, of each message of the assistant's that has none: another model's, or a text."""

_TOO_LARGE = re.compile(
    r"max_(completion_|new_)?tokens.{0,120}?"
    r"(too large|too high|at most|less than or equal|<=|valid range|should be \[|context length)"
    r"|\d+ in the completion|requested \d+ output tokens",
    re.IGNORECASE | re.DOTALL,
)
"""Of the limit's value, which some add to the prompt and hold against the context window, and others against the model's own."""


def _named_in(request: ModelRequest) -> list[ToolSpec]:
    names = {item.name: None for item in request.history if isinstance(item, ToolCallItem)}
    return [ToolSpec(name, "", {"type": "object", "properties": {}}) for name in names]


class Known(msgspec.Struct, frozen=True):
    """Of one model: what its server has refused until now."""

    other_limit: bool = False
    """It knows the limit of output by its other name."""
    uncounted: bool = False
    form: Form = Form.SCHEMA
    reasoning_wanted: bool = False
    """Of every message of the assistant's, and be it none."""
    tools_wanted: bool = False
    """Where the history has calls."""
    description_chars: int = 0
    """The most of a tool's description; 0: no limit is known."""
    toolless: bool = False
    too_large: int = sys.maxsize
    """The least limit of output that is more than the model can give at all."""


class Learned:
    """Of one server, by model; for the process's life. What a question learns is what it was asked without knowing: another one may
    have learned it meanwhile."""

    def __init__(self, provider: str, *, limit_field: str, counted: bool) -> None:
        self._provider = provider
        self._limit_field = limit_field
        self._counted = counted
        self._models: dict[str, Known] = {}

    def of(self, model: str) -> Known:
        return self._models.get(model) or Known(uncounted=not self._counted)

    def limit_field(self, known: Known) -> str:
        """The name for the limit of output tokens."""
        other = next(name for name in LIMIT_FIELDS if name != self._limit_field)
        return other if known.other_limit else self._limit_field

    def adapted(self, request: ModelRequest, known: Known) -> ModelRequest:
        """Without what its model does not take at all."""
        tools, choice, limit = request.tools, request.tool_choice, request.max_output_tokens
        if known.toolless:
            tools = []
        elif not tools and known.tools_wanted:
            tools, choice = _named_in(request), "none"
        if most := known.description_chars:
            tools = [msgspec.structs.replace(spec, description=spec.description[:most]) for spec in tools]
        if (limit or 0) >= known.too_large:
            limit = None
        return msgspec.structs.replace(request, tools=tools, tool_choice=choice, max_output_tokens=limit)

    def learn(self, request: ModelRequest, known: Known, refusal: Told, *, asked_for_json: bool) -> bool:
        """Whether there is something to ask without, or by another name. ``known``: with which ``request`` was asked; of each
        field once."""
        model, told = request.model, f"{refusal.message} {' '.join(refusal.codes)}"
        checked = refusal.status in {400, 422}
        # before the tools: the two may not go together
        if checked and asked_for_json and _ABOUT_JSON.search(told):
            self._learn_form(model, known)
        elif self._learn_toolless(request, refusal):
            pass
        elif not checked:
            return False
        elif not known.reasoning_wanted and _REASONING_WANTED.search(told):
            self._keep(model, reasoning_wanted=True)
        elif not known.tools_wanted and _TOOLS_WANTED.search(told):
            self._keep(model, tools_wanted=True)
        elif not known.description_chars and (found := _DESCRIPTION.search(told)):
            self._keep(model, description_chars=int(found[1]))
        else:
            return bool(_UNKNOWN.search(told)) and self._learn_unknown(model, known, told)
        return True

    def is_limit_too_large(self, request: ModelRequest, refusal: Told) -> bool:
        """Of a model's own maximum that is remembered; of the room beside this prompt not."""
        limit = request.max_output_tokens
        if limit is None or refusal.status not in {400, 422} or not _TOO_LARGE.search(refusal.message):
            return False
        if not isinstance(failure(refusal), ModelContextTooLong):
            self._keep(request.model, too_large=min(limit, self.of(request.model).too_large))
        return True

    def _keep(self, model: str, **new: Any) -> None:
        self._models[model] = msgspec.structs.replace(self.of(model), **new)

    def _learn_form(self, model: str, known: Known) -> None:
        if self.of(model).form is known.form:
            self._keep(model, form=Form.OBJECT if known.form is Form.SCHEMA else Form.WORDS)

    def _learn_unknown(self, model: str, known: Known, told: str) -> bool:
        if not known.uncounted and "stream_options" in told:
            self._keep(model, uncounted=True)
            return True
        if not known.other_limit and self.limit_field(known) in told:
            self._keep(model, other_limit=True)
            return True
        return False

    def _learn_toolless(self, request: ModelRequest, refusal: Told) -> bool:
        """Whether the model takes no tools, and can answer without: nobody has asked for one by name."""
        free = request.tool_choice in {"auto", "none"}
        if not request.tools or not free or not _NO_TOOLS.search(refusal.message):
            return False
        self._keep(request.model, toolless=True)
        logger.warning(
            "%s:%s takes no tools, and is offered none from now on: %s",
            self._provider,
            request.model,
            refusal.cause,
        )
        return True
