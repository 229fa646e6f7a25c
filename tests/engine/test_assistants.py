"""What an assistant allows, where a process has it from, and what the settings may say of it."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from chat.assistants import Assistant, Shelf
from chat.conf import conf
from chat.conf_kinds import ASSISTANTS
from chat.errors import AssistantNotFound, InstructionsNotAllowed, ModelNotAllowed
from chat.tools.registry import Registry
from sessions_app.assistant import AssistantSettings, Link, assistant_of
from sessions_app.desk.assistants import publish, retire, save_version
from sessions_app.errors import DatabaseAway
from sessions_app.log import events as ev
from sessions_app.log.state import SessionState
from tests.log.test_state import NOON

SHOP = AssistantSettings(name="Shop", instructions="You sell bicycles.")
QUERIES = Callable[[int], Any]


def of(**settings: Any) -> Assistant:
    return Assistant(slug="shop", settings=AssistantSettings(**settings))


# What it allows


def test_what_it_does_not_say_the_server_says() -> None:
    with override_settings(CHAT_INSTRUCTIONS="Be brief.", CHAT_LLM_MODEL="demo"):
        assert (of().instructions, of().model, of().takes_instructions) == ("Be brief.", "demo", True)


@pytest.fixture
def three_models() -> Iterator[None]:
    with override_settings(
        CHAT_LLM_MODEL="demo",
        CHAT_LLM_MODELS=("openai:gpt-6.1-terra", "gemini:gemini-3.8-flash"),
        CHAT_LLM_FALLBACKS=("gemini:gemini-3.8-flash",),
        CHAT_GEMINI_API_KEY="k",
        CHAT_OPENAI_API_KEY="k",
    ):
        yield


def test_its_first_model_answers_and_no_other_may_be_chosen(three_models: None) -> None:
    shop = of(models=("openai:gpt-6.1-terra", "demo"))
    assert shop.model == shop.chosen(None) == "openai:gpt-6.1-terra"
    assert shop.chosen("demo") == "demo"
    with pytest.raises(ModelNotAllowed, match=r"openai:gpt-6\.1-terra, demo"):
        shop.chosen("gemini:gemini-3.8-flash")
    with pytest.raises(ModelNotAllowed):
        shop.with_full_model({"model": "gemini-3.8-flash"})
    assert of().chosen("gemini-3.8-flash") == "gemini:gemini-3.8-flash"


def test_a_fallback_that_it_is_not_allowed_is_not_asked(three_models: None) -> None:
    assert [one.spec for one in of(models=("demo",)).candidates("demo")] == ["demo"]
    assert [one.spec for one in of().candidates("demo")] == ["demo", "gemini:gemini-3.8-flash"]


def test_models_that_the_server_has_no_more_leave_its_own(three_models: None) -> None:
    assert of(models=("openai:of-yesterday",)).model == "demo"


def test_tools_are_those_that_it_names_also_when_they_come_later() -> None:
    registry = Registry()

    @registry.tool
    def early() -> str:
        """Is there."""
        return ""

    offered = of(tools=("early", "late")).tools_of(registry)
    assert [tool.name for tool in offered] == ["early"]

    @registry.tool
    def late() -> str:
        """Comes later, as an MCP server's does."""
        return ""

    @registry.tool
    def secret() -> str:
        """Is not for this one."""
        return ""

    assert [tool.name for tool in offered] == ["early", "late"]
    assert offered.get("secret") is None
    assert offered.get("late") is not None
    assert list(of(tools=()).tools_of(registry)) == []
    assert of().tools_of(registry) is registry


def test_instructions_that_are_not_clients_to_change_are_not_theirs_to_read() -> None:
    closed = of(instructions="Never give a discount.", client_instructions=False)
    assert closed.shown_instructions == ""
    with pytest.raises(InstructionsNotAllowed):
        closed.check_instructions(given=True, param="session.instructions")
    closed.check_instructions(given=False, param="session.instructions")
    assert of(instructions="Hello").shown_instructions == "Hello"


# The shelf


@pytest.fixture
def saved(transactional_db: None) -> None:
    save_version(slug="shop", settings=SHOP, by="ada")


