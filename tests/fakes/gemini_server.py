"""A Gemini API on this machine, true to the wire and strict; ``python -m tests.fakes.gemini_server`` to run the app on.

Tests queue what it answers (`gemini_script`); with nothing queued it answers by itself (`gemini_default`).
"""

import argparse
import asyncio
import json
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tests.fakes.api_server import ApiServer
from tests.fakes.gemini_default import default_answer
from tests.fakes.gemini_refusals import RefusedError, check_key, refuse
from tests.fakes.gemini_rules import check_request
from tests.fakes.gemini_script import (
    JSON,
    Answer,
    Chunk,
    Drop,
    Hang,
    HttpError,
    Raw,
    Reply,
    Sleep,
    Step,
    Until,
)
from tests.fakes.http_server import Exchange

API_KEY = "fake-gemini-key"
_LONGEST_WAIT_S = 30.0

_PATH = re.compile(r"/(v1|v1beta|v1alpha)/models/([^:/]+):(streamGenerateContent|generateContent)")
_ALIAS = re.compile(r".*-(latest|preview(-.*)?)")
"""Aliases and previews live below ``/v1beta`` (and ``/v1alpha``) alone."""


class GeminiServer(ApiServer[Answer]):
    def __init__(self, *, key: str = API_KEY, port: int = 0, word_delay_s: float = 0.0) -> None:
        super().__init__(key=key, port=port)
        self._word_delay_s = word_delay_s
        self.beta_alone = 0
        """A gateway that has nothing below ``/v1``: the status with which it says so, e.g. LiteLLM's 405."""

    async def _handle(self, exchange: Exchange) -> None:
        try:
            model, method, body = self._checked(exchange)
        except RefusedError as refused:
            self.refusals.append(refused.error.message)
            await self._fail(exchange, refused.error)
            return
        answer = self._take(body) or default_answer(body, self._word_delay_s)
        if isinstance(answer, HttpError):
            await self._fail(exchange, answer)
        elif method == "generateContent":
            await exchange.reply(200, _whole(answer, model))
        else:
            await _stream(exchange, answer, model)

    def _checked(self, exchange: Exchange) -> tuple[str, str, JSON]:
        request = exchange.request
        path = _PATH.fullmatch(request.path)
        if request.method != "POST" or path is None:
            raise RefusedError(
                HttpError(404, "NOT_FOUND", f"No such method: {request.method} {request.path}")
            )
        check_key(request.headers.get("x-goog-api-key") or request.query.get("key"), self._key)
        version, model, method = path.groups()
        if version == "v1" and self.beta_alone:
            raise RefusedError(HttpError(self.beta_alone, "", "Method Not Allowed"))
        if not model.startswith("gemini-") or (version == "v1" and _ALIAS.fullmatch(model)):
            message = (
                f"models/{model} is not found for API version {version}, or is not supported for {method}. Call ListModels to "
                "see the list of available models and their supported methods."
            )
            raise RefusedError(HttpError(404, "NOT_FOUND", message))
        if method == "streamGenerateContent" and request.query.get("alt") != "sse":
            raise RefusedError(HttpError(501, "UNIMPLEMENTED", "This fake streams with alt=sse only."))
        body = _decoded(request.body)
        check_request(body)
        return model, method, body

    async def _fail(self, exchange: Exchange, error: HttpError) -> None:
        await exchange.reply(error.status, error.body(), error.headers)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data, parse_constant=_no_constant)
    except ValueError as error:
        raise refuse("Invalid JSON payload received. Unexpected token.") from error


def _no_constant(name: str) -> None:
    """NaN and Infinity are Python's, not JSON."""
    raise ValueError(name)


async def _stream(exchange: Exchange, answer: Reply, model: str) -> None:
    steps = list(answer.steps)
    if answer.silent_start and not await _take(exchange, steps.pop(0), model):
        return
    await exchange.start_stream()
    for step in steps:
        if not await _take(exchange, step, model):
            return
    await exchange.end_stream()


async def _take(exchange: Exchange, step: Step, model: str) -> bool:
    """False when there is nothing more to say."""
    match step:
        case Chunk():
            await exchange.send(f"data: {json.dumps(step.body(model), ensure_ascii=False)}\r\n\r\n".encode())
        case Raw():
            await exchange.send(step.data)
        case Sleep():
            await asyncio.sleep(step.seconds)
        case Hang():
            await asyncio.Event().wait()
        case Until():
            await asyncio.to_thread(step.said.wait, _LONGEST_WAIT_S)
        case Drop():
            exchange.drop()
            return False
    return True


def _whole(answer: Reply, model: str) -> JSON:
    """``generateContent`` gives in one body what the stream gives in pieces."""
    chunks = [step for step in answer.steps if isinstance(step, Chunk)]
    merged = Chunk(
        parts=tuple(part for chunk in chunks for part in chunk.parts),
        finish=next((chunk.finish for chunk in reversed(chunks) if chunk.finish), None),
        usage=next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None),
        block=next((chunk.block for chunk in chunks if chunk.block), None),
    )
    return merged.body(model)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9099)
    parser.add_argument("--key", default=API_KEY)
    parser.add_argument("--delay-ms", type=float, default=30.0, help="between two words")
    options = parser.parse_args(arguments)
    with GeminiServer(key=options.key, port=options.port, word_delay_s=options.delay_ms / 1000) as server:
        print("A fake Gemini. Run the app on it with:")
        print(f"GEMINI_API_KEY={options.key} GOOGLE_GEMINI_BASE_URL={server.url} make run")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
