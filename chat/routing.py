"""The socket addresses. A path that is none of them gets a named error, not a hung handshake."""

from channels.routing import URLRouter
from django.urls import path, re_path

from chat.consumers import SessionConsumer

_session = SessionConsumer.as_asgi()

websocket_urlpatterns = [
    path("ws/session", _session),
    path("ws/session/", _session),
    re_path(r"^ws/session/(?P<session_id>.+)$", _session),  # any text: a bad id gets its own error
    path("v1/realtime", _session),
    re_path(
        r"^(?P<unknown>.*)$", _session
    ),  # opened, to be told so: a browser learns nothing of a refused handshake
]

websocket_application = URLRouter(websocket_urlpatterns)
