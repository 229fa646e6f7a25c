"""System checks that ask the database: run by ``migrate`` and by ``check --database default``."""

import socket
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import connections
from django.db.utils import DatabaseError

from sessions_app.checks import budget_warning, connections_needed
from sessions_app.exposure import Exposure, find_exposure, tables_with_hidden_rows
from sessions_app.outage import is_passing
from sessions_app.supabase import SupabaseMode, describe

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
        kinds = _some([default.kind.lower() for default in exposure.defaults])
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
