"""What is on its way to a webhook, followed in a real Chromium."""

import re

from django.utils import timezone
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from sessions_app.models import DeliveryState, Webhook, WebhookDelivery
from sessions_app.notices.messages import message_of
from sessions_app.notices.secrets import new_secret, sealed
from tests.support.server import ServerProcess

LIST = "/admin/sessions_app/webhookdelivery/"


def waiting() -> WebhookDelivery:
    hook = Webhook.objects.create(
        name="crm", url="https://example.com/", topics=["session.ended"], secret=sealed(new_secret())
    )
    return WebhookDelivery.objects.create(
        webhook=hook, topic="session.ended", session_id="", seq=1, at=timezone.now()
    )


def is_taken() -> None:
    WebhookDelivery.objects.update(state=DeliveryState.DELIVERED, tries=1, status_code=200)


def test_a_row_of_the_list_follows_by_itself_and_stays_ticked(page: Page) -> None:
    waiting()
    page.goto(LIST)
    row = page.locator("#result_list tbody tr").first
    expect(row).to_contain_text("Waiting")
    box = row.locator("input.action-select")
    box.check(force=True)
    is_taken()
    expect(row).to_contain_text("Delivered")
    expect(box).to_be_checked()


def test_a_webhooks_page_and_that_of_a_delivery_follow_without_losing_what_was_typed(page: Page) -> None:
    delivery = waiting()
    page.goto(f"/admin/sessions_app/webhook/{delivery.webhook_id}/change/")
    page.get_by_label("Name").fill("Another name")
    other = page.context.new_page()
    other.goto(f"{LIST}{delivery.pk}/change/")
    expect(other.locator("#delivery .sx-badge")).to_have_text("Waiting")
    is_taken()
    expect(other.locator("#delivery .sx-badge")).to_have_text("Delivered")
    page.bring_to_front()
    expect(page.locator("#last-deliveries .sx-badge")).to_have_text("Delivered")
    expect(page.get_by_label("Name")).to_have_value("Another name")


def test_a_test_and_a_new_secret_leave_what_is_typed_and_show_what_came_of_them(page: Page) -> None:
    hook = waiting().webhook
    others = [
        WebhookDelivery(
            webhook=hook, topic="session.ended", session_id="", seq=n, at=timezone.now(), state="failed"
        )
        for n in range(12)
    ]
    WebhookDelivery.objects.bulk_create(others)
    page.set_viewport_size({"width": 1366, "height": 700})
    page.goto(f"/admin/sessions_app/webhook/{hook.pk}/change/")
    page.get_by_label("Name").fill("Another name")
    page.get_by_role("button", name="Send a test").click()
    row = page.locator("#last-deliveries tr.is-new")
    expect(row).to_contain_text("A test")
    expect(row).to_be_in_viewport(ratio=1)
    bar = page.locator("#submit-row").bounding_box()
    where = row.bounding_box()
    assert bar
    assert where
    assert where["y"] + where["height"] <= bar["y"]
    expect(page.get_by_label("Name")).to_have_value("Another name")
    is_taken()
    expect(row.locator(".sx-badge")).to_have_text("Delivered")  # still marked once the rows are new
    page.get_by_text("Make a new secret").click()
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_label("The secret")).to_have_value(re.compile("whsec_.+"))
    expect(page.get_by_role("button", name="Copy")).to_be_visible()
    expect(page.get_by_text("The old secret works until")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Another name")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Another name").first).to_be_visible()
    hook.refresh_from_db()
    assert hook.name == "Another name"


def test_what_got_no_answer_is_not_done_a_second_time(
    page: Page, browser: Browser, server: ServerProcess
) -> None:
    """A second secret would end the one that the receiver has, and nobody was shown the first."""
    hook = waiting().webhook
    known = hook.secret
    sent = []

    def is_lost(route: Route) -> None:
        sent.append(route.fetch(max_redirects=0).status)
        route.abort()

    state = page.context.storage_state()
    context = browser.new_context(base_url=server.url, storage_state=state)  # it complains of what is lost
    other = context.new_page()
    other.route("**/secret/", is_lost)
    other.goto(f"/admin/sessions_app/webhook/{hook.pk}/change/")
    other.get_by_text("Make a new secret").click()
    other.get_by_role("button", name="Make it").click()
    expect(other.get_by_text("No answer from the server")).to_be_visible()
    context.close()
    hook.refresh_from_db()
    assert sent == [302]
    assert hook.old_secret == known


def test_a_message_is_delivered_again_in_place_and_after_a_question_where_it_was_taken(page: Page) -> None:
    delivery = waiting()
    is_taken()
    page.goto(f"/admin/sessions_app/webhook/{delivery.webhook_id}/change/")
    page.get_by_label("Name").fill("Another name")
    row = page.locator(f"#delivery-{delivery.pk}")
    again = row.get_by_role("button", name="Deliver again")
    asked: list[str] = []

    def refuses(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    def agrees(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.once("dialog", refuses)
    again.click()
    expect(row.locator(".sx-badge")).to_have_text("Delivered")
    assert WebhookDelivery.objects.get().state == DeliveryState.DELIVERED
    page.once("dialog", agrees)
    again.click()
    expect(row.locator(".sx-badge")).to_have_text("Waiting")
    assert WebhookDelivery.objects.get().state == DeliveryState.WAITING
    assert len(asked) == 2
    assert all("gets it a second time" in one for one in asked)
    expect(row).to_have_class("is-new")
    expect(again).to_be_focused()
    expect(page.get_by_label("Name")).to_have_value("Another name")
    WebhookDelivery.objects.update(state=DeliveryState.FAILED)
    expect(row.locator(".sx-badge")).not_to_have_text(
        "Waiting"
    )  # it follows beside the button that has the focus
    expect(again).to_be_focused()
    again.click()
    expect(row.locator(".sx-badge")).to_have_text("Waiting")
    assert len(asked) == 2
    expect(page.get_by_label("Name")).to_have_value("Another name")


def test_what_is_typed_is_not_left_without_a_question(page: Page) -> None:
    hook = waiting().webhook
    page.goto(f"/admin/sessions_app/webhook/{hook.pk}/change/")
    page.get_by_label("Name").press_sequentially("x")
    asked: list[str] = []

    def stays(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stays)
    with page.expect_event("dialog"):
        page.evaluate("location.href = '/admin/'")
    assert asked == ["beforeunload"]
    expect(page.get_by_label("Name")).to_have_value("xcrm")


def test_the_body_of_a_message_is_copied_as_it_is_signed(page: Page) -> None:
    delivery = waiting()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{LIST}{delivery.pk}/change/")
    page.get_by_role("button", name="Copy the body").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == message_of(delivery).decode()