@pytest.mark.usefixtures("saved")
class TestShelf:
    def test_a_draft_is_for_staff_alone(self) -> None:
        with pytest.raises(AssistantNotFound):
            Shelf().find_now("shop")
        with pytest.raises(AssistantNotFound):
            Shelf().find_now("shop", 1)
        assert Shelf().find_now("shop", 1, staff=True).settings == SHOP
        with pytest.raises(AssistantNotFound):
            Shelf().find_now("shop", 7, staff=True)

    def test_a_draft_leaves_people_what_the_settings_have_under_its_name(self) -> None:
        of_settings = AssistantSettings(name="As the file has it")
        with override_settings(CHAT_ASSISTANTS={"shop": of_settings}):
            assert Shelf().find_now("shop").settings == of_settings
            assert Shelf().find_now("shop", 1, staff=True).settings == SHOP
            shelf = Shelf()
            shelf.refresh()
            assert "shop" in [one.slug for one in shelf.all()]
            publish(slug="shop", version=1, by="ada")
            assert Shelf().find_now("shop").settings == SHOP

    def test_what_is_published_is_found_by_everybody_and_going_back_is_publishing(self) -> None:
        publish(slug="shop", version=1, by="ada")
        save_version(slug="shop", settings=AssistantSettings(name="Better"), by="bob")
        assert Shelf().find_now("shop").version == 1
        publish(slug="shop", version=2, by="bob")
        assert Shelf().find_now("shop").settings.name == "Better"
        publish(slug="shop", version=1, by="eve")
        assert Shelf().find_now("shop").settings == SHOP

    def test_a_retired_one_is_not_there_whatever_the_settings_say(self) -> None:
        publish(slug="shop", version=1, by="ada")
        retire(slug="shop")
        with override_settings(CHAT_ASSISTANTS={"shop": SHOP}), pytest.raises(AssistantNotFound):
            Shelf().find_now("shop")

    def test_the_admins_default_goes_before_that_of_the_settings(self) -> None:
        with override_settings(CHAT_ASSISTANTS={"default": AssistantSettings(name="Of the file")}):
            assert Shelf().find_now("").settings.name == "Of the file"
            save_version(slug="default", settings=AssistantSettings(name="Of the admin"), by="ada")
            publish(slug="default", version=1, by="ada")
            found = Shelf().find_now("")
        assert (found.slug, found.version, found.settings.name) == ("default", 1, "Of the admin")

    def test_those_that_people_get_are_told_and_no_draft_and_no_retired_one(self) -> None:
        save_version(slug="old", settings=SHOP, by="ada")
        publish(slug="old", version=1, by="ada")
        retire(slug="old")
        shelf = Shelf()
        with override_settings(CHAT_ASSISTANTS={"desk": SHOP, "old": SHOP}):
            shelf.refresh()
            assert [one.slug for one in shelf.all()] == ["", "desk"]
            publish(slug="shop", version=1, by="ada")
            shelf.refresh()
            assert [one.slug for one in shelf.all()] == ["", "desk", "shop"]

    def test_the_same_again_is_no_other_version(self) -> None:
        assert save_version(slug="shop", settings=SHOP, by="bob").number == 1

    async def test_who_begins_a_session_asks_no_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from sessions_app.postgres.threads import in_db_thread

        shelf = Shelf()
        await in_db_thread(publish, slug="shop", version=1, by="ada")
        await in_db_thread(shelf.refresh)

        async def away(*_: Any, **__: Any) -> None:
            raise DatabaseAway

        monkeypatch.setattr("chat.assistants.in_db_thread", away)
        assert (await shelf.find("shop")).version == 1
        assert (await shelf.find("")).slug == ""
        assert (await shelf.begun_with("shop", 1)).settings == SHOP

    async def test_one_that_was_published_a_moment_ago_elsewhere_is_found(self) -> None:
        from sessions_app.postgres.threads import in_db_thread

        shelf = Shelf()
        await in_db_thread(publish, slug="shop", version=1, by="ada")
        assert (await shelf.find("shop")).settings == SHOP

    async def test_a_session_goes_on_with_its_version(self) -> None:
        from sessions_app.postgres.threads import in_db_thread

        await in_db_thread(save_version, slug="shop", settings=AssistantSettings(name="Better"), by="bob")
        await in_db_thread(publish, slug="shop", version=2, by="bob")
        assert (await Shelf().begun_with("shop", 1)).settings == SHOP

    async def test_what_is_gone_leaves_the_default(self) -> None:
        assert (await Shelf().begun_with("shop", 9)).slug == ""
        closed = AssistantSettings(tools=(), client_instructions=False)
        with override_settings(CHAT_ASSISTANTS={"default": closed}):
            assert (await Shelf().begun_with("shop", 9)).settings == closed

    @pytest.mark.parametrize(
        ("kept", "read"),
        [
            (
                {
                    "instructions": "Be kind.",
                    "tools": ["calculate"],
                    "client_instructions": False,
                    "voice": "alto",
                },
                AssistantSettings(instructions="Be kind.", tools=("calculate",), client_instructions=False),
            ),
            (
                {
                    "instructions": "Be kind.",
                    "tools": {"only": ["calculate"]},
                    "client_instructions": "staff",
                },
                AssistantSettings(instructions="Be kind.", tools=(), client_instructions=False),
            ),
            ([], AssistantSettings(tools=(), client_instructions=False)),
        ],
        ids=["a field that it does not know", "fields that mean something else", "nothing of it"],
    )
    async def test_a_session_keeps_what_this_build_reads_of_its_version(
        self, kept: Any, read: AssistantSettings
    ) -> None:
        """Two builds run beside each other while a new one is brought out: a session may come back to the older one, and has no
        more tools there."""
        from sessions_app.models import AssistantVersion
        from sessions_app.postgres.threads import in_db_thread

        await in_db_thread(AssistantVersion.objects.filter(assistant_id="shop").update, settings=kept)
        found = await Shelf().begun_with("shop", 1)
        assert (found.slug, found.version, found.settings) == ("shop", 1, read)
        with pytest.raises(AssistantNotFound):
            await Shelf().find("shop", 1, staff=True)

    def test_a_row_that_this_build_cannot_read_takes_no_other_along(self) -> None:
        from sessions_app.models import AssistantVersion

        publish(slug="shop", version=1, by="ada")
        save_version(slug="odd", settings=AssistantSettings(name="Odd"), by="ada")
        publish(slug="odd", version=1, by="ada")
        AssistantVersion.objects.filter(assistant_id="odd").update(settings={"color": "no color"})
        shelf = Shelf()
        assert shelf.find_now("shop").settings == SHOP
        with pytest.raises(AssistantNotFound):
            shelf.find_now("odd")


