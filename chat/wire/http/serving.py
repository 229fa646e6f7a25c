"""An HTTP API as an ASGI application of its own: its answers are streams of the event loop's, which a view in a thread could
not pace (docs/decisions/0092-responses-beside-django.md)."""

import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chat.errors import ChatError, CredentialsInvalid, ObjectNotFound
from chat.runtime import runtime
from chat.supervision import within
from chat.tools.forks import serves_on
from chat.wire.dialect import check_text
from chat.wire.http.errors import told
from chat.wire.http.exchange import Aborted, ClientGone, Exchange, Message, Receive, Send, exchange
from chat.wire.http.visit import visit_of
from sessions_app.errors import DatabaseAway, SessionsError

logger = logging.getLogger(__name__)

_OPEN_SECONDS = 12.0

Answer = Callable[..., Awaitable[None]]
"""Of an exchange, its visit, the names in the path, and the body where the route takes one."""


class Route(NamedTuple):
    method: str
    path: re.Pattern[str]
    answer: Answer
    takes_body: bool = False
    begins: bool = False
    """It may make a session."""


def route(method: str, path: str, answer: Answer, *, takes_body: bool = False, begins: bool = False) -> Route:
    """``ID`` in the path stands for a name."""
    return Route(method, re.compile(path.replace("ID", "([^/]{1,200})")), answer, takes_body, begins)


class HttpApi:
    def __init__(self, routes: Sequence[Route], *, dialect: str) -> None:
        self._routes = routes
        self._dialect = dialect

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async with exchange(scope, receive, send) as one:
            with contextlib.suppress(ClientGone):  # there is nobody who could be told
                await self._answered(one, await one.body())

    async def before(self, one: Exchange) -> bool:
        """What an API of browsers' looks at first. False: it is answered."""
        return True

    def shown(self, one: Exchange) -> dict[str, str]:
        """The headers by which somebody comes. Raises `CredentialsInvalid`."""
        authorization = one.headers.get("authorization")
        if authorization is None:
            raise CredentialsInvalid("Send a key: Authorization: Bearer KEY.")
        return {"authorization": authorization}

    async def _answered(self, one: Exchange, body: bytes) -> None:
        """Raises `Aborted`, `ClientGone`."""
        try:
            if await self.before(one):
                await self._answer(one, body)
        except (Aborted, ClientGone):
            raise
        except (ChatError, SessionsError) as error:
            await _refuse(one, error)
        except TimeoutError:
            await _refuse(one, DatabaseAway())
        except Exception as error:
            logger.exception("%s: %s %s failed", one.request_id, one.method, one.path)
            if one.began:
                raise Aborted from error
            await _refuse(one, ChatError())

    async def _answer(self, one: Exchange, body: bytes) -> None:
        serves_on(one.scope.get("server"))
        _check_address(one.path, one.query)
        found, names = self._routed(one)
        server = await within(_OPEN_SECONDS, runtime())
        coming = visit_of(
            one, server, dialect=self._dialect, begins=found.begins, shown=lambda: self.shown(one)
        )
        visit = await within(_OPEN_SECONDS, coming)
        try:
            await found.answer(one, visit, *names, *([body] if found.takes_body else []))
        finally:
            visit.close()

    def _routed(self, one: Exchange) -> tuple[Route, tuple[Any, ...]]:
        """Raises `ObjectNotFound`."""
        for each in self._routes:
            if each.method == one.method and (found := each.path.fullmatch(one.path)):
                return each, found.groups()
        raise ObjectNotFound(f"{one.method} {one.path[:200]} is not offered here.")


def _check_address(path: str, query: Mapping[str, Sequence[str]]) -> None:
    """A database looks for no text with a NUL in it; before Django's pages a middleware says the same. Raises `FrameError`."""
    check_text(path, param="path")
    for name, values in query.items():
        check_text(name, param="query")
        for text in values:
            check_text(text, param=name)


async def _refuse(one: Exchange, error: ChatError | SessionsError) -> None:
    if one.began:
        raise Aborted from error
    status, value, headers = told(error)
    await one.answer(status, value, headers)
