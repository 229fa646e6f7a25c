"""The providers there are: what each needs in the settings, and how it is made.

A vendor's SDK takes up to a second to import, and may not be installed: it is imported when it is used.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from chat.conf import conf
from chat.providers.base import Provider


class ProviderNotConfigured(ValueError):
    """The model cannot be used as the settings stand; the message names the variable and the fix."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    make: Callable[[], Provider]
    """Raises `ProviderNotConfigured`."""
    default_model: Callable[[], str]
    """Empty: the spec has to name one."""
    usage: str
    takes_name: bool = True
    has_key: Callable[[], bool] = lambda: False


def _demo() -> Provider:
    from chat.providers.demo import DemoProvider

    return DemoProvider()


def _gemini() -> Provider:
    key = _needed(conf().gemini_api_key, "GEMINI_API_KEY")
    from chat.providers.gemini import GeminiProvider

    return GeminiProvider(key)


def _openai() -> Provider:
    key = _needed(conf().openai_api_key, "OPENAI_API_KEY")
    with _extra("openai"):
        from chat.providers.openai_responses import OpenAIProvider
    return OpenAIProvider(key)


def _anthropic() -> Provider:
    key = _needed(conf().anthropic_api_key, "ANTHROPIC_API_KEY")
    with _extra("anthropic"):
        from chat.providers.anthropic_claude import AnthropicProvider
    return AnthropicProvider(key)


def _groq() -> Provider:
    key = _needed(conf().groq_api_key, "GROQ_API_KEY")
    return _chat_completions("groq", key, conf().groq_base_url, limit_field="max_completion_tokens")


def _compatible() -> Provider:
    url = _needed(conf().compatible_base_url, "COMPATIBLE_BASE_URL")
    return _chat_completions(
        "compatible",
        conf().compatible_api_key or "",
        url,
        limit_field=conf().compatible_limit_field,
        counted=conf().compatible_stream_options,
    )


def _chat_completions(
    name: str, key: str, base_url: str, *, limit_field: str, counted: bool = True
) -> Provider:
    with _extra("openai"):
        from chat.providers.openai_chat import ChatCompletionsProvider
    return ChatCompletionsProvider(
        name, api_key=key, base_url=base_url, limit_field=limit_field, counted=counted
    )


def _needed(value: str | None, variable: str) -> str:
    if not value:
        raise ProviderNotConfigured(f"{variable} is not set. Set it, or LLM_MODEL=demo to run without a key.")
    return value


@contextmanager
def _extra(name: str) -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise
        raise ProviderNotConfigured(
            f"The package {name} is not installed. It is the extra {name!r}: "
            f"uv pip install -r pyproject.toml --extra {name}"
        ) from error


KINDS = {
    "gemini": Kind(
        make=_gemini,
        default_model=lambda: conf().gemini_model,
        usage="gemini:NAME",
        has_key=lambda: bool(conf().gemini_api_key),
    ),
    "openai": Kind(
        make=_openai,
        default_model=lambda: conf().openai_model,
        usage="openai:NAME",
        has_key=lambda: bool(conf().openai_api_key),
    ),
    "anthropic": Kind(
        make=_anthropic,
        default_model=lambda: conf().anthropic_model,
        usage="anthropic:NAME",
        has_key=lambda: bool(conf().anthropic_api_key),
    ),
    "groq": Kind(
        make=_groq,
        default_model=lambda: conf().groq_model,
        usage="groq:NAME",
        has_key=lambda: bool(conf().groq_api_key),
    ),
    "compatible": Kind(make=_compatible, default_model=lambda: "", usage="compatible:NAME"),
    "demo": Kind(make=_demo, default_model=lambda: "demo", usage="demo", takes_name=False),
}
PREFERRED = ("gemini", "openai", "anthropic", "groq")
"""Whose default model answers when ``LLM_MODEL`` is not set: the first that has a key."""
