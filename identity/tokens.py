"""Access tokens of Supabase Auth and others (RFC 7519): who the issuer says that somebody is, checked.

The keys of the issuer are read from its JWKS, kept, and read anew in time; while it cannot be reached, the known ones
count. What may wait for the network (`asks_the_issuer`) is called in threads.
"""

import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from django.core.signals import setting_changed

from identity.conf import conf

logger = logging.getLogger(__name__)

_SHAPE = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_OF_KEY_PAIRS = ("ES256", "RS256")
_OF_THE_SECRET = "HS256"  # noqa: S105 - the name of an algorithm
MAX_TOKEN_CHARS = 8192
_MAX_SUBJECT_CHARS = 255


class CredentialsRefused(Exception):
    """What was shown lets nobody in; the message says why, and repeats nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Of a token that was checked."""

    issuer: str
    subject: str
    expires_at: float
    """Unix seconds."""
    email: str = ""
    is_anonymous: bool = False


def looks_like_token(text: str) -> bool:
    return _SHAPE.fullmatch(text) is not None


def asks_the_issuer(token: str) -> bool:
    """Whether `verified` may have to wait for the network."""
    if conf().issuer is None or len(token) > MAX_TOKEN_CHARS:
        return False
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return False
    return header.get("alg") in _OF_KEY_PAIRS and _keys(conf().keys_url or "").due(str(header.get("kid", "")))


def verified(token: str) -> Claims:
    """Raises `CredentialsRefused`."""
    if conf().issuer is None:
        raise CredentialsRefused("This server takes no access tokens.")
    if len(token) > MAX_TOKEN_CHARS:
        raise CredentialsRefused("The access token is too long.")
    try:
        key, algorithms = _key_for(jwt.get_unverified_header(token))
        payload = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=conf().jwt_audience,
            issuer=conf().issuer,
            leeway=conf().clock_leeway_seconds,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError:
        raise CredentialsRefused("The access token has expired. Refresh it.") from None
    except jwt.PyJWTError as error:
        logger.info("an access token was refused: %s", type(error).__name__)
        raise CredentialsRefused("The access token is not valid here.") from None
    return _claims(payload)


def _claims(payload: Mapping[str, Any]) -> Claims:
    subject, email = payload["sub"], payload.get("email")
    if not 0 < len(subject) <= _MAX_SUBJECT_CHARS or "\x00" in subject:
        raise CredentialsRefused("The access token names nobody.")
    expires_at = float(payload["exp"])
    if expires_at <= time.time():  # let in by the leeway, it ends with that: else it would be closed at once
        expires_at += conf().clock_leeway_seconds
    return Claims(
        issuer=str(payload["iss"]),
        subject=subject,
        expires_at=expires_at,
        email=email[:254].replace("\x00", "") if isinstance(email, str) else "",
        is_anonymous=payload.get("is_anonymous") is True,
    )


def _key_for(header: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """The key that the token must be signed with, and by which algorithm alone: never one that the token may choose.

    Raises `CredentialsRefused`.
    """
    if header.get("alg") == _OF_THE_SECRET:
        if not conf().jwt_secret:
            raise CredentialsRefused(
                "This server takes no access tokens that are signed with a shared secret."
            )
        return conf().jwt_secret, [_OF_THE_SECRET]
    if header.get("alg") not in _OF_KEY_PAIRS:
        raise CredentialsRefused("The access token is signed in a way that is not taken here.")
    key = _keys(conf().keys_url or "").find(str(header.get("kid", "")))
    if key is None or key.algorithm_name != header["alg"]:
        raise CredentialsRefused("The access token is signed with a key that its issuer does not show.")
    return key, [header["alg"]]


class IssuerKeys:
    """The public keys of one issuer, by their ids. Shared by all threads."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=conf().jwks_timeout_seconds)
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at = self._read_at = float("-inf")

    def find(self, key_id: str) -> jwt.PyJWK | None:
        """A known key is not waited for, though another thread reads them anew; an unknown one may be among those."""
        if self.due(key_id) and self._lock.acquire(blocking=key_id not in self._keys):
            try:
                if self.due(key_id):  # else another thread has just asked
                    self._read()
            finally:
                self._lock.release()
        return self._keys.get(key_id)

    def due(self, key_id: str) -> bool:
        """Whether looking for that key asks the issuer."""
        now = time.monotonic()
        if now - self._asked_at < conf().jwks_pause_seconds:
            return False
        return key_id not in self._keys or now - self._read_at >= conf().jwks_lifespan_seconds

    def _read(self) -> None:
        try:
            found = _keys_in(self._client.fetch_data())
        except (jwt.PyJWTError, OSError, ValueError) as error:
            kept = f"the {len(self._keys)} known ones count on" if self._keys else "none are known"
            logger.warning("the keys of %s cannot be read (%s); %s", self._client.uri, error, kept)
            return
        finally:
            self._asked_at = time.monotonic()  # at the end: who comes meanwhile waits for what is read
        if self._keys and not found:
            logger.warning(
                "%s shows no key any more: no token that is signed with one counts", self._client.uri
            )
        self._keys, self._read_at = found, time.monotonic()


def _keys_in(shown: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """By their ids, those that sign in the two ways that are taken; a key without an id is found by none. A set may be empty: its
    issuer has no keys, or no longer. Raises PyJWKSetError for what is no set."""
    keys = shown.get("keys")
    if not isinstance(keys, list):
        raise jwt.PyJWKSetError("it is no set of keys")
    try:
        usable = jwt.PyJWKSet(keys).keys
    except jwt.PyJWKSetError:  # it holds none
        usable = []
    return {str(key.key_id): key for key in usable if key.key_id and key.algorithm_name in _OF_KEY_PAIRS}


@cache
def _keys(url: str) -> IssuerKeys:
    return IssuerKeys(url)


def _forget(*, setting: str, **_: object) -> None:
    if setting.startswith("IDENTITY_"):
        _keys.cache_clear()


setting_changed.connect(_forget, dispatch_uid="identity.tokens")
