"""The desk in a real Chromium: by the keyboard alone, without JavaScript, at the widths of a laptop and a phone."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Dialog, Page, expect

from sessions_app.desk import acts
from sessions_app.models import ReviewEvent, ReviewNote, ReviewState, SavedView, Session, SessionTag
from tests.admin.conftest import signed_in
from tests.admin.desk import LIST, QUEUE, ended, staff
from tests.admin.rows import message, started, turn, user_says, write_session
from tests.sdk import node_packages
from tests.support.server import ServerProcess


def states() -> dict[str, str]:
    return dict(Session.objects.values_list("pk", "review_state"))


def several(count: int) -> None:
    for number in range(count):
        ended(f"s{number}", hours_ago=number, title=f"Conversation {number}")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def listens(page: Page) -> None:
    """Its script has come: the button of the help shows itself."""
    expect(page.locator("[data-help]").first).to_be_visible()


def reads(page: Page, title: str) -> None:
    expect(page.locator(".sx-head h2")).to_have_text(title)
    listens(page)


def test_a_list_is_worked_through_by_the_keyboard(page: Page) -> None:
    several(4)
    page.goto(LIST)
    listens(page)
    press(page, "j", "j", "k", "j")
    expect(page.locator(".desk-chosen")).to_contain_text("Conversation 1")
    press(page, "o")
    reads(page, "Conversation 1")
    press(page, "j")
    reads(page, "Conversation 2")
    press(page, "k")
    reads(page, "Conversation 1")
    press(page, "f")
    expect(page.locator(".desk-states [aria-current]")).to_have_text("Flagged")
    press(page, "d")
    reads(page, "Conversation 2")
    press(page, "d")
    reads(page, "Conversation 3")
    press(page, "u")
    expect(page.locator("#result_list")).to_be_visible()
    assert states() == {"s0": "new", "s1": "done", "s2": "done", "s3": "new"}
    told = ReviewEvent.objects.order_by("id").values_list("session_id", "new")
    assert list(told) == [("s1", "Flagged"), ("s1", "Done"), ("s2", "Done")]


def test_sessions_are_marked_from_their_rows(page: Page) -> None:
    several(3)
    page.goto(LIST)
    listens(page)
    press(page, "j", "d")
    expect(page.locator("#result_list tbody").first).to_contain_text("Done")
    listens(page)
    expect(page.locator(".desk-chosen")).to_contain_text("Conversation 0")
    press(page, "j", "f")
    expect(page.locator("#result_list tbody").nth(1)).to_contain_text("Flagged")
    listens(page)
    press(page, "a")
    expect(page.locator("#result_list tbody").nth(1)).to_contain_text("root")
    assert states() == {"s0": "done", "s1": "flagged", "s2": "new"}


def test_no_key_is_lost_between_two_pages_and_all_is_taken_back(page: Page) -> None:
    several(6)
    page.goto(f"{LIST}?review=new")
    press(page, "j", "d", "d", "d")  # before the script is there, and while the list is shown anew
    expect(page.locator("#result_list tbody")).to_have_count(3)
    listens(page)
    expect(page.get_by_text("Conversation 2: Done.")).to_be_in_viewport()
    assert states() == {f"s{number}": "done" if number < 3 else "new" for number in range(6)}
    press(page, "z")
    expect(page.locator("#result_list tbody")).to_have_count(4)
    page.goto(f"{LIST}s3/change/?_changelist_filters=review%3Dnew")
    reads(page, "Conversation 3")
    press(page, "d", "d", "f")
    reads(page, "Conversation 5")
    expect(page.locator(".desk-states [aria-current]")).to_have_text("Flagged")
    expected = {"s0": "done", "s1": "done", "s2": "new", "s3": "done", "s4": "done", "s5": "flagged"}
    assert states() == expected


def test_the_bars_at_the_bottom_hide_no_row_that_is_ticked(page: Page) -> None:
    several(25)
    page.goto(LIST)
    listens(page)
    for _ in range(20):
        press(page, "j", "x")
        row = page.locator(".desk-chosen").bounding_box()
        bar = page.locator("#changelist-actions").bounding_box()
        assert row
        assert bar
        assert row["y"] + row["height"] <= bar["y"]


def test_what_went_wrong_is_worked_through_from_the_dashboard(page: Page) -> None:
    for number in range(4):
        at = timezone.now() - timedelta(minutes=20 - number if number % 2 else 10 - number)
        ended(f"s{number}", title=f"Conversation {number}", start_time=at, failed_responses=1)
    page.goto("/admin/")
    listens(page)
    press(page, "j", "j", "o")
    reads(page, "Conversation 0")
    press(page, "j")
    reads(page, "Conversation 3")
    press(page, "u")
    listens(page)
    expect(page.locator(".desk-chosen")).to_contain_text("Conversation 3")
    press(page, "j", "o")
    reads(page, "Conversation 1")


def test_the_queue_is_worked_through_by_the_keyboard(page: Page) -> None:
    several(3)
    page.goto(QUEUE)
    expect(page.locator(".desk-left")).to_contain_text("3 left")
    page.wait_for_load_state("networkidle")
    press(page, "Enter")
    reads(page, "Conversation 0")
    press(page, "n")
    page.keyboard.type("Ask @root about it; d and f are letters here")
    press(page, "Tab", "Enter")
    expect(page.locator(".desk-history blockquote")).to_contain_text("Ask @root")
    press(page, "t")
    page.keyboard.type("billing")
    press(page, "Enter")
    expect(page.locator(".desk .desk-tag")).to_contain_text("billing")
    expect(page.get_by_label("Add a tag")).to_be_focused()  # another one; Enter alone: it was the last
    press(page, "Enter")
    expect(page.locator("[data-desk]")).to_be_focused()
    press(page, "d")
    reads(page, "Conversation 1")
    press(page, "s")
    reads(page, "Conversation 2")
    press(page, "d")
    expect(page.locator(".desk-left")).to_contain_text("Nothing is left")
    assert states() == {"s0": "done", "s1": "new", "s2": "done"}
    assert SessionTag.objects.get().tag.name == "billing"
    assert ReviewNote.objects.get().text == "Ask @root about it; d and f are letters here"


def test_a_score_is_given_with_arrows_and_has_its_reason(page: Page) -> None:
    ended("s1")
    page.goto(f"{LIST}s1/change/")
    listens(page)
    page.locator(".desk-score input[value='2']").focus()
    press(page, "Space", "ArrowRight", "ArrowRight")
    page.get_by_label("Reason of the score").fill("Friendly, and right")
    press(page, "Enter")
    expect(page.locator(".desk [data-said]")).to_have_text("Scored.")
    expect(page.locator(".desk-history")).to_contain_text("gave 4 of 5")
    expect(page.get_by_label("Reason of the score")).to_be_focused()
    assert ReviewEvent.objects.count() == 1  # on the way to the 4 nothing was given
    page.reload()
    expect(page.get_by_label("Reason of the score")).to_have_value("Friendly, and right")


def test_what_was_begun_outlives_what_else_is_done(page: Page) -> None:
    page = page.context.new_page()  # the browser itself complains in its console of what does not come
    ended("s1")
    page.goto(f"{LIST}s1/change/")
    listens(page)
    note, tag = page.get_by_label("Note"), page.get_by_label("Add a tag")
    note.fill("It began well")
    page.get_by_label("Reason of the score").fill("Because")
    page.locator(".desk-score input[value='2']").check(force=True)
    tag.fill("vip")
    press(page, "Enter")
    expect(page.locator(".desk .desk-tag")).to_contain_text("vip")
    expect(tag).to_have_value("")
    expect(note).to_have_value("It began well")
    expect(page.get_by_label("Reason of the score")).to_have_value("Because")
    expect(page.locator(".desk-score input[value='2']")).to_be_checked()
    page.route("**/review/", lambda route: route.abort())
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".desk .desk-refused")).to_contain_text("No answer from the server")
    page.unroute("**/review/")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="Back to list").click()
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".desk-history blockquote")).to_have_text("It began well")
    expect(note).to_have_value("")
    assert asked == ["beforeunload"]
    page.get_by_role("link", name="Back to list").click()
    expect(page.locator("#result_list")).to_be_visible()


def test_the_chosen_row_is_that_of_the_same_session_whatever_came_meanwhile(page: Page) -> None:
    several(2)
    page.goto(LIST)
    listens(page)
    press(page, "j")
    ended("newer", hours_ago=-1, title="A newer one")
    press(page, "f")
    expect(page.locator("#result_list tbody").nth(1)).to_contain_text("Flagged")
    listens(page)
    expect(page.locator(".desk-chosen")).to_contain_text("Conversation 0")


def test_what_is_refused_in_a_list_is_said_there(page: Page) -> None:
    page = page.context.new_page()  # as above
    several(1)
    Session.objects.update(assignee=User.objects.create_user("omar"))
    page.goto(LIST)
    listens(page)
    press(page, "j", "s")
    expect(page.locator(".desk-refused")).to_contain_text("somebody else")
    assert states() == {"s0": "new"}


def test_the_help_shows_the_keys_and_the_slash_goes_to_the_search(page: Page) -> None:
    several(1)
    page.goto(LIST)
    listens(page)
    press(page, "?")
    expect(page.locator("dialog.desk-keys")).to_be_visible()
    for key in "jkoxdfsawtnu/F?":
        expect(
            page.locator("dialog.desk-keys kbd", has_text=re.compile(f"^{re.escape(key)}$"))
        ).to_have_count(1)
    press(page, "d", "Escape")
    expect(page.locator("dialog.desk-keys")).to_be_hidden()
    press(page, "/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type("/jd?")
    expect(page.locator("#searchbar")).to_have_value("/jd?")
    assert states() == {"s0": "new"}


def test_filters_open_by_a_key_take_the_focus_and_give_it_back(page: Page) -> None:
    several(1)
    page.goto(f"{LIST}?errors=no")
    listens(page)
    drawer, button = page.get_by_role("dialog", name="Filters"), page.get_by_role("button", name="Filters")
    expect(drawer).to_be_hidden()
    press(page, "F")
    expect(drawer).to_be_visible()
    groups = drawer.locator("details")
    expect(groups.first).to_contain_text("Errors")  # what is in use is on top, and alone is open
    expect(drawer.locator("details[open]")).to_have_count(1)
    expect(groups.first.locator(":focus")).to_have_count(1)
    press(page, "Escape")
    expect(drawer).to_be_hidden()
    expect(button).to_be_focused()
    press(page, "Enter")
    expect(drawer).to_be_visible()
    expect(groups.first.locator(":focus")).to_have_count(1)


def test_a_hit_is_opened_scrolled_to_and_marked(page: Page) -> None:
    events: list[Any] = [event for number in range(60) for event in turn(number)]
    events += [user_says("Where is my Platypus?", "item_p"), started("resp_p")]
    events += [message("The **platypus** is on its way.", "resp_p", "item_q")]
    write_session([*events, *(event for number in range(60, 90) for event in turn(number))], title="Zoo")
    page.goto(f"{LIST}?q=text:platypus")
    expect(page.locator("#result_list mark").first).to_have_text("Platypus")
    page.get_by_text("Zoo").click()
    mark = page.locator(".sx-talk mark")
    expect(mark.first).to_have_text("Platypus")
    expect(mark.first).to_be_in_viewport()
    page.get_by_role("link", name="Back to list").click()
    expect(page.locator("#searchbar")).to_have_value("text:platypus")


def test_a_view_is_saved_and_stands_above_the_list(page: Page) -> None:
    several(2)
    page.goto(f"{LIST}?review=flagged&model=x")
    page.locator(".desk-save summary").click()
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Bad ones")
    page.get_by_label("Share with the team").check()
    page.locator(".desk-save").get_by_role("button", name="Save").click()
    expect(page.locator(".desk-views [aria-current]")).to_contain_text("Bad ones")
    assert SavedView.objects.values_list("query", "shared").get() == ("model=x&review=flagged", True)


def test_all_of_it_works_without_javascript(browser: Browser, server: ServerProcess) -> None:
    several(2)
    client = signed_in(staff("rita", "view_session", "review_session"))
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server.url}]
    )
    page = context.new_page()
    page.goto(QUEUE)
    page.locator(".desk-queue button").click()
    page.locator("[data-focus=t]").fill("billing")
    page.get_by_role("button", name="Add t", exact=True).click()
    page.locator("textarea").fill("A note")
    page.get_by_role("button", name="Add the note").click()
    page.locator(".desk-score label", has_text="2").click()
    page.locator(".desk-score button").click()
    page.get_by_role("button", name="Done, next").click()
    expect(page.locator(".sx-head h2")).to_have_text("Conversation 1")
    context.close()
    assert Session.objects.get(pk="s0").review_state == ReviewState.DONE
    assert set(ReviewEvent.objects.filter(session_id="s0").values_list("act", flat=True)) == {
        "taken",
        "tagged",
        "noted",
        "scored",
        "state",
    }


PAGES = ("", "queue/", "mentions/", "s0/change/", "person/guest/?key=c0ffee5599aa")


def furnished() -> None:
    ended(
        "s0",
        title="A title that is rather long, and goes on for longer than any column is wide",
        guest_id="c0ffee5599aa",
        duration_seconds=4000,
        model="gemini:gemini-3.8-flash-preview",
        review_state=ReviewState.FLAGGED,
        assignee=User.objects.get(),
        summary_state="failed",
    )
    write_session(
        turn(1), session_id="live", user=User.objects.create(username="a.very.long.user.name@example.com")
    )
    root = acts.Reviewer(User.objects.get(username="root").pk, "root")
    for name in ("refund", "second look", "praise", "bug in upload"):
        acts.add_tag(session_id="s0", name=name, by=root)


@pytest.mark.parametrize("width", [1366, 1024, 390])
def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    furnished()
    page.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        page.goto(f"{LIST}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.goto(LIST)
    box = page.locator("#result_list").evaluate(
        "table => [table.scrollWidth, table.parentElement.clientWidth]"
    )
    assert box[0] <= box[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_the_desk(page: Page, scheme: str) -> None:
    """Nor with the frame around it; of unfold's scroller, which its script makes, there are several with one name."""
    node_packages.install()
    axe = (node_packages.FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    furnished()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {}
    for path in PAGES:
        page.goto(f"{LIST}{path}", wait_until="networkidle")
        page.evaluate(axe)
        whole = "{exclude: [['.simplebar-content-wrapper']]}"
        where = "{include: [['.sx']]}" if path.endswith("/change/") else whole
        report = page.evaluate(f"axe.run({where}, {{resultTypes: ['violations']}})")
        found[path] = [
            f"{problem['id']}: {node['html'][:120]}"
            for problem in report["violations"]
            for node in problem["nodes"]
        ]
    assert found == {path: [] for path in PAGES}
