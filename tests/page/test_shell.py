"""The page in the look and the language of whom one talks with, without a browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from chat.assistants import shelf
from chat.errors import ChatError
from chat.page.look import contrast, stylesheet
from chat.wire.codes import FrameCode
from realtime_ai.env import BASE_DIR
from sessions_app.assistant import AssistantSettings, Link, Prompt
from sessions_app.desk.assistants import publish, retire, save_version
from sessions_app.errors import SessionsError
from sessions_app.log.events import Reason

SALES = AssistantSettings(
    name="Sales <b>",
    color="#b4531f",
    headline="What do you ride?",
    prompts=(Prompt(text="A bicycle, please", about="Any"),),
    links=(Link(label="Imprint", url="https://shop.example.com/imprint"),),
    origins=("https://shop.example.com",),
)


@pytest.fixture(autouse=True)
def shop(db: None, settings: Any) -> Iterator[None]:
    settings.CHAT_ASSISTANTS = {"sales": SALES, "arabic": AssistantSettings(name="متجر", language="ar")}
    shelf.forget()
    yield
    shelf.forget()


def page(path: str, client: Client | None = None, *, accept: str = "") -> str:
    response = (client or Client()).get(path, headers={"Accept-Language": accept})
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("path", ["/a/sales/", "/?assistant=sales", "/a/sales/s/some-session"])
def test_it_is_the_shops_own(path: str) -> None:
    html = page(path)
    for shown in (
        "Sales &lt;b&gt;",
        "What do you ride?",
        'data-prompt="A bicycle, please"',
        'href="https://shop.example.com/imprint"',
        "/shades/b4531f.css",
        'data-socket-query="assistant=sales"',
        'data-home-url="/a/sales/"',
        'data-session-url="/a/sales/s/SESSION_ID"',
    ):
        assert shown in html
    assert "Realtime AI" not in html


def test_without_one_it_is_the_products() -> None:
    html = page("/")
    assert "Realtime AI" in html
    assert 'data-socket-query=""' in html
    assert "/shades/" not in html
    assert "What time is it in Tokyo?" in html


@pytest.mark.parametrize("path", ["/a/nobody/", "/?assistant=nobody", "/embed/nobody/", "/a/x_y/"])
def test_one_that_is_not_there_is_not_found(path: str) -> None:
    assert Client().get(path).status_code == 404


def test_the_admins_default_is_the_page_without_a_name() -> None:
    save_version(slug="default", settings=AssistantSettings(name="Of the admin"), by="ada")
    publish(slug="default", version=1, by="ada")
    shelf.forget()
    html = page("/")
    assert "Of the admin" in html
    assert 'data-session-url="/s/SESSION_ID"' in html


def test_a_draft_is_shown_to_staff_alone() -> None:
    save_version(slug="shop", settings=AssistantSettings(name="The draft"), by="ada")
    shelf.forget()
    path = "/a/shop/?version=1"
    assert Client().get(path).status_code == 404
    user, staff = Client(), Client()
    user.force_login(User.objects.create_user("user"))
    staff.force_login(User.objects.create_user("staff", is_staff=True))
    assert user.get(path).status_code == 404
    html = page(path, staff)
    assert "The draft" in html
    assert 'data-socket-query="assistant=shop&amp;version=1"' in html
    assert staff.get("/a/shop/").status_code == 404


def test_what_is_the_operators_is_for_staff_alone(settings: Any) -> None:
    """The model's name, tokens and timings; and the notice of the demo model with DEBUG."""
    settings.DEBUG = True
    staff = Client()
    staff.force_login(User.objects.create_user("staff", is_staff=True))
    guest = page("/")
    for mark in ("data-staff", "data-notices", "data-model"):
        assert mark not in guest
        assert mark in page("/", staff)
    settings.DEBUG = False
    assert "data-notices" not in page("/", staff)
    assert "data-staff" not in page("/embed/", staff)


# Languages


@pytest.mark.parametrize(
    ("accepted", "language", "word"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "Nachricht schreiben"),
        ("fr", "fr", "Écrivez un message"),
        ("es-MX", "es", "Escriba un mensaje"),
        ("ar", "ar", "اكتب رسالة"),
        ("tlh, ja", "en", "Write a message"),
        ("", "en", "Write a message"),
    ],
)
def test_the_page_speaks_the_browsers_language(accepted: str, language: str, word: str) -> None:
    html = page("/", accept=accepted)
    assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in html
    assert word in html


def test_the_assistants_language_goes_before_the_browsers() -> None:
    response = Client().get("/a/arabic/", headers={"Accept-Language": "de"})
    assert 'lang="ar" dir="rtl"' in response.content.decode()
    assert "Accept-Language" not in response.headers["Vary"]
    assert "Accept-Language" in Client().get("/").headers["Vary"]


def test_the_admin_is_not_translated_by_it() -> None:
    """The front door is: `tests/door/test_languages.py`."""
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    assert "Log out" in page("/admin/", client, accept="de")


