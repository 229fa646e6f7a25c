"""AG-UI 1.0 as an ASGI application, and what CopilotKit asks its runtime for: docs/ag-ui.md.

CopilotKit's paths are relative to its ``runtimeUrl``; the run of its agent ``default`` is that of AG-UI's own clients.
"""

import re

from chat.wire.agui import calls
from chat.wire.http.exchange import Exchange
from chat.wire.http.serving import HttpApi, route
from chat.wire.http.visit import let_in

PATHS = re.compile(r"/ag-ui(/.*)?")
DIALECT = "agui"

_ROUTES = [
    route("POST", "/ag-ui", calls.run, takes_body=True, begins=True),
    route("GET", "/ag-ui/info", calls.info),
    route("POST", "/ag-ui/agent/ID/run", calls.run_agent, takes_body=True, begins=True),
    route("POST", "/ag-ui/agent/ID/connect", calls.connect, takes_body=True),
    route("POST", "/ag-ui/agent/ID/stop/ID", calls.stop, takes_body=True),
]


class _AguiApi(HttpApi):
    async def before(self, one: Exchange) -> bool:
        """Raises `OriginRefused`."""
        return await let_in(one, methods="GET, POST", headers="authorization, content-type")


agui_application = _AguiApi(_ROUTES, dialect=DIALECT)
