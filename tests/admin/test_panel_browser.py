"""What the keyboard does beside a session, and what two colleagues share, in a real Chromium."""

import re

from playwright.sync_api import Browser, Page, expect

from sessions_app.models import ReviewMention, ReviewNote, SavedView, Session, SessionReview, SessionTag
from tests.admin.desk import LIST, QUEUE, ended, staff
from tests.admin.live_pages import staff_page
from tests.admin.test_desk_browser import listens, press, reads, several, states
from tests.support.server import ServerProcess

REVIEWER = ("view_session", "review_session")


def test_names_of_colleagues_are_offered_while_one_types(page: Page) -> None:
    for name in ("omar", "olga", "vera"):
        staff(name, "view_session", *(("review_session",) if name != "vera" else ()))
    ended("s1")
    page.goto(f"{LIST}s1/change/")
    listens(page)
    note, names = page.get_by_label("Note"), page.locator(".desk-names [role=option]")
    press(page, "n")
    page.keyboard.type("Ask @o")
    expect(names).to_have_text(["@olga", "@omar"])
    expect(names.first).to_have_attribute("aria-selected", "true")
    press(page, "ArrowDown")
    expect(names.nth(1)).to_have_attribute("aria-selected", "true")
    chosen = names.nth(1).get_attribute("id")
    expect(note).to_have_attribute("aria-activedescendant", chosen or "none")
    press(page, "Enter")
    expect(note).to_have_value("Ask @omar ")
    expect(names).to_have_count(0)
    page.keyboard.type("or @ol")
    press(page, "Escape")
    expect(names).to_have_count(0)
    expect(note).to_be_focused()
    page.keyboard.type("g")
    names.first.click()
    page.keyboard.type("or @vera, me@omar.example")
    expect(note).to_have_value("Ask @omar or @olga or @vera, me@omar.example")
    expect(page.locator(".desk-unknown")).to_have_text(
        "Nobody who reviews here is called @vera: nobody will be told."
    )
    press(page, "Control+Enter")
    expect(page.locator(".desk [role=status]").first).to_contain_text("olga, omar will see it")
    expect(page.locator(".desk [role=status]").first).to_contain_text("nobody was told of @vera")
    assert ReviewNote.objects.get().text == "Ask @omar or @olga or @vera, me@omar.example"
    assert set(ReviewMention.objects.values_list("user__username", flat=True)) == {"omar", "olga"}


def test_a_name_that_was_taken_is_typed_on_after_as_one_would(page: Page) -> None:
    staff("omar", "view_session", "review_session")
    ended("s1")
    page.goto(f"{LIST}s1/change/")
    listens(page)
    press(page, "n")
    for words in ("@om", " and @om", ", see @om"):
        page.keyboard.type(words)
        press(page, "Enter")
    page.keyboard.type("it")
    expect(page.get_by_label("Note")).to_have_value("@omar and @omar, see @omar it")
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft")
    page.keyboard.type(" ")
    expect(page.get_by_label("Note")).to_have_value("@omar and @omar, see @omar  it")


def test_the_keys_go_on_after_a_tag_and_a_note(page: Page) -> None:
    several(2)
    page.goto(f"{LIST}s0/change/")
    listens(page)
    press(page, "4")
    expect(page.locator(".desk-history")).to_contain_text("gave 4 of 5")
    press(page, "t")
    page.keyboard.type("vip")
    press(page, "Enter")
    expect(page.locator(".desk .desk-tag")).to_contain_text("vip")
    expect(page.get_by_label("Add a tag")).to_be_focused()
    page.keyboard.type("sad")  # of which each letter is a key as well
    press(page, "Enter")
    expect(page.locator(".desk .desk-tag")).to_have_count(2)
    press(page, "Enter", "n")
    page.keyboard.type("Fine, 5 of 5")
    press(page, "Control+Enter")
    expect(page.locator(".desk-history blockquote")).to_have_text("Fine, 5 of 5")
    press(page, "5")
    expect(page.locator(".desk-history")).to_contain_text("gave 5 of 5")
    press(page, "d")
    reads(page, "Conversation 1")
    assert SessionReview.objects.get(pk="s0").score == 5
    assert set(SessionTag.objects.values_list("tag__name", flat=True)) == {"vip", "sad"}
    assert states() == {"s0": "done", "s1": "new"}


