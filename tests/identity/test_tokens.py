"""Access tokens of Supabase Auth: those that it makes are a sign-in, all others are not."""

import base64
import hashlib
import hmac
import json
import time
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from identity.models import ExternalIdentity
from identity.people import user_of
from identity.principal import Kind, principal_of, shown
from identity.tokens import MAX_TOKEN_CHARS, CredentialsRefused, asks_the_issuer, verified
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.sockets.conftest import StartServer
from tests.support.sockets import realtime

from .conftest import bearer, refused
from .issuer import Issuer, Key, unsigned

V1 = "/v1/realtime"
SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def known(issuer: Issuer, settings: Settings) -> Issuer:
    """The settings of this process name it."""
    settings.IDENTITY_SUPABASE_URL = issuer.url
    settings.IDENTITY_JWKS_PAUSE_SECONDS = 0.0
    return issuer


def someone() -> str:
    return str(uuid.uuid4())


def test_who_is_let_in_by_the_leeway_may_stay_as_long(known: Issuer) -> None:
    """Their socket ends with the token; it was closed as soon as it was there."""
    ended = int(time.time()) - 2
    assert verified(known.token(someone(), exp=ended)).expires_at == ended + 10
    assert verified(known.token(someone(), exp=ended + 60)).expires_at == ended + 60


@pytest.mark.parametrize("kind", ["ES256", "RS256"])
def test_a_token_of_the_issuers_is_taken(known: Issuer, kind: str) -> None:
    known.keys = [Key(kind), Key()]
    subject = someone()
    claims = verified(known.token(subject))
    assert (claims.issuer, claims.subject) == (f"{known.url}/auth/v1", subject)
    assert (claims.email, claims.is_anonymous) == ("ada@example.com", False)
    assert abs(claims.expires_at - time.time() - 3600) < 60
    assert verified(known.token(subject, is_anonymous=True, email="")).is_anonymous


NOT_TAKEN: dict[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 60},
    "not yet": {"nbf": int(time.time()) + 86_400},
    "no end": {"exp": None},
    "of another project": {"iss": "https://another.supabase.co/auth/v1"},
    "no issuer": {"iss": None},
    "for another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "nobody": {"sub": None},
    "an empty name": {"sub": ""},
    "a name with NUL": {"sub": "a\x00b"},
    "a long name": {"sub": "x" * 256},
    "a number for a name": {"sub": 7},
    "an end that is none": {"exp": "tomorrow"},
    "an infinite end": {"exp": float("inf")},
}


@pytest.mark.parametrize("what", NOT_TAKEN)
def test_a_token_that_says_anything_else_is_refused(known: Issuer, what: str) -> None:
    with pytest.raises(CredentialsRefused):
        verified(known.token(someone(), **NOT_TAKEN[what]) if what != "a number for a name" else _raw(known))


def _raw(issuer: Issuer) -> str:
    """Signed by hand, since the library refuses to."""
    return jwt.api_jws.encode(
        json.dumps(issuer.payload("x") | {"sub": 7}).encode(),
        issuer.keys[0].private,
        algorithm="ES256",
        headers={"kid": issuer.keys[0].key_id},
    )


def test_a_key_that_the_issuer_does_not_show_signs_nothing(known: Issuer) -> None:
    stranger = Key()
    with pytest.raises(CredentialsRefused):
        verified(known.token(someone(), key=stranger))
    stranger.key_id = known.keys[0].key_id
    with pytest.raises(CredentialsRefused):
        verified(known.token(someone(), key=stranger))


def test_a_token_does_not_choose_how_it_is_checked(known: Issuer, settings: Settings) -> None:
    """Unsigned, or signed with a public key as if that were the secret; with and without a secret that is set."""
    key = known.keys[0]
    payload = known.payload(someone())
    for secret in (None, SECRET):
        settings.IDENTITY_JWT_SECRET = secret
        forged = [unsigned(payload), _hs256(payload, key.public_pem, key.key_id)]
        forged.append(_hs256(payload, json.dumps(key.public).encode(), key.key_id))
        forged.append(_hs256(payload, b"", key.key_id))
        forged.append(key.sign(payload, jwk=Key().public, jku=known.url)[:-4] + "AAAA")
        for token in forged:
            with pytest.raises(CredentialsRefused):
                verified(token)


