"""Words of other people on the pages of the staff: from right to left, too long for a line, and on paper."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from sessions_app.desk import acts
from sessions_app.log import events as ev
from sessions_app.models import Webhook, WebhookDelivery
from sessions_app.notices.secrets import new_secret, sealed
from tests.admin.desk import LIST, ended
from tests.admin.rows import call, done, message, result, started, user_says, write_session

NAME, TITLE = "نورة", "استرداد المبلغ!"
# Where a piece of text stands: [its left end, its right end].
PLACE = """(root, words) => {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.data.indexOf(words);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(walker.currentNode, at);
    range.setEnd(walker.currentNode, at + words.length);
    const { left, right } = range.getBoundingClientRect();
    return [left, right];
  }
  throw new Error(`${words} stands nowhere`);
}"""


def place(page: Page, selector: str, words: str) -> tuple[float, float]:
    left, right = page.locator(selector).first.evaluate(f"(root, words) => ({PLACE})(root, words)", words)
    return left, right


def test_an_arabic_conversation_is_read_from_right_to_left(page: Page) -> None:
    write_session(
        [user_says("مرحبا، أريد 10 EUR!"), started(), message("بالطبع. **شكرا** لك!\n\n- واحد!"), done()],
        session_id="s0",
        title=TITLE,
        status="ended",
        user=User.objects.create(username=NAME),
    )
    page.goto(f"{LIST}s0/change/")
    for where, first in (
        (".sx-user .plain", "مرحبا"),
        (".sx-answer .sx-prose p", "بالطبع"),
        (".sx-answer .sx-prose li", "واحد"),
        (".sx-head h2", "استرداد"),
    ):
        end, begin = place(page, where, "!"), place(page, where, first)
        assert end[1] <= begin[0] + 1, where
    crumb = "#header-inner"
    assert place(page, crumb, "!")[1] <= place(page, crumb, "استرداد")[0] + 1
    beside = place(page, ".sx-head h2", "!")[0] - place(page, ".sx-head p", NAME)[0]
    assert abs(beside) < 40, "what it is called stands above who it is of"


def test_what_is_told_beside_an_arabic_name_stays_beside_it(page: Page) -> None:
    nora = User.objects.create(username=NAME)
    failed = [user_says("x"), started(), done(status="failed")]
    at = timezone.now()
    write_session(failed, session_id="s0", at=at, user=nora, title=TITLE, status="ended", intent=TITLE)
    ended("s1", user=nora, external_user_id=TITLE, duration_seconds=62.0)
    page.goto("/admin/")
    row = "#dash-troubles ~ ul small"
    assert place(page, row, NAME)[1] <= place(page, row, "just now")[0]
    latest = "[aria-label='Latest sessions'] small"
    assert place(page, latest, NAME)[1] <= place(page, latest, "1 message")[0]
    page.goto(f"{LIST}person/user/?key={nora.pk}")
    expect(page.locator("[data-row]")).to_have_count(2)
    row = "[data-row]:nth-child(2) small"
    assert place(page, row, "استرداد")[1] <= place(page, row, "1 min 2 s")[0]


@pytest.mark.parametrize("width", [1366, 390])
def test_no_word_of_a_failure_is_wider_than_the_screen(page: Page, width: int) -> None:
    """What a vendor says may be one word, as a token or an address."""
    word, name = "x" * 400, "n" * 90
    attempt = ev.ModelAttemptFailed(
        response_id="resp_1",
        model=name,
        code="provider_error",
        attempt=1,
        delay_s=0.0,
        next_model=name,
        cause=word,
    )
    write_session(
        [
            user_says(word),
            started(),
            attempt,
            call(name=name),
            result(name=name, output=word),
            done(status="failed", reason="provider_error", message=word, cause=word, model=name),
            ev.SessionUpdated(config={name: 1}),
            ev.SessionEnded(reason=ev.EndReason.LEFT),
        ],
        session_id="s0",
        model=f"own:{name}",
        assistant=name[:40],
        status="ended",
        user=User.objects.create(username=name),
    )
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("change", "replay", "events"):
        page.goto(f"{LIST}s0/{path}/")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("width", [1366, 390, 320])
def test_a_conversation_that_begins_with_a_long_address_widens_no_page(page: Page, width: int) -> None:
    """It is called by that. 320 px is what is left of a laptop at four times its size."""
    address = "https://shop.example/orders?token=" + "x" * 300
    root = User.objects.get(username="root")
    write_session(
        [
            user_says(address),
            started(),
            message(address),
            done(),
            ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.DOWN, comment=address),
        ],
        session_id="s0",
        status="ended",
        guest_id="guest77",
    )
    acts.write_note(session_id="s0", text=f"@root {address}", by=acts.Reviewer(root.pk, "root"))
    hook = Webhook.objects.create(
        name="n" * 60, url=address[:200], topics=["session.ended"], secret=sealed(new_secret())
    )
    sent = WebhookDelivery.objects.create(
        webhook=hook, topic="session.ended", session_id="s0", seq=1, at=timezone.now(), answer="x" * 180
    )
    page.set_viewport_size({"width": width, "height": 800})
    for path in (
        "",
        "sessions_app/session/",
        "sessions_app/session/s0/change/",
        "sessions_app/session/person/guest/?key=guest77",
        "sessions_app/session/mentions/",
        "sessions_app/session/queue/",
        f"sessions_app/webhook/{hook.pk}/change/",
        f"sessions_app/webhookdelivery/{sent.pk}/change/",
        "sessions_app/assistant/add/",
        "sessions_app/mailsubscription/",
        "sessions_app/serverprocess/",
    ):
        page.goto(f"/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_on_paper_stands_all_that_was_said_and_nothing_to_press(page: Page) -> None:
    code = "\n".join(f"line {number} " + "x" * 200 for number in range(60))
    write_session(
        [
            user_says("Code, please"),
            started(),
            message(f"```\n{code}\n```"),
            call(),
            result(output=code),
            done(),
        ],
        session_id="s0",
        status="ended",
    )
    page.goto(f"{LIST}s0/change/")
    page.locator(".sx-tool summary").click()
    block = page.locator(".sx-answer .sx-prose pre")
    cut = "one => one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1"
    assert block.evaluate(cut)
    expect(page.locator(".desk-walk")).to_be_visible()
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})
    for one in page.locator(".sx-talk pre").all():
        assert not one.evaluate(cut)
    for nothing in (".desk-walk", ".sx-tabs", ".desk button", ".lv"):
        assert page.locator(nothing).evaluate_all("all => all.every(one => !one.checkVisibility())"), nothing
    expect(page.locator(".sx-user .plain")).to_be_visible()
    expect(page.locator(".desk h3", has_text="Review history")).to_be_visible()
