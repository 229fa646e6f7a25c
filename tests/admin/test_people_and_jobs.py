"""Users, groups and jobs: one look, and no more rights than given."""

import json
import re

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from unfold.admin import ModelAdmin

from identity.keys import make_key
from identity.models import ApiKey, ExternalIdentity, Scope
from sessions_app.admin import deliveries
from sessions_app.models import MailSubscription, Webhook, WebhookDelivery
from sessions_app.notices.messages import message_of
from tests.admin.conftest import PASSWORD, signed_in
from tests.admin.rows import NOON, turn, write_session

JOBS = "/admin/procrastinate/procrastinatejob/"


@pytest.fixture
def job_id(db: None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status, attempts) VALUES"
            " ('default', 'chat.tasks.write_summary', 0, '{\"session_id\": \"<b>x</b>\"}', 'failed', 5) RETURNING id"
        )
        return int(cursor.fetchone()[0])


def test_every_page_is_of_the_one_look() -> None:
    strangers = [
        model._meta.label
        for model, page in django_admin.site._registry.items()
        if not isinstance(page, ModelAdmin)
    ]
    assert strangers == []


@pytest.mark.parametrize(
    "page",
    [
        "auth/user/",
        "auth/user/add/",
        "auth/group/",
        "auth/group/add/",
        "sessions_app/",
        "procrastinate/procrastinatejob/",
    ],
)
def test_pages_open(admin: Client, page: str) -> None:
    assert admin.get(f"/admin/{page}").status_code == 200