@pytest.mark.parametrize("depth", [1_500, 5_000])
def test_a_header_that_is_nested_without_end_is_refused_like_any(known: Issuer, depth: int) -> None:
    header = f'{{"alg":"ES256","x":{"[" * depth}{"]" * (depth // 8)}'
    token = f"{base64.urlsafe_b64encode(header.encode()).decode().rstrip('=')}.e30.AAAA"
    assert len(token) <= MAX_TOKEN_CHARS
    assert not asks_the_issuer(token)
    with pytest.raises(CredentialsRefused):
        verified(token)


def _hs256(payload: dict[str, Any], secret: bytes, key_id: str) -> str:
    """By hand: the library does not sign with a public key."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": key_id}).encode())
    body = head + b"." + part(json.dumps(payload).encode())
    return (body + b"." + part(hmac.new(secret, body, hashlib.sha256).digest())).decode()


def test_the_legacy_secret_counts_where_it_is_set(known: Issuer, settings: Settings) -> None:
    token = jwt.encode(known.payload(someone()), SECRET, algorithm="HS256")
    with pytest.raises(CredentialsRefused):
        verified(token)
    settings.IDENTITY_JWT_SECRET = SECRET
    assert verified(token)
    with pytest.raises(CredentialsRefused):
        verified(jwt.encode(known.payload(someone()), SECRET + "x", algorithm="HS256"))
    assert known.reads == 0


@pytest.mark.parametrize("role", ["anon", "service_role"])
def test_the_projects_own_legacy_keys_are_nobody(known: Issuer, settings: Settings, role: str) -> None:
    settings.IDENTITY_JWT_SECRET = SECRET
    payload = {"iss": "supabase", "ref": "abc", "role": role, "iat": 1, "exp": int(time.time()) + 999_999}
    with pytest.raises(CredentialsRefused):
        verified(jwt.encode(payload, SECRET, algorithm="HS256"))


def test_without_an_issuer_no_token_is_taken(issuer: Issuer) -> None:
    with pytest.raises(CredentialsRefused, match="takes no access tokens"):
        verified(issuer.token(someone()))
    assert issuer.reads == 0


# The issuer's keys


def test_they_are_read_once_and_again_when_they_rotate(known: Issuer) -> None:
    for _ in range(5):
        verified(known.token(someone()))
    assert known.reads == 1
    old, new = known.keys[0], Key()
    known.keys = [new, old]
    verified(known.token(someone()))
    verified(known.token(someone(), key=old))
    assert known.reads == 2


def test_a_key_that_was_taken_out_is_gone_after_the_lifespan(known: Issuer, settings: Settings) -> None:
    settings.IDENTITY_JWKS_LIFESPAN_SECONDS = 0.2
    old = known.keys[0]
    verified(known.token(someone()))
    known.keys = [Key()]
    time.sleep(0.3)
    with pytest.raises(CredentialsRefused):
        verified(known.token(someone(), key=old))


def test_an_issuer_that_is_away_leaves_its_known_keys(
    known: Issuer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.IDENTITY_JWKS_LIFESPAN_SECONDS = 0.1
    verified(known.token(someone()))
    known.away = True
    time.sleep(0.2)
    assert verified(known.token(someone()))
    assert known.reads >= 2
    assert "the 1 known ones count on" in caplog.text
    known.keys = [Key()]
    with pytest.raises(CredentialsRefused):
        verified(known.token(someone()))
    known.away = False
    assert verified(known.token(someone()))


@pytest.mark.parametrize(
    "shown", [b"<html>", b"{}", b"[]", b'{"keys": null}', b'{"keys": {}}', b'{"keys": [']
)
def test_an_issuer_that_shows_nonsense_leaves_them_as_well(
    known: Issuer, settings: Settings, shown: bytes
) -> None:
    settings.IDENTITY_JWKS_LIFESPAN_SECONDS = 0.0
    verified(known.token(someone()))
    known.nonsense = shown
    assert verified(known.token(someone()))
    assert known.reads == 2


@pytest.mark.parametrize("shown", [b'{"keys": []}', b'{"keys": [{"kty": "new", "kid": "1"}]}'])
def test_an_issuer_that_shows_no_key_of_ours_any_more_is_not_away(
    known: Issuer, settings: Settings, shown: bytes
) -> None:
    """So a project of Supabase's answers that went back to its legacy secret: what its last key has signed is over."""
    settings.IDENTITY_JWKS_LIFESPAN_SECONDS = 0.0
    token = known.token(someone())
    verified(token)
    known.nonsense = shown
    with pytest.raises(CredentialsRefused):
        verified(token)
    known.nonsense = b""
    assert verified(token)


