"""Keys in the admin: shown once, made by who may, revoked; and whom issuers sent."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from identity.keys import find_key, make_key
from identity.models import ApiKey, ExternalIdentity, Scope

pytestmark = pytest.mark.django_db
KEYS = "/admin/identity/apikey/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def staff(username: str, *codenames: str) -> User:
    user = User.objects.create_user(username, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=codenames, content_type__app_label="identity")
    )
    return user


def shown_key(page: str) -> str | None:
    found = re.search(r"rta_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", page)
    return found[0] if found else None


def add(client: Client, user: User, **fields: str) -> str:
    given = {"label": "the shop's server", "user": str(user.pk), "scope": "chat", "days": "", **fields}
    return client.post(f"{KEYS}add/", given, follow=True).content.decode()


def test_a_key_is_shown_once_and_lets_in() -> None:
    root = User.objects.create_superuser("root")
    ada = User.objects.create_user("ada")
    client = client_of(root)
    assert client.get(f"{KEYS}add/").status_code == 200
    value = shown_key(add(client, ada, scope="read", days="3"))
    assert value is not None
    key = find_key(value)
    assert key is not None
    assert (key.user, key.scope, key.label) == (ada, Scope.READ, "the shop's server")
    assert key.expires_at is not None
    assert ApiKey.objects.count() == 1
    for path in (KEYS, f"{KEYS}{key.pk}/change/", f"{KEYS}{key.pk}/history/", "/admin/"):
        page = client.get(path).content.decode()
        assert shown_key(page) is None
        assert value[13:] not in page
    assert key.prefix in client.get(KEYS).content.decode()


def test_nobody_gets_more_rights_by_making_a_key() -> None:
    root, ada = User.objects.create_superuser("root"), User.objects.create_user("ada")
    eve = staff("eve", "add_apikey", "view_apikey")
    other = staff("other")
    client = client_of(eve)
    for above in (root, other):
        assert shown_key(add(client, above, scope="admin")) is None
    assert not ApiKey.objects.exists()
    assert shown_key(add(client, ada))
    assert shown_key(add(client, eve, scope="admin"))


def test_a_key_for_somebody_who_becomes_staff_later_is_no_key_of_staff() -> None:
    ada = User.objects.create_user("ada")
    page = add(client_of(staff("eve", "add_apikey", "view_apikey")), ada, scope="admin")
    assert shown_key(page) is None
    assert "Only a superuser makes keys of this scope" in page
    assert not ApiKey.objects.exists()
    assert shown_key(add(client_of(User.objects.create_superuser("root")), ada, scope="admin"))


def test_who_may_only_view_makes_and_revokes_none() -> None:
    key = make_key(user=User.objects.create_user("ada"), label="x").row
    client = client_of(staff("viewer", "view_apikey"))
    assert client.get(KEYS).status_code == 200
    assert client.get(f"{KEYS}add/").status_code == 403
    client.post(KEYS, {"action": "revoke", "_selected_action": str(key.pk)})
    key.refresh_from_db()
    assert key.revoked_at is None
    nobody = client_of(staff("nobody"))
    for path in (KEYS, f"{KEYS}{key.pk}/change/", "/admin/identity/externalidentity/"):
        assert nobody.get(path).status_code == 403


def test_a_revoked_key_is_out_and_says_so() -> None:
    made = make_key(user=User.objects.create_user("ada"), label="x")
    client = client_of(staff("eve", "view_apikey", "change_apikey"))
    client.post(KEYS, {"action": "revoke", "_selected_action": str(made.row.pk)})
    assert find_key(made.value) is None
    assert "Revoked" in client.get(KEYS).content.decode()
    page = client.get(f"{KEYS}{made.row.pk}/change/")
    assert page.status_code == 200
    assert client.post(f"{KEYS}{made.row.pk}/change/", {"label": "y"}).status_code == 403
    assert client.post(f"{KEYS}{made.row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_label_is_text() -> None:
    make_key(user=User.objects.create_user("ada"), label="<b>bold</b>")
    page = client_of(User.objects.create_superuser("root")).get(KEYS).content.decode()
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold" in page


def test_whom_issuers_sent_is_listed_and_not_changed() -> None:
    root = User.objects.create_superuser("root")
    user = User.objects.create_user("someone")
    identity = ExternalIdentity.objects.create(
        issuer="https://abc.supabase.co/auth/v1", subject="0b5c", user=user, email="<i>ada@example.com"
    )
    client = client_of(root)
    listed = client.get("/admin/identity/externalidentity/?q=0b5c").content.decode()
    assert "0b5c" in listed
    assert "<i>ada" not in listed
    page = f"/admin/identity/externalidentity/{identity.pk}/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"subject": "other"}).status_code == 403
    assert client.get("/admin/identity/externalidentity/add/").status_code == 403
