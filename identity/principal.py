"""Who somebody is: one function makes of what a handshake or a request brings one frozen `Principal`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest, parse_cookie

from identity import tokens
from identity.guests import GUEST_COOKIE, read_guest_cookie
from identity.keys import KEY, SECRET, find_key, find_secret
from identity.logins import signed_in
from identity.models import ASSISTANT, ApiKey, ClientSecret, Scope
from identity.people import user_of
from identity.second_factor import counts_as_staff, factors_that_count
from identity.tokens import Claims, CredentialsRefused

GUEST_KEY = "guest"
"""The API key that an SDK sends when it has none: a guest, where guests are allowed."""
KEY_SUBPROTOCOL = "openai-insecure-api-key."


class Kind(StrEnum):
    """By what somebody came in."""

    NOBODY = "nobody"
    """By nothing at all."""
    GUEST = "guest"
    """A guest's cookie."""
    LOGIN = "login"
    """A signed-in user's cookie."""
    KEY = "key"
    """An API key."""
    CLIENT_SECRET = "client_secret"  # noqa: S105
    """A secret that was made with one, for a user of the shop's own."""
    TOKEN = "token"  # noqa: S105
    """An access token of another issuer's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who it is, and for how long. What it was made from is not in it, but for what finds it again."""

    kind: Kind
    user_id: int | None = None
    guest_id: str = ""
    external_user_id: str = ""
    """Of the shop's own: the user whom the secret was made for; ``user_id`` is the shop's."""
    key_id: int | None = None
    scopes: frozenset[Scope] = frozenset({Scope.CHAT, Scope.READ})
    expires_at: float | None = None
    """Unix seconds."""
    is_staff: bool = False
    is_anonymous: bool = False
    """A person whom the issuer does not know by name: as a guest, where guests are allowed."""
    reference: str = field(default="", repr=False)
    """What `identity.ends` finds the credential by: the login's session key, the secret's id."""
    user_state: str = field(default="", repr=False)
    """What of the user may not change while it holds: see `state_of`."""
    factors: frozenset[int] = field(default=frozenset(), repr=False)
    """The second factors that its rights as staff hang on: with the last of them the sign-in ends."""
    session: Mapping[str, Any] | None = field(default=None, compare=False)
    """Settings for the sessions that it begins."""
    assistant: str = field(default="", compare=False)
    """With whom they are; empty: with whom the address says."""

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    def is_same_person(self, other: "Principal") -> bool:
        mine = (self.user_id, self.external_user_id)
        return self.user_id is not None and mine == (other.user_id, other.external_user_id)


_SCOPES = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.CHAT: frozenset({Scope.READ, Scope.CHAT}),
    Scope.ADMIN: frozenset({Scope.READ, Scope.CHAT, Scope.ADMIN}),
}


def state_of(kind: Kind, *, is_staff: bool, is_superuser: bool, password: str) -> str:
    """A role that changes ends whatever the user came in by; a new password what came of the old one."""
    of_password = sha256(password.encode()).hexdigest() if kind is Kind.LOGIN else ""
    return f"{is_staff:d}{is_superuser:d}{of_password}"


