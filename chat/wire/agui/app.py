"""AG-UI 1.0 as an ASGI application, and what CopilotKit asks its runtime for: docs/ag-ui.md."""

import re

from chat.wire.agui import calls
from chat.wire.http.browsers import BrowserApi
from chat.wire.http.serving import route

PATHS = re.compile(r"/ag-ui(/.*)?")
DIALECT = "agui"

_ROUTES = [
    route("POST", "/ag-ui", calls.run, takes_body=True, begins=True),
    route("GET", "/ag-ui/info", calls.info),
    route("POST", "/ag-ui/agent/ID/run", calls.run_agent, takes_body=True, begins=True),
    route("POST", "/ag-ui/agent/ID/connect", calls.connect, takes_body=True),
    route("POST", "/ag-ui/agent/ID/stop/ID", calls.stop, takes_body=True),
]
agui_application = BrowserApi(_ROUTES, dialect=DIALECT)
