"""Why Redis cannot be used, in one sentence that names neither its host nor a secret."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

LOOK_SECONDS = 1.8
"""Within the 2 s that a readiness probe has; most of it for the first try, the rest to find out what speaks there."""
_FIRST_TRY_SECONDS = 1.2


class Trouble(NamedTuple):
    message: str
    refused: bool = False
    """It will not pass by itself: what ``REDIS_URL`` says has to be corrected."""


async def redis_trouble(url: str) -> Trouble | None:
    """Ask the server once, within `LOOK_SECONDS`; None when it can be used."""
    try:
        client = Redis.from_url(
            url,
            socket_connect_timeout=_FIRST_TRY_SECONDS,
            socket_timeout=_FIRST_TRY_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        return _refused(f"cannot be understood ({error}).")
    try:
        async with asyncio.timeout(_FIRST_TRY_SECONDS):
            await client.ping()
    except (exceptions.RedisError, OSError) as error:
        return await explain_redis_error(url, error)
    finally:
        with contextlib.suppress(exceptions.RedisError, OSError):
            await client.aclose()
    return None


async def trouble_of_layer(error: Exception) -> str:
    """Why the channel layer of the settings raised ``error``."""
    url = redis_url()
    trouble = await redis_trouble(url) if url else None
    return trouble.message if trouble else repr(error)


def redis_url() -> str | None:
    """Where the channel layer's Redis is; None: it has none."""
    hosts = settings.CHANNEL_LAYERS.get("default", {}).get("CONFIG", {}).get("hosts") or [None]
    address = hosts[0].get("address") if isinstance(hosts[0], dict) else hosts[0]
    return address if isinstance(address, str) else None


async def explain_redis_error(url: str, error: Exception) -> Trouble:
    """What an error of a connection to ``url`` means; where only the other side can tell, it is asked."""
    parts = urlsplit(url)
    found = _of_the_server(error, with_password=bool(parts.password)) or _of_the_certificate(error)
    if found:
        return found
    address = (parts.hostname or "localhost", parts.port or 6379)
    if parts.scheme == "rediss" and await _within(_speaks_plain, address):
        return _refused("asks for TLS, and this Redis speaks none: begin it with redis://.")
    if parts.scheme == "redis" and _was_cut_off(error) and await _within(_speaks_tls, address):
        return _refused("speaks plain text, and this Redis wants TLS: begin it with rediss://.")
    return _of_the_network(error, unix=parts.scheme == "unix")


def _refused(reason: str) -> Trouble:
    return Trouble(f"REDIS_URL {reason}", refused=True)


def _of_the_server(error: Exception, *, with_password: bool) -> Trouble | None:
    """It was reached, and says no."""
    match error:
        case exceptions.AuthenticationError() if with_password:
            return _refused("has a user or password that this Redis refuses.")
        case exceptions.AuthenticationError():
            return _refused("has no password, and this Redis wants one: redis://:PASSWORD@HOST.")
        case exceptions.NoPermissionError():
            return _refused("names a user who may not do what is needed (ACL).")
        case exceptions.InvalidResponse():
            return _refused("leads to something that is no Redis.")
        case exceptions.BusyLoadingError():
            return Trouble("Redis is still loading its data.")
        case exceptions.ResponseError():
            return _refused(f"is refused by this Redis: {error}.")
    return None


def _of_the_certificate(error: Exception) -> Trouble | None:
    for cause in _chain(error):
        match cause:
            case ssl.SSLCertVerificationError(verify_code=62 | 64):
                return _refused("names a host for which the certificate of this Redis was not issued.")
            case ssl.SSLCertVerificationError():
                reason = cause.verify_message
                return _refused(
                    f"leads to a Redis whose certificate is not trusted ({reason}): add ?ssl_ca_certs=/path/to/ca.pem."
                )
            case ssl.SSLError(reason=reason) if "CERTIFICATE" in str(reason):
                return _refused(
                    "leads to a Redis that wants a certificate of ours: add ?ssl_certfile=...&ssl_keyfile=..."
                )
    return None


def _of_the_network(error: Exception, *, unix: bool) -> Trouble:
    for cause in _chain(error):
        match cause:
            case socket.gaierror():
                return Trouble("REDIS_URL: its host is not known (there is no such name, or no name server).")
            case ConnectionRefusedError():
                return Trouble("REDIS_URL: nothing listens there.")
            case FileNotFoundError() if unix:
                return Trouble("REDIS_URL: there is no such socket.")
            case FileNotFoundError():
                return _refused("names a file of certificates that is not there.")
            case TimeoutError() | exceptions.TimeoutError():
                return Trouble("REDIS_URL: no answer from there in time.")
    if _was_cut_off(error):
        return Trouble("REDIS_URL: what listens there closes the connection; is it a Redis?")
    return Trouble(f"REDIS_URL: Redis cannot be reached ({type(error).__name__}).")


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _was_cut_off(error: Exception) -> bool:
    return any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in _chain(error)) or (
        isinstance(error, exceptions.ConnectionError) and "closed by server" in str(error)
    )


Address = tuple[str, int]


async def _within(ask: Callable[[Address], Awaitable[bool]], address: Address) -> bool:
    try:
        async with asyncio.timeout(LOOK_SECONDS - _FIRST_TRY_SECONDS):
            return await ask(address)
    except (OSError, ValueError):
        return False


async def _speaks_plain(address: Address) -> bool:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline())[:1] in (b"+", b"-")
    finally:
        writer.close()


async def _speaks_tls(address: Address) -> bool:
    """Whoever it is: nothing is sent but the handshake."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(*address, ssl=context)
    writer.close()
    return True
