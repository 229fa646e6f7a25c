"""Sending one webhook: signed as Standard Webhooks has it, bounded in time and size, to no place of our own network.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import aiohttp

from chat.conf import conf
from chat.jobs.addresses import AddressRefused, PublicResolver, check_address
from chat.redaction import redacted
from sessions_app.notices.deliveries import Answer, Due

WAITS_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""Before each further try, as the specification proposes; after the last one it is given up. Jittered."""
MOST_AT_ONCE = 3
"""Messages to one webhook from one worker: a receiver that hangs must not take its hands for the others' jobs."""
_MOST_BYTES = 2_048
"""Of an answer: nobody reads on."""
_WORDS_S = 2.0
"""For that much of it, once its status is there."""
_GONE = 410
SIGNATURE = "webhook-signature"
_SIGNATURE_SHOWN = len("v1,") + 8

under_way: Counter[int] = Counter()
"""By webhook."""


def signed(due: Due, *, at: int) -> Mapping[str, str]:
    """The headers that say whose message it is, and when it was sent; a receiver may know any of the keys."""
    content = b".".join((due.message_id.encode(), str(at).encode(), due.body))
    digests = (hmac.new(key, content, hashlib.sha256).digest() for key in due.keys)
    return {
        "webhook-id": due.message_id,
        "webhook-timestamp": str(at),
        SIGNATURE: " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def shown(headers: Mapping[str, str]) -> dict[str, str]:
    """As they may be written down: of a signature enough to compare it with another, and not to send it."""
    masked = " ".join(f"{one[:_SIGNATURE_SHOWN]}..." for one in headers[SIGNATURE].split())
    return {**headers, SIGNATURE: masked}


async def send(due: Due) -> Answer:
    """One try. Raises nothing but CancelledError."""
    begun = time.monotonic()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "realtime-ai-webhooks",
        **signed(due, at=int(time.time())),
    }
    answer = await _answer_to(due, headers)
    return replace(answer, took_ms=round((time.monotonic() - begun) * 1000), sent=shown(headers))


async def _answer_to(due: Due, headers: Mapping[str, str]) -> Answer:
    try:
        check_address(due.url, inward=conf().webhook_private_addresses)
        return await _post(due, headers)
    except AddressRefused as error:
        return Answer(words=str(error))
    except TimeoutError:
        return Answer(words=f"No answer within {conf().webhook_seconds:g} seconds.")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(words=_why(error))


async def _post(due: Due, headers: Mapping[str, str]) -> Answer:
    resolver = None if conf().webhook_private_addresses else PublicResolver()
    connector = aiohttp.TCPConnector(resolver=resolver, force_close=True, limit=1)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as session:
        async with asyncio.timeout(conf().webhook_seconds):
            asked = await session.post(due.url, data=due.body, headers=headers, allow_redirects=False)
        async with asked as response:
            beginning = b""
            with contextlib.suppress(aiohttp.ClientError, OSError):  # its status is what counts
                async with asyncio.timeout(_WORDS_S):
                    beginning = await response.content.read(_MOST_BYTES)
            words = " ".join(redacted(beginning.decode(errors="replace")).split())
            return Answer(status_code=response.status, words=words, gone=response.status == _GONE)


def _why(error: Exception) -> str:
    """A name that leads inward fails as an `AddressRefused` that aiohttp has wrapped."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return str(cause)
        cause = cause.__cause__ or getattr(cause, "os_error", None)
    return f"Nobody could be asked: {redacted(str(error)) or type(error).__name__}"
