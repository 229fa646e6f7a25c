"""Which provider answers, as the settings say."""

import pytest
from pytest_django import Settings

from chat.conf import DEFAULT_GEMINI_MODEL
from chat.providers.demo import DemoProvider
from chat.providers.gemini import GeminiProvider
from chat.providers.registry import ProviderNotConfigured, close_providers, default_model_spec, provider_for


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


def test_one_instance_serves_all(settings: Settings) -> None:
    settings.CHAT_GEMINI_API_KEY = "key"
    assert provider_for("gemini:a")[0] is provider_for("gemini:b")[0]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gemini:gemini-9", "GEMINI_API_KEY is not set"),
        ("gpt:5", "LLM_MODEL=gpt:5: there is no provider 'gpt'. Use one of: gemini:NAME, demo."),
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
