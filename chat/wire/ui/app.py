"""The AI SDK's UI message stream (npm ``ai`` 7, ``useChat``) as an ASGI application: docs/ui-stream.md.

It is asked by browsers, on pages of this server and of the origins that may open sockets here (`ALLOWED_ORIGINS`).
"""

import re

from chat.wire.auth import check_origin
from chat.wire.http.exchange import Exchange
from chat.wire.http.serving import HttpApi, route
from chat.wire.ui import calls

PATHS = re.compile(r"/api/ui/.*")
DIALECT = "ui"
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}

_ROUTES = [
    route("POST", "/api/ui/ID", calls.send, takes_body=True, begins=True),
    route("GET", "/api/ui/ID", calls.history),
    route("GET", "/api/ui/ID/stream", calls.resume),
    route("POST", "/api/ui/ID/stop", calls.stop),
]


class _UiApi(HttpApi):
    async def before(self, one: Exchange) -> bool:
        """Raises `OriginRefused`."""
        origin = one.headers.get("origin")
        if origin is None:
            return True
        check_origin({"origin": origin, "host": one.headers.get("host", "")})
        one.answer_headers |= {"access-control-allow-origin": origin, "vary": "origin"}
        if one.method == "OPTIONS":
            one.answer_headers |= _PREFLIGHT
            await one.nothing()
            return False
        return True


ui_application = _UiApi(_ROUTES, dialect=DIALECT)
