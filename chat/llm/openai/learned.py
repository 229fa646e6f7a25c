"""What the models of a server with Chat Completions have refused, and how they are asked since (docs/decisions/0035)."""

import logging
import re
import sys
from enum import StrEnum

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


class Learned:
    """Of one server, by model; for the process's life. Each thing is learned once."""

    def __init__(self, provider: str, *, limit_field: str, counted: bool) -> None:
        self._provider = provider
        self._limit_field = limit_field
        self._counted = counted
        self._other_limit: set[str] = set()
        """Models that refused the limit's name; below, those that refused to count."""
        self._uncounted: set[str] = set()
        self._forms: dict[str, Form] = {}
        """Of models that refused to be asked for JSON by a schema."""
        self._reasoning_wanted: set[str] = set()
        """Models that want reasoning of every message of the assistant's, and be it none."""
        self._tools_wanted: set[str] = set()
        """Models that want tools named where the history has calls."""
        self._description_chars: dict[str, int] = {}
        """The most of a tool's description."""
        self._toolless: set[str] = set()
        self._too_large: dict[str, int] = {}
        """Limits of output that are more than the model can give at all."""

    def limit_field(self, model: str) -> str:
        """The name for the limit of output tokens."""
        other = next(name for name in LIMIT_FIELDS if name != self._limit_field)
        return other if model in self._other_limit else self._limit_field

    def counts(self, model: str) -> bool:
        return self._counted and model not in self._uncounted

    def form(self, model: str) -> Form:
        return self._forms.get(model, Form.SCHEMA)

    def wants_reasoning(self, model: str) -> bool:
        return model in self._reasoning_wanted

    def adapted(self, request: ModelRequest) -> ModelRequest:
        """Without what its model does not take at all."""
        tools, choice = request.tools, request.tool_choice
        if request.model in self._toolless:
            tools = []
        elif not tools and request.model in self._tools_wanted:
            tools, choice = _named_in(request), "none"
        if most := self._description_chars.get(request.model):
            tools = [msgspec.structs.replace(spec, description=spec.description[:most]) for spec in tools]
        request = msgspec.structs.replace(request, tools=tools, tool_choice=choice)
        if (request.max_output_tokens or 0) >= self._too_large.get(request.model, sys.maxsize):
            request = msgspec.structs.replace(request, max_output_tokens=None)
        return request

    def learn(self, request: ModelRequest, refusal: Told, *, asked_for_json: bool) -> bool:
        """Whether there is something new to ask without, or by another name; of each field once."""
        model, told = request.model, f"{refusal.message} {' '.join(refusal.codes)}"
        if self._learn_toolless(request, refusal):
            return True
        if refusal.status not in {400, 422}:
            return False
        if asked_for_json and _ABOUT_JSON.search(told):
            self._forms[model] = Form.OBJECT if self.form(model) is Form.SCHEMA else Form.WORDS
            return True
        for wanted, words in (
            (self._reasoning_wanted, _REASONING_WANTED),
            (self._tools_wanted, _TOOLS_WANTED),
        ):
            if model not in wanted and words.search(told):
                wanted.add(model)
                return True
        if (found := _DESCRIPTION.search(told)) and model not in self._description_chars:
            self._description_chars[model] = int(found[1])
            return True
        return bool(_UNKNOWN.search(told)) and self._learn_unknown(model, told)

    def is_limit_too_large(self, request: ModelRequest, refusal: Told) -> bool:
        """Of a model's own maximum that is remembered; of the room beside this prompt not."""
        limit = request.max_output_tokens
        if limit is None or refusal.status not in {400, 422} or not _TOO_LARGE.search(refusal.message):
            return False
        if not isinstance(failure(refusal), ModelContextTooLong):
            self._too_large[request.model] = limit
        return True

    def _learn_unknown(self, model: str, told: str) -> bool:
        if self.counts(model) and "stream_options" in told:
            self._uncounted.add(model)
            return True
        if model not in self._other_limit and self.limit_field(model) in told:
            self._other_limit.add(model)
            return True
        return False

    def _learn_toolless(self, request: ModelRequest, refusal: Told) -> bool:
        """Whether the model takes no tools, and can answer without: nobody has asked for one by name."""
        free = request.tool_choice in {"auto", "none"}
        if not request.tools or not free or not _NO_TOOLS.search(refusal.message):
            return False
        self._toolless.add(request.model)
        logger.warning(
            "%s:%s takes no tools, and is offered none from now on: %s",
            self._provider,
            request.model,
            refusal.cause,
        )
        return True
