"""Groq, and any other server with OpenAI's Chat Completions, e.g. vLLM, Ollama, llama.cpp, OpenRouter, DeepSeek.

Why it is driven so: ``docs/decisions/0010-openai-through-two-apis.md`` and ``0034``.
"""

import re

import openai

from chat.messages import ModelRequest
from chat.providers.failure_words import Told
from chat.providers.failures import told_by
from chat.providers.openai_chat_round import ChatRound
from chat.providers.openai_messages import build_body
from chat.providers.openai_stream import Answer, StreamingProvider

LIMIT_FIELDS = ("max_tokens", "max_completion_tokens")
"""Groq calls the first deprecated, OpenAI's newer models refuse it; elsewhere it is the name that every server knows."""

_UNKNOWN = re.compile(
    r"unsupported|not supported|unknown|unrecognized|unexpected|extra (inputs|fields)|not (permitted|allowed)|deprecated"
    r"|extra_forbidden|unsupported_parameter|use '?max",
    re.IGNORECASE,
)


class ChatCompletionsProvider(StreamingProvider):
    """``name`` is the provider's, as a model's spec begins; ``api_key`` may be empty, then none is sent."""

    def __init__(
        self,
        name: str,
        *,
        api_key: str,
        base_url: str,
        limit_field: str = "max_tokens",
        counted: bool = True,
    ) -> None:
        super().__init__(api_key=api_key, base_url=base_url)
        self.name = name
        self._limit_field = limit_field
        self._counted = counted
        self._other_limit: set[str] = set()
        """Models that refused the limit's name, learned by asking; below, those that refused to count."""
        self._uncounted: set[str] = set()

    def _round(self, request: ModelRequest) -> ChatRound:
        return ChatRound(model=request.model, provider=self.name)

    async def _ask(self, answer: Answer, request: ModelRequest) -> None:
        """Asks again where a field was refused that no answer needs, or that the server knows by another name."""
        while True:
            try:
                await answer.open(
                    "/chat/completions",
                    build_body(
                        request,
                        provider=self.name,
                        limit_field=self._limit_of(request.model),
                        counted=self._counts(request.model),
                    ),
                )
                return
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not self._learn(request.model, told_by(error.response)):
                    raise

    def _limit_of(self, model: str) -> str:
        """The name for the limit of output tokens."""
        other = next(name for name in LIMIT_FIELDS if name != self._limit_field)
        return other if model in self._other_limit else self._limit_field

    def _counts(self, model: str) -> bool:
        return self._counted and model not in self._uncounted

    def _learn(self, model: str, refusal: Told) -> bool:
        """Whether there is something new to ask without; of each field once."""
        told = f"{refusal.message} {' '.join(refusal.codes)}"
        if not _UNKNOWN.search(told):
            return False
        if self._counts(model) and "stream_options" in told:
            self._uncounted.add(model)
            return True
        if model not in self._other_limit and self._limit_of(model) in told:
            self._other_limit.add(model)
            return True
        return False
