"""From ``DATABASE_URL`` to Django's ``DATABASES`` (pool, time-outs, what a transaction pooler needs), and from ``REDIS_URL``
to its ``CHANNEL_LAYERS``; and where files are kept."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import environ
from psycopg import OperationalError as PsycopgOperationalError
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo, timeout_from_conninfo

from realtime_ai.env import Env, EnvError, load_env
from sessions_app.postgres.address import is_local, pools_transactions
from sessions_app.postgres.link import Link

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

NO_HOST = "/nonexistent/no-database"
PLACEHOLDER = f"postgresql://nobody@/none?host={NO_HOST}"
"""Lets commands that need no database (check, makemigrations, collectstatic) load the settings."""
_NOT_LIBPQ = ("pgbouncer", "connection_limit", "schema")
"""What other tools (Prisma) write into such URLs; libpq refuses to connect with them."""
_KEEPALIVE: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms; without it a dead peer holds a COMMIT for 15 minutes
}


def _try_on_for_those_who_wait(pool: "ConnectionPool[Any]") -> None:
    """A pool that gave up starts again with the next request only; those that wait already would wait in vain."""
    if pool.get_stats().get("requests_waiting"):
        pool.check()


_POOL_WAITS: dict[str, Any] = {
    "timeout": 10,
    # The pause between two attempts to connect doubles for so long, and then begins anew. With psycopg's default of
    # 300 s, a database that had been away for 20 s was found again 9 s after it was back, after a minute 60.
    "reconnect_timeout": 2,
    "reconnect_failed": _try_on_for_those_who_wait,
    "connection_class": Link,
}


def find_database_url(env: Env) -> str | None:
    """``DATABASE_URL``, else what the embedded server's owner wrote down, else None."""
    return env.database_url or _read(env.database_url_file)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def database_settings(url: str, *, pool_max: int, demand_tls: bool = True) -> dict[str, Any]:
    """Django's settings for one PostgreSQL. ``pool_max`` 0: a connection per thread, no pool. ``demand_tls``: where the URL
    says nothing of TLS and leads to another host.

    Raises `EnvError` when the URL names an option that libpq does not know, or no database.
    """
    config = dict(environ.Env.db_url_config(url)) | _address(url)
    options = {key: value for key, value in config.pop("OPTIONS", {}).items() if key not in _NOT_LIBPQ}
    for key in ("host", "port", "user", "password", "dbname"):
        if key in options:
            config["NAME" if key == "dbname" else key.upper()] = options.pop(key)
    _check_options(options)
    config["NAME"] = config["NAME"] or config["USER"]  # as libpq has it
    if not config["NAME"] and "service" not in options:
        raise EnvError("DATABASE_URL: it names no database. Put one behind the host: .../NAME.")
    options.setdefault("connect_timeout", 5)
    if config["HOST"] and not str(config["HOST"]).startswith("/"):
        options = _KEEPALIVE | options
    if demand_tls and not is_local(config | {"OPTIONS": options}):
        options.setdefault(
            "sslmode", "require"
        )  # libpq's own "prefer" goes without when told that there is none
    if pool_max:
        options["pool"] = {"min_size": 1, "max_size": pool_max, "max_lifetime": 1800} | _POOL_WAITS
    return (
        config
        | {
            "ENGINE": "sessions_app.postgres",
            "OPTIONS": options,
            "CONN_MAX_AGE": 0,  # the pool keeps connections; both at once is refused by Django
            "CONN_HEALTH_CHECKS": False,  # the engine looks at each connection that the pool gives out, without pauses between
            "DISABLE_SERVER_SIDE_CURSORS": pools_transactions(config),
        }
    )


def _address(url: str) -> dict[str, str]:
    """HOST and PORT as libpq reads them, where the URL has them before its path: a percent-encoded host may be a socket's folder,
    and of several hosts each has its own port or the usual one."""
    before_query = url.partition("?")[0].partition("://")[2]
    authority = before_query.partition("/")[0].rpartition("@")[2]
    if not authority:
        return {}
    found = [re.fullmatch(r"(\[.*\]|.*?)(?::([0-9]*))?", one) for one in authority.split(",")]
    hosts = [unquote(one[1].strip("[]")) for one in found if one]
    ports = [one[2] or "" for one in found if one]
    return {"HOST": ",".join(hosts), "PORT": ",".join(ports) if any(ports) else ""}


def _check_options(options: dict[str, Any]) -> None:
    try:
        make_conninfo(**options)
        timeout_from_conninfo(options)
    except ProgrammingError as error:
        reason = str(error).strip()
        raise EnvError(f"DATABASE_URL: {reason}. Take that option out of the URL's query.") from None


def explain_connection_error(error: Exception) -> str | None:
    """One line for an error that means "cannot connect"; None for any other error of a database."""
    cause = error.__cause__ or error
    if not isinstance(cause, PsycopgOperationalError) or cause.sqlstate is not None:
        return None  # a server that answers with a state was reached
    env = load_env()
    if find_database_url(env) is None:
        return "no database. Start `make run` (it brings its own PostgreSQL), or set DATABASE_URL."
    if env.database_url is None:
        return "the embedded PostgreSQL is not running. Start `make run`, or set DATABASE_URL."
    reason = " ".join(str(cause).split())
    if "server does not support SSL" in reason:
        return (
            f"DATABASE_URL: the server has no TLS ({reason}). Switch it on there, or set INSECURE_DATABASE=1 on a private "
            "network that you trust."
        )
    return f"DATABASE_URL: cannot connect ({reason}). Correct it, or unset it to use the embedded PostgreSQL."


# --- the channel layer: how web processes reach one another --------------------------------------------------------

_SOCKET_SECONDS = 15
"""channels_redis waits 5 s at a time for a message, and redis-py gives up on a silent socket after 5 s by default: at
that, every quiet wait would end as a lost connection."""

_CONNECTIONS = 2000
"""At once, and only for as long as each sends: redis-py refuses the 101st by default, and a restart moves all of a process's
sockets in the same second."""


def channel_layer(redis_url: str | None) -> dict[str, Any]:
    """An entry of Django's ``CHANNEL_LAYERS``; without Redis it reaches its own process only."""
    if not redis_url:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    host = {
        "address": redis_url,
        "socket_timeout": _SOCKET_SECONDS,
        "socket_connect_timeout": 5,
        "max_connections": _CONNECTIONS,
    }
    config = {"hosts": [host], "prefix": "realtime-ai", "capacity": 1000, "expiry": 60}
    return {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}


# --- the storage of pictures and files ------------------------------------------------------------------------------


def files_storage(env: Env) -> dict[str, Any]:
    """The entry ``files`` of Django's ``STORAGES``: a bucket where one of its variables is set (`sessions_app.files.checks` says
    what it lacks), else a folder. Nobody is given an address of it: who may see a file asks this server."""
    bucket = {
        "bucket_name": env.files_bucket,
        "endpoint_url": env.files_endpoint_url,
        "region_name": env.files_region,
        "access_key": env.files_access_key_id,
        "secret_key": env.files_secret_access_key,
    }
    if not any(bucket.values()):
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": str(env.var_dir / "files"),
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    options = {name: value for name, value in bucket.items() if value}
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {**options, "default_acl": None, "file_overwrite": False, "querystring_auth": True},
    }
