"""Closing the project's tables to Supabase's Data API, after every migrate.

Supabase serves the schema ``public`` over HTTP to whoever holds a project's public key, as the roles ``anon`` and
``authenticated``; by its former default grants they may read and write every table there, Django's own as well. We
never use that door, so it is shut on all that belongs to this project: no grants on tables, sequences and functions,
row level security on every table (without a policy, and not forced: the owner does not notice), and no grants on what
will be made. Other things in the schema are not ours to close. Where the roles do not exist nothing is done.
"""

import logging
from typing import Any

from django.db import connections, transaction
from django.db.utils import DatabaseError

from sessions_app.exposure import Exposure, Thing, find_exposure

logger = logging.getLogger(__name__)


def close_after_migrate(*, using: str, **_: Any) -> None:
    """The receiver of ``post_migrate``."""
    if connections[using].vendor == "postgresql":
        close_data_api(using=using)


def close_data_api(*, using: str = "default") -> list[str]:
    """Close what is open; returns the statements that ran. Never raises for what is another role's: it warns."""
    exposure = find_exposure(using=using)
    if not exposure.roles:
        return []
    done = [sql for sql in statements(exposure) if _run(sql, using=using)]
    if done:
        logger.info("closed to Supabase's Data API: %d statements", len(done))
    for thing in exposure.things:
        if thing.granted and not thing.ours:
            logger.warning(
                "%s %s is open to Supabase's Data API and owned by another role: let its owner run `manage.py migrate`",
                thing.kind,
                thing.name,
            )
    return done


def statements(exposure: Exposure) -> list[str]:
    """What closes everything that is ours; one statement a lock, so that no two tables are locked together."""
    everybody = ", ".join(["PUBLIC", *exposure.roles])
    roles = ", ".join(exposure.roles)
    sql: list[str] = []
    for thing in exposure.things:
        if not thing.ours:
            continue
        if thing.granted:
            sql += [*_keep_callers(thing), f"REVOKE ALL ON {thing.kind} {thing.name} FROM {everybody}"]
        if thing.lacks_rls:
            sql.append(f"ALTER TABLE {thing.name} ENABLE ROW LEVEL SECURITY")
    for default in exposure.defaults:
        where = f" IN SCHEMA {default.schema}" if default.schema else ""
        sql.append(f"ALTER DEFAULT PRIVILEGES{where} REVOKE ALL ON {default.kind} FROM {roles}")
    return sql


def _keep_callers(thing: Thing) -> list[str]:
    """A function is anybody's by default: whoever may write our tables keeps it when PUBLIC loses it."""
    if thing.kind != "ROUTINE" or not thing.callers:
        return []
    return [f"GRANT EXECUTE ON ROUTINE {thing.name} TO {', '.join(thing.callers)}"]


def _run(sql: str, *, using: str) -> bool:
    try:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute(sql)
    except DatabaseError as error:
        logger.warning("not closed to Supabase's Data API: %s (%s)", sql, " ".join(str(error).split()))
        return False
    return True
