"""E-mails to staff: what each chose, in one mail instead of many, and never what was said."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend
from django.db import connection, transaction
from django.db.models import F
from django.db.models.signals import pre_save
from django.test import Client
from pytest_django.fixtures import Settings

from chat import tasks
from sessions_app.errors import DatabaseAway
from sessions_app.log import events as ev
from sessions_app.models import MailNotice, MailSubscription, Topic, Webhook, WebhookDelivery
from sessions_app.notices import mails
from sessions_app.notices.deliveries import due_delivery
from sessions_app.notices.mails import MOST_LINES, due_subscriptions, send_digest
from tests.admin.conftest import signed_in
from tests.admin.rows import turn, write_session
from tests.summary.support import end_it, ended_session, open_it, said, say

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/sessions_app/mailsubscription/"


def staff(name: str = "grace", *, email: str = "grace@example.com", may_see: bool = True) -> User:
    user = User.objects.create_user(name, email=email, is_staff=True)
    if may_see:
        user.user_permissions.add(
            Permission.objects.get(codename="view_session", content_type__app_label="sessions_app")
        )
    return user


def wants(user: User, *topics: Topic, **fields: Any) -> MailSubscription:
    return MailSubscription.objects.create(user=user, topics=list(topics), **fields)


def send_all(**options: Any) -> None:
    for one in due_subscriptions():
        send_digest(one, **options)


def fails_elsewhere() -> None:
    """On a connection of its own."""
    try:
        fails()
    finally:
        connection.close()


def fails(words: str = "a secret word") -> str:
    opened = open_it()
    failed = ev.ResponseDone(response_id="r", status=ev.ResponseStatus.FAILED, message=words)
    say(opened, said(words), failed)
    return opened.session_id


def test_each_hears_of_what_they_chose_and_not_what_was_said() -> None:
    wants(staff(), Topic.ANSWER_FAILED)
    wants(staff("ben", email="ben@example.com"), Topic.SESSION_ENDED)
    session_id = fails()
    send_all(public_url="https://chat.example.com/")
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["grace@example.com"], "[Realtime AI] An answer failed")
    assert (
        f"https://chat.example.com/admin/sessions_app/session/{session_id}/change/?hit=2#seq-2" in sent.body
    )
    assert "secret" not in sent.body
    assert not MailNotice.objects.exists()


def test_a_mail_leads_to_a_session_whatever_its_id() -> None:
    """A client may choose one that the admin's addresses would read as another."""
    grace = staff()
    session = write_session(turn(1), session_id="order_2211")
    subscription = wants(grace, Topic.ANSWER_FAILED)
    MailNotice.objects.create(
        subscription=subscription, session=session, topic=Topic.ANSWER_FAILED, seq=2, at=session.start_time
    )
    send_all(public_url="https://chat.example.com")
    (address,) = re.findall(r"https://chat.example.com(/\S+)[?]hit=2", str(mail.outbox[0].body))
    assert signed_in(grace).get(address).status_code == 200


def test_the_first_is_told_at_once_and_the_others_share_the_next() -> None:
    one = wants(staff(), Topic.ANSWER_FAILED, Topic.SESSION_ENDED)
    fails()
    send_all()
    for _ in range(MOST_LINES + 5):
        fails()
    ended_session()
    send_all()
    assert len(mail.outbox) == 1
    MailSubscription.objects.filter(pk=one.pk).update(sent_at=F("sent_at") - timedelta(minutes=16))
    send_all()
    assert len(mail.outbox) == 2
    assert mail.outbox[1].subject == f"[Realtime AI] {MOST_LINES + 6} things have happened"
    assert f"{MOST_LINES + 5} × an answer failed" in mail.outbox[1].body
    assert "and 6 more" in mail.outbox[1].body
    send_all()
    assert len(mail.outbox) == 2


@pytest.mark.parametrize("change", ["is_active", "is_staff", "permission", "email"])
def test_who_may_not_see_sessions_any_more_is_told_nothing(change: str) -> None:
    user = staff()
    wants(user, Topic.ANSWER_FAILED)
    fails()
    match change:
        case "permission":
            user.user_permissions.clear()
        case "email":
            User.objects.update(email="")
        case _:
            User.objects.update(**{change: False})
    send_all()
    assert (mail.outbox, MailNotice.objects.count()) == ([], 0)


def test_what_the_mail_server_refuses_is_sent_later(monkeypatch: pytest.MonkeyPatch) -> None:
    wants(staff(), Topic.ANSWER_FAILED)
    fails()

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no route")

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", refuse)
        with pytest.raises(OSError, match="no route"):
            send_all()
    assert MailNotice.objects.count() == 1
    send_all()
    assert len(mail.outbox) == 1


def test_while_the_mail_server_is_talked_to_nothing_is_locked_and_nobody_else_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = wants(staff(), Topic.ANSWER_FAILED)
    fails()
    seen: list[object] = []

    def look(*args: object, **kwargs: object) -> None:
        seen.append(connection.in_atomic_block)
        seen.append(send_digest(one.pk))
        fails()

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", look)
        assert send_digest(one.pk)
    assert seen == [False, False]
    assert MailNotice.objects.count() == 1, "what came meanwhile is for the next mail"


def test_the_journal_does_not_wait_for_who_claims_a_mail() -> None:
    one = wants(staff(), Topic.ANSWER_FAILED)
    fails()
    with ThreadPoolExecutor() as pool, transaction.atomic():
        assert mails._claim(one.pk, "")
        pool.submit(fails_elsewhere).result(timeout=8)
    assert MailNotice.objects.count() == 2