def test_a_filtered_list_is_narrowed_reviewed_and_left_by_its_chips(page: Page) -> None:
    several(2)
    ended("bad", hours_ago=5, title="The bad one", failed_responses=1, outcome="unresolved")
    page.goto(f"{LIST}?errors=yes&outcome__exact=unresolved")
    listens(page)
    page.get_by_role("button", name="Review next").click()
    reads(page, "The bad one")
    expect(page.get_by_role("link", name="Queue: With failed answers, Unresolved")).to_be_visible()
    press(page, "d")
    expect(page.locator(".desk-left")).to_contain_text("Nothing is left to review here")
    page.get_by_role("link", name="With failed answers, Unresolved").click()
    page.locator(".desk-chips a", has_text="Unresolved").click()
    expect(page.locator(".desk-chips a")).to_have_count(2)
    page.get_by_role("link", name="Clear all").click()
    expect(page.locator("#result_list tbody")).to_have_count(3)
    expect(page.locator(".desk-chips")).to_have_count(0)


def test_a_person_is_left_and_come_back_to_by_the_keyboard(page: Page) -> None:
    for number in range(3):
        ended(f"s{number}", hours_ago=number, title=f"Conversation {number}", guest_id="c0ffee5599aa")
    page.goto(f"{LIST}?review=new")
    page.locator("a.cell-who").first.click()
    expect(page.locator(".desk-who h2")).to_have_text("Guest c0ffee55")
    listens(page)
    press(page, "j", "j", "o")
    reads(page, "Conversation 1")
    press(page, "j")
    reads(page, "Conversation 2")
    press(page, "u")
    expect(page.locator(".desk-who h2")).to_be_visible()
    listens(page)
    expect(page.locator(".desk-chosen")).to_contain_text("Conversation 2")  # which one has walked on to
    press(page, "f")
    expect(page.locator("[data-row]").nth(2)).to_contain_text("Flagged")
    listens(page)
    press(page, "u")
    expect(page.locator("#result_list tbody")).to_have_count(2)


def test_the_search_is_reached_from_a_session_and_from_a_person(page: Page) -> None:
    for number in range(3):
        ended(f"s{number}", hours_ago=number, title=f"Conversation {number}", guest_id="c0ffee5599aa")
    search = page.locator("#searchbar")
    page.goto(f"{LIST}?review=new")
    page.get_by_role("link", name="Conversation 1").click()
    reads(page, "Conversation 1")
    listens(page)
    press(page, "/")
    page.keyboard.type("jd")
    expect(search).to_be_focused()
    expect(search).to_have_value("jd")
    expect(page).to_have_url(re.compile(r"review=new"))
    page.goto(f"{LIST}s1/change/")
    page.locator(".sx-person a").first.click()
    expect(page.locator(".desk-who h2")).to_have_text("Guest c0ffee55")
    listens(page)
    press(page, "/")
    expect(search).to_be_focused()
    page.keyboard.type("Conversation 2")
    press(page, "Enter")
    expect(page.locator("#result_list tbody")).to_have_count(1)
    assert set(states().values()) == {"new"}


def test_a_note_and_the_names_for_it_come_into_sight(page: Page) -> None:
    for name in ("omar", "olga", "oskar", "otto", "ophelia", "oliver"):
        staff(name, "view_session", "review_session")
    ended("s1")
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(f"{LIST}s1/change/")
    listens(page)
    press(page, "n")
    form = page.locator(".desk-note")
    expect(form).to_be_in_viewport(ratio=1)
    page.keyboard.type("Ask @o")
    names = page.locator(".desk-names [role=option]")
    expect(names).to_have_count(6)
    expect(names.first).to_be_in_viewport(ratio=1)
    expect(names.last).to_be_in_viewport(ratio=1)
    expect(page.get_by_label("Note")).to_be_in_viewport(ratio=1)
    page.get_by_label("Note").fill("")


def test_a_view_that_a_colleague_shared_is_theirs_to_remove(browser: Browser, server: ServerProcess) -> None:
    several(2)
    ended("bad", hours_ago=5, title="The bad one", failed_responses=1)
    with (
        staff_page(browser, server, "rita", REVIEWER) as rita,
        staff_page(browser, server, "omar", REVIEWER) as omar,
    ):
        rita.goto(f"{LIST}?errors=yes")
        rita.locator(".desk-save summary").click()
        expect(rita.locator(".desk-save input[name=name]")).to_be_focused()
        rita.keyboard.type("Bad ones")
        rita.get_by_label("Share with the team").check()
        press(rita, "Enter")
        expect(rita.locator(".desk-views [aria-current]")).to_contain_text("Bad ones")
        expect(rita.get_by_text("Remove this view", exact=True)).to_be_visible()
        omar.goto(LIST)
        omar.get_by_role("link", name="Bad ones").click()
        expect(omar.locator("#result_list tbody")).to_have_count(1)
        expect(omar.get_by_text("Remove this view", exact=True)).to_have_count(0)
        omar.get_by_role("button", name="Review next").click()
        reads(omar, "The bad one")
        expect(omar.get_by_role("link", name="Queue: Bad ones")).to_be_visible()
        rita.goto(f"{QUEUE}?view={SavedView.objects.get().pk}")
        expect(rita.locator(".desk-left")).to_contain_text("Nothing is left")