def test_a_user_is_made_and_gets_a_password(admin: Client) -> None:
    response = admin.post(
        "/admin/auth/user/add/",
        {"username": "new", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert response.status_code == 302
    user = User.objects.get(username="new")
    assert user.check_password(PASSWORD)
    assert admin.get(f"/admin/auth/user/{user.pk}/change/").status_code == 200
    assert admin.get(f"/admin/auth/user/{user.pk}/password/").status_code == 200


def test_users_are_found_by_name(admin: Client) -> None:
    User.objects.create(username="ada", first_name="Ada", last_name="Lovelace")
    User.objects.create(username="grace")
    html = admin.get("/admin/auth/user/", {"q": "lovelace"}).content.decode()
    assert ">ada<" in html
    assert ">grace<" not in html


def test_deleting_a_user_keeps_the_sessions(admin: Client) -> None:
    user = User.objects.create(username="ada")
    session = write_session(turn(1), user=user)
    assert admin.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code == 302
    session.refresh_from_db()
    assert session.user is None
    assert session.events.count() == 7


def test_deleting_a_user_takes_their_mails_along(admin: Client) -> None:
    user = User.objects.create(username="ada")
    MailSubscription.objects.create(user=user, topics=["answer.failed"])

    assert admin.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not MailSubscription.objects.exists()


def test_deleting_a_webhook_takes_its_deliveries_along(admin: Client) -> None:
    webhook = Webhook.objects.create(name="Ours", url="https://a.example/", topics=["answer.failed"])
    write_session(turn(1), session_id="s1")
    for seq in (1, 2):
        WebhookDelivery.objects.create(
            webhook=webhook, session_id="s1", seq=seq, topic="answer.failed", at=NOON
        )
    chosen = {"action": "delete_selected", "_selected_action": [webhook.pk]}
    asked = admin.post("/admin/sessions_app/webhook/", chosen).content.decode()
    assert "Ours" in asked
    assert admin.post("/admin/sessions_app/webhook/", {**chosen, "post": "yes"}).status_code == 302
    assert not Webhook.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_a_test_is_sent_and_stands_on_the_page_of_its_webhook(admin: Client, viewer: Client) -> None:
    webhook = Webhook.objects.create(name="Ours", url="https://a.example/", topics=["answer.failed"])
    page = f"/admin/sessions_app/webhook/{webhook.pk}/"
    assert "Nothing was delivered yet" in admin.get(f"{page}change/").content.decode()
    assert viewer.post(f"{page}test/").status_code == 403
    assert admin.get(f"{page}test/").status_code == 405
    html = admin.post(f"{page}test/", follow=True).content.decode()
    assert re.search(r'data-label="What"><a href="[^"]*">A test</a>', html)
    assert f"webhook__id__exact={webhook.pk}" in html
    delivery = WebhookDelivery.objects.get()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT task_name, args->>'delivery_id' FROM procrastinate_jobs WHERE queue_name = 'webhooks'"
        )
        assert cursor.fetchall() == [("deliver_webhook", str(delivery.pk))]
    message = json.loads(message_of(delivery))
    assert (message["type"], message["data"]) == ("ping", {})
    write_session(turn(1), session_id="s1", title="Lost luggage")
    for seq in (1, 2):
        WebhookDelivery.objects.create(
            webhook=webhook, session_id="s1", seq=seq, topic="answer.failed", at=NOON
        )
    listed = admin.get(f"/admin/sessions_app/webhookdelivery/?webhook__id__exact={webhook.pk}")
    assert listed.content.decode().count(">Lost luggage</a>") == 2
    assert "A test" in listed.content.decode()


def test_a_secret_stands_in_a_field_to_copy(admin: Client) -> None:
    form = {"name": "<b>Ours", "url": "https://a.example/", "topics": ["answer.failed"], "active": "on"}
    html = admin.post("/admin/sessions_app/webhook/add/", form, follow=True).content.decode()
    assert re.search(r'<input type="text" readonly value="whsec_[^"]{20,}" id="webhook-secret"', html)
    assert 'data-copy="webhook-secret"' in html
    assert "<b>Ours" not in html


def test_no_more_deliveries_are_read_than_are_sent_again(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AGAIN_AT_ONCE", 2)
    webhook = Webhook.objects.create(name="Ours", url="https://a.example/", topics=["answer.failed"])
    for seq in range(4):
        WebhookDelivery.objects.create(
            webhook=webhook, session_id="s1", seq=seq, topic="answer.failed", state="failed", at=NOON
        )
    page = "/admin/sessions_app/webhookdelivery/"
    first, second = WebhookDelivery.objects.values_list("pk", flat=True)[:2]
    chosen = {"action": "again", "_selected_action": [first, second]}
    said = admin.post(page, {**chosen, "select_across": "1"}, follow=True).content.decode()
    assert "At most 2" in said
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"failed"}
    assert "On their way again: 2." in admin.post(page, chosen, follow=True).content.decode()


def test_a_job_is_shown_and_cannot_be_changed(admin: Client, job_id: int) -> None:
    listed = admin.get(JOBS).content.decode()
    assert "Write summary" in listed
    assert "Failed" in listed
    detail = admin.get(f"{JOBS}{job_id}/change/")
    assert detail.status_code == 200
    assert "<b>x</b>" not in detail.content.decode()
    assert admin.post(f"{JOBS}{job_id}/change/", {"attempts": 0}).status_code == 403
    assert admin.post(f"{JOBS}{job_id}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get(f"{JOBS}add/").status_code == 403


def test_jobs_are_filtered_by_status(admin: Client, job_id: int) -> None:
    assert "Write summary" in admin.get(f"{JOBS}?status__exact=failed").content.decode()
    assert "Write summary" not in admin.get(f"{JOBS}?status__exact=todo").content.decode()


def retry(client: Client, job_id: int) -> str:
    client.post(JOBS, {"action": "retry", "_selected_action": [job_id]})
    return str(ProcrastinateJob.objects.get(pk=job_id).status)


def test_a_failed_job_runs_again_when_one_may(admin: Client, job_id: int) -> None:
    assert retry(admin, job_id) == "todo"


def test_of_jobs_that_wait_once_one_runs_again(admin: Client, job_id: int) -> None:
    """The nightly one, which failed in two nights while the database was away."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status, queueing_lock)"
            " VALUES ('upkeep', 'retain', 0, '{}', 'failed', 'retain'), ('upkeep', 'retain', 0, '{}', 'failed', 'retain')"
        )
    jobs = ProcrastinateJob.objects.order_by("pk")
    chosen = [job.pk for job in jobs]
    answer = admin.post(JOBS, {"action": "retry", "_selected_action": chosen}, follow=True)
    assert "Jobs to run again: 2." in answer.content.decode()
    assert sorted(jobs.values_list("status", flat=True)) == ["failed", "todo", "todo"]


def test_who_may_only_look_cannot_run_a_job_again(job_id: int) -> None:
    user = User.objects.create_user("looker", password=PASSWORD, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_procrastinatejob"))
    assert retry(signed_in(user), job_id) == "failed"


def test_staff_see_only_what_they_may(nobody: Client, job_id: int) -> None:
    Group.objects.create(name="g")
    for page in ("auth/user/", "auth/group/", "procrastinate/procrastinatejob/"):
        assert nobody.get(f"/admin/{page}").status_code == 403
    menu = nobody.get("/admin/").content.decode()
    for link in ("/admin/auth/user/", "/admin/sessions_app/session/", JOBS):
        assert link not in menu


@pytest.mark.django_db
def test_an_account_goes_with_its_keys_and_identities_and_leaves_its_sessions() -> None:
    issued = User.objects.create_user("ada")
    key = make_key(user=issued, label="chats", scope=Scope.CHAT)
    ExternalIdentity.objects.create(user=issued, issuer="https://issuer.example", subject="s1")
    MailSubscription.objects.create(user=issued)
    session = write_session(turn(1), user=issued)
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="delete_user"))
    client, page = signed_in(clerk), f"/admin/auth/user/{issued.pk}/delete/"
    assert "doesn\u2019t have permission" not in client.get(page).content.decode().replace("&#x27;", "\u2019")
    assert client.post(page, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=issued.pk).exists()
    assert not ApiKey.objects.filter(pk=key.row.pk).exists()
    session.refresh_from_db()
    assert (session.user_id, session.user_messages) == (None, 1)
    assert session.events.exists()


@pytest.mark.django_db
def test_who_may_not_delete_users_deletes_none() -> None:
    issued = User.objects.create_user("ada")
    make_key(user=issued, label="chats", scope=Scope.CHAT)
    clerk = signed_in(User.objects.create_user("clerk", is_staff=True))
    assert clerk.post(f"/admin/auth/user/{issued.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=issued.pk).exists()
