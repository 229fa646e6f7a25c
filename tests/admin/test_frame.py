"""The frame that django-unfold puts around each page: ours differs from it in what assistive technology needs, and in nothing else."""

import re
from pathlib import Path

import pytest
import unfold
from django.test import Client
from playwright.sync_api import Page, expect

from .rows import user_says, write_session

THEIRS = Path(unfold.__file__).parent / "templates"
OURS = Path(__file__).parents[2] / "templates"
NAMES = (
    "admin/base.html",
    "unfold/helpers/navigation_header.html",
    "unfold/helpers/welcomemsg.html",
)
_ADDED = r' type="button"| aria-label="[^"]*"| x-bind:aria-expanded="[^"]*"'


def bare(text: str) -> str:
    """Without the kind of each element and without what ours adds."""
    return re.sub(r"(</?)(main|div|button|span)\b", r"\1x", re.sub(_ADDED, "", text))


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_their_template_differs_in_nothing_else(name: str) -> None:
    ours, theirs = ((folder / name).read_text(encoding="utf-8") for folder in (OURS, THEIRS))
    assert bare(ours) == bare(theirs), "unfold has changed it: copy it anew"
    assert ours != theirs


def test_what_keeps_early_keys_stands_before_all_other_scripts(admin: Client) -> None:
    write_session([user_says("Hello")], session_id="s1")
    for page in ("", "sessions_app/session/", "sessions_app/session/s1/change/", "sessions_app/inboxitem/"):
        head = admin.get(f"/admin/{page}").content.decode().partition("</head>")[0]
        scripts = re.findall(r"<script[^>]*>", head)
        assert "admin_sessions/early" in scripts[0], page
        assert sum("admin_sessions/early" in script for script in scripts) == 1, page


def test_the_menu_of_a_phone_opens_and_closes_by_the_keyboard(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/admin/")
    menu = page.get_by_role("button", name="Menu", exact=True)
    expect(menu).to_have_attribute("aria-expanded", "false")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Review next")).to_be_visible()
    page.get_by_role("button", name="Close the menu").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Review next")).to_be_hidden()
