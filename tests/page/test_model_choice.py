"""Choosing a model, where there is a choice: by names for people, before the first word and between answers."""

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from chat.assistants import shelf
from chat.page.model_choice import model_name
from sessions_app.assistant import AssistantSettings
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def known(settings: Any) -> Iterator[None]:
    settings.CHAT_GEMINI_API_KEY = "not-a-real-key"
    shelf.forget()
    yield
    shelf.forget()


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("gemini:gemini-3.8-flash", "Gemini 3.8 Flash"),
        ("openai:gpt-6.1-terra", "GPT 6.1 Terra"),
        ("anthropic:claude-sonnet-5-5", "Claude Sonnet 5.5"),
        ("anthropic:claude-sonnet-5-5-20261001", "Claude Sonnet 5.5"),
        ("groq:openai/gpt-oss-120b", "GPT OSS 120B"),
        ("compatible:llama3:8b", "Llama3 8B"),
        ("demo", "Demo"),
    ],
)
def test_a_model_has_a_name_for_people(spec: str, name: str) -> None:
    assert model_name(spec) == name


def test_the_shop_may_call_a_model_what_it_likes(settings: Any) -> None:
    settings.CHAT_LLM_MODEL_NAMES = {"demo": "Practice"}
    assert model_name("demo") == "Practice"


def offered_on(path: str) -> list[tuple[str, str]]:
    html = Client().get(path).content.decode()
    return re.findall(r'<option value="([^"]+)">([^<]+)</option>', html)


def test_people_are_shown_what_they_may_choose_and_no_fallback(settings: Any) -> None:
    settings.CHAT_LLM_FALLBACKS = ("gemini:gemini-3.8-flash",)
    assert offered_on("/") == []
    settings.CHAT_LLM_MODELS = ("gemini:gemini-4-hydrogen",)
    assert offered_on("/") == [("demo", "Demo"), ("gemini:gemini-4-hydrogen", "Gemini 4 Hydrogen")]
    settings.CHAT_ASSISTANTS = {
        "one": AssistantSettings(models=("gemini:gemini-4-hydrogen",)),
        "two": AssistantSettings(models=("gemini:gemini-4-hydrogen", "demo")),
    }
    assert offered_on("/a/one/") == []
    assert [spec for spec, _ in offered_on("/a/two/")] == ["gemini:gemini-4-hydrogen", "demo"]


@pytest.fixture
def two_models(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    """The demo, and one whose vendor nobody reaches."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    return start_server(
        LLM_MODEL="demo",
        LLM_MODELS="gemini:gemini-3.8-flash",
        LLM_MODEL_NAMES='{"gemini:gemini-3.8-flash": "Far away"}',
        GEMINI_API_KEY="not-a-real-key",
        GOOGLE_GEMINI_BASE_URL=nobody,
    )


def test_a_model_is_chosen_before_the_first_word_and_between_answers(
    two_models: ServerProcess, open_page: OpenPage
) -> None:
    chat: ChatPage = open_page(server=two_models)
    chat.go("/")
    picker = chat.page.get_by_role("combobox", name="Model")
    expect(picker).to_have_value("demo")
    picker.select_option(label="Far away")
    chat.say("Hello")
    chat.expect_ended(chat.answers.first, "failed")
    expect(picker).to_have_value("gemini:gemini-3.8-flash")
    picker.select_option(label="Demo")
    chat.say("Hello again")
    chat.expect_ended(chat.answers.nth(1))
    chat.page.reload()
    expect(picker).to_have_value("demo")
    expect(chat.answers).to_have_count(2)


def test_there_is_nothing_to_choose_with_one_model(chat: ChatPage) -> None:
    expect(chat.page.locator("#model")).to_have_count(0)
