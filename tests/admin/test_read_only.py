"""The admin while the database takes no writes: what reads is shown, what would write is told, and neither is a fault of ours."""

from collections.abc import Iterator

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from .conftest import PASSWORD
from .rows import user_says, write_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def read_only(admin: Client) -> Iterator[None]:
    """As after a failover, or on a full disk at some hosts: every transaction from now on."""
    write_session([user_says("Hello")], session_id="known")
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    yield
    connection.close()


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/sessions_app/session/", "/admin/sessions_app/session/known/change/"]
)
def test_what_reads_is_shown(admin: Client, read_only: None, path: str) -> None:
    assert admin.get(path).status_code == 200


def test_what_would_write_is_told_and_changes_nothing(admin: Client, read_only: None) -> None:
    user = User.objects.get()
    answer = admin.post(reverse("admin:auth_group_add"), {"name": "new"})
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.content.decode().startswith("The database takes no changes right now.")
    assert User.objects.get() == user


def test_nobody_gets_in_and_is_told_why(read_only: None) -> None:
    answer = Client().post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert (answer.status_code, "takes no changes" in answer.content.decode()) == (503, True)


def test_a_database_that_is_gone_is_told_as_well(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    nowhere = "host=127.0.0.1 port=1"
    monkeypatch.setattr(connection, "get_new_connection", lambda _: psycopg.connect(nowhere))
    answer = admin.get("/admin/")
    assert answer.status_code == 503
    assert answer.content.decode().startswith("The database cannot be reached right now.")
