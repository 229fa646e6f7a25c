"""A Messages API on this machine, true to the wire and strict; ``python -m tests.fakes.anthropic_server`` runs the app on it.

Tests queue what it answers (`anthropic_script`); with nothing queued it answers by itself (`anthropic_default`).
"""

import argparse
import asyncio
import json
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from tests.fakes.anthropic_default import default_answer
from tests.fakes.anthropic_refusals import RefusedError, check_headers, refuse
from tests.fakes.anthropic_rules import check_request
from tests.fakes.anthropic_script import JSON, Answer, HttpError
from tests.fakes.anthropic_stream import Player
from tests.fakes.anthropic_turns import check_turns
from tests.fakes.http_server import Exchange, HttpServer

API_KEY = "fake-anthropic-key"


class AnthropicServer:
    """A context manager. ``requests`` are the bodies that passed the rules, ``refusals`` the messages of the others."""

    def __init__(self, *, key: str = API_KEY, port: int = 0, word_delay_s: float = 0.0) -> None:
        self._key = key
        self._word_delay_s = word_delay_s
        self._answers: deque[Answer] = deque()
        self._players: list[Player] = []
        self.http = HttpServer(self._handle, port=port)
        self.requests: list[JSON] = []
        self.refusals: list[str] = []
        self._got_request = threading.Event()

    def __enter__(self) -> Self:
        self.http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.__exit__()

    @property
    def url(self) -> str:
        return self.http.url

    @property
    def hits(self) -> int:
        """Requests of any kind, also those that were refused."""
        return len(self.http.requests)

    @property
    def thoughts(self) -> list[JSON]:
        """Every thinking block that was given, in order."""
        return [block for player in self._players for block in player.given]

    def then(self, *answers: Answer) -> None:
        """Queue answers: one for each request to come."""
        self._answers.extend(answers)

    async def got_request(self) -> None:
        """Waits until one has arrived."""
        assert await asyncio.to_thread(self._got_request.wait, 10)

    async def hung_up_within(self, seconds: float) -> bool:
        return await self.http.hung_up_within(seconds)

    async def _handle(self, exchange: Exchange) -> None:
        try:
            body = self._checked(exchange)
        except RefusedError as refused:
            self.refusals.append(refused.error.message)
            await _fail(exchange, refused.error)
            return
        self.requests.append(body)
        self._got_request.set()
        answer = self._answers.popleft() if self._answers else default_answer(body, self._word_delay_s)
        if isinstance(answer, HttpError):
            await _fail(exchange, answer)
            return
        player = Player(exchange, body["model"])
        self._players.append(player)
        await player.play(answer)

    def _checked(self, exchange: Exchange) -> JSON:
        request = exchange.request
        check_headers(request.headers, self._key)
        if (request.method, request.path) != ("POST", "/v1/messages"):
            raise RefusedError(HttpError(404, "not_found_error", "Not found"))
        body: JSON = _decoded(request.body)
        check_request(body)
        check_turns(body, self._thoughts_of(body["model"]))
        if not body.get("stream"):
            raise refuse("stream: this fake only streams")
        return body

    def _thoughts_of(self, model: str) -> dict[str, list[JSON]]:
        """Another model's thoughts need not come back, and cannot."""
        return {
            call_id: thoughts
            for player in self._players
            if player.model == model
            for call_id, thoughts in player.thoughts.items()
        }


async def _fail(exchange: Exchange, error: HttpError) -> None:
    await exchange.reply(error.status, error.body(), {"request-id": "req_fake", **error.headers})


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data, parse_constant=_no_constant)
    except ValueError as error:
        raise refuse("The request body is not valid JSON") from error


def _no_constant(name: str) -> None:
    """NaN and Infinity are Python's, not JSON."""
    raise ValueError(name)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9097)
    parser.add_argument("--key", default=API_KEY)
    parser.add_argument("--delay-ms", type=float, default=30.0, help="between two words")
    options = parser.parse_args(arguments)
    with AnthropicServer(key=options.key, port=options.port, word_delay_s=options.delay_ms / 1000) as server:
        print("A fake Claude. Run the app on it with:")
        print(f"LLM_MODEL=anthropic ANTHROPIC_API_KEY={options.key} ANTHROPIC_BASE_URL={server.url} make run")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
