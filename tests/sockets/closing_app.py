"""A bare application under daphne, adapted as the project's: it closes each socket with the code that its path names."""

import sys
from typing import Any

import daphne.server  # noqa: F401  # the reactor first
import django

django.setup()

from realtime_ai.front.daphne import adapt  # noqa: E402

adapt()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": sys.version.encode()})
        return
    await receive()
    await send({"type": "websocket.accept"})
    await send(
        {"type": "websocket.close", "code": int(scope["path"][1:]), "reason": "why not \N{SNOWMAN}" * 20}
    )
    while (await receive())["type"] != "websocket.disconnect":
        pass