def test_rows_are_ticked_by_keys_and_changed_together(page: Page) -> None:
    several(4)
    page.goto(LIST)
    listens(page)
    press(page, "j", "x", "j", "j", "x")
    page.locator("select[name=action]").select_option(label="Tag or assign…")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="2 sessions")).to_be_visible()
    page.get_by_label("Add the tag").fill("vip")
    page.get_by_label("Assignee").select_option(label="root (you)")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("2 sessions tagged.")).to_be_visible()
    expect(page.get_by_text("2 sessions assigned to root.")).to_be_visible()
    assert sorted(SessionTag.objects.values_list("session_id", flat=True)) == ["s0", "s2"]
    assert sorted(Session.objects.filter(assignee__isnull=False).values_list("pk", flat=True)) == ["s0", "s2"]


def test_a_note_that_was_not_sent_is_kept_till_it_is(page: Page) -> None:
    page = page.context.new_page()  # Chromium complains in its console of a question that nobody answers
    page.on("dialog", lambda dialog: dialog.accept())
    several(2)
    page.goto(f"{LIST}s0/change/")
    listens(page)
    note, why = page.get_by_label("Note"), page.get_by_label("Reason of the score")
    press(page, "w")
    page.keyboard.type("Because")
    press(page, "Escape", "n")
    page.keyboard.type("It began well")
    expect(page.locator("[data-draft=note]")).to_have_text("Draft kept")
    press(page, "Escape", "d")
    reads(page, "Conversation 1")
    expect(note).to_have_value("")
    press(page, "k")
    reads(page, "Conversation 0")
    expect(note).to_have_value("It began well")
    expect(page.locator("[data-draft=note]")).to_be_visible()
    press(page, "f")
    expect(page.locator(".desk-states [aria-current]")).to_have_text("Flagged")
    expect(page.get_by_text("Flagged.", exact=True)).to_have_count(1)
    press(page, "4")
    expect(page.locator(".desk-history")).to_contain_text("gave 4 of 5")
    expect(why).to_have_value("Because")
    expect(why).not_to_be_focused()
    expect(page.locator("[data-draft=reason]")).to_be_hidden()
    press(page, "n", "Control+Enter")
    expect(page.locator(".desk-history blockquote")).to_have_text("It began well")
    expect(page.locator("[data-draft=note]")).to_be_hidden()
    page.reload()
    listens(page)
    expect(note).to_have_value("")
    assert SessionReview.objects.get(pk="s0").score_reason == "Because"


def test_done_and_flagged_are_taken_back_by_a_key(page: Page) -> None:
    several(2)
    page.goto(f"{LIST}s0/change/")
    listens(page)
    press(page, "d")
    reads(page, "Conversation 1")
    press(page, "f")
    expect(page.locator(".desk-states [aria-current]")).to_have_text("Flagged")
    press(page, "z")
    expect(page.locator(".desk-states [aria-current]")).to_have_text("New")
    assert states() == {"s0": "done", "s1": "new"}
    page.get_by_role("button", name="Undo").click()
    reads(page, "Conversation 0")
    assert states() == {"s0": "new", "s1": "new"}
    page.goto("/admin/")
    listens(page)
    press(page, "?")
    expect(page.locator("dialog.desk-keys")).to_be_visible()


def test_what_is_typed_for_the_tags_of_many_before_their_page_is_there_is_the_tag(page: Page) -> None:
    several(2)
    page.goto(LIST)
    listens(page)
    press(page, "j", "t")
    page.keyboard.type("vip")
    expect(page.get_by_label("Add the tag")).to_have_value("vip")
    press(page, "Enter")
    expect(page.get_by_text("1 session tagged.")).to_be_visible()
    assert SessionTag.objects.get().tag.name == "vip"


def test_the_chosen_row_is_seen_when_one_comes_back_to_it(page: Page) -> None:
    several(25)
    page.goto(LIST)
    listens(page)
    press(page, *["j"] * 22, "Enter")
    reads(page, "Conversation 21")
    press(page, "u")
    expect(page.locator(".desk-chosen")).to_contain_text("Conversation 21")
    expect(page.locator(".desk-chosen")).to_be_in_viewport(ratio=1)
    page.reload()
    expect(page.locator(".desk-chosen")).to_be_in_viewport(ratio=1)
    page.goto("about:blank")
    page.goto(LIST)
    expect(page.locator(".desk-chosen")).to_be_in_viewport(ratio=1)
