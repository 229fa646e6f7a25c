"""Which models a client may choose, and who is asked for a session's model."""

import pytest
from pytest_django import Settings

from chat.checks import check_assistants, check_models
from chat.errors import ModelCredentials, ModelNotAllowed
from chat.llm.catalog import candidates, chosen, offered, with_full_model
from sessions_app.assistant import AssistantSettings
from tests.providers.rounds import events_of, request


@pytest.fixture
def some_models(settings: Settings) -> None:
    settings.CHAT_LLM_MODEL, settings.CHAT_GEMINI_API_KEY = "gemini:gemini-9", "key-of-gemini"
    settings.CHAT_LLM_FALLBACKS, settings.CHAT_LLM_MODELS = ("demo",), ("gemini:gemini-9-pro", "demo")


@pytest.mark.usefixtures("some_models")
def test_the_default_its_fallbacks_and_the_listed_are_offered() -> None:
    assert offered() == ["gemini:gemini-9", "demo", "gemini:gemini-9-pro"]


@pytest.mark.usefixtures("some_models")
@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("gemini:gemini-9-pro", "gemini:gemini-9-pro"),
        ("gemini-9-pro", "gemini:gemini-9-pro"),
        ("demo", "demo"),
        ("", None),
        (None, None),
        ("gpt-realtime", None),
        ("gpt-4o-realtime-preview-2024-12-17", None),
    ],
)
def test_a_name_stands_for_a_model(name: str | None, spec: str | None) -> None:
    assert chosen(name) == spec


@pytest.mark.usefixtures("some_models")
@pytest.mark.parametrize(
    "name", ["gemini:gemini-8", "gpt-6.1-terra", "openai:gpt-realtime", "gemini", "*", "\x00"]
)
def test_any_other_is_refused_with_a_list(name: str) -> None:
    with pytest.raises(ModelNotAllowed) as refused:
        chosen(name)
    assert "gemini:gemini-9, demo, gemini:gemini-9-pro" in refused.value.message
    assert (refused.value.code, refused.value.param) == ("model_not_allowed", "model")


def test_a_listed_model_that_realtime_is_part_of_can_be_chosen(settings: Settings) -> None:
    settings.CHAT_LLM_MODELS = ("compatible:my-realtime",)
    assert chosen("my-realtime") == "compatible:my-realtime"


@pytest.mark.usefixtures("some_models")
def test_changes_of_a_session_carry_the_whole_name() -> None:
    assert with_full_model({"model": "gemini-9-pro", "tools": []}) == {
        "model": "gemini:gemini-9-pro",
        "tools": [],
    }
    assert with_full_model({"model": "gpt-realtime", "tools": []}) == {"tools": []}
    with pytest.raises(ModelNotAllowed) as refused:
        with_full_model({"model": "gpt-5"})
    assert refused.value.param == "session.model"


@pytest.mark.usefixtures("some_models")
def test_the_sessions_model_comes_first_and_none_twice() -> None:
    assert [one.spec for one in candidates("gemini:gemini-9-pro")] == ["gemini:gemini-9-pro", "demo"]
    assert [one.spec for one in candidates("demo")] == ["demo"]
    assert [one.model for one in candidates("gemini:gemini-9")] == ["gemini-9", "demo"]


def test_what_is_not_configured_any_more_is_passed_over(settings: Settings) -> None:
    settings.CHAT_LLM_FALLBACKS = ("groq:llama-9", "demo")
    assert [one.spec for one in candidates("gemini:gemini-9")] == ["demo"]
    settings.CHAT_LLM_FALLBACKS = ()
    assert [one.spec for one in candidates("gemini:gemini-9")] == ["demo"]  # the default


async def test_nothing_configured_is_an_error_for_staff_in_each_response(settings: Settings) -> None:
    settings.CHAT_LLM_MODEL = "gemini:gemini-9"
    (only,) = candidates("gemini:gemini-9")
    with pytest.raises(ModelCredentials) as failed:
        await events_of(only.provider, request("Hi"))
    assert "GEMINI_API_KEY is not set" in failed.value.cause


# System checks


def test_an_assistant_of_the_settings_that_names_what_there_is_not_is_told(settings: Settings) -> None:
    settings.CHAT_MCP_SERVERS = {"shelf": {"command": "shelf"}}
    settings.CHAT_ASSISTANTS = {
        "sound": AssistantSettings(models=("demo",), tools=("calculate", "shelf__look")),
        "sales": AssistantSettings(models=("demo", "openai:gpt-9"), tools=("calculate", "calcualte")),
    }
    model, tool = check_assistants(None)
    assert (model.id, "sales" in model.msg, "openai:gpt-9" in model.msg) == ("chat.E008", True, True)
    assert (tool.id, "sales" in tool.msg, "calcualte" in tool.msg) == ("chat.W006", True, True)


@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        ("CHAT_LLM_FALLBACKS", ("groq:llama-9",), "chat.E006", "GROQ_API_KEY is not set"),
        ("CHAT_LLM_FALLBACKS", ("demo", "gpt:5"), "chat.E006", "LLM_FALLBACKS=gpt:5: there is no provider"),
        ("CHAT_LLM_MODELS", ("openai:gpt-9",), "chat.E007", "OPENAI_API_KEY is not set"),
        ("CHAT_LLM_MODELS", ("*",), "chat.E007", "LLM_MODELS=*: name the models"),
    ],
)
def test_a_list_that_cannot_work_is_told_before_the_start(
    settings: Settings, setting: str, value: tuple[str, ...], code: str, words: str
) -> None:
    assert check_models(None) == []
    setattr(settings, setting, value)
    (error,) = check_models(None)
    assert error.id == code
    assert words in error.msg
