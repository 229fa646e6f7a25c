"""Webhooks: queued with their cause, signed, tried again, seen in the admin; and to no place of our own network."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import socket
import threading
import time
from datetime import timedelta
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from procrastinate import JobContext
from pytest_django.fixtures import Settings

from chat.jobs.addresses import AddressRefused, PublicResolver, check_address, is_public
from chat.jobs.webhooks import WAITS_S, send, signed
from sessions_app.log import events as ev
from sessions_app.models import DeliveryState, EraseActor, Topic, Webhook, WebhookDelivery
from sessions_app.notices.deliveries import Due, deliver_again, due_delivery, forget_deliveries
from sessions_app.notices.secrets import key_of, sealed
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session
from tests.summary.receiver import SECRET, Receiver, run_jobs, webhook
from tests.summary.support import end_it, ended_session, open_it, said, say

pytestmark = pytest.mark.django_db(transaction=True)


def waiting_jobs() -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, (args->>'delivery_id')::int FROM procrastinate_jobs WHERE task_name = 'deliver_webhook'"
        )
        return list(cursor.fetchall())


def test_the_signature_is_the_one_of_the_specification() -> None:
    body = b'{"event_type":"ping","data":{"success":true}}'
    key = key_of(sealed(SECRET))
    assert key
    due = Due(
        delivery_id=1, webhook_id=1, message_id="msg_loFOjxBNrRLzqYUf", url="", keys=[key], body=body, tries=0
    )
    expected = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
    assert signed(due, at=1731705121)["webhook-signature"] == expected


def test_an_end_is_told_with_a_signature_that_holds(receiver: Receiver) -> None:
    hook = webhook(receiver.url, Topic.SESSION_ENDED)
    session_id, seq = ended_session()
    run_jobs()
    ((headers, body),) = receiver.taken
    told = json.loads(body)
    assert (told["type"], told["data"]["session_id"], told["data"]["seq"]) == (
        "session.ended",
        session_id,
        seq,
    )
    assert told["data"]["reason"] == "left"
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(SECRET[6:]), content, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.status_code) == (DeliveryState.DELIVERED, 1, 204)
    assert delivery.webhook == hook
    assert waiting_jobs() == []


def test_what_was_asked_for_is_told_and_nothing_else(receiver: Receiver) -> None:
    webhook(receiver.url, Topic.FEEDBACK_GIVEN)
    webhook(receiver.url, Topic.APPROVAL_REQUESTED, active=False)
    opened = open_it()
    asked = ev.ToolApprovalRequested(
        response_id="r", item_id="apr", call_id="c", output_index=0, name="pay", arguments="{}"
    )
    say(opened, said("x"), asked, ev.FeedbackGiven(item_id="item_2", rating=ev.Rating.DOWN, comment="Bad."))
    end_it(opened)
    assert list(WebhookDelivery.objects.values_list("topic", flat=True)) == ["feedback.given"]
    run_jobs()
    (told,) = receiver.bodies()
    assert told["data"]["rating"] == "down"
    assert "comment" not in told["data"]


def test_words_are_sent_where_they_are_wished_and_not_once_they_are_erased(receiver: Receiver) -> None:
    hook = webhook(receiver.url, Topic.FEEDBACK_GIVEN, with_words=True)
    opened = open_it()
    say(opened, said("x"), ev.FeedbackGiven(item_id="item_2", rating=ev.Rating.DOWN, comment="Bad."))
    run_jobs()
    assert receiver.bodies()[-1]["data"]["comment"] == "Bad."
    end_it(opened)
    WebhookDelivery.objects.update(answer="You said Bad.")
    erase_session(session_id=opened.session_id, by=By(actor=EraseActor.STAFF))
    delivery = WebhookDelivery.objects.get(topic=Topic.FEEDBACK_GIVEN, webhook=hook)
    assert delivery.answer == ""
    WebhookDelivery.objects.update(state=DeliveryState.WAITING)
    due = due_delivery(delivery.pk)
    assert due
    assert b"Bad." not in due.body


def test_what_is_undone_is_told_to_nobody(receiver: Receiver) -> None:
    webhook(receiver.url)
    opened = open_it()
    say(opened, said("x"))

    with transaction.atomic():
        end_it(opened)
        assert len(waiting_jobs()) == 1
        transaction.set_rollback(True)
    assert (waiting_jobs(), WebhookDelivery.objects.count()) == ([], 0)


def test_what_was_not_taken_is_tried_again_later_by_the_same_id(receiver: Receiver) -> None:
    receiver.answers, receiver.words = [500, 200], b"<b>out of\x00 order</b>"
    webhook(receiver.url, Topic.SESSION_ENDED)
    ended_session()
    run_jobs()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.status_code) == (DeliveryState.WAITING, 1, 500)
    assert "out of" in delivery.answer
    assert waiting_jobs() == [("todo", delivery.pk)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT scheduled_at > now() + interval '2 s' FROM procrastinate_jobs WHERE task_name = 'deliver_webhook'"
        )
        assert cursor.fetchall() == [(True,)]
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE task_name = 'deliver_webhook'"
        )
    run_jobs()
    (first, body), (second, again) = receiver.taken
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert WebhookDelivery.objects.get().state == DeliveryState.DELIVERED


@pytest.mark.parametrize("status", [302, 400, 503])
def test_it_is_given_up_in_the_end_and_a_redirect_is_followed_nowhere(
    receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    webhook(receiver.url, Topic.SESSION_ENDED)
    ended_session()
    WebhookDelivery.objects.update(tries=len(WAITS_S))
    run_jobs()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.status_code, len(receiver.taken)) == (DeliveryState.FAILED, status, 1)
    assert waiting_jobs() == []


def test_who_is_gone_is_asked_no_more(receiver: Receiver) -> None:
    receiver.answers = [410]
    hook = webhook(receiver.url, Topic.SESSION_ENDED)
    ended_session()
    run_jobs()
    hook.refresh_from_db()
    assert (hook.active, WebhookDelivery.objects.get().state) == (False, DeliveryState.FAILED)
    ended_session()
    assert WebhookDelivery.objects.count() == 1


def test_nobody_there_is_told_in_words(settings: Settings) -> None:
    settings.CHAT_WEBHOOK_PRIVATE_ADDRESSES = True
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    webhook(f"http://127.0.0.1:{port}/", Topic.SESSION_ENDED)
    ended_session()
    run_jobs()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.status_code) == (DeliveryState.WAITING, None)
    assert delivery.answer.startswith("Nobody could be asked")


def test_who_hangs_is_left_after_a_while(settings: Settings) -> None:
    settings.CHAT_WEBHOOK_PRIVATE_ADDRESSES, settings.CHAT_WEBHOOK_SECONDS = True, 0.3
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        due = Due(delivery_id=1, webhook_id=1, message_id="m", url=url, keys=[b"k"], body=b"{}", tries=0)
        answer = asyncio.run(send(due))
    assert (answer.status_code, answer.words) == (None, "No answer within 0.3 seconds.")


def test_a_message_was_taken_though_the_words_of_the_answer_do_not_come(settings: Settings) -> None:
    """Its status says so, and sent again it would be there twice."""
    settings.CHAT_WEBHOOK_PRIVATE_ADDRESSES, settings.CHAT_WEBHOOK_SECONDS = True, 1.0
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                while connection.recv(4_096):  # until the other side has gone
                    pass

        receiver = threading.Thread(target=take)
        receiver.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        due = Due(delivery_id=1, webhook_id=1, message_id="m", url=url, keys=[b"k"], body=b"{}", tries=0)
        answer = asyncio.run(send(due))
        receiver.join()
    assert (answer.status_code, answer.words) == (200, "")
    assert answer.taken


def test_an_endless_answer_is_read_no_further_than_it_is_shown(receiver: Receiver) -> None:
    receiver.words, receiver.answers = b"x" * 5_000_000, [200]
    due = Due(delivery_id=1, webhook_id=1, message_id="m", url=receiver.url, keys=[b"k"], body=b"{}", tries=0)
    answer = asyncio.run(send(due))
    assert (answer.status_code, 0 < len(answer.words) <= 2_048) == (200, True)


# Where they may go.


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_an_address_of_a_network_of_ours_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        check_address(f"https://{host}/hook", inward=False)
    check_address(f"http://{host}/hook", inward=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_not(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:secret@example.com/",
        "https://localhost/",
        "https://a.localhost/",
        "https://localhost./",
        "https://127.0.0.1./",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https:///nothing",
        "nonsense",
    ],
)
def test_other_addresses_are_refused_at_once(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(url, inward=False)


@pytest.mark.parametrize("name", ["2130706433", "127.1", "inside.example"])
async def test_a_name_that_leads_inward_is_refused_when_it_is_resolved(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    loop = asyncio.get_running_loop()

    async def resolved(*args: Any, **kwargs: Any) -> Any:
        return inner

    monkeypatch.setattr(loop, "getaddrinfo", resolved)
    with pytest.raises(AddressRefused):
        await PublicResolver().resolve(name, 443)
    due = Due(
        delivery_id=1, webhook_id=1, message_id="m", url=f"https://{name}/", keys=[b"k"], body=b"{}", tries=0
    )
    answer = await send(due)
    assert answer.status_code is None
    assert "not on the public internet" in answer.words or "not a canonical IPv4" in answer.words


async def test_of_several_addresses_the_public_ones_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(*args: Any, **kwargs: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 443)) for host in ("10.0.0.1", "8.8.8.8")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    assert [one["host"] for one in await PublicResolver().resolve("example.com", 443)] == ["8.8.8.8"]


# The admin.


def form(url: str = "https://example.com/hook", **fields: Any) -> dict[str, Any]:
    return {"name": "crm", "url": url, "topics": ["session.ended"], "active": "on", **fields}


def test_a_secret_is_shown_once_and_kept_sealed(admin_client: Client) -> None:
    made = admin_client.post("/admin/sessions_app/webhook/add/", form())
    assert made.status_code == 302
    (shown,) = (str(one) for one in get_messages(made.wsgi_request))
    (secret,) = re.findall(r'value="(whsec_[^"]+)"', shown)
    hook = Webhook.objects.get()
    assert key_of(hook.secret) == base64.b64decode(secret[6:])
    assert secret[6:] not in hook.secret
    admin_client.get("/admin/sessions_app/webhook/")
    for url in ("/admin/sessions_app/webhook/", f"/admin/sessions_app/webhook/{hook.pk}/change/"):
        assert "whsec_" not in admin_client.get(url).content.decode()


def test_a_secret_of_another_key_signs_nothing_and_says_so(settings: Settings) -> None:
    webhook("https://example.com/", Topic.SESSION_ENDED)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 10
    ended_session()
    delivery = WebhookDelivery.objects.get()
    assert due_delivery(delivery.pk) is not None
    settings.SECRET_KEY_FALLBACKS = []
    assert due_delivery(delivery.pk) is None
    delivery.refresh_from_db()
    assert (delivery.state, "SECRET_KEY" in delivery.answer) == (DeliveryState.FAILED, True)


@pytest.mark.parametrize("url", ["https://10.0.0.1/hook", "https://localhost/x"])
def test_an_inner_address_is_refused_in_the_form(admin_client: Client, url: str) -> None:
    page = admin_client.post("/admin/sessions_app/webhook/add/", form(url)).content.decode()
    assert "The address" in page
    assert not Webhook.objects.exists()


def test_deliveries_are_seen_and_sent_again(admin_client: Client, receiver: Receiver) -> None:
    receiver.answers = [500]
    webhook(receiver.url, Topic.SESSION_ENDED)
    ended_session()
    WebhookDelivery.objects.update(tries=len(WAITS_S))
    run_jobs()
    url = "/admin/sessions_app/webhookdelivery/"
    page = admin_client.get(url).content.decode()
    assert "A conversation has ended" in page
    assert "500" in page
    chosen = {"action": "again", "_selected_action": [WebhookDelivery.objects.get().pk]}
    assert "On their way again: 1." in admin_client.post(url, chosen, follow=True).content.decode()
    assert "On their way again: 0." in admin_client.post(url, chosen, follow=True).content.decode()
    run_jobs()
    assert WebhookDelivery.objects.get().state == DeliveryState.DELIVERED
    assert receiver.taken[0][0]["webhook-id"] == receiver.taken[1][0]["webhook-id"]


def test_what_waits_for_its_next_try_says_when_and_can_be_sent_now(
    admin_client: Client, receiver: Receiver
) -> None:
    receiver.answers = [500, 200]
    webhook(receiver.url, Topic.SESSION_ENDED)
    ended_session()
    WebhookDelivery.objects.update(tries=1)
    run_jobs()
    delivery = WebhookDelivery.objects.get()
    assert delivery.next_try_at is not None
    assert timedelta(minutes=4) < delivery.next_try_at - timezone.now() < timedelta(minutes=6)
    url = "/admin/sessions_app/webhookdelivery/"
    page = admin_client.get(url).content.decode()
    badge = re.search(r'<[^>]*class="([^"]*)"[^>]*>\s*Failing: tried again at [^<]*\d\d:\d\d', page)
    assert badge
    assert "red" in badge[1]
    run_jobs()
    assert len(receiver.taken) == 1
    chosen = {"action": "again", "_selected_action": [delivery.pk]}
    assert "On their way again: 1." in admin_client.post(url, chosen, follow=True).content.decode()
    run_jobs()
    sent = WebhookDelivery.objects.get()
    assert (sent.state, sent.next_try_at) == (DeliveryState.DELIVERED, None)
    assert len(waiting_jobs()) == 0


def test_one_goes_on_editing_where_the_secret_is_shown(admin_client: Client) -> None:
    made = admin_client.post("/admin/sessions_app/webhook/add/", form(_continue="1"), follow=True)
    page = f"/admin/sessions_app/webhook/{Webhook.objects.get().pk}/change/"
    assert made.redirect_chain[-1][0] == page
    assert "whsec_" in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    assert "whsec_" not in admin_client.get(page).content.decode()


def test_webhooks_wait_for_what_depends_on_nobody_elses_server() -> None:
    def priorities() -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT task_name, priority FROM procrastinate_jobs")
            return dict(cursor.fetchall())

    webhook("https://example.com/", Topic.SESSION_ENDED)
    ended_session()
    assert priorities()["deliver_webhook"] < priorities()["summarise_session"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE task_name = 'deliver_webhook'")
    WebhookDelivery.objects.update(state=DeliveryState.FAILED)
    assert deliver_again(WebhookDelivery.objects.get())
    assert priorities()["deliver_webhook"] < priorities()["summarise_session"]


def test_deliveries_are_forgotten_after_a_month() -> None:
    webhook("https://example.com/", Topic.SESSION_ENDED)
    ended_session()
    assert forget_deliveries() == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE webhook_deliveries SET at = now() - interval '31 days'")
    assert forget_deliveries() == 1


async def test_more_than_a_few_to_one_receiver_wait_without_counting_as_tries(settings: Settings) -> None:
    settings.CHAT_WEBHOOK_PRIVATE_ADDRESSES = True
    from chat.jobs.retry import NotDeliveredError
    from chat.jobs.webhooks import MOST_AT_ONCE, under_way
    from chat.tasks import deliver_webhook

    hook = await in_db_thread(webhook, "http://127.0.0.1:1/", Topic.SESSION_ENDED)
    await in_db_thread(ended_session)
    delivery = await in_db_thread(WebhookDelivery.objects.get)
    under_way[hook.pk] = MOST_AT_ONCE
    waits: list[float] = []
    try:
        for attempts in (0, 9, 1_000):
            context = cast("JobContext", SimpleNamespace(job=SimpleNamespace(attempts=attempts)))
            with pytest.raises(NotDeliveredError) as postponed:
                await deliver_webhook.func(context, delivery_id=delivery.pk)
            waits.append(postponed.value.wait_s)
    finally:
        del under_way[hook.pk]
    assert waits[0] <= 3 < 10 <= waits[1] <= 30 < waits[2] == 60
    await in_db_thread(delivery.refresh_from_db)
    assert delivery.tries == 0
