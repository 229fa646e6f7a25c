"""What is on its way to a webhook, followed in a real Chromium."""

from django.utils import timezone
from playwright.sync_api import Page, expect

from sessions_app.models import DeliveryState, Webhook, WebhookDelivery
from sessions_app.notices.secrets import new_secret, sealed

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
