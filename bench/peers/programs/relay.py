"""A relay as one writes it by hand: a socket, the vendor's SDK, an insert a message; no resume, no log, no bounds.

python relay.py --fd N --database URL --vendor gemini --model-url URL
"""

import argparse
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

INSTRUCTIONS = "You are a helpful assistant."
SCHEMA = """
CREATE TABLE IF NOT EXISTS chats (id uuid PRIMARY KEY, started_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS messages (
    id bigserial PRIMARY KEY, chat_id uuid NOT NULL REFERENCES chats, role text NOT NULL, content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS messages_of_chat ON messages (chat_id, id);
"""
History = list[tuple[str, str]]
"""Role (user or assistant) and text."""


class Gemini:
    """The SDK takes aiohttp where it is installed: without ``aiohttp`` it is made to look as if it were not."""

    def __init__(self, url: str, *, aiohttp: bool) -> None:
        if not aiohttp:
            sys.modules["aiohttp"] = None  # type: ignore[assignment]
        from google import genai
        from google.genai import types

        self._client = genai.Client(api_key="fake-gemini-key", http_options=types.HttpOptions(base_url=url))
        self._types = types

    async def answer(self, history: History) -> AsyncIterator[str]:
        types = self._types
        contents = [
            types.Content(role="user" if role == "user" else "model", parts=[types.Part(text=text)])
            for role, text in history
        ]
        config = types.GenerateContentConfig(system_instruction=INSTRUCTIONS)
        stream = await self._client.aio.models.generate_content_stream(
            model="gemini-3.8-flash", contents=contents, config=config
        )
        async for chunk in stream:
            if chunk.text:
                yield chunk.text


class OpenAI:
    def __init__(self, url: str) -> None:
        from openai import AsyncOpenAI

        self._client = AsyncOpenAI(api_key="fake-openai-key-0123456789", base_url=url)

    async def answer(self, history: History) -> AsyncIterator[str]:
        said: Any = [{"role": role, "content": text} for role, text in history]
        stream = await self._client.responses.create(
            model="gpt-6.1-terra", instructions=INSTRUCTIONS, input=said, stream=True, store=False
        )
        async for event in stream:
            if event.type == "response.output_text.delta":
                yield event.delta


class Compatible(OpenAI):
    async def answer(self, history: History) -> AsyncIterator[str]:
        said: Any = [{"role": role, "content": text} for role, text in [("system", INSTRUCTIONS), *history]]
        stream = await self._client.chat.completions.create(
            model="local", messages=said, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                yield text


class Anthropic:
    def __init__(self, url: str) -> None:
        from anthropic import AsyncAnthropic

        self._client = AsyncAnthropic(api_key="fake-anthropic-key", base_url=url)

    async def answer(self, history: History) -> AsyncIterator[str]:
        said: Any = [{"role": role, "content": text} for role, text in history]
        async with self._client.messages.stream(
            model="claude-sonnet-5-5", max_tokens=8192, system=INSTRUCTIONS, messages=said
        ) as stream:
            async for text in stream.text_stream:
                yield text


def provider(vendor: str, url: str) -> Any:
    match vendor:
        case "gemini" | "gemini-aiohttp":
            return Gemini(url, aiohttp=vendor.endswith("aiohttp"))
        case "openai":
            return OpenAI(url)
        case "compatible":
            return Compatible(url)
        case "anthropic":
            return Anthropic(url)
    raise ValueError(vendor)


class Chat:
    """A socket's conversation."""

    def __init__(self, pool: asyncpg.Pool, model: Any, client: WebSocket) -> None:
        self._pool = pool
        self._model = model
        self._socket = client
        self._id = uuid.uuid4()
        self._history: History = []

    async def run(self) -> None:
        await self._socket.accept()
        await self._pool.execute("INSERT INTO chats (id) VALUES ($1)", self._id)
        await self._socket.send_text(f"Connected to session {self._id}")
        while True:
            await self._keep("user", await self._socket.receive_text())
            parts = []
            async for text in self._model.answer(self._history):
                await self._socket.send_text(text)
                parts.append(text)
            await self._keep("assistant", "".join(parts))

    async def _keep(self, role: str, text: str) -> None:
        self._history.append((role, text))
        insert = "INSERT INTO messages (chat_id, role, content) VALUES ($1, $2, $3)"
        await self._pool.execute(insert, self._id, role, text)


def application(database: str, vendor: str, url: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.model = provider(vendor, url)
        async with asyncpg.create_pool(database, min_size=1, max_size=8) as app.state.pool:
            await app.state.pool.execute(SCHEMA)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/ws")
    async def chat(client: WebSocket) -> None:
        with suppress(WebSocketDisconnect):
            await Chat(app.state.pool, app.state.model, client).run()

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--vendor", required=True)
    parser.add_argument("--model-url", required=True)
    options = parser.parse_args()
    app = application(options.database, options.vendor, options.model_url)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        log_level="warning",
        backlog=2048,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()