# The log


def test_a_session_remembers_it_through_a_compaction() -> None:
    begun = ev.SessionStarted(model="demo", assistant="shop", assistant_version=3)
    state = SessionState([ev.Record("s", 1, NOON, begun)])
    assert state.assistant == ("shop", 3)
    kept, _ = state.checkpoint(10)
    assert kept == [1], "who opens it after a compaction reads no other of the first events"
    assert SessionState([ev.Record("s", 1, NOON, ev.SessionStarted(model="demo"))]).checkpoint(10)[0] == []


# The setting


def test_assistants_stand_in_a_file(tmp_path: Path) -> None:
    picture = tmp_path / "logo.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    file = tmp_path / "assistants.toml"
    file.write_text(
        f'[default]\nname = "Shop"\nlogo = "{picture}"\n'
        '[sales]\ntools = ["calculate"]\nlinks = [{label = "Imprint", url = "/imprint"}]\n'
    )
    found = ASSISTANTS.parse(str(file))
    assert found["default"].logo == f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    assert found["sales"].links == (Link(label="Imprint", url="/imprint"),)
    assert ASSISTANTS.parse(json.dumps({"sales": {"name": "S"}})) == {"sales": AssistantSettings(name="S")}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"colour": "#fff"}, "colour"),
        ({"color": "red"}, "color: six digits"),
        ({"color": "#0f766e}body{display:none"}, "color"),
        ({"logo": "data:text/html;base64,PHA+"}, "logo"),
        ({"language": "tlh"}, "language: one of en, de"),
        ({"links": [{"label": "x", "url": "javascript:alert(1)"}]}, "links"),
        ({"links": [{"label": "x", "url": "//elsewhere"}]}, "links"),
        ({"origins": ["https://shop.example.com/path"]}, "origins"),
        ({"origins": ["https://a.example; script-src *"]}, "origins"),
        ({"origins": ["*"]}, "origins"),
        ({"name": "x" * 61}, "name"),
    ],
)
def test_what_is_wrong_is_said(fields: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        assistant_of(fields)
    with pytest.raises(ValueError, match="shop: "):
        ASSISTANTS.parse(json.dumps({"shop": fields}))


@pytest.mark.parametrize("text", ['{"Shop": {}}', '{"a_b": {}}', "{", "/nowhere.toml", "[]", '{"a": []}'])
def test_what_is_no_assistant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSON like"):
        ASSISTANTS.parse(text)


def test_none_is_set_by_default() -> None:
    assert conf().assistants == {}
