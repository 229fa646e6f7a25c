"""Chainlit with its SQL layer, under the uvicorn of the others.

python chainlit_server.py --fd N --database URL --model-url URL
"""

import argparse
import asyncio
import os
import socket
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    "id" UUID PRIMARY KEY, "identifier" TEXT NOT NULL UNIQUE, "metadata" JSONB NOT NULL, "createdAt" TEXT
);
CREATE TABLE IF NOT EXISTS threads (
    "id" UUID PRIMARY KEY, "createdAt" TEXT, "name" TEXT, "userId" UUID REFERENCES users, "userIdentifier" TEXT,
    "tags" TEXT[], "metadata" JSONB
);
CREATE TABLE IF NOT EXISTS steps (
    "id" UUID PRIMARY KEY, "name" TEXT NOT NULL, "type" TEXT NOT NULL, "threadId" UUID NOT NULL REFERENCES threads,
    "parentId" UUID, "streaming" BOOLEAN NOT NULL, "waitForAnswer" BOOLEAN, "isError" BOOLEAN, "metadata" JSONB,
    "tags" TEXT[], "input" TEXT, "output" TEXT, "createdAt" TEXT, "command" TEXT, "start" TEXT, "end" TEXT,
    "generation" JSONB, "showInput" TEXT, "language" TEXT, "indent" INT, "defaultOpen" BOOLEAN, "autoCollapse" BOOLEAN,
    "modes" JSONB, "icon" TEXT
);
CREATE TABLE IF NOT EXISTS elements (
    "id" UUID PRIMARY KEY, "threadId" UUID REFERENCES threads, "type" TEXT, "url" TEXT, "chainlitKey" TEXT, "name" TEXT,
    "display" TEXT, "objectKey" TEXT, "size" TEXT, "page" INT, "language" TEXT, "forId" UUID, "mime" TEXT, "props" JSONB
);
CREATE TABLE IF NOT EXISTS feedbacks (
    "id" UUID PRIMARY KEY, "forId" UUID NOT NULL, "threadId" UUID NOT NULL, "value" INT NOT NULL, "comment" TEXT
);
"""
"""As its documentation has it."""


async def make_tables(database: str) -> None:
    import asyncpg

    link = await asyncpg.connect(database)
    try:
        await link.execute(SCHEMA)
    finally:
        await link.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--model-url", required=True)
    options = parser.parse_args()
    asyncio.run(make_tables(options.database))
    os.environ["CHAINLIT_DATABASE"] = options.database.replace("postgresql://", "postgresql+asyncpg://")
    os.environ["CHAINLIT_MODEL_URL"] = options.model_url

    import uvicorn
    from chainlit.utils import mount_chainlit
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    mount_chainlit(app, str(Path(__file__).with_name("chainlit_app.py")), path="/chainlit")
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()