def test_made_up_key_ids_are_no_lever_on_the_issuer(known: Issuer, settings: Settings) -> None:
    settings.IDENTITY_JWKS_PAUSE_SECONDS = 60.0

    def forged(_: int) -> None:
        with pytest.raises(CredentialsRefused):
            verified(known.token(someone(), key=Key()))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(forged, range(40)))
    assert known.reads == 1


# The person


@pytest.mark.django_db
def test_a_person_is_one_user_by_the_subject_alone(known: Issuer) -> None:
    victim = User.objects.create_user("ada", email="ada@example.com", password="x")
    subject = someone()
    first = user_of(verified(known.token(subject)))
    again = user_of(verified(known.token(subject, email="changed@example.com")))
    other = user_of(verified(known.token(someone())))
    assert first.pk == again.pk
    assert len({first.pk, other.pk, victim.pk}) == 3
    assert first.email == ""
    assert not first.has_usable_password()
    assert not first.is_staff
    assert not first.is_superuser
    assert ExternalIdentity.objects.get(subject=subject).email == "changed@example.com"


@pytest.mark.django_db
@pytest.mark.parametrize("subject", ["root", "\N{FULLWIDTH LATIN SMALL LETTER R}oot"])
def test_a_user_of_that_name_is_somebody_else(known: Issuer, subject: str) -> None:
    """In whatever letters: names are kept in one form of Unicode."""
    root = User.objects.create_superuser("root")
    found = user_of(verified(known.token(subject)))
    assert found.pk != root.pk
    assert not found.is_superuser
    assert user_of(verified(known.token(subject))).pk == found.pk


@pytest.mark.django_db
def test_an_anonymous_person_stays_the_same_when_they_become_known(known: Issuer) -> None:
    subject = someone()
    before = user_of(verified(known.token(subject, is_anonymous=True, email=None)))
    after = user_of(verified(known.token(subject)))
    assert before.pk == after.pk
    identity = ExternalIdentity.objects.get()
    assert (identity.is_anonymous, identity.email) == (False, "ada@example.com")


@pytest.mark.django_db
def test_who_was_deactivated_here_does_not_come_in(known: Issuer) -> None:
    token = known.token(someone())
    given = shown({"authorization": f"Bearer {token}"})
    assert principal_of(given).kind is Kind.TOKEN
    User.objects.update(is_active=False)
    with pytest.raises(CredentialsRefused):
        principal_of(given)


