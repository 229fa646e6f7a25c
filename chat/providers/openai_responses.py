"""OpenAI through the Responses API. Why it is driven so: ``docs/decisions/0010-openai-through-two-apis.md``."""

import openai

from chat.messages import ModelRequest
from chat.providers.openai_input import build_body
from chat.providers.openai_round import ResponsesRound
from chat.providers.openai_stream import Answer, StreamingProvider


class OpenAIProvider(StreamingProvider):
    name = "openai"

    def __init__(self, api_key: str) -> None:
        super().__init__(api_key=api_key)
        self._unreasoning: set[str] = set()
        """Models that refused to give their reasoning, as those without any do; learned by asking."""

    def _round(self, request: ModelRequest) -> ResponsesRound:
        return ResponsesRound(model=request.model)

    async def _ask(self, answer: Answer, request: ModelRequest) -> None:
        """Asks a second time where the first was refused for what we asked beside the answer.

        Reasoning goes stale (the key now belongs to another organization, the vendor changed its own); a session
        must not die of it.
        """
        reasoning = True
        while True:
            include = request.model not in self._unreasoning
            try:
                await answer.open("/responses", build_body(request, reasoning=reasoning, include=include))
                return
            except openai.BadRequestError as error:
                if include and _is_about_include(error):
                    self._unreasoning.add(request.model)
                elif reasoning and error.code == "invalid_encrypted_content":
                    reasoning = False
                else:
                    raise


def _is_about_include(error: openai.BadRequestError) -> bool:
    """``Encrypted content is not supported with this model.``"""
    return error.param == "include" or "encrypted content is not supported" in error.message.lower()
