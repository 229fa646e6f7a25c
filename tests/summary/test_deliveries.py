"""What staff see of a message's way to a webhook, and do about it."""

import base64
import hashlib
import hmac
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat.jobs.webhooks import WAITS_S
from sessions_app.log import events as ev
from sessions_app.models import DeliveryState, EraseActor, Session, Topic, Webhook, WebhookDelivery
from sessions_app.notices.deliveries import ATTEMPTS_KEPT, Answer, due_delivery, note_answer
from sessions_app.notices.renewal import forget_old_secrets, renew
from sessions_app.notices.secrets import key_of
from sessions_app.privacy.erase import By, erase_session
from tests.summary.receiver import SECRET, Receiver, run_jobs, webhook
from tests.summary.support import end_it, ended_session, open_it, said, say

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/sessions_app/webhookdelivery/"


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    text = re.sub(r"<[^>]+>", " ", answer.content.decode().split('id="content"')[-1])
    return " ".join(text.split())


def page_of(delivery: WebhookDelivery) -> str:
    return reverse("admin:sessions_app_webhookdelivery_change", args=[delivery.pk])


def one_delivery(receiver: Receiver, *answers: int) -> WebhookDelivery:
    receiver.answers = list(answers)
    webhook(receiver.url, Topic.SESSION_ENDED)
    ended_session()
    run_jobs()
    return WebhookDelivery.objects.get()


def again(client: Client, delivery: WebhookDelivery, **form: str) -> str:
    chosen = {"action": "again", "_selected_action": [delivery.pk], **form}
    return client.post(LIST, chosen, follow=True).content.decode()


def test_a_webhooks_page_says_when_it_is_tried_again_and_tries_it_now(
    admin_client: Client, receiver: Receiver
) -> None:
    receiver.words = b"out of order"
    delivery = one_delivery(receiver, 503, 200)
    WebhookDelivery.objects.update(next_try_at=timezone.now() + timedelta(minutes=4, seconds=30))
    url = f"/admin/sessions_app/webhook/{delivery.webhook_id}/change/"
    shown = text_of(admin_client, url)
    assert re.search(r"Failing 1 at [\w ,]*\d\d:\d\d(:\d\d)?, in 4 minutes 503 out of order", shown)
    form = admin_client.get(url).content.decode().split(f'action="{LIST}"')[1].split("</form>")[0]
    given = dict(re.findall(r'name="(action|_selected_action|back)" value="([^"]*)"', form))
    answer = admin_client.post(LIST, given, follow=True)
    assert answer.redirect_chain[-1][0] == url
    assert "On their way again: 1." in answer.content.decode()
    run_jobs()
    assert "Delivered 2 200" in text_of(admin_client, url)


def test_what_came_of_each_try_stays_over_another_delivery(admin_client: Client, receiver: Receiver) -> None:
    receiver.words = b"out of order"
    delivery = one_delivery(receiver, 500, 200)
    assert "On their way again: 1." in again(admin_client, delivery)
    waiting = text_of(admin_client, page_of(delivery))
    assert re.search(r"Waiting .* Tries 1 Next try soon", waiting)
    assert re.search(r"\d\d:\d\d:\d\d 500 [\d.]+ m?s out of order", waiting)
    run_jobs()
    assert re.search(
        r"Tries 2 .*Beginning of the body \d+ \w+, \d\d:\d\d:\d\d 200 .* 500 [\d.]+ m?s out of order",
        text_of(admin_client, page_of(delivery)),
    )


def test_delivered_again_it_is_tried_as_often_as_a_new_one_and_all_tries_count(
    admin_client: Client, receiver: Receiver
) -> None:
    delivery = one_delivery(receiver, 500, 500, 500)
    WebhookDelivery.objects.update(tries=len(WAITS_S), state=DeliveryState.FAILED, next_try_at=None)
    again(admin_client, delivery)
    run_jobs()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries) == (DeliveryState.WAITING, len(WAITS_S) + 1)
    assert delivery.next_try_at is not None
    assert timedelta() < delivery.next_try_at - timezone.now() < timedelta(seconds=10)


def test_a_deliverys_page_has_what_a_receivers_engineer_asks_for(
    admin_client: Client, receiver: Receiver
) -> None:
    receiver.words = b'{"error": "unknown session"}'
    delivery = one_delivery(receiver, 422)
    ((headers, body),) = receiver.taken
    shown = unescape(text_of(admin_client, page_of(delivery)))
    assert f"webhook-id: {headers['webhook-id']}" in shown
    assert f"POST {receiver.url}" in shown
    assert f"webhook-timestamp: {headers['webhook-timestamp']}" in shown
    assert "Content-Type: application/json" in shown
    assert f"webhook-signature: {headers['webhook-signature'][:11]}..." in shown
    assert re.search(r"422 [\d.]+ m?s \{\"error\": \"unknown session\"\}", shown)
    page = unescape(admin_client.get(page_of(delivery)).content.decode())
    assert headers["webhook-signature"] not in page
    assert f'data-exact="{body.decode()}"' in page  # copied as it was signed
    assert '"type": "session.ended",' in page


