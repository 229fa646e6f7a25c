"""The AI SDK's UI message stream (npm ``ai`` 7, ``useChat``) as an ASGI application: docs/ui-stream.md.

It is asked by browsers, on pages of this server and of the origins that may open sockets here (`ALLOWED_ORIGINS`).
"""

import re

from chat.wire.http.exchange import Exchange
from chat.wire.http.serving import HttpApi, route
from chat.wire.http.visit import let_in
from chat.wire.ui import calls

PATHS = re.compile(r"/api/ui/.*")
DIALECT = "ui"

_ROUTES = [
    route("POST", "/api/ui/ID", calls.send, takes_body=True, begins=True),
    route("GET", "/api/ui/ID", calls.history),
    route("GET", "/api/ui/ID/stream", calls.resume),
    route("POST", "/api/ui/ID/stop", calls.stop),
]


class _UiApi(HttpApi):
    async def before(self, one: Exchange) -> bool:
        """Raises `OriginRefused`."""
        return await let_in(one, methods="GET, POST", headers="authorization, content-type")


ui_application = _UiApi(_ROUTES, dialect=DIALECT)
