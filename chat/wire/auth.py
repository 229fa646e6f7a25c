"""Who is at the other end of a socket, and whether its page may open one."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from chat.batches import Batches
from chat.conf import LOOPBACK, conf
from chat.errors import CredentialsInvalid, OriginRefused
from identity import tokens
from identity.principal import Kind, Principal, Shown, nameless, principal_of, principals_of, shown
from identity.tokens import Claims, CredentialsRefused
from sessions_app.postgres.threads import in_db_thread

_LOOKUPS_AT_ONCE = 8
"""One thread does them in turn: more of them would keep one visitor waiting for the others."""


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


async def identify(headers: dict[str, str], subprotocols: list[str]) -> Principal:
    """Who it is: by a key or a token, else by session cookie, else by guest cookie, else nobody in particular.

    Raises `CredentialsInvalid` for what is not valid here, and for a guest where none are allowed.
    """
    given = shown(headers, subprotocols)
    try:
        if not given.asks_the_database:
            principal = nameless(given)
        elif given.is_token:
            principal = await in_db_thread(principal_of, given, await _claims(given.key or ""))
        else:
            principal = await _found(given)
    except CredentialsRefused as error:
        raise CredentialsInvalid(str(error)) from None
    return welcome(principal)


async def _found(given: Shown) -> Principal:
    """Raises `CredentialsRefused`."""
    found = await _lookups.ask(given)
    if isinstance(found, CredentialsRefused):
        raise found
    return found


async def _find_all(given: Sequence[Shown]) -> list[Principal | CredentialsRefused]:
    return await in_db_thread(principals_of, given)


_lookups: Batches[Shown, Principal | CredentialsRefused] = Batches(
    _find_all, name="who is at the sockets", most=_LOOKUPS_AT_ONCE
)


async def _claims(token: str) -> Claims:
    """With a known key it takes 0.2 ms. An issuer that does not answer keeps nobody waiting but who shows a key that is not
    known. Raises `CredentialsRefused`."""
    if tokens.asks_the_issuer(token):
        return await asyncio.to_thread(tokens.verified, token)
    return tokens.verified(token)


def welcome(principal: Principal) -> Principal:
    """Raises `CredentialsInvalid` for a guest where none are allowed."""
    is_guest = principal.kind in (Kind.NOBODY, Kind.GUEST) or principal.is_anonymous
    if is_guest and not conf().guests_allowed:
        raise CredentialsInvalid
    return principal


async def renewed(principal: Principal, token: str) -> Principal:
    """The same person by a fresh key or token. Raises `CredentialsInvalid`."""
    found = await identify({"authorization": f"Bearer {token}"}, [])
    if not principal.is_same_person(found):
        raise CredentialsInvalid("This is the token of somebody else. Open a socket of its own with it.")
    if (
        principal.is_staff and not found.is_staff
    ):  # the session goes on with the rights that it was entered with
        raise CredentialsInvalid("This token has not the rights of staff. Open a socket of its own with it.")
    return found


def is_development_here(headers: dict[str, str], address: str) -> bool:
    """A developer's own machine: the development server, asked for by a name of this machine's, from this machine."""
    domain = _name_and_port(headers.get("host", ""))[0]
    forwarded = "x-forwarded-for" in headers or "forwarded" in headers
    return conf().local_pages and domain in LOOPBACK and address in _OURSELVES and not forwarded


_OURSELVES = ("127.0.0.1", "::1")
