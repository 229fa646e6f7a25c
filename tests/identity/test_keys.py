"""API keys: made, shown once, stored as a digest, found in constant time, revoked."""

import io
import secrets
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from identity import keys
from identity.keys import (
    digest_of,
    find_key,
    find_secret,
    forget_secrets,
    make_key,
    make_secret,
    prefix_of,
    revoke_key,
)
from identity.models import ApiKey, ClientSecret, Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("api_key", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_key_is_found_and_no_other_is(ada: User) -> None:
    made = make_key(user=ada, label="shop")
    assert find_key(made.value) == made.row
    prefix, secret = made.value[:12], made.value[12:]
    for wrong in (
        "",
        prefix,
        made.value[:-1],
        made.value + "a",
        prefix + secret[:-1] + "!",
        made.value.upper(),
    ):
        assert find_key(wrong) is None
    another = make_key(user=ada, label="another")
    assert find_key(made.value[:12] + another.value[12:]) is None


def test_the_key_itself_is_nowhere_in_the_database(ada: User) -> None:
    key = make_key(user=ada, label="shop")
    secret = make_secret(key=key.row, external_user_id="kim", seconds=60, session={})
    with connection.cursor() as cursor:
        texts = []
        for model in (ApiKey, ClientSecret):
            cursor.execute(f'SELECT t::text FROM "{model._meta.db_table}" t')
            texts += [row[0] for row in cursor.fetchall()]
    assert any(digest_of(key.value) in text for text in texts)
    for value in (key.value, secret.value):
        assert value[13:] not in str(texts)
        assert value[13:] not in repr(ApiKey.objects.all()) + repr(key.row.__dict__)


def test_digests_are_compared_in_constant_time(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    truly = secrets.compare_digest

    def compare(one: str, two: str) -> bool:
        compared.append((one, two))
        return truly(one, two)

    monkeypatch.setattr("identity.keys.secrets.compare_digest", compare)
    made = make_key(user=ada, label="shop")
    wrong = made.value[:-1] + ("a" if made.value[-1] != "a" else "b")
    assert find_key(wrong) is None
    assert compared == [(made.row.digest, digest_of(wrong))]


def test_a_key_may_stand_in_a_subprotocol(ada: User) -> None:
    for _ in range(50):
        value = make_key(user=ada, label="x").value
        assert set(value) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        assert prefix_of(value, keys.KEY) == value[:12]


def test_a_key_that_ended_lets_nobody_in(ada: User) -> None:
    made = make_key(user=ada, label="shop", days=1)
    assert find_key(made.value)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert find_key(made.value) is None
    ApiKey.objects.update(expires_at=None)
    User.objects.update(is_active=False)
    assert find_key(made.value) is None
    User.objects.update(is_active=True)
    revoke_key(made.row)
    assert find_key(made.value) is None


def test_its_use_is_noted_once_a_minute(ada: User) -> None:
    made = make_key(user=ada, label="shop")
    find_key(made.value)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    find_key(made.value)
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    find_key(made.value)
    again = ApiKey.objects.get().last_used_at
    assert again is not None
    assert again >= first


def test_a_secret_ends_with_its_key(ada: User) -> None:
    key = make_key(user=ada, label="shop", days=1)
    made = make_secret(key=key.row, external_user_id="kim", seconds=60, session={})
    assert find_secret(made.value) == made.row
    assert find_key(made.value) is None
    assert find_secret(key.value) is None
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    key.row.refresh_from_db()
    assert make_secret(key=key.row, external_user_id="kim", seconds=60, session={}).row.expires_at == (
        key.row.expires_at
    )
    revoke_key(key.row)
    assert find_secret(made.value) is None


def test_old_secrets_are_swept_with_the_next(ada: User) -> None:
    key = make_key(user=ada, label="shop").row
    old = make_secret(key=key, external_user_id="kim", seconds=60, session={}).row
    ClientSecret.objects.update(expires_at=timezone.now() - timedelta(days=2))
    new = make_secret(key=key, external_user_id="kim", seconds=60, session={}).row
    assert list(ClientSecret.objects.values_list("pk", flat=True)) == [new.pk]
    assert old.pk != new.pk


def test_old_secrets_of_a_key_that_makes_no_more_go_as_well(ada: User) -> None:
    key = make_key(user=ada, label="shop").row
    about = {"instructions": "Kim is ill."}
    old = make_secret(key=key, external_user_id="kim", seconds=60, session=about).row
    kept = make_secret(key=key, external_user_id="kim", seconds=60, session=about).row
    ClientSecret.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=2))
    assert forget_secrets() == 1
    assert list(ClientSecret.objects.values_list("pk", flat=True)) == [kept.pk]


def test_the_command_makes_lists_and_revokes(ada: User) -> None:
    value = command("create", "--user", "ada", "--name", "shop", "--scope", "read", "--days", "3").strip()
    key = find_key(value)
    assert key is not None
    assert (key.label, key.user, key.scope) == ("shop", ada, Scope.READ)
    assert key.expires_at is not None
    assert timedelta(days=2.9) < key.expires_at - timezone.now() < timedelta(days=3)
    listed = command("list")
    assert key.prefix in listed
    assert "shop" in listed
    assert value[13:] not in listed
    assert "is revoked" in command("revoke", str(key.pk))
    assert find_key(value) is None
    assert "was revoked before" in command("revoke", str(key.pk))
    assert "revoked 20" in command("list")


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--user", "nobody", "--name", "shop"),
        ("create", "--user", "ada", "--name", " "),
        ("create", "--user", "ada", "--name", "x" * 101),
        ("create", "--user", "ada", "--name", "shop", "--days", "0"),
        ("create", "--user", "ada", "--name", "shop", "--scope", "root"),
        ("revoke", "999"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(ada: User, words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        command(*words)
    assert not ApiKey.objects.exists()
