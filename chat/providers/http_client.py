"""The HTTP connections under a vendor's SDK: bounded waits, no bound on streams, no redirects."""

import ssl
from functools import cache

import httpx2

from chat.conf import conf

LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=60.0)
"""Unbounded, because a stream holds its connection for as long as the answer takes: beyond a bound of 100 the 101st
user would wait in silence."""


@cache
def tls() -> ssl.SSLContext:
    """Reads the certificates: 20 to 40 ms, so once."""
    return httpx2.create_ssl_context()


def new_http_client() -> httpx2.AsyncClient:
    """For one event loop. Redirects are not followed: they would carry the key to another host."""
    return httpx2.AsyncClient(verify=tls(), limits=LIMITS, follow_redirects=False)


def opening_timeout() -> httpx2.Timeout:
    """Bounds the connection. The waits between two reads are the provider's, which knows what an event is."""
    seconds = conf().model_connect_seconds
    return httpx2.Timeout(None, connect=seconds, write=seconds, pool=seconds)
