"""The application that a server runs: http, WebSockets, and the start and stop of what lives beside them."""

import logging
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.development")
http_application: Any = get_asgi_application()  # loads the apps; what is imported below needs them

from chat.runtime import shutdown, startup  # noqa: E402
from chat.wire.agui.app import PATHS as AGUI_PATHS  # noqa: E402
from chat.wire.agui.app import agui_application  # noqa: E402
from chat.wire.events.app import PATHS as EVENTS_PATHS  # noqa: E402
from chat.wire.events.app import events_application  # noqa: E402
from chat.wire.openai import PATHS as OPENAI_PATHS  # noqa: E402
from chat.wire.openai import openai_application  # noqa: E402
from chat.wire.socket import websocket_application  # noqa: E402
from chat.wire.ui.app import PATHS as UI_PATHS  # noqa: E402
from chat.wire.ui.app import ui_application  # noqa: E402
from realtime_ai.front.bounds import bounded  # noqa: E402
from realtime_ai.front.pacing import paced  # noqa: E402

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


async def lifespan(_scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The server's lifespan (ASGI lifespan 2.0). A failed start is told to the server, which then does not serve."""
    while True:
        message = await receive()
        work = startup if message["type"] == "lifespan.startup" else shutdown
        try:
            await work()
        except Exception as error:
            logger.exception("%s failed", message["type"])
            await send({"type": f"{message['type']}.failed", "message": str(error)})
            return
        await send({"type": f"{message['type']}.complete"})
        if work is shutdown:
            return


BESIDE_DJANGO = (
    (OPENAI_PATHS, openai_application),
    (UI_PATHS, ui_application),
    (AGUI_PATHS, agui_application),
    (EVENTS_PATHS, events_application),
)
"""Calls that know no form and no page."""


async def http(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    found = (answers for paths, answers in BESIDE_DJANGO if paths.fullmatch(scope["path"]))
    await next(found, http_application)(scope, receive, send)


application = ProtocolTypeRouter(
    {"http": bounded(http), "websocket": paced(websocket_application), "lifespan": lifespan}
)

if "daphne.server" in sys.modules:  # also under uvicorn, as an app of Django's: then nothing comes of it
    from realtime_ai.front.daphne import adapt, follow_reactor

    adapt()
    follow_reactor(startup, shutdown)