@pytest.mark.django_db(transaction=True)
def test_two_sockets_of_a_new_person_are_one_user(known: Issuer) -> None:
    claims = verified(known.token(someone()))

    def look(_: int) -> int:

        try:
            return int(user_of(claims).pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert len(set(threads.map(look, range(12)))) == 1
    assert User.objects.count() == 1


# Over the wire


async def test_a_token_is_a_sign_in_on_the_socket_and_over_http(
    start_server: StartServer, issuer: Issuer
) -> None:
    server = start_server(SUPABASE_URL=issuer.url, GUESTS_ALLOWED="0")
    subject = someone()
    token, others = issuer.token(subject), issuer.token(someone())
    async with realtime(server.ws_url, V1, additional_headers=bearer(token)) as client:
        assert client.created["session"]["expires_at"] > time.time()
        await client.ask("count to 3")
        path = f"{V1}?session_id={client.session_id}"
    session = await in_db_thread(lambda: Session.objects.get(pk=client.session_id))
    identity = await in_db_thread(lambda: ExternalIdentity.objects.get(subject=subject))
    assert session.user_id == identity.user_id
    async with realtime(server.ws_url, path, additional_headers=bearer(issuer.token(subject))) as client:
        assert client.created["type"] == "session.created"
    async with realtime(server.ws_url, path, additional_headers=bearer(others)) as client:
        assert await refused(client) == ("session_not_found", 4404)
    for wrong in (issuer.token(subject, exp=1), issuer.token(subject, is_anonymous=True)):
        async with realtime(server.ws_url, V1, additional_headers=bearer(wrong)) as client:
            assert await refused(client) == ("invalid_credentials", 4401)
    assert [len(sessions_of(server.url, one)) for one in (token, others)] == [1, 0]


def sessions_of(url: str, token: str) -> list[Any]:

    request = urllib.request.Request(f"{url}/api/sessions", headers=bearer(token))
    with urllib.request.urlopen(request, timeout=10) as response:
        found: list[Any] = json.load(response)["sessions"]
    return found


async def test_a_talk_outlives_its_token_by_the_next_one(start_server: StartServer, issuer: Issuer) -> None:
    server = start_server(SUPABASE_URL=issuer.url)
    subject = someone()
    short = issuer.token(subject, exp=int(time.time()) + 4)
    async with (
        realtime(server.ws_url, V1, additional_headers=bearer(short)) as goes_on,
        realtime(server.ws_url, V1, additional_headers=bearer(short)) as ends,
    ):
        for wrong in (issuer.token(someone()), short[:-4] + "AAAA"):
            await goes_on.send(type="session.update", session={"type": "realtime", "x_token": wrong})
            assert (await goes_on.until("error"))["error"]["code"] == "token_refused"
        fresh = {"type": "realtime", "x_token": issuer.token(subject), "instructions": "Be brief."}
        await goes_on.send(type="session.update", session=fresh)
        updated = await goes_on.until("session.updated")
        assert updated["session"]["expires_at"] > time.time() + 1000
        assert (await ends.until("error"))["error"]["code"] == "credentials_ended"
        assert await ends.closed() == 4401
        await goes_on.ask("count to 3")
    events = await in_db_thread(lambda: list(Session.objects.get(pk=goes_on.session_id).events.values()))
    assert "eyJ" not in str(events)


def test_who_comes_while_the_keys_are_read_waits_for_them(known: Issuer, settings: Settings) -> None:
    """After a start a crowd comes at once, and each one's key is unknown until the first answer is there."""
    settings.IDENTITY_JWKS_PAUSE_SECONDS = 60.0
    tokens = [known.token(someone()) for _ in range(16)]
    known.gate.clear()
    with ThreadPoolExecutor(16) as threads:
        looking = [threads.submit(verified, token) for token in tokens]
        reads(known, 1)
        known.gate.set()
        assert len({one.result().subject for one in looking}) == 16
    assert known.reads == 1


def reads(issuer: Issuer, wanted: int) -> None:
    """Returns once the issuer was asked so often."""
    deadline = time.monotonic() + 10
    while issuer.reads < wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_known_key_does_not_wait_for_an_issuer_that_does_not_answer(
    known: Issuer, settings: Settings
) -> None:
    settings.IDENTITY_JWKS_LIFESPAN_SECONDS = 0.1
    token = known.token(someone())
    assert asks_the_issuer(token)
    verified(token)
    known.gate.clear()
    time.sleep(0.2)
    with ThreadPoolExecutor(2) as threads:
        reading = threads.submit(verified, token)
        reads(known, 2)
        assert verified(token)
        assert not reading.done()
        known.gate.set()
        assert reading.result().subject


def test_what_asks_nobody_is_known_before(known: Issuer, settings: Settings) -> None:
    settings.IDENTITY_JWKS_PAUSE_SECONDS = 60.0
    token = known.token(someone())
    verified(token)
    for asks_nobody in (
        token,
        known.token(someone(), key=Key()),
        unsigned(known.payload("x")),
        "a.b.c",
        "x" * 9000,
    ):
        assert not asks_the_issuer(asks_nobody)
