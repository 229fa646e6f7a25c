"""A thumb and the comment after it are told as one: to webhooks and by e-mail."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from sessions_app.log import events as ev
from sessions_app.log.attention import COMMENT_WAIT_S
from sessions_app.models import DeliveryState, MailNotice, MailSubscription, Topic, WebhookDelivery
from sessions_app.notices.deliveries import deliver_again
from sessions_app.notices.mails import due_subscriptions, send_digest
from tests.summary.receiver import Receiver, run_jobs, webhook
from tests.summary.support import open_it, said, say

pytestmark = pytest.mark.django_db(transaction=True)
DOWN = ev.FeedbackGiven(item_id="item_2", rating=ev.Rating.DOWN, reason="wrong")
COMMENTED = ev.FeedbackGiven(
    item_id="item_2", rating=ev.Rating.DOWN, replaces=ev.Rating.DOWN, reason="wrong", comment="Not our shop."
)
ANOTHER = ev.FeedbackGiven(item_id="item_4", rating=ev.Rating.UP)


def a_minute_later() -> None:
    minute = timedelta(seconds=COMMENT_WAIT_S)
    MailNotice.objects.update(at=F("at") - minute)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = scheduled_at - make_interval(secs => %s) WHERE task_name = 'deliver_webhook'",
            [COMMENT_WAIT_S],
        )


def test_a_thumb_waits_for_its_comment_and_both_are_one_message(
    receiver: Receiver, admin_client: Client
) -> None:
    webhook(receiver.url, Topic.FEEDBACK_GIVEN, with_words=True)
    opened = open_it()
    say(opened, said("x"), DOWN, ANOTHER)
    run_jobs()
    assert receiver.taken == []
    waits = WebhookDelivery.objects.earliest("id").next_try_at
    assert waits is not None
    assert timedelta() < waits - timezone.now() <= timedelta(seconds=COMMENT_WAIT_S)
    say(opened, COMMENTED)
    run_jobs()
    ((_, body),) = receiver.taken
    assert b"Not our shop." in body
    assert receiver.bodies()[0]["data"]["updated"] is True
    a_minute_later()
    run_jobs()
    assert [told["data"]["item_id"] for told in receiver.bodies()] == ["item_2", "item_4"]
    assert receiver.bodies()[1]["data"]["updated"] is False
    first = WebhookDelivery.objects.earliest("id")
    assert (first.state, first.tries) == (DeliveryState.REPLACED, 0)
    page = admin_client.get(f"/admin/sessions_app/webhookdelivery/{first.pk}/change/").content.decode()
    assert "Told by the next one" in page
    assert "Deliver again" not in page
    assert not deliver_again(first)


def test_a_thumb_without_a_comment_is_told_after_a_while(receiver: Receiver) -> None:
    webhook(receiver.url, Topic.FEEDBACK_GIVEN)
    say(open_it(), said("x"), DOWN)
    a_minute_later()
    run_jobs()
    (told,) = receiver.bodies()
    assert (told["data"]["rating"], told["data"]["updated"]) == ("down", False)


def test_a_late_comment_is_a_second_message_that_says_so(receiver: Receiver) -> None:
    webhook(receiver.url, Topic.FEEDBACK_GIVEN)
    opened = open_it()
    say(opened, said("x"), DOWN)
    a_minute_later()
    run_jobs()
    say(opened, COMMENTED)
    run_jobs()
    first, second = (told["data"] for told in receiver.bodies())
    assert first["item_id"] == second["item_id"]
    assert (first["updated"], second["updated"]) == (False, True)


def test_an_email_counts_a_thumb_and_its_comment_once() -> None:
    user = User.objects.create_user("grace", email="grace@example.com", is_staff=True)
    user.user_permissions.add(
        Permission.objects.get(codename="view_session", content_type__app_label="sessions_app")
    )
    MailSubscription.objects.create(user=user, topics=[Topic.FEEDBACK_GIVEN])
    opened = open_it()
    say(opened, said("x"), DOWN)
    assert due_subscriptions() == []
    a_minute_later()
    say(opened, COMMENTED)
    (subscription,) = due_subscriptions()
    assert send_digest(subscription) is False  # the comment is told, once it has waited as well
    assert (mail.outbox, due_subscriptions()) == ([], [])
    a_minute_later()
    say(opened, ANOTHER)
    a_minute_later()
    assert send_digest(subscription)
    (sent,) = mail.outbox
    assert sent.subject == "[Realtime AI] 2 things have happened"
    assert not MailNotice.objects.exists()
