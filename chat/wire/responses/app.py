"""OpenAI's Responses API as an ASGI application of its own: its answers are streams of the event loop's, which a view in a
thread could not pace (docs/decisions/0092-responses-beside-django.md)."""

import logging
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from chat.errors import ChatError, ObjectNotFound
from chat.llm.catalog import offered
from chat.runtime import runtime
from chat.supervision import within
from chat.tools.forks import serves_on
from chat.wire.completions import calls as completions
from chat.wire.http.errors import told
from chat.wire.http.exchange import Aborted, ClientGone, Exchange, Message, Receive, Send, exchange
from chat.wire.http.visit import Visit, visit_of
from chat.wire.responses import calls, conversations
from chat.wire.responses.objects import Model, ModelList
from sessions_app.errors import DatabaseAway, SessionsError

logger = logging.getLogger(__name__)

DIALECT = "responses"
PATHS = re.compile(r"/v1/(responses|conversations|models|chat/completions)(/.*)?$")
_OPEN_SECONDS = 12.0

Answer = Callable[..., Awaitable[None]]


class Route(NamedTuple):
    method: str
    path: re.Pattern[str]
    answer: Answer
    takes_body: bool = False
    begins: bool = False


def _route(
    method: str, path: str, answer: Answer, *, takes_body: bool = False, begins: bool = False
) -> Route:
    return Route(method, re.compile(path.replace("ID", "([^/]{1,200})")), answer, takes_body, begins)


async def list_models(one: Exchange, visit: Visit) -> None:
    models = [Model(id=spec, owned_by=spec.partition(":")[0]) for spec in offered()]
    await one.answer(HTTPStatus.OK, ModelList(data=models))


async def one_model(one: Exchange, visit: Visit, name: str) -> None:
    spec = next((spec for spec in offered() if name in (spec, spec.partition(":")[2])), None)
    if spec is None:
        raise _nothing_there(one)
    await one.answer(HTTPStatus.OK, Model(id=spec, owned_by=spec.partition(":")[0]))


ROUTES = [
    _route("POST", "/v1/responses", calls.create, takes_body=True, begins=True),
    _route("GET", "/v1/responses/ID", calls.retrieve),
    _route("DELETE", "/v1/responses/ID", calls.delete),
    _route("POST", "/v1/responses/ID/cancel", calls.cancel),
    _route("GET", "/v1/responses/ID/input_items", calls.input_items),
    _route("POST", "/v1/conversations", conversations.create, takes_body=True, begins=True),
    _route("GET", "/v1/conversations/ID", conversations.retrieve),
    _route("POST", "/v1/conversations/ID", conversations.update, takes_body=True),
    _route("DELETE", "/v1/conversations/ID", conversations.delete),
    _route("GET", "/v1/conversations/ID/items", conversations.items),
    _route("POST", "/v1/conversations/ID/items", conversations.add_items, takes_body=True),
    _route("GET", "/v1/conversations/ID/items/ID", conversations.item),
    _route("DELETE", "/v1/conversations/ID/items/ID", conversations.delete_item),
    _route("POST", "/v1/chat/completions", completions.create, takes_body=True, begins=True),
    _route("GET", "/v1/models", list_models),
    _route("GET", r"/v1/models/(.{1,256})", one_model),
]


async def responses_application(scope: Message, receive: Receive, send: Send) -> None:
    async with exchange(scope, receive, send) as one:
        try:
            body = await one.body()
        except ClientGone:
            return
        await _answered(one, body)


async def _answered(one: Exchange, body: bytes) -> None:
    """Raises `Aborted`."""
    try:
        await _answer(one, body)
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


async def _answer(one: Exchange, body: bytes) -> None:
    serves_on(one.scope.get("server"))
    route, names = _routed(one)
    server = await within(_OPEN_SECONDS, runtime())
    visit = await within(_OPEN_SECONDS, visit_of(one, server, dialect=DIALECT, begins=route.begins))
    try:
        await route.answer(one, visit, *names, *([body] if route.takes_body else []))
    finally:
        visit.close()


def _routed(one: Exchange) -> tuple[Route, tuple[Any, ...]]:
    """Raises `ObjectNotFound`."""
    for route in ROUTES:
        if route.method == one.method and (found := route.path.fullmatch(one.path)):
            return route, found.groups()
    raise _nothing_there(one)


def _nothing_there(one: Exchange) -> ChatError:
    return ObjectNotFound(f"{one.method} {one.path[:200]} is not offered here.")


async def _refuse(one: Exchange, error: ChatError | SessionsError) -> None:
    if one.began:
        raise Aborted from error
    status, value, headers = told(error)
    await one.answer(status, value, headers)
