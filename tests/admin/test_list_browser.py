"""The list of sessions in a real Chromium: its keys and the sheet that shows them, ticked rows, colleagues, and what is taken back."""

from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, expect

from sessions_app.models import Session, SessionTag
from tests.admin.desk import LIST
from tests.admin.test_desk_browser import listens, press, reads, several, states
from tests.admin.test_inbox_browser import fails

KEYS = [*"abcdefghijklmnopqrstuvwyz", "A", "F", "/", *"12345", "Enter", "x"]
MEANS = """async (key) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.activeElement?.blur();
    document.body.dispatchEvent(event);
    await new Promise((resolve) => setTimeout(resolve));
    return event.defaultPrevented;
}"""
GOES_NOWHERE = """() => {
    fetch = async () => new Response("", { status: 500 });
    addEventListener("submit", (event) => event.preventDefault(), true);
    addEventListener("click", (event) => event.target.closest("a") && event.preventDefault(), true);
}"""


def shown_keys(page: Page) -> set[str]:
    """Those of the sheet but `?` and Escape, which are everywhere."""
    press(page, "?")
    expect(page.locator("dialog.desk-keys")).to_be_visible()
    lines = page.locator("dialog.desk-keys [data-keys]:visible").all()
    keys = {key for line in lines for key in str(line.get_attribute("data-keys")).split()}
    shown = {word for line in lines for word in line.locator("dt kbd").all_inner_texts()}
    assert shown <= keys | {"5"}
    press(page, "Escape")
    expect(page.locator("dialog.desk-keys")).to_be_hidden()
    return keys


def working_keys(page: Page) -> set[str]:
    page.evaluate(GOES_NOWHERE)
    return {key for key in KEYS if page.evaluate(MEANS, key)}


def colleague(name: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_session", "review_session")))
    return user


def test_the_sheet_of_the_list_has_the_keys_that_work_there(page: Page) -> None:
    several(3)
    page.goto(LIST)
    listens(page)
    shown = shown_keys(page)
    press(page, "j")
    assert shown == working_keys(page) == set("jkoxdfsaAt/F") | {"Enter"}


def test_the_sheet_of_a_session_has_the_keys_that_work_there(page: Page) -> None:
    several(3)
    page.goto(f"{LIST}s1/change/")
    reads(page, "Conversation 1")
    assert shown_keys(page) | set("2345") == working_keys(page) == set("jkdfsaA12345wtnu/")


def test_the_sheet_of_what_waits_has_the_keys_that_work_there(page: Page) -> None:
    fails(0)
    page.goto("/admin/sessions_app/inboxitem/")
    listens(page)
    shown = shown_keys(page)
    press(page, "j")
    assert shown == working_keys(page) == set("jkoxedr") | {"Enter"}


def test_a_key_acts_on_all_rows_that_are_ticked(page: Page) -> None:
    several(4)
    page.goto(LIST)
    listens(page)
    press(page, "j", "x", "j", "j", "x", "f")
    expect(page.get_by_text("2 sessions flagged.")).to_be_visible()
    assert states() == {"s0": "flagged", "s1": "new", "s2": "flagged", "s3": "new"}
    listens(page)
    expect(page.locator(".desk-chosen")).to_contain_text("Conversation 2")
    press(page, "j", "t")
    expect(page.get_by_role("heading", name="1 session")).to_be_visible()
    page.get_by_label("Add the tag").fill("vip")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 session tagged.")).to_be_visible()
    assert list(SessionTag.objects.values_list("session_id", flat=True)) == ["s3"]


def test_what_was_done_is_taken_back_step_by_step_and_no_row_moves(page: Page) -> None:
    several(4)
    page.goto(LIST)
    listens(page)
    place = page.locator(".data-row").first.bounding_box()
    press(page, "j", "d")
    expect(page.get_by_text("Conversation 0: Done.")).to_be_visible()
    listens(page)
    press(page, "j", "f")
    expect(page.get_by_text("Conversation 1: Flagged.")).to_be_visible()
    listens(page)
    press(page, "j", "x", "j", "x", "d")
    expect(page.get_by_text("2 sessions done.")).to_be_visible()
    listens(page)
    press(page, "z")
    expect(page.get_by_text("Undone for 2 of 2 sessions. Before that: 1 session: flagged.")).to_be_visible()
    assert states() == {"s0": "done", "s1": "flagged", "s2": "new", "s3": "new"}
    listens(page)
    press(page, "z")
    expect(page.get_by_text("Undone. Before that: 1 session: done.")).to_be_visible()
    listens(page)
    press(page, "z")
    expect(page.get_by_text("Undone.", exact=True)).to_be_visible()
    assert set(states().values()) == {"new"}
    assert page.locator(".data-row").first.bounding_box() == place
    listens(page)
    press(page, "Escape")
    expect(page.get_by_text("Undone.", exact=True)).to_be_hidden()


def test_what_is_told_lies_over_no_button_and_can_be_closed(page: Page) -> None:
    several(3)
    page.goto(LIST)
    listens(page)
    press(page, "j", "d")
    expect(page.get_by_text("Conversation 0: Done.")).to_be_visible()
    listens(page)
    press(page, "j", "x")
    page.locator("select[name=action]").select_option(label="Flag")
    page.get_by_role("button", name="Run").click()  # Playwright refuses where something lies over it
    expect(page.get_by_text("1 session flagged.")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("1 session flagged.")).to_be_hidden()


def test_a_colleague_is_chosen_in_the_list_and_beside_a_session(page: Page) -> None:
    ada = colleague("ada")
    several(3)
    page.goto(LIST)
    listens(page)
    press(page, "j", "x", "j", "x", "A")
    expect(page.get_by_label("Assign to", exact=True)).to_be_focused()
    press(page, "Enter")
    expect(page.get_by_text("choose whom to assign them to")).to_be_visible()
    assert not Session.objects.filter(assignee__isnull=False).exists()
    listens(page)
    press(page, "x", "k", "x", "A")
    page.keyboard.type("ada")
    press(page, "Enter")
    expect(page.get_by_text("2 sessions assigned to ada.")).to_be_visible()
    assert set(Session.objects.filter(assignee=ada).values_list("pk", flat=True)) == {"s0", "s1"}
    page.goto(f"{LIST}s2/change/")
    reads(page, "Conversation 2")
    press(page, "A")
    page.keyboard.type("ada")
    press(page, "Enter")
    expect(page.locator("[data-said]")).to_have_text("Assigned.")
    assert Session.objects.filter(assignee=ada).count() == 3


def test_a_row_has_buttons_for_the_mouse(page: Page) -> None:
    several(2)
    page.goto(LIST)
    listens(page)
    page.locator(".data-row").nth(1).hover()
    page.get_by_role("button", name="Flag: Conversation 1").click()
    expect(page.get_by_text("Conversation 1: Flagged.")).to_be_visible()
    assert states() == {"s0": "new", "s1": "flagged"}
