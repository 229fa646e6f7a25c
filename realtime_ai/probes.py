"""``/healthz``, ``/readyz`` and ``/metrics``, answered ahead of every other middleware.

A load balancer asks by IP address and in plain http: the checks of host and https behind this would refuse it.
"""

from collections.abc import Awaitable, Callable
from secrets import compare_digest
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from realtime_ai.exposition import exposition
from realtime_ai.readiness import redis_notices, unready_reasons
from sessions_app.hooks import notices

_LOOPBACK = ("127.0.0.1", "::1", "")
"""No address at all: a Unix socket."""


async def healthz(_request: HttpRequest) -> HttpResponse:
    """The process is alive. Asks nothing and nobody."""
    return JsonResponse({"status": "ok"})


async def readyz(request: HttpRequest) -> HttpResponse:
    """200 when this process can serve, else 503 with the reasons; notices, for whom the metrics are, change neither."""
    reasons = await unready_reasons()
    body: dict[str, Any] = {"status": "unready" if reasons else "ready"}
    if reasons:
        body["reasons"] = [{"code": code, "message": message} for code, message in reasons]
    if _may_read_metrics(request) and (found := [*notices(), *redis_notices()]):
        body["notices"] = found
    return JsonResponse(body, status=503 if reasons else 200)


async def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for whoever has ``METRICS_TOKEN``, or for the loopback. Anybody else: 404."""
    if not _may_read_metrics(request):
        return JsonResponse({"error": "not found"}, status=404)
    body, content_type = exposition()
    return HttpResponse(body, content_type=content_type)


_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")
"""A proxy on this machine speaks from the loopback for the whole world; any of these gives it away."""


def _may_read_metrics(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if token and compare_digest(given.encode(), f"Bearer {token}".encode()):
        return True
    forwarded = any(name in request.headers for name in _PROXY_HEADERS)
    return not token and not forwarded and request.META.get("REMOTE_ADDR", "") in _LOOPBACK


PROBES: dict[str, Callable[[HttpRequest], Awaitable[HttpResponse]]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics,
}


@sync_and_async_middleware
def probe_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    def answer_sync(request: HttpRequest) -> Any:
        probe = PROBES.get(request.path_info)
        return async_to_sync(probe)(request) if probe else get_response(request)

    async def answer(request: HttpRequest) -> Any:
        probe = PROBES.get(request.path_info)
        return await (probe or get_response)(request)

    return answer if iscoroutinefunction(get_response) else answer_sync
