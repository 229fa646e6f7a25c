"""A server with one of OpenAI's APIs on this machine, true to the wire and strict.

Which API it has, is an `Api`: `openai_responses_api` or `openai_chat_api`. Tests queue what it answers.
"""

import asyncio
import json
from typing import Any, Protocol

from tests.fakes.api_server import ApiServer
from tests.fakes.http_server import Exchange
from tests.fakes.openai_script import (
    JSON,
    Answer,
    Data,
    Drop,
    Hang,
    HttpError,
    Planned,
    Raw,
    RefusedError,
    Sleep,
    Step,
    Stream,
)

API_KEY = "fake-openai-key-0123456789"


class Api(Protocol):
    path: str

    def check(self, body: Any) -> None:
        """Raises `RefusedError`."""

    def default_answer(self, body: JSON) -> Answer:
        """When no test has told it what to say."""


class OpenAIServer(ApiServer[Planned]):
    """``key`` empty: a server without keys, which refuses a request that brings one."""

    def __init__(self, api: Api, *, key: str = API_KEY, base_path: str = "/v1", port: int = 0) -> None:
        super().__init__(key=key, port=port)
        self.api = api
        self._base_path = base_path

    @property
    def url(self) -> str:
        return self.http.url + self._base_path

    async def _handle(self, exchange: Exchange) -> None:
        try:
            body = self._checked(exchange)
        except RefusedError as refused:
            self.refusals.append(refused.error.message)
            await _fail(exchange, refused.error)
            return
        planned = self._take(body) or self.api.default_answer(body)
        answer = planned(body) if callable(planned) else planned
        if isinstance(answer, HttpError):
            await _fail(exchange, answer)
        else:
            await _stream(exchange, answer)

    def _checked(self, exchange: Exchange) -> JSON:
        request = exchange.request
        if (request.method, request.path) != ("POST", self._base_path + self.api.path):
            raise RefusedError(f"Invalid URL ({request.method} {request.path})", status=404)
        self._check_key(request.headers.get("authorization"))
        try:
            body: JSON = json.loads(request.body, parse_constant=_no_constant)
        except ValueError as error:
            raise RefusedError("We could not parse the JSON body of your request.") from error
        self.api.check(body)
        return body

    def _check_key(self, given: str | None) -> None:
        if given == (f"Bearer {self._key}" if self._key else None):
            return
        if not given:
            raise RefusedError("You didn't provide an API key.", status=401)
        shown = given.removeprefix("Bearer ")
        message = f"Incorrect API key provided: {shown[:8]}***{shown[-4:]}."
        raise RefusedError(message, code="invalid_api_key", status=401)


def _no_constant(name: str) -> None:
    """NaN and Infinity are Python's, not JSON."""
    raise ValueError(name)


async def _fail(exchange: Exchange, error: HttpError) -> None:
    await exchange.reply(error.status, error.body(), error.headers)


async def _stream(exchange: Exchange, answer: Stream) -> None:
    steps = list(answer.steps)
    if answer.silent_start and not await _take(exchange, steps.pop(0)):
        return
    await exchange.start_stream("text/event-stream; charset=utf-8")
    for step in steps:
        if not await _take(exchange, step):
            return
    await exchange.end_stream()


async def _take(exchange: Exchange, step: Step) -> bool:
    """False when there is nothing more to say."""
    match step:
        case Data():
            await exchange.send(step.wire())
        case Raw():
            await exchange.send(step.data)
        case Sleep():
            await asyncio.sleep(step.seconds)
        case Hang():
            await asyncio.Event().wait()
        case Drop():
            exchange.drop()
            return False
    return True
