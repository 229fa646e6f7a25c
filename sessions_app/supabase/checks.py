"""System checks of the database: what would break, or lie open, once this meets it.

Those of the settings make no query; those that ask the database are run by ``migrate`` and ``check --database default``.
"""

import base64
import binascii
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import connections
from django.db.utils import DatabaseError

from sessions_app.conf import conf
from sessions_app.postgres.address import SupabaseMode, describe, insists_on_tls, is_local, pools_transactions
from sessions_app.postgres.link import Own
from sessions_app.postgres.outage import is_passing
from sessions_app.supabase.closing import Exposure, find_exposure, tables_with_hidden_rows

_PUBLIC_WORDS = ("PUBLISHABLE", "ANON_KEY", "PUBLIC_KEY", "_PUBLIC_")
_WORKER_CONNECTIONS = 4
"""A worker's beyond its pool: three for the queue, one to LISTEN."""


@register("sessions")
def check_databases(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    for alias, database in settings.DATABASES.items():
        if any(word in database.get("ENGINE", "") for word in ("postgres", "postgis")):
            for message in (*_pool(database), *_pooler(database), *_tls(database), *_budget(database)):
                message.obj = f"DATABASES[{alias!r}]"
                messages.append(message)
    return messages


def _pool(database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if database.get("OPTIONS", {}).get("pool") and database.get("CONN_MAX_AGE", 0) != 0:
        yield Error(
            "A connection pool and persistent connections exclude each other.",
            hint="Set CONN_MAX_AGE to 0: the pool keeps the connections. Else the first connect fails.",
            id="sessions.E001",
        )


def _pooler(database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if pools_transactions(database):
        if not database.get("DISABLE_SERVER_SIDE_CURSORS"):
            yield Error(
                "Server-side cursors do not work through a transaction pooler (port 6543).",
                hint="Set DISABLE_SERVER_SIDE_CURSORS to True, or use the session pooler (port 5432).",
                id="sessions.E002",
            )
        if database.get("OPTIONS", {}).get("prepare_threshold") is not None:
            yield Error(
                "Prepared statements do not work through a transaction pooler (port 6543).",
                hint="Take prepare_threshold out of OPTIONS, or use the session pooler (port 5432).",
                id="sessions.E003",
            )
    host, user = str(database.get("HOST", "")), str(database.get("USER", ""))
    if host.lower().endswith(".pooler.supabase.com") and "." not in user:
        yield Error(
            f"Supabase's pooler does not know which project the user {user!r} belongs to.",
            hint="Name it with the project's reference, e.g. postgres.<ref>: copy the URL from the dashboard (Connect).",
            id="sessions.E004",
        )


def _tls(database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    sslmode = database.get("OPTIONS", {}).get("sslmode", "prefer")
    if not (is_local(database) or insists_on_tls(sslmode) or conf().insecure_database):
        yield Error(
            f"The connection to the database on {database.get('HOST')} may not be encrypted (sslmode={sslmode}).",
            hint="Add ?sslmode=verify-full&sslrootcert=/path/to/its/ca.crt to DATABASE_URL, or sslmode=require at least. "
            "On a private network that you trust, set INSECURE_DATABASE=1.",
            id="sessions.E009",
        )
        return
    if describe(database) is None or sslmode in ("verify-full", "verify-ca"):
        return
    risk = "is not verified" if sslmode == "require" else "may not even be encrypted"
    yield CheckWarning(
        f"The connection to Supabase {risk} (sslmode={sslmode}).",
        hint="Download the certificate in the dashboard (Database settings) and add "
        "?sslmode=verify-full&sslrootcert=/path/to/it to DATABASE_URL.",
        id="sessions.W001",
    )


def _budget(database: Mapping[str, Any]) -> Iterator[CheckMessage]:
    needed = connections_needed(database)
    limit = conf().pooler_connections
    if describe(database) is SupabaseMode.SESSION_POOLER and needed is not None and needed > limit:
        yield budget_warning(needed, limit, "Supabase's session pooler allows")


def connections_needed(database: Mapping[str, Any]) -> int | None:
    """What the server processes and one worker may open at most; None when no pool bounds it."""
    pool = database.get("OPTIONS", {}).get("pool")
    if not pool:
        return None
    size = int(pool.get("max_size") or pool.get("min_size", 4)) if isinstance(pool, Mapping) else 4
    return conf().server_processes * (size + len(Own)) + size + _WORKER_CONNECTIONS


def budget_warning(needed: int, limit: int, who: str) -> CheckMessage:
    return CheckWarning(
        f"Up to {needed} database connections may be opened; {who} {limit}.",
        hint="Lower DATABASE_POOL_MAX or the number of server processes, or raise the limit (for a pooler: its pool "
        "size in the dashboard, then SESSIONS_POOLER_CONNECTIONS).",
        id="sessions.W005",
    )


@register(Tags.security)
def check_public_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name} is meant for browsers but holds a secret key of Supabase.",
            hint="Put the publishable (anon) key there, and replace the secret one in the dashboard: it may be known.",
            id="sessions.E007",
        )
        for name in dir(settings)
        if name.isupper()
        and any(word in name for word in _PUBLIC_WORDS)
        and _is_secret(getattr(settings, name))
    ]


def _is_secret(value: object) -> bool:
    return isinstance(value, str) and (value.startswith("sb_secret_") or _jwt_role(value) == "service_role")


def _jwt_role(token: str) -> str | None:
    """What a former key of Supabase, a JWT, says it may do; not verified."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return str(claims["role"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


@register("sessions")
def check_embedded(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if settings.DEBUG or not conf().embedded_database:
        return []
    return [
        CheckWarning(
            "The embedded PostgreSQL is used with DEBUG off.",
            hint="It is a developer's server, without backups. Set DATABASE_URL to a database that somebody runs.",
            id="sessions.W006",
        )
    ]


# Those that ask the database

_SHOWN = 5
_PUBLIC_IPV6 = "2606:4700:4700::1111"


@register(Tags.database)
def check_reach(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor != "postgresql":
            continue
        messages += _ipv6(alias)
        try:
            messages += [
                *_exposed(find_exposure(using=alias)),
                *_schema(alias),
                *_hidden(alias),
                *_limit(alias),
            ]
        except DatabaseError as error:
            if not is_passing(error):
                raise
            messages.append(_unreachable(alias, error))
    return messages


def _unreachable(alias: str, error: Exception) -> CheckMessage:
    reason = " ".join(str(error).split())
    return Error(
        f"The database {alias!r} cannot be asked: {reason}",
        hint="Correct DATABASE_URL, or start the database that it names.",
        id="sessions.E008",
    )


def _exposed(exposure: Exposure) -> Iterator[CheckMessage]:
    open_things = [f"{thing.kind.lower()} {thing.name}" for thing in exposure.things if thing.granted]
    if open_things:
        yield Error(
            f"Supabase's Data API ({', '.join(exposure.roles)}) can reach: {_some(open_things)}.",
            hint="Run `manage.py migrate` as the owner of the tables: it closes them also when nothing is to migrate.",
            id="sessions.E005",
        )
    if exposure.defaults:
        kinds = _some(sorted({default.kind.lower() for default in exposure.defaults}))
        yield CheckWarning(
            f"New {kinds} of our role will be granted to Supabase's Data API until the next `migrate` closes them.",
            hint="Run `manage.py migrate` as this role: it revokes these default privileges.",
            id="sessions.W003",
        )


def _schema(alias: str) -> Iterator[CheckMessage]:
    if (
        describe(settings.DATABASES[alias]) is not None
        and _value(alias, "SELECT current_schema()") == "public"
    ):
        yield CheckWarning(
            "The tables are in the schema `public`, which Supabase's Data API serves.",
            hint="They are closed to it. Out of its sight they are in a schema of their own, or with the Data API "
            "switched off: docs/supabase.md. Silence this with SILENCED_SYSTEM_CHECKS.",
            id="sessions.W004",
        )


def _hidden(alias: str) -> Iterator[CheckMessage]:
    if hidden := tables_with_hidden_rows(using=alias):
        yield Error(
            f"Row level security hides the rows of {_some(hidden)} from our own role.",
            hint="Connect as the tables' owner and undo FORCE (ALTER TABLE ... NO FORCE ROW LEVEL SECURITY), or give "
            "the role BYPASSRLS.",
            id="sessions.E006",
        )


def _limit(alias: str) -> Iterator[CheckMessage]:
    if describe(settings.DATABASES[alias]) not in (None, SupabaseMode.DIRECT):
        return  # a pooler stands before it, with a limit of its own
    needed = connections_needed(settings.DATABASES[alias])
    limit = int(
        _value(
            alias,
            "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int",
        )
    )
    if needed is not None and needed > limit:
        yield budget_warning(needed, limit, "the server allows")


def _ipv6(alias: str) -> Iterator[CheckMessage]:
    if describe(settings.DATABASES[alias]) is SupabaseMode.DIRECT and not has_ipv6():
        yield CheckWarning(
            "Supabase's direct host is reached by IPv6, and this machine has none.",
            hint="Use the session pooler's URL from the dashboard (Connect), or the project's IPv4 add-on.",
            id="sessions.W002",
        )


def has_ipv6() -> bool:
    """Whether this machine has a route for IPv6; connecting a UDP socket asks the kernel and sends nothing."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((_PUBLIC_IPV6, 443))
    except OSError:
        return False
    return True


def _value(alias: str, sql: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
