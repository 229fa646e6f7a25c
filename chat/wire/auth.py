"""Who is at the other end of a socket, and whether its page may open one."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.core import signing
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string

from chat.batches import Batches
from chat.conf import LOOPBACK, conf
from chat.errors import CredentialsInvalid, OriginRefused
from sessions_app.log.lifecycle import Visitor
from sessions_app.postgres.threads import in_db_thread

# The guest's cookie: a signed random id, so that a visitor who is not signed in keeps their sessions.

GUEST_COOKIE = "guest_id"
MAX_AGE_S = 365 * 24 * 3600

_signer = signing.TimestampSigner
_SALT = "chat.guest_cookie"
"""It stands in every cookie that was ever given out: never to be changed, wherever this code moves."""
_GUEST_ID = re.compile(r"[0-9a-f]{32}")


def issue_guest_id() -> str:
    """A new guest's id: 128 random bits as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def sign_guest_id(guest_id: str) -> str:
    """The cookie's value for a guest, good for `MAX_AGE_S`."""
    return _signer(salt=_SALT).sign(guest_id)


def read_guest_cookie(value: str | None) -> str | None:
    """The guest's id; None where there is no cookie, or one that is forged, malformed or too old."""
    if not value:
        return None
    try:
        guest_id = _signer(salt=_SALT).unsign(value, max_age=MAX_AGE_S)
    except signing.BadSignature:
        return None
    return guest_id if _GUEST_ID.fullmatch(guest_id) else None


# Who it is, and from where

GUEST_KEY = "guest"
"""The API key that an SDK sends when it has none: a guest, where guests are allowed."""
_USERS_AT_ONCE = 8
"""Looked up by one thread in turn: more of them would keep one visitor waiting for the others."""
_KEY_SUBPROTOCOL = "openai-insecure-api-key."


@dataclass(frozen=True, kw_only=True)
class Identity:
    visitor: Visitor
    is_staff: bool = False


def check_origin(headers: dict[str, str]) -> dict[str, str]:
    """The headers as far as they count. Raises `OriginRefused` unless the page may open a socket here.

    A browser always names the page's origin; it has to be this server's own host or one of ``ALLOWED_ORIGINS``. A
    client without an ``Origin`` is no browser: it is let in, but not on the strength of a cookie. In development a page
    from a file, or from another server on this machine, is let in as well, and its cookies count for nothing: the
    browser would send the signed-in user's along.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is None:
        if "cookie" in headers:
            raise OriginRefused("A client that sends cookies has to send its Origin, too.")
        return headers
    if origin in conf().allowed_origins:
        return headers
    if not validate_host(split_domain_port(host)[0], _allowed_hosts()):
        raise OriginRefused
    if _same_host(origin, host):
        return headers
    if conf().local_pages and _is_local_page(origin, host):
        return {name: value for name, value in headers.items() if name != "cookie"}
    raise OriginRefused


def _allowed_hosts() -> list[str]:
    if settings.DEBUG and not settings.ALLOWED_HOSTS:
        return [".localhost", "127.0.0.1", "[::1]"]
    return list(settings.ALLOWED_HOSTS)


def _same_host(origin: str, host: str) -> bool:
    """Whether origin and Host header name one server; all names of the loopback are one.

    A server behind https does not take the plain-http page of its own host for its own.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    schemes = ("https",) if settings.SECURE_SSL_REDIRECT else ("http", "https")
    if parts.scheme not in schemes or not parts.netloc:
        return False
    default_port = ":443" if parts.scheme == "https" else ":80"
    page, server = ((name, port or default_port) for name, port in map(_name_and_port, (parts.netloc, host)))
    return page == server or (page[1] == server[1] and page[0] in LOOPBACK and server[0] in LOOPBACK)


def _is_local_page(origin: str, host: str) -> bool:
    """A page of this machine's, on a server that was asked for by a name of this machine's."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    from_here = parts.scheme in ("http", "https") and _name_and_port(parts.netloc)[0] in LOOPBACK
    return _name_and_port(host)[0] in LOOPBACK and (origin == "null" or from_here)


def _name_and_port(netloc: str) -> tuple[str, str]:
    domain, port = split_domain_port(netloc.lower())
    return domain, f":{port}" if port else ""


async def identify(headers: dict[str, str], subprotocols: list[str]) -> Identity:
    """The visitor: by session cookie, else by guest cookie, else nobody in particular.

    Raises `CredentialsInvalid` for a key that is no key of ours, and for a guest where none are allowed.
    """
    key = _api_key(headers, subprotocols)
    if key is not None and key != GUEST_KEY:
        raise CredentialsInvalid("This API key is not valid here. Guests use the key 'guest'.")
    cookies = _cookies(headers.get("cookie", ""))
    guest_id = read_guest_cookie(cookies.get(GUEST_COOKIE)) or ""
    user = await _user_of(cookies.get(settings.SESSION_COOKIE_NAME))
    if user is not None:
        return Identity(visitor=Visitor(user_id=user.pk, guest_id=guest_id), is_staff=user.is_staff)
    if not conf().guests_allowed:
        raise CredentialsInvalid
    return Identity(visitor=Visitor(guest_id=guest_id))


def _api_key(headers: dict[str, str], subprotocols: list[str]) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    keys = (name for name in subprotocols if name.startswith(_KEY_SUBPROTOCOL))
    return next((name.removeprefix(_KEY_SUBPROTOCOL) for name in keys), None)


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


async def _user_of(session_key: str | None) -> Any | None:
    """The active user that a Django session cookie stands for; without a cookie no query is made."""
    if not session_key:
        return None
    return await _users.ask(session_key)


async def _load_users(session_keys: Sequence[str]) -> list[Any | None]:
    return await in_db_thread(lambda: [_load_user(key) for key in session_keys])


_users: Batches[str, Any | None] = Batches(_load_users, name="users of sockets", most=_USERS_AT_ONCE)


def _load_user(session_key: str) -> Any | None:
    request = HttpRequest()
    request.session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key)
    user = get_user(request)
    return user if user.is_authenticated else None
