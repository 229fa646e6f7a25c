"""Closing the project's tables to Supabase's Data API, after every migrate.

Supabase serves the schema ``public`` over HTTP to whoever holds a project's public key, as the roles ``anon`` and
``authenticated``; by its former default grants they may read and write every table there, Django's own as well. We
never use that door, so it is shut on all that belongs to this project: no grants on tables, sequences and functions,
row level security on every table (without a policy, and not forced: the owner does not notice), and no grants on what
will be made. Other things in the schema are not ours to close. Where the roles do not exist nothing is done.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import DatabaseError

logger = logging.getLogger(__name__)


# What the API could reach, read from PostgreSQL's catalogue

API_ROLES = ("anon", "authenticated")
VIEWS = ("events",)
"""The project's views of its tables; another of the same name, of other tables, is not its own."""

_ROLES = "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = ANY(%(roles)s) ORDER BY 1"
_OURS = """
WITH api AS (SELECT oid FROM pg_roles WHERE rolname = ANY(%(roles)s) UNION ALL SELECT 0 /* PUBLIC */),
ours AS (
    SELECT c.* FROM unnest(%(tables)s::text[]) AS t(name) JOIN pg_class c ON c.oid = to_regclass(quote_ident(t.name))
)
"""
_RELATIONS = f"""{_OURS}
, relations AS (
    SELECT * FROM ours
    UNION
    SELECT s.* FROM ours o
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid
        AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    UNION
    SELECT v.* FROM ours o
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite w ON w.oid = d.objid
    JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v' AND v.relname = ANY(%(views)s)
)
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, oid::regclass::text AS name,
    pg_has_role(relowner, 'USAGE') AS ours,
    EXISTS (SELECT FROM aclexplode(relacl) x WHERE x.grantee IN (SELECT oid FROM api)) OR EXISTS (
        SELECT FROM pg_attribute a, aclexplode(a.attacl) x
        WHERE a.attrelid = r.oid AND x.grantee IN (SELECT oid FROM api)) AS granted,
    relkind IN ('r', 'p') AND NOT relrowsecurity AS lacks_rls, '{{}}'::text[] AS callers, false AS shuts_out
FROM relations r ORDER BY 1 DESC, 2
"""  # noqa: S608 - built from constants alone
_FUNCTIONS = f"""{_OURS}
SELECT 'ROUTINE' AS kind, p.oid::regprocedure::text AS name, pg_has_role(p.proowner, 'USAGE') AS ours,
    EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
            WHERE x.grantee IN (SELECT oid FROM api)) AS granted,
    false AS lacks_rls, c.names AS callers, c.shut_out AS shuts_out
FROM pg_proc p, LATERAL (
    SELECT coalesce(array_agg(DISTINCT quote_ident(u.rolname)), '{{}}') AS names,
        coalesce(bool_or(NOT has_function_privilege(u.oid, p.oid, 'EXECUTE')), false) AS shut_out
    FROM ours, aclexplode(relacl) x JOIN pg_roles u ON u.oid = x.grantee
    WHERE x.privilege_type = 'INSERT' AND u.oid NOT IN (SELECT oid FROM api) AND u.oid <> p.proowner
) AS c
WHERE p.pronamespace IN (SELECT relnamespace FROM ours)
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')
    AND (p.proname LIKE ANY(%(prefixes)s) OR p.oid IN (
        SELECT tgfoid FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM ours) AND NOT tgisinternal))
ORDER BY 2
"""  # noqa: S608
_DEFAULTS = f"""{_OURS}
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' ELSE 'FUNCTIONS' END,
    quote_ident(n.nspname)
FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND d.defaclobjtype IN ('r', 'S', 'f')
    AND (n.oid IS NULL OR n.nspname = current_schema() OR n.oid IN (SELECT relnamespace FROM ours))
    AND EXISTS (SELECT FROM aclexplode(d.defaclacl) x WHERE x.grantee IN (SELECT oid FROM api WHERE oid <> 0))
ORDER BY 1, 2
"""  # noqa: S608
# PostgreSQL lets everybody call a new function, in any schema, unless the role that makes it says otherwise for all of them.
_EVERYBODYS_FUNCTIONS = """
SELECT EXISTS (SELECT FROM aclexplode(coalesce(
    (SELECT d.defaclacl FROM pg_default_acl d WHERE d.defaclobjtype = 'f' AND d.defaclnamespace = 0
        AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)),
    acldefault('f', (SELECT oid FROM pg_roles WHERE rolname = current_user)))) x WHERE x.grantee = 0)
"""
_HIDDEN = f"{_OURS} SELECT oid::regclass::text FROM ours WHERE row_security_active(oid) ORDER BY 1"  # noqa: S608