def _state(kind: Kind, user: Any) -> str:
    return state_of(
        kind, is_staff=user.is_staff, is_superuser=user.is_superuser, password=user.password or ""
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What somebody brings."""

    key: str | None = field(default=None, repr=False)
    login: str | None = field(default=None, repr=False)
    guest_id: str = ""

    @property
    def is_token(self) -> bool:
        return self.key is not None and tokens.looks_like_token(self.key)

    @property
    def asks_the_database(self) -> bool:
        return self.key is not None or self.login is not None


def shown(headers: Mapping[str, str], subprotocols: Sequence[str] = ()) -> Shown:
    """``headers`` by their names in lower case. Who brings a key comes by the key alone, whatever cookies come along."""
    key = _key(headers.get("authorization", ""), subprotocols)
    if key is not None and key != GUEST_KEY:
        return Shown(key=key)
    # as for every page: the standard library's reader gives up at a cookie of another application's that it does not like
    cookies = parse_cookie(headers.get("cookie", ""))
    guest_id = read_guest_cookie(cookies.get(GUEST_COOKIE)) or ""
    return Shown(login=cookies.get(settings.SESSION_COOKIE_NAME) or None, guest_id=guest_id)


def _key(authorization: str, subprotocols: Sequence[str]) -> str | None:
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    keys = (name for name in subprotocols if name.startswith(KEY_SUBPROTOCOL))
    return next((name.removeprefix(KEY_SUBPROTOCOL) for name in keys), None)


def principal_of(given: Shown, claims: Claims | None = None) -> Principal:
    """Asks the database. ``claims``: of the token in ``given``, where it was checked already, in a thread that may wait
    for the network. Raises `CredentialsRefused`."""
    if given.is_token:
        return _of_claims(claims or tokens.verified(given.key or ""))
    [found] = principals_of([given])
    if isinstance(found, CredentialsRefused):
        raise found
    return found


def principals_of(given: Sequence[Shown]) -> list[Principal | CredentialsRefused]:
    """Each one's, or why it is refused; without tokens. The signed-in among them are looked up together."""
    logins = signed_in([one.login for one in given if one.key is None and one.login])
    return [_principal_or_why_not(one, logins) for one in given]


def _principal_or_why_not(
    given: Shown, logins: Mapping[str, tuple[HttpRequest, Any]]
) -> Principal | CredentialsRefused:
    if given.key is not None:
        try:
            return _of_key(given.key)
        except CredentialsRefused as error:
            return error
    login = logins.get(given.login or "")
    return _of_login(given, *login) if login else nameless(given)


def nameless(given: Shown) -> Principal:
    if given.guest_id:
        return Principal(kind=Kind.GUEST, guest_id=given.guest_id)
    return Principal(kind=Kind.NOBODY)


def _of_claims(claims: Claims) -> Principal:
    user = user_of(claims)
    if not user.is_active:
        raise CredentialsRefused("This user has been deactivated.")
    return Principal(
        kind=Kind.TOKEN,
        user_id=user.pk,
        expires_at=claims.expires_at,
        is_anonymous=claims.is_anonymous,
        user_state=_state(Kind.TOKEN, user),
    )


def _of_key(value: str) -> Principal:
    row: ApiKey | ClientSecret | None = None
    if value.startswith(KEY):
        row = find_key(value)
    elif value.startswith(SECRET):
        row = find_secret(value)
    match row:
        case ApiKey():
            return _of_api_key(row)
        case ClientSecret():
            return _of_secret(row)
    raise CredentialsRefused("This API key is not valid here. Guests use the key 'guest'.")


def _of_api_key(row: ApiKey) -> Principal:
    """Only a key for it has its user's rights as staff."""
    return Principal(
        kind=Kind.KEY,
        user_id=row.user_id,
        key_id=row.pk,
        scopes=_SCOPES[Scope(row.scope)],
        expires_at=row.expires_at.timestamp() if row.expires_at else None,
        is_staff=row.user.is_staff and row.scope == Scope.ADMIN,
        user_state=_state(Kind.KEY, row.user),
    )


def _of_secret(row: ClientSecret) -> Principal:
    return Principal(
        kind=Kind.CLIENT_SECRET,
        user_id=row.key.user_id,
        external_user_id=row.external_user_id,
        key_id=row.key_id,
        expires_at=row.expires_at.timestamp(),
        reference=str(row.pk),
        user_state=_state(Kind.CLIENT_SECRET, row.key.user),
        session={name: value for name, value in row.session.items() if name != ASSISTANT},
        assistant=row.session.get(ASSISTANT, ""),
    )


def _of_login(given: Shown, request: HttpRequest, user: Any) -> Principal:
    return Principal(
        kind=Kind.LOGIN,
        user_id=user.pk,
        guest_id=given.guest_id,
        is_staff=counts_as_staff(request, user),
        factors=factors_that_count(request, user),
        reference=given.login or "",
        user_state=_state(Kind.LOGIN, user),
    )


def principal_of_request(request: HttpRequest) -> Principal:
    """Of a view that runs in a thread. Raises `CredentialsRefused`."""
    return principal_of(shown({name.lower(): value for name, value in request.headers.items()}))
