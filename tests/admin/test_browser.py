"""The admin in a real Chromium, served by the project's own server."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.log import events as ev
from sessions_app.models import InboxItem
from tests.admin.rows import call, deltas, done, message, result, started, turn, user_says, write_session

ATTACK = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"


def test_a_reviewer_finds_a_session_and_reads_it(page: Page) -> None:
    events: list[ev.Event] = [user_says("What time is it in Tokyo?"), started(), call(), result()]
    ending: list[ev.Event] = [message("It is **21:14** there."), done()]
    write_session(
        [*events, *ending], title="Time in Tokyo", summary="Told the *time*.", summary_state="written"
    )
    write_session(turn(1), title="Something else")
    page.goto("/admin/")
    page.locator("#nav-sidebar a", has_text="Sessions").click()
    page.locator("#searchbar").fill("tokyo")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Something else")).to_have_count(0)
    page.get_by_text("Time in Tokyo").click()
    expect(page.locator(".sx-summary em")).to_have_text("time")
    expect(page.locator(".sx-user .sx-bubble")).to_have_text("What time is it in Tokyo?")
    expect(page.locator(".sx-answer strong")).to_have_text("21:14")
    tool = page.locator("details.sx-tool")
    expect(tool.get_by_text("Asia/Tokyo")).to_be_hidden()
    tool.locator("summary").click()
    expect(tool.get_by_text("Asia/Tokyo")).to_be_visible()
    page.get_by_role("link", name="Events").click()
    expect(page.locator("table tbody tr")).to_have_count(6)
    page.get_by_text("Download", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Markdown").click()
    assert "It is **21:14** there." in download.value.path().read_text()


def test_what_people_and_models_wrote_never_runs(page: Page) -> None:
    session = write_session(
        [
            user_says(ATTACK),
            started(),
            call(arguments=ATTACK),
            result(output=ATTACK),
            message(f"{ATTACK}\n\n[click](javascript:window.hacked=1) ![x](https://evil.example/x.png)"),
            done(status="failed", reason="model_error", message=ATTACK, cause=ATTACK),
            started("resp_2"),
            *deltas(ATTACK, response_id="resp_2", item_id="item_2"),
        ],
        title=ATTACK,
        summary=ATTACK,
        summary_state="written",
    )
    for path in ("", f"{session.pk}/change/", f"{session.pk}/events/?deltas=1"):
        page.goto(f"/admin/sessions_app/session/{path}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hacked") is None
        assert page.locator(".sx img").count() == 0
    page.goto(f"/admin/sessions_app/session/{session.pk}/change/")
    for link in page.locator(".sx-prose a").all():
        assert (link.get_attribute("href") or "").startswith("https://")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(page: Page, scheme: str) -> None:
    wide = "x" * 400 + "\n\n|" + "column|" * 12 + "\n|" + "-|" * 12 + "\n\n```\n" + "y" * 300 + "\n```"
    session = write_session(
        [
            user_says("z" * 500),
            started(),
            call(arguments="w" * 500),
            result(output="v" * 500),
            message(wide),
            done(),
        ],
        title="A title that is rather long " * 4,
        summary=wide,
    )
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in ("", "sessions_app/session/", f"sessions_app/session/{session.pk}/change/"):
        page.goto(f"/admin/{path}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    tool = page.locator("details.sx-tool")
    tool.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_badge_moves_by_itself_and_the_list_says_that_it_is_old(page: Page) -> None:
    session = write_session([user_says("x"), started(), done(status="failed")], title="Lamps")
    page.goto("/admin/sessions_app/inboxitem/")
    badge = page.locator("#inbox-count")
    expect(badge).to_be_hidden()
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    InboxItem.objects.create(
        session=session, kind="failed_answer", ref="resp_1", seq=3, at=session.start_time
    )
    expect(badge).to_have_text("1", timeout=20_000)
    page.get_by_text("Show the list as it is now").click()
    expect(page.get_by_role("heading", name="The user got no answer.")).to_be_visible()
    page.get_by_role("button", name="Put away").click()
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    expect(badge).to_be_hidden()


def test_the_form_of_a_user_fits_a_notebook(page: Page) -> None:
    page.set_viewport_size({"width": 1366, "height": 900})
    page.goto(f"/admin/auth/user/{User.objects.get().pk}/change/")
    page.wait_for_load_state("networkidle")
    wide = page.evaluate(
        "[...document.querySelectorAll('#main *, #content *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)"
        ".map((one) => `${one.tagName}.${one.className} ${one.getBoundingClientRect().right}`).slice(0, 12)"
    )
    assert wide == []
