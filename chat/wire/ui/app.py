"""The AI SDK's UI message stream (npm ``ai`` 7, ``useChat``) as an ASGI application: docs/ui-stream.md."""

import re

from chat.wire.http.browsers import BrowserApi
from chat.wire.http.serving import route
from chat.wire.ui import calls

PATHS = re.compile(r"/api/ui/.*")
DIALECT = "ui"

_ROUTES = [
    route("POST", "/api/ui/ID", calls.send, takes_body=True, begins=True),
    route("GET", "/api/ui/ID", calls.history),
    route("GET", "/api/ui/ID/stream", calls.resume),
    route("POST", "/api/ui/ID/stop", calls.stop),
]
ui_application = BrowserApi(_ROUTES, dialect=DIALECT)
