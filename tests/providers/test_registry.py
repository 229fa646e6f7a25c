"""Which provider answers, as the settings say."""

import sys

import pytest
from pytest_django import Settings

from chat.conf import (
    DEFAULT_ANTHROPIC_MODEL,
    DEFAULT_GEMINI_MODEL,
    DEFAULT_GROQ_MODEL,
    DEFAULT_OPENAI_MODEL,
)
from chat.llm.catalog import (
    ProviderNotConfigured,
    close_providers,
    default_model_spec,
    full_spec,
    provider_for,
)
from chat.llm.demo.provider import DemoProvider
from chat.llm.gemini.provider import GeminiProvider


@pytest.mark.parametrize(
    ("model", "key", "spec"),
    [
        (None, None, "demo"),
        (None, "key", f"gemini:{DEFAULT_GEMINI_MODEL}"),
        ("demo", "key", "demo"),
        ("gemini:gemini-9", "key", "gemini:gemini-9"),
        ("", "", "demo"),
    ],
)
def test_the_default_model(settings: Settings, model: str | None, key: str | None, spec: str) -> None:
    settings.CHAT_LLM_MODEL, settings.CHAT_GEMINI_API_KEY = model, key
    assert default_model_spec() == spec


@pytest.mark.parametrize(
    ("spec", "cls", "model"),
    [
        ("demo", DemoProvider, "demo"),
        ("gemini:gemini-9-flash", GeminiProvider, "gemini-9-flash"),
        ("gemini", GeminiProvider, DEFAULT_GEMINI_MODEL),
        (None, GeminiProvider, DEFAULT_GEMINI_MODEL),
    ],
)
def test_a_spec_names_provider_and_model(settings: Settings, spec: str | None, cls: type, model: str) -> None:
    settings.CHAT_LLM_MODEL, settings.CHAT_GEMINI_API_KEY = None, "key"
    provider, name = provider_for(spec)
    assert (type(provider), name) == (cls, model)


@pytest.mark.parametrize(
    ("with_key", "spec"),
    [
        (("gemini", "openai", "anthropic", "groq"), f"gemini:{DEFAULT_GEMINI_MODEL}"),
        (("openai", "anthropic", "groq"), f"openai:{DEFAULT_OPENAI_MODEL}"),
        (("anthropic", "groq"), f"anthropic:{DEFAULT_ANTHROPIC_MODEL}"),
        (("groq",), f"groq:{DEFAULT_GROQ_MODEL}"),
        ((), "demo"),
    ],
)
def test_the_first_vendor_with_a_key_gives_the_default(
    settings: Settings, with_key: tuple[str, ...], spec: str
) -> None:
    settings.CHAT_LLM_MODEL = None
    for vendor in with_key:
        setattr(settings, f"CHAT_{vendor.upper()}_API_KEY", "key")
    assert default_model_spec() == spec


@pytest.mark.parametrize(
    ("vendor", "sdk"), [("openai", "openai"), ("groq", "openai"), ("anthropic", "anthropic")]
)
def test_a_missing_sdk_names_its_extra(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, vendor: str, sdk: str
) -> None:
    setattr(settings, f"CHAT_{vendor.upper()}_API_KEY", "key")
    for module in [name for name in sys.modules if name.startswith(f"chat.llm.{sdk}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, sdk, None)
    with pytest.raises(ProviderNotConfigured, match=rf"package {sdk} is not installed\. .*--extra {sdk}$"):
        provider_for(vendor)


@pytest.mark.parametrize(
    ("vendor", "cls"),
    [
        ("openai", "OpenAIProvider"),
        ("anthropic", "AnthropicProvider"),
        ("groq", "ChatCompletionsProvider"),
        ("compatible", "ChatCompletionsProvider"),
    ],
)
def test_each_vendor_has_its_provider_by_its_own_name(settings: Settings, vendor: str, cls: str) -> None:
    setattr(settings, f"CHAT_{vendor.upper()}_API_KEY", "key")
    settings.CHAT_COMPATIBLE_BASE_URL = "http://127.0.0.1:9/v1"
    provider, model = provider_for(f"{vendor}:some/model:8b")
    assert (type(provider).__name__, provider.name, model) == (cls, vendor, "some/model:8b")


@pytest.mark.parametrize(
    ("spec", "full"),
    [("gemini", f"gemini:{DEFAULT_GEMINI_MODEL}"), ("gemini:x", "gemini:x"), (" demo ", "demo")],
)
def test_the_log_writes_a_model_with_its_name(spec: str, full: str) -> None:
    assert full_spec(spec) == full


def test_one_instance_serves_all(settings: Settings) -> None:
    settings.CHAT_GEMINI_API_KEY = "key"
    assert provider_for("gemini:a")[0] is provider_for("gemini:b")[0]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gemini:gemini-9", "GEMINI_API_KEY is not set"),
        ("openai:gpt-9", "OPENAI_API_KEY is not set"),
        ("anthropic:claude-9", "ANTHROPIC_API_KEY is not set"),
        ("groq:llama-9", "GROQ_API_KEY is not set"),
        ("compatible:llama3:8b", "COMPATIBLE_BASE_URL is not set"),
        ("compatible", "LLM_MODEL=compatible: write compatible:NAME."),
        ("gpt:5", "LLM_MODEL=gpt:5: there is no provider 'gpt'. Use one of: gemini:NAME, openai:NAME, "),
        ("gemini:", "LLM_MODEL=gemini:: write gemini:NAME."),
        ("demo:fast", "LLM_MODEL=demo:fast: write demo."),
    ],
)
def test_a_wrong_setting_names_the_variable_and_the_fix(settings: Settings, spec: str, words: str) -> None:
    settings.CHAT_LLM_MODEL = spec
    with pytest.raises(ProviderNotConfigured) as wrong:
        provider_for(None)
    assert words in str(wrong.value)


def test_a_new_key_makes_a_new_provider(settings: Settings) -> None:
    settings.CHAT_GEMINI_API_KEY = "one"
    first = provider_for("gemini")[0]
    settings.CHAT_GEMINI_API_KEY = "two"
    assert provider_for("gemini")[0] is not first


async def test_closed_providers_are_made_anew() -> None:
    first = provider_for("demo")[0]
    await close_providers()
    assert provider_for("demo")[0] is not first
