"""``/healthz``, ``/readyz`` and ``/metrics``, answered ahead of every other middleware.

A load balancer asks by IP address and in plain http: the checks of host and https behind this would refuse it.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import cache
from secrets import compare_digest
from typing import Any

import psycopg
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from chat.redis_trouble import redis_trouble, redis_url
from sessions_app.errors import DatabaseAway
from sessions_app.hooks import notices
from sessions_app.log.leases import check_writable, lease_lane
from sessions_app.postgres.outage import is_read_only

# --- can this process serve? The database takes writes, its schema is ours, the log's writer gets through -----------

TIME_LIMIT_S = 2.0
FRESH_S = 0.5
"""How long an answer serves later probes: a flood of them must not become a flood of connections."""

Reason = tuple[str, str]
"""A stable code and a sentence."""


class _State:
    """The last look, and whether the schema was found complete (it does not become incomplete again)."""

    at = float("-inf")
    look: "asyncio.Task[tuple[Reason, ...]] | None" = None
    migrated = False
    redis_seen = False
    redis_notice = ""


async def unready_reasons() -> tuple[Reason, ...]:
    """Empty when ready. Answers within `TIME_LIMIT_S`, and never blocks the event loop or a thread of its pool."""
    look, loop = _State.look, asyncio.get_running_loop()
    stale = look is not None and look.done() and time.monotonic() - _State.at > FRESH_S
    if look is None or stale or look.get_loop() is not loop:
        look = _State.look = loop.create_task(_look())
    return await asyncio.shield(look)


def forget() -> None:
    """For tests: the next probe looks anew, on a new connection."""
    lease_lane.close()
    _State.at, _State.look, _State.migrated = float("-inf"), None, False
    _State.redis_seen, _State.redis_notice = False, ""


async def _look() -> tuple[Reason, ...]:
    database, redis = await asyncio.gather(_database_reasons(), _redis_reasons())
    reasons = (*database, *redis, *_journal_reasons())
    _State.at = time.monotonic()
    return reasons


async def _database_reasons() -> list[Reason]:
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            missing = await _missing_migrations()
    except TimeoutError:
        return [("database_unreachable", f"The database did not answer within {TIME_LIMIT_S:g} s.")]
    except (DatabaseAway, psycopg.Error) as error:
        if is_read_only(error):
            return [("database_read_only", "The database does not take writes.")]
        return [("database_unreachable", f"The database cannot be reached ({_kind(error)}).")]
    if missing:
        return [
            ("migrations_pending", f"{len(missing)} migrations are not applied. Run `manage.py migrate`.")
        ]
    return []


def _kind(error: Exception) -> str:
    return type(error.__cause__ or error).__name__


async def _missing_migrations() -> frozenset[tuple[str, str]]:
    """Asked on the connection that renews the lease: neither a full pool nor a full pooler keeps it waiting."""
    if _State.migrated:
        await lease_lane.run(check_writable)
        return frozenset()
    applied = await lease_lane.run(_applied_migrations)
    missing = await asyncio.to_thread(_known_migrations) - applied
    if not missing:
        await lease_lane.run(check_writable)
    _State.migrated = not missing
    return missing


def _applied_migrations(link: "psycopg.Connection[Any]") -> frozenset[tuple[str, str]]:
    try:
        return frozenset(link.execute("SELECT app, name FROM django_migrations").fetchall())
    except psycopg.errors.UndefinedTable:
        return frozenset()


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """What the code brings; read from disk, without a database."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    return frozenset(loader.disk_migrations) - replaced


async def _redis_reasons() -> list[Reason]:
    """Redis is a hint: a process serves without it. One that has never reached it, because of what is set, is not ready:
    a deployment would replace good ones by it."""
    url = redis_url()
    trouble = await redis_trouble(url) if url else None
    _State.redis_seen |= trouble is None
    _State.redis_notice = trouble.message if trouble else ""
    if trouble and trouble.refused and not _State.redis_seen:
        return [("redis_refused", trouble.message)]
    return []


def redis_notices() -> list[str]:
    """What the last look found of Redis."""
    return [_State.redis_notice] if _State.redis_notice else []


def _journal_reasons() -> list[Reason]:
    from chat.runtime import running

    server = running()
    reason = server.journal.health() if server else None
    return [("journal_stuck", reason)] if reason else []


# --- what is answered ------------------------------------------------------------------------------------------------


def exposition() -> tuple[bytes, str]:
    """Prometheus' text and its content type: this process's figures, or those of all where several serve, which
    ``PROMETHEUS_MULTIPROC_DIR`` says."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


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