@dataclass(frozen=True)
class Thing:
    """A table, sequence or function of this project. Names are quoted, as SQL needs them."""

    kind: str
    """TABLE, SEQUENCE or ROUTINE."""
    name: str
    ours: bool
    """Our role owns it."""
    granted: bool
    """The API's roles, or everybody, may do something with it."""
    lacks_rls: bool
    callers: Sequence[str]
    """Of a function: the other roles that may write our tables."""
    shuts_out: bool
    """One of these may not call it."""


@dataclass(frozen=True)
class DefaultGrant:
    """Things of this kind that our role will make are granted to the API's roles."""

    kind: str
    """TABLES, SEQUENCES or FUNCTIONS."""
    schema: str | None
    """None: in every schema."""
    to_everybody: bool = False
    """Not to them by name, but to everybody, as PostgreSQL does it."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    roles: tuple[str, ...] = ()
    """The API's roles that exist; none: this is not Supabase."""
    things: tuple[Thing, ...] = ()
    """What is not closed yet."""
    defaults: tuple[DefaultGrant, ...] = ()


def find_exposure(*, using: str = "default") -> Exposure:
    """What of this project's tables, sequences and functions is not closed; one query when the roles do not exist."""
    roles = tuple(name for (name,) in _rows(using, _ROLES))
    if not roles:
        return Exposure()
    things = [Thing(*row) for sql in (_RELATIONS, _FUNCTIONS) for row in _rows(using, sql)]
    defaults = [DefaultGrant(*row) for row in _rows(using, _DEFAULTS)]
    if _rows(using, _EVERYBODYS_FUNCTIONS)[0][0]:
        defaults.append(DefaultGrant("FUNCTIONS", None, to_everybody=True))
    return Exposure(
        roles=roles,
        things=tuple(thing for thing in things if thing.granted or thing.lacks_rls or thing.shuts_out),
        defaults=tuple(defaults),
    )


def tables_with_hidden_rows(*, using: str = "default") -> list[str]:
    """The project's tables whose rows row level security hides from our own role."""
    return [name for (name,) in _rows(using, _HIDDEN)]


def project_tables() -> list[str]:
    """The tables of all installed apps, also those that Django does not manage, and the record of migrations."""
    models = apps.get_models(include_auto_created=True)
    names = {model._meta.db_table for model in models if not model._meta.proxy}
    return sorted(names | {MigrationRecorder.Migration._meta.db_table})


def _function_prefixes() -> list[str]:
    """A function belongs to an app when its name begins with the app's label (or when a trigger of ours calls it)."""
    labels = (
        config.label
        for config in apps.get_app_configs()
        if not config.name.startswith(("django.", "allauth"))
    )
    return [label.replace("_", r"\_") + r"\_%" for label in labels]


def _rows(using: str, sql: str) -> list[tuple[Any, ...]]:
    params = {
        "roles": list(API_ROLES),
        "tables": project_tables(),
        "views": list(VIEWS),
        "prefixes": _function_prefixes(),
    }
    with connections[using].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


# Closing


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
        elif thing.shuts_out:
            sql += _keep_callers(thing)
        if thing.lacks_rls:
            sql.append(f"ALTER TABLE {thing.name} ENABLE ROW LEVEL SECURITY")
    for default in exposure.defaults:
        where = f" IN SCHEMA {default.schema}" if default.schema else ""
        whom = "PUBLIC" if default.to_everybody else roles
        sql.append(f"ALTER DEFAULT PRIVILEGES{where} REVOKE ALL ON {default.kind} FROM {whom}")
    return sql


def _keep_callers(thing: Thing) -> list[str]:
    """A function is anybody's by default: whoever may write our tables keeps it when PUBLIC loses it, and gets one that was
    made after PUBLIC had lost them all."""
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