def test_the_address_of_a_webhook_is_for_those_who_may_see_webhooks(receiver: Receiver) -> None:
    delivery = one_delivery(receiver, 500)
    user = User.objects.create_user("a", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_webhookdelivery"))
    client = Client()
    client.force_login(user)
    shown = text_of(client, page_of(delivery))
    assert "webhook-timestamp" in shown
    assert receiver.url not in shown


def test_what_is_answered_after_the_erasure_is_not_kept(receiver: Receiver) -> None:
    """The message was made before, and a receiver may quote it."""
    hook = webhook(receiver.url, Topic.SESSION_ENDED, with_words=True)
    ended_session()
    delivery = WebhookDelivery.objects.get(webhook=hook)
    due = due_delivery(delivery.pk)
    assert due
    erase_session(session_id=delivery.session_id, by=By(actor=EraseActor.STAFF))
    note_answer(due, Answer(status_code=422, words="You said Bad."), gives_up=True)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status_code, delivery.tries) == (DeliveryState.FAILED, 422, 1)
    assert delivery.answer == ""
    assert "Bad." not in str(delivery.attempts)


def test_so_many_tries_are_kept(receiver: Receiver) -> None:
    delivery = one_delivery(receiver, 500)
    for status in range(501, 515):
        due = due_delivery(delivery.pk)
        assert due
        note_answer(due, Answer(status_code=status, took_ms=1_200), gives_up=False, wait_s=60)
    delivery.refresh_from_db()
    assert [one["status_code"] for one in delivery.attempts] == list(range(515 - ATTEMPTS_KEPT, 515))
    assert delivery.tries == 15


def test_erasing_takes_what_receivers_answered(admin_client: Client, receiver: Receiver) -> None:
    receiver.words = b"You said Bad."
    hook = webhook(receiver.url, Topic.FEEDBACK_GIVEN, with_words=True)
    opened = open_it()
    say(opened, said("x"), ev.FeedbackGiven(item_id="item_2", rating=ev.Rating.DOWN, comment="Terrible."))
    end_it(opened)
    receiver.answers = [500]
    run_jobs()
    delivery = WebhookDelivery.objects.get(webhook=hook)
    before = text_of(admin_client, page_of(delivery))
    assert "You said Bad." in before
    assert "Terrible." in before
    erase_session(session_id=opened.session_id, by=By(actor=EraseActor.STAFF))
    after = text_of(admin_client, page_of(delivery))
    assert "Bad." not in after
    assert "Terrible." not in after
    with connection.cursor() as cursor:
        cursor.execute("SELECT attempts::text FROM webhook_deliveries WHERE id = %s", [delivery.pk])
        assert cursor.fetchall() == [("[]",)]


