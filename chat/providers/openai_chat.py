"""Groq, and any other server with OpenAI's Chat Completions, e.g. vLLM, Ollama, llama.cpp, OpenRouter, DeepSeek.

Why it is driven so: ``docs/decisions/0010-openai-through-two-apis.md``.
"""

from chat.messages import ModelRequest
from chat.providers.openai_chat_round import ChatRound
from chat.providers.openai_messages import build_body
from chat.providers.openai_stream import Answer, StreamingProvider

_LIMIT_FIELDS = {"groq": "max_completion_tokens"}
"""Groq calls ``max_tokens`` deprecated; elsewhere it is the name that every server knows."""


class ChatCompletionsProvider(StreamingProvider):
    """``name`` is the provider's, as a model's spec begins; ``api_key`` may be empty, then none is sent."""

    def __init__(self, name: str, *, api_key: str, base_url: str) -> None:
        super().__init__(api_key=api_key, base_url=base_url)
        self.name = name

    def _round(self, request: ModelRequest) -> ChatRound:
        return ChatRound(model=request.model, provider=self.name)

    async def _ask(self, answer: Answer, request: ModelRequest) -> None:
        limit_field = _LIMIT_FIELDS.get(self.name, "max_tokens")
        await answer.open(
            "/chat/completions", build_body(request, provider=self.name, limit_field=limit_field)
        )