def test_who_is_deleted_while_the_journal_writes_does_not_make_it_fail() -> None:
    wants(staff(), Topic.ANSWER_FAILED)
    Webhook.objects.create(name="crm", url="https://example.com/", topics=[Topic.ANSWER_FAILED])
    with ThreadPoolExecutor() as pool, transaction.atomic():
        Webhook.objects.all().delete()
        User.objects.all().delete()
        pool.submit(fails_elsewhere).result(timeout=8)
    assert MailNotice.objects.count() == 1
    assert due_subscriptions() == []
    assert due_delivery(WebhookDelivery.objects.get().pk) is None
    assert not WebhookDelivery.objects.exists()


def test_a_flood_is_told_in_one_mail_with_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mails, "MOST_NOTICES", 22)
    wants(staff(), Topic.ANSWER_FAILED)
    sessions = [fails() for _ in range(25)]
    send_all()
    (sent,) = mail.outbox
    assert sent.subject == "[Realtime AI] More than 22 things have happened"
    assert "and more than 2 more" in sent.body
    assert [one in sent.body for one in sessions] == [False] * 5 + [True] * 20
    assert not MailNotice.objects.exists()


def test_a_mail_server_that_hangs_is_given_up(settings: Settings) -> None:
    assert 0 < settings.EMAIL_TIMEOUT < 10
    assert tasks.send_mails.lock, "a second job would wait for the same server"


async def test_one_whose_mail_fails_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def fail(subscription_id: int, **kwargs: object) -> bool:
        tried.append(subscription_id)
        raise (OSError("no route"), DatabaseAway("away"))[subscription_id % 2]

    monkeypatch.setattr(tasks, "due_subscriptions", lambda: [1, 2, 3])
    monkeypatch.setattr(tasks, "send_digest", fail)
    await tasks.send_mails.func(timestamp=0)
    assert tried == [1, 2, 3]


@pytest.mark.parametrize("address", ["ada@example.com, ada@home.example", "Ada <>", '"', "ada@["])
def test_what_is_no_address_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    """As an issuer's account, or an import, may have brought one along."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    sent: list[str] = []

    class Server:
        def sendmail(self, _sender: str, to: list[str], _words: bytes) -> None:
            sent.extend(to)

    def connect(backend: Any) -> bool:
        backend.connection = Server()
        return True

    monkeypatch.setattr(EmailBackend, "open", connect)
    monkeypatch.setattr(EmailBackend, "close", lambda self: None)
    for name, email in (("ada", address), ("grace", "grace@example.com")):
        wants(staff(name, email=email), Topic.ANSWER_FAILED)
    fails()
    async_to_sync(tasks.send_mails.func)(timestamp=0)
    assert sent == ["grace@example.com"]
    assert "is not sent yet" in caplog.text


def test_everybody_chooses_for_themselves() -> None:
    grace, ben = staff(), staff("ben")
    assert signed_in(grace).post(PAGE, {"topics": ["answer.failed"], "minutes": "60"}).status_code == 302
    assert signed_in(ben).post(PAGE, {"topics": [], "minutes": "1"}).status_code == 302
    kept = dict(MailSubscription.objects.values_list("user__username", "topics"))
    assert kept == {"grace": ["answer.failed"], "ben": []}
    page = signed_in(grace).get(PAGE).content.decode()
    assert "grace@example.com" in page
    assert "nonsense" not in page
    assert signed_in(grace).post(PAGE, {"topics": ["nonsense"], "minutes": "60"}).status_code == 200


def test_of_two_first_choices_at_the_same_time_the_later_one_counts() -> None:
    """A form that is sent twice, or from two tabs."""
    grace = staff()

    def chooses_in_another_tab(*_: object, **__: object) -> None:
        pre_save.disconnect(chooses_in_another_tab, sender=MailSubscription)
        with ThreadPoolExecutor(1) as other:
            other.submit(post_and_hang_up, signed_in(grace), ["session.ended"]).result(30)

    pre_save.connect(chooses_in_another_tab, sender=MailSubscription)
    assert signed_in(grace).post(PAGE, {"topics": ["answer.failed"], "minutes": "60"}).status_code == 302
    assert list(MailSubscription.objects.values_list("topics", "minutes")) == [(["answer.failed"], 60)]


def post_and_hang_up(client: Client, topics: list[str]) -> None:
    try:
        assert client.post(PAGE, {"topics": topics, "minutes": "1"}).status_code == 302
    finally:
        connection.close()


def test_what_one_wants_to_hear_of_no_more_is_not_told_either() -> None:
    """It had happened before, and waited for the next mail."""
    grace = staff()
    subscription = wants(grace, Topic.ANSWER_FAILED, Topic.SESSION_ENDED)
    fails()
    ended_session()
    signed_in(grace).post(PAGE, {"topics": ["session.ended"], "minutes": "60"})
    send_all()
    assert [sent.subject for sent in mail.outbox] == ["[Realtime AI] A conversation has ended"]
    ended_session()
    signed_in(grace).post(PAGE, {"minutes": "1"})
    MailSubscription.objects.filter(pk=subscription.pk).update(sent_at=None)
    send_all()
    assert len(mail.outbox) == 1
    assert not MailNotice.objects.exists()


def test_it_is_for_staff_who_may_see_sessions() -> None:
    client: Client = signed_in(staff(may_see=False))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"topics": ["answer.failed"], "minutes": "60"}).status_code == 403
    end_it(open_it())
