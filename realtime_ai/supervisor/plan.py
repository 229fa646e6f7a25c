"""What is to be started, decided from the environment before anything is."""

import os
from dataclasses import dataclass, field

from realtime_ai.env import BASE_DIR, Env, EnvError
from realtime_ai.settings.refusals import refuse_unsafe


class SupervisorError(Exception):
    """It cannot go on: why, and what to do, in one line. Exit code 1."""


class AlreadyTold(SupervisorError):
    """A child has printed why."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    serve: bool
    """Production settings; else development's."""
    web_processes: int
    environment: dict[str, str] = field(repr=False)
    """For every child."""
    warnings: tuple[str, ...] = ()


def make_plan(env: Env, *, serve: bool) -> Plan:
    """Raises `EnvError` for what cannot work, before anything was started."""
    if serve:
        refuse_unsafe(env)
    processes = env.server_processes(serve=serve)
    if processes > 1 and not env.redis_url:
        raise EnvError(
            f"WEB_PROCESSES={processes}: several processes find each other through Redis. "
            f"Set REDIS_URL, or WEB_PROCESSES=1."
        )
    environment = dict(os.environ) | {
        "DJANGO_SETTINGS_MODULE": f"realtime_ai.settings.{'production' if serve else 'development'}",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(BASE_DIR), os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
    }
    if processes > 1:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(env.var_dir / "metrics")
    return Plan(
        serve=serve, web_processes=processes, environment=environment, warnings=_warnings(env, serve=serve)
    )


def _warnings(env: Env, *, serve: bool) -> tuple[str, ...]:
    if not serve:
        return env.notices
    found = list(env.notices)
    if env.insecure_http:
        found.append(
            "INSECURE_HTTP=1: no https, no secure cookies. For a look on this machine, never for users."
        )
    elif not env.trust_proxy:
        found.append(
            "TRUST_PROXY is not set: plain http is answered with a redirect to https, and a request through your TLS "
            "proxy counts as plain http, so every page redirects to itself for ever. Name the proxy's address or "
            "network, e.g. TRUST_PROXY=127.0.0.1 (INSECURE_HTTP=1 tries it on this machine without one)."
        )
    if not env.database_url:
        found.append(
            "no DATABASE_URL: the data is in the embedded PostgreSQL here, without replicas or backups."
        )
    return tuple(found)
