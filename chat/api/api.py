"""The addresses of plain HTTP, and their schema: ``/api/openapi.json``, and ``/api/docs`` to read."""

from typing import Any

from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from chat.api import others, sessions, webhooks
from chat.api.errors import handle_errors, in_our_shape, not_offered
from chat.api.log_events import log_event_schemas
from chat.api.reading import page
from chat.api.stream import STREAM
from chat.page.cross_origin import from_other_origins

_ABOUT = (
    "Sessions, what was said in them, and what came of it. Who may what is the same on every wire: a key, a token or a client "
    "secret as `Authorization: Bearer`, or a page's own cookie."
)
_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key, a token, or a client secret."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "Of a sign-in; what changes something needs X-CSRFToken, too.",
    },
}

ROOT = "/api/"


class _Api(NinjaAPI):
    def get_openapi_schema(self, **_: Any) -> OpenAPISchema:
        found = super().get_openapi_schema(path_prefix=ROOT)
        found["paths"] |= STREAM
        found["components"]["securitySchemes"] = _SCHEMES
        found["components"]["schemas"] |= log_event_schemas()
        return found


api = _Api(
    title="Realtime AI sessions",
    version="1",
    description=_ABOUT,
    urls_namespace="api",
    docs_url=None,
    openapi_extra={"security": [{"key": []}, {"cookie": []}]},
)
handle_errors(api)
api.add_router("/sessions", sessions.router)
api.add_router("/webhooks", webhooks.router)
api.add_router("", others.router)


def _urls() -> tuple[list[URLPattern], str, str]:
    patterns, app, namespace = api.urls
    offered = [one for one in patterns if isinstance(one, URLPattern) and one.name != "api-root"]
    for one in offered:
        one.callback = in_our_shape(one.callback)
        if str(one.pattern).startswith("files"):
            one.callback = from_other_origins(one.callback)
        one.callback.answers_any_query = one.name == "sessions"  # type: ignore[attr-defined]
    to_read = path("docs", lambda request: page(request, api.get_openapi_schema()), name="docs")
    return [*offered, to_read, re_path("", csrf_exempt(in_our_shape(not_offered)))], app, namespace


urls = _urls()
