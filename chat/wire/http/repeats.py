"""A POST that comes again. OpenAI's SDKs repeat one whose answer did not reach them, up to twice and by themselves, with
``x-stainless-retry-count`` above 0 and no key of their own; a client that wants more gives ``Idempotency-Key``.

A body alone is no name: two people may say the same. So it counts only where the client says that it repeats itself.
"""

import asyncio
import hashlib
import hmac
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from django.conf import settings
from django.utils.encoding import force_bytes

from chat.wire.http.exchange import Exchange
from chat.wire.http.visit import Visit
from sessions_app.ids import new_id

_MOST_KEY_CHARS = 255


class RequestKey(NamedTuple):
    value: str
    named: bool
    """The client has named the request: it is the same for a day, whatever became of it."""
    repeated: bool
    """It may have come before."""
    older: tuple[str, ...] = ()
    """Its values under a ``SECRET_KEY`` of before: it may have come then."""

    @property
    def all_values(self) -> list[str]:
        return [self.value, *self.older]


def request_key(one: Exchange, visit: Visit, body: bytes) -> RequestKey:
    who = _who(one, visit)
    if name := one.headers.get("idempotency-key", "")[:_MOST_KEY_CHARS]:
        # of those whom nothing tells apart two may count their keys alike: none is given what the other asked for
        what = name.encode() + (b"\x00" + body if visit.is_nobody else b"")
        return _keyed(who, one.path, "key", what, named=True, repeated=True)
    if visit.is_nobody:  # behind one address there are many of them
        return RequestKey(new_id("req"), named=False, repeated=False)
    repeated = one.headers.get("x-stainless-retry-count", "0") not in ("0", "")
    return _keyed(who, one.path, "body", body, named=False, repeated=repeated)


def key_of(one: Exchange, visit: Visit, what: str) -> RequestKey:
    """Of a request whose content names it: what it says, in which session."""
    return _keyed(_who(one, visit), "", "what", what.encode(), named=True, repeated=True)


def _who(one: Exchange, visit: Visit) -> str:
    if visit.is_nobody:
        return f"nobody at {one.address}"
    return f"{visit.principal.user_id}/{visit.principal.external_user_id}/{visit.principal.key_id}"


def _keyed(who: str, path: str, kind: str, what: bytes, *, named: bool, repeated: bool) -> RequestKey:
    text = b"\x00".join([who.encode(), path.encode(), kind.encode(), what])
    value, *older = (_digest(text, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    return RequestKey(value, named=named, repeated=repeated, older=tuple(older))


def _digest(text: bytes, key: str | bytes) -> str:
    """Of the server's own making: nobody finds out by it what was said."""
    return hmac.new(force_bytes(key), text, hashlib.sha256).hexdigest()[:40]


_at_work: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def one_at_a_time(key: RequestKey) -> Any:
    """While the first is being taken, its repeat in this process waits."""
    lock = _at_work.get(key.value)
    if lock is None:
        lock = _at_work[key.value] = asyncio.Lock()
    async with lock:
        yield