def test_the_scripts_words_are_kept_by_browsers_and_change_their_address() -> None:
    html = page("/", accept="de")
    (url,) = re.findall(r'<script defer src="(/words/de\.js\?v=[0-9a-f]{12})">', html)
    response = Client().get(url)
    assert "immutable" in response.headers["Cache-Control"]
    assert "Verbindung wird wiederhergestellt" in response.content.decode()
    assert Client().get("/words/de.js?v=old").headers["Cache-Control"] == "no-cache"
    assert Client().get("/words/xx.js").status_code == 404
    assert Client().get("/words/en.js").status_code == 200


# Shades


colors = st.tuples(*[st.integers(0, 255)] * 3)


@given(colors)
def test_whatever_the_colour_what_is_written_in_it_and_on_it_is_read(color: tuple[int, int, int]) -> None:
    css = stylesheet("".join(f"{part:02x}" for part in color))
    shades = {
        name: [tuple(int(one[at : at + 2], 16) for at in (1, 3, 5)) for one in pair]
        for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", css)
    }
    for mode, ground in enumerate(((252, 252, 250), (19, 21, 23))):
        accent: Any = shades["accent"][mode]
        on: Any = shades["on-accent"][mode]
        assert contrast(accent, ground) >= 4.5
        assert contrast(on, accent) >= 4.5


def test_shades_are_kept_for_good() -> None:
    response = Client().get("/shades/b4531f.css")
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["Content-Type"].startswith("text/css")
    assert Client().get("/shades/xyz.css").status_code == 404


# Sentences


def test_each_code_of_the_server_has_a_sentence() -> None:
    """What no client is told, and what only a program can get wrong, may have the general one."""
    source = (BASE_DIR / "static" / "chat" / "sentences.js").read_text(encoding="utf-8")
    known = set(re.findall(r"^  (\w+):", source, re.MULTILINE))
    codes = {cls.code for cls in [*_tree(ChatError), *_tree(SessionsError)]}
    general = {
        "binary_frame", "decision_refused", "file_error", "instructions_not_allowed", "invalid_cursor", "invalid_event",
        "invalid_history", "item_exists", "not_found", "not_taken_over", "not_the_last_response", "own_approval", "replay_gap",
        "session_error", "taken_over", "tool_error", "turn_refused", "unknown_address", "unknown_feedback_reason",
    }  # fmt: skip
    assert codes - known == general
    of_the_page = {"upload_failed"}  # said where there was no answer at all
    assert known - codes - of_the_page <= {one.value for one in (*Reason, *FrameCode)}


def _tree(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for one in cls.__subclasses__():
        yield from _tree(one)


def test_a_conversation_with_one_that_was_retired_has_its_page() -> None:
    """The list on the page leads to the assistant's own address; nobody reads there what was said, if that is gone."""
    version = save_version(slug="bikes", settings=SALES, by="ada").number
    publish(slug="bikes", version=version, by="ada")
    shelf.forget()
    assert "Sales" in page("/a/bikes/s/some-session")
    retire(slug="bikes")
    shelf.forget()
    moved = Client().get("/a/bikes/s/some-session")
    assert (moved.status_code, moved.headers["Location"]) == (302, "/s/some-session")
    assert "some-session" in page(moved.headers["Location"])
    assert Client().get("/a/bikes/").status_code == 404


# In a frame


def test_a_frame_is_shown_by_those_that_may_and_every_other_page_by_nobody(settings: Any) -> None:
    settings.CHAT_EMBED_ORIGINS = ("https://other.example.com",)
    frame = Client().get("/embed/sales/")
    policy = frame.headers["Content-Security-Policy"]
    assert "frame-ancestors https://shop.example.com https://other.example.com;" in policy
    assert "X-Frame-Options" not in frame.headers
    assert "guest_id" not in frame.cookies
    for path in ("/", "/a/sales/", "/login/", "/s/x", "/admin/login/"):
        response = Client().get(path)
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("https://пример.рф", "https://xn--e1afmkfd.xn--p1ai"),
        ("https://Fahrräder.example:443", "https://xn--fahrrder-4za.example"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_an_origin_that_may_is_told_as_browsers_write_it(settings: Any, written: str, told: str) -> None:
    """A header takes no other letters: with them the whole policy was lost, and any page could show the frame."""
    settings.CHAT_ASSISTANTS = {"sales": AssistantSettings(origins=(written,))}
    frame = Client().get("/embed/sales/")
    policy = frame.headers["Content-Security-Policy"]
    assert f"; frame-ancestors {told};" in policy
    assert policy.startswith("connect-src 'self'")
    assert f'data-frame-origins="{told}"' in frame.content.decode()


def test_where_nobody_may_nobody_does() -> None:
    assert "frame-ancestors 'none'" in Client().get("/embed/").headers["Content-Security-Policy"]


def test_a_frame_asks_nobody_to_sign_in(settings: Any) -> None:
    """Without guests it waits for a token; a page of the front door could not be shown in it."""
    settings.CHAT_GUESTS_ALLOWED = False
    assert Client().get("/embed/sales/").status_code == 200
    assert Client().get("/a/sales/").status_code == 302


def test_the_widget_may_stand_in_any_page() -> None:
    response = Client().get("/widget.js")
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "RealtimeChat" in response.content.decode()
    assert not response.cookies