def test_what_was_sent_is_for_those_who_may_see_the_session(receiver: Receiver) -> None:
    delivery = one_delivery(receiver, 204)
    clients = {}
    for name, rights in {
        "a": ["view_webhookdelivery"],
        "b": ["view_webhookdelivery", "view_session"],
    }.items():
        user = User.objects.create_user(name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        clients[name] = Client()
        clients[name].force_login(user)
    assert "What is sent" not in text_of(clients["a"], page_of(delivery))
    assert "session.ended" in text_of(clients["b"], page_of(delivery))
    assert "Deliver again" not in text_of(clients["b"], page_of(delivery))
    assert clients["b"].post(page_of(delivery)).status_code == 403


def test_what_a_conversation_is_called_is_for_those_who_may_see_it(
    admin_client: Client, receiver: Receiver
) -> None:
    """Until it has a title it is called by what its user said first."""
    delivery = one_delivery(receiver, 204)
    Session.objects.update(title="", first_words="My card was stolen")
    user = User.objects.create_user("a", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_webhookdelivery"))
    client = Client()
    client.force_login(user)
    for page in (LIST, page_of(delivery)):
        assert "My card was stolen" in text_of(admin_client, page)
        assert "My card was stolen" not in text_of(client, page)
    assert delivery.session_id in text_of(client, LIST)


def test_what_was_taken_is_sent_a_second_time_only_by_who_is_sure(
    admin_client: Client, receiver: Receiver
) -> None:
    delivery = one_delivery(receiver, 200)
    asked = again(admin_client, delivery)
    assert "It was taken already" in asked
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED
    assert 'name="sure"' in asked
    assert "On their way again: 1." in again(admin_client, delivery, sure="1")
    run_jobs()
    assert len(receiver.taken) == 2


def test_one_is_led_back_to_no_other_server(admin_client: Client, receiver: Receiver) -> None:
    delivery = one_delivery(receiver, 500)
    chosen = {"action": "again", "_selected_action": [delivery.pk], "back": "https://elsewhere.example/"}
    assert admin_client.post(LIST, chosen)["Location"] == LIST


def test_a_new_secret_is_made_on_the_webhooks_own_page(admin_client: Client) -> None:
    hook = webhook("https://example.com/hook", Topic.SESSION_ENDED)
    before = hook.secret
    page = f"/admin/sessions_app/webhook/{hook.pk}/change/"
    (url,) = re.findall(r'action="([^"]+/secret/)"', admin_client.get(page).content.decode())
    made = admin_client.post(url)
    assert (made["Location"], "no-store" in made["Cache-Control"]) == (page, True)
    (shown,) = (str(one) for one in get_messages(made.wsgi_request))
    assert "whsec_" in shown
    made_anew = Webhook.objects.get()
    assert key_of(made_anew.secret) not in (None, key_of(before))
    assert made_anew.old_secret == before
    assert "The old secret works until" in text_of(admin_client, page)
    assert admin_client.get(url).status_code == 405


def test_for_a_day_a_message_is_signed_with_the_old_secret_too(receiver: Receiver) -> None:
    hook = webhook(receiver.url, Topic.SESSION_ENDED)
    secret = renew(hook)
    ended_session()
    run_jobs()
    headers, body = receiver.taken[-1]
    assert headers["webhook-signature"].split() == [
        signature_of(headers, body, secret),
        signature_of(headers, body, SECRET),
    ]
    Webhook.objects.update(old_until=timezone.now())
    ended_session()
    run_jobs()
    headers, body = receiver.taken[-1]
    assert headers["webhook-signature"] == signature_of(headers, body, secret)
    forget_old_secrets()
    hook.refresh_from_db()
    assert (hook.old_secret, hook.old_until) == ("", None)


def signature_of(headers: dict[str, str], body: bytes, secret: str) -> str:
    """As a receiver that knows one secret makes it."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(secret[6:]), content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


HOOKS = "/admin/sessions_app/webhook/"


def test_the_figures_of_a_day_lead_to_the_deliveries_that_they_count_and_the_last_try_is_the_latest(
    admin_client: Client,
) -> None:
    hook = webhook("http://127.0.0.1:9/", Topic.SESSION_ENDED)
    for _ in range(3):
        ended_session()
    now = timezone.now()
    old, new, tried_long_ago = WebhookDelivery.objects.order_by("pk")
    WebhookDelivery.objects.filter(pk=old.pk).update(
        at=now - timedelta(days=3), tried_at=now, state="delivered"
    )
    WebhookDelivery.objects.filter(pk=new.pk).update(session_id="of-today")
    WebhookDelivery.objects.filter(pk=tried_long_ago.pk).update(tried_at=now - timedelta(hours=5))
    html = admin_client.get(HOOKS).content.decode()
    assert "Taken just now" in html
    (address,) = re.findall(rf'href="([^"]+webhook__id__exact={hook.pk}[^"]*)"[^>]*>\s*2 waiting', html)
    listed = admin_client.get(address.replace("&amp;", "&")).content.decode()
    assert "of-today" in listed
    assert listed.count('name="_selected_action"') == 2


def test_the_list_says_how_each_webhook_does(admin_client: Client, receiver: Receiver) -> None:
    webhook(receiver.url, Topic.SESSION_ENDED, name="fine")
    webhook("http://127.0.0.1:9/", Topic.SESSION_ENDED, name="broken")
    webhook(receiver.url, Topic.SUMMARY_FAILED, name="idle")
    ended_session()
    ended_session()
    run_jobs()
    shown = text_of(admin_client, HOOKS)
    assert re.search(r"broken .* Failing since \d+ \w+, \d\d:\d\d\s+2 waiting", shown)
    assert re.search(r"fine .* Taken just now\s+2 delivered", shown)
    assert re.search(r"idle .* Nothing sent yet\s+-", shown)
    failing = text_of(admin_client, HOOKS + "?health=failing")
    assert "broken" in failing
    assert "fine" not in failing
    assert "fine" in text_of(admin_client, HOOKS + "?health=ok")
    room = text_of(admin_client, reverse("admin:sessions_app_serverprocess_changelist"))
    assert re.search(r"broken\s+Failing since", room)
    inbox = reverse("admin:sessions_app_inboxitem_changelist")
    assert "1 webhook is failing" in text_of(admin_client, inbox)
    Webhook.objects.filter(name="broken").update(url=receiver.url)
    for delivery in WebhookDelivery.objects.filter(webhook__name="broken"):
        again(admin_client, delivery)
    run_jobs()
    assert re.search(r"broken .* Taken just now\s+2 delivered", text_of(admin_client, HOOKS))
    assert "failing" not in text_of(admin_client, inbox)


def test_a_webhook_fails_since_the_first_try_in_vain_and_not_where_it_is_switched_off(
    admin_client: Client, receiver: Receiver
) -> None:
    delivery = one_delivery(receiver, 500, 500)
    hook = Webhook.objects.get()
    since = hook.failing_since
    assert since is not None
    again(admin_client, delivery)
    run_jobs()
    hook.refresh_from_db()
    assert hook.failing_since == since
    Webhook.objects.update(active=False)
    assert "Switched off" in text_of(admin_client, HOOKS)
    assert "crm" not in text_of(admin_client, HOOKS + "?health=failing")
