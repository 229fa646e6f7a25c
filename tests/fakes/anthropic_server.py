"""A Messages API on this machine, true to the wire and strict; ``python -m tests.fakes.anthropic_server`` runs the app on it.

Tests queue what it answers (`anthropic_script`); with nothing queued it answers by itself (`anthropic_default`).
"""

import argparse
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tests.fakes.anthropic_default import default_answer
from tests.fakes.anthropic_refusals import RefusedError, check_headers, refuse
from tests.fakes.anthropic_rules import check_request
from tests.fakes.anthropic_script import JSON, Answer, HttpError
from tests.fakes.anthropic_stream import Player
from tests.fakes.anthropic_turns import check_turns
from tests.fakes.api_server import ApiServer
from tests.fakes.http_server import Exchange

API_KEY = "fake-anthropic-key"


class AnthropicServer(ApiServer[Answer]):
    def __init__(self, *, key: str = API_KEY, port: int = 0, word_delay_s: float = 0.0) -> None:
        super().__init__(key=key, port=port)
        self._word_delay_s = word_delay_s
        self._players: list[Player] = []

    @property
    def thoughts(self) -> list[JSON]:
        """Every thinking block that was given, in order."""
        return [block for player in self._players for block in player.given]

    async def _handle(self, exchange: Exchange) -> None:
        try:
            body = self._checked(exchange)
        except RefusedError as refused:
            self.refusals.append(refused.error.message)
            await _fail(exchange, refused.error)
            return
        answer = self._take(body) or default_answer(body, self._word_delay_s)
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
