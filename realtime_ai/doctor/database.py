"""The database: the way in, what it lets us do, what lies open, and whether its tables are ours."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.core.checks.messages import ERROR, WARNING
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from psycopg.errors import UndefinedTable

from chat.conf import conf
from realtime_ai.doctor.findings import Finding, Status, ok, problem, skipped, warning
from realtime_ai.stores import NO_HOST
from sessions_app.conf import conf as sessions_conf
from sessions_app.postgres.address import SupabaseMode, describe, insists_on_tls, is_local, pools_transactions
from sessions_app.supabase.checks import connections_needed
from sessions_app.supabase.closing import find_exposure

_MODES = {
    SupabaseMode.DIRECT: "Supabase, its direct host",
    SupabaseMode.SESSION_POOLER: "Supabase's session pooler",
    SupabaseMode.TRANSACTION_POOLER: "Supabase's transaction pooler: the worker polls instead of listening",
}
_OLDEST_VERSION = 14
_SKEW_S = 5.0
"""Sign-in tokens and signed cookies are dated by this machine's clock, leases and the log by the database's."""
_URL_FIX = "Correct DATABASE_URL, or start the database that it names: docs/supabase.md."
_OWN_FIX = "Set DATABASE_URL: docs/supabase.md. Without it `make run` and `make serve` bring a PostgreSQL of their own: start one."
_TLS_FIX = "Add ?sslmode=verify-full&sslrootcert=/path/to/its/ca.crt to DATABASE_URL: docs/supabase.md."


def look_at_database() -> Iterator[Finding]:
    """The first that tells that it cannot be asked is the last."""
    yield _way_in()
    started = time.monotonic()
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        fix = _OWN_FIX if _is_our_own() else _URL_FIX
        yield problem("database.reach", f"It cannot be reached: {reason}", fix)
        return
    yield ok("database.reach", f"It answers; connected in {(time.monotonic() - started) * 1000:.0f} ms")
    for look in (_version, _tls, _writes, _clock, _pools, _exposure, _migrations, _worker, _servers):
        yield _seen(look)


def look_at_checks() -> Iterator[Finding]:
    """Django's and our own system checks, those that ask the database and those for a deployment among them."""
    messages = run_checks(databases=["default"], include_deployment_checks=not settings.DEBUG)
    told = [one for one in messages if one.level >= WARNING and not one.is_silenced()]
    if not told:
        yield ok("checks", "No system check has anything to say")
    for message in told:
        yield _of_check(message)


def _of_check(message: CheckMessage) -> Finding:
    status = Status.PROBLEM if message.level >= ERROR else Status.WARNING
    fix = (
        message.hint or "docs/supabase.md tells what the check is about; SILENCED_SYSTEM_CHECKS silences it."
    )
    words = f"{message.obj}: {message.msg}" if isinstance(message.obj, str) else str(message.msg)
    return Finding(name=f"check.{message.id}", status=status, message=words, fix=fix)


def _seen(look: Callable[[], Finding]) -> Finding:
    name = f"database.{look.__name__.strip('_')}"
    try:
        return look()
    except DatabaseError as error:
        if isinstance(error.__cause__, UndefinedTable):  # told by `_migrations`
            return skipped(name, "Its tables are not there yet")
        reason = " ".join(str(error).split())
        return problem(name, f"It could not be looked at: {reason}", _URL_FIX)


def _value(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def _is_our_own() -> bool:
    """The embedded one's, whether it has been started or not."""
    return settings.SESSIONS_EMBEDDED_DATABASE or settings.DATABASES["default"].get("HOST") == NO_HOST


def _way_in() -> Finding:
    """Never the URL: there is a password in it."""
    database = settings.DATABASES["default"]
    if database.get("HOST") == NO_HOST:
        return skipped(
            "database.way", "DATABASE_URL is not set, and the embedded PostgreSQL of VAR_DIR is not started"
        )
    mode = describe(database)
    where = database.get("HOST") or "this machine"
    if mode:
        return ok("database.way", f"{where}: {_MODES[mode]}")
    if pools_transactions(database):
        return ok("database.way", f"{where}: a transaction pooler, by its port 6543")
    return ok("database.way", f"{where}: PostgreSQL, not Supabase's")


def _version() -> Finding:
    major = connection.connection.info.server_version // 10_000
    if major < _OLDEST_VERSION:
        fix = f"Use a PostgreSQL of version {_OLDEST_VERSION} or later."
        return problem("database.version", f"PostgreSQL {major} is too old", fix)
    return ok("database.version", f"PostgreSQL {major}")


def _tls() -> Finding:
    database = settings.DATABASES["default"]
    in_use = connection.connection.pgconn.ssl_in_use
    sslmode = database.get("OPTIONS", {}).get("sslmode", "prefer")
    if in_use:
        verified = sslmode in ("verify-ca", "verify-full")
        words = f"Encrypted (sslmode={sslmode})"
        if verified or is_local(database):
            return ok("database.tls", words)
        return warning("database.tls", f"{words}, the server's certificate is not verified", _TLS_FIX)
    if is_local(database):
        return ok("database.tls", "Not encrypted, and it does not leave this machine")
    if sessions_conf().insecure_database and not insists_on_tls(sslmode):
        fix = "Keep it to a private network, or take INSECURE_DATABASE away."
        return warning("database.tls", "Not encrypted, as INSECURE_DATABASE=1 allows", fix)
    return problem("database.tls", "Not encrypted", _TLS_FIX)


def _writes() -> Finding:
    read_only, standby = _value("SELECT current_setting('transaction_read_only') = 'on', pg_is_in_recovery()")
    if standby:
        fix = "Point DATABASE_URL to the primary server, not to a replica."
        return problem("database.writes", "It is a standby: nothing can be written", fix)
    if read_only:
        fix = "Free or add disk space (Supabase: Database settings), then switch the read-only mode off."
        return problem("database.writes", "It is read-only", fix)
    return ok("database.writes", "It takes writes")


def _clock() -> Finding:
    started = datetime.now(UTC)
    (now,) = _value("SELECT clock_timestamp()")
    finished = datetime.now(UTC)
    skew_s = (now - (started + (finished - started) / 2)).total_seconds()
    if abs(skew_s) > _SKEW_S + (finished - started).total_seconds():
        fix = "Have both set their clocks by NTP (timedatectl set-ntp true)."
        return problem("database.clock", f"Its clock is {skew_s:+.1f} s from this machine's", fix)
    return ok("database.clock", f"Its clock is {skew_s:+.2f} s from this machine's")


def _pools() -> Finding:
    database = settings.DATABASES["default"]
    needed = connections_needed(database)
    if needed is None:
        how = "Give it the server's DATABASE_POOL_MAX and WEB_PROCESSES"
        return skipped("database.pools", f"This command has no pool, so there is no sum to look at. {how}")
    mode = describe(database)
    if mode is SupabaseMode.TRANSACTION_POOLER or (mode is None and pools_transactions(database)):
        return ok("database.pools", f"Up to {needed} connections, shared by a transaction pooler")
    limit = sessions_conf().pooler_connections if mode is SupabaseMode.SESSION_POOLER else _server_limit()
    words = f"Up to {needed} connections of our processes, of {limit} that there are"
    if needed > limit:
        fix = "Lower DATABASE_POOL_MAX or WEB_PROCESSES, or raise the limit."
        return warning("database.pools", words, fix)
    return ok("database.pools", words)


def _server_limit() -> int:
    (limit,) = _value(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    )
    return int(limit)


def _exposure() -> Finding:
    """What is open has an error of its own among the checks; this says that somebody looked."""
    exposure = find_exposure()
    if not exposure.roles:
        return skipped("database.exposure", "No roles of Supabase's Data API: there is no such door")
    fix = (
        "Run `manage.py migrate` as the owner of the tables: it closes them also when nothing is to migrate."
    )
    opened = [f"{one.kind.lower()} {one.name}" for one in exposure.things if one.granted or one.lacks_rls]
    if opened:
        more = f" and {len(opened) - 3} more" if len(opened) > 3 else ""
        words = f"The Data API can reach {', '.join(opened[:3])}{more}"
        return problem("database.exposure", words, fix)
    if exposure.defaults:
        kinds = ", ".join(sorted({one.kind.lower() for one in exposure.defaults}))
        return problem("database.exposure", f"What will be made later lies open: {kinds}", fix)
    return ok(
        "database.exposure",
        "Tables, sequences, views and functions are closed to the Data API, and so is what will be made",
    )


def _migrations() -> Finding:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(f"{one.app_label}.{one.name}" for one, _ in plan[:3])
        words = f"{len(plan)} are not applied: {names}{', ...' if len(plan) > 3 else ''}"
        return problem("database.migrations", words, "Run `manage.py migrate`.")
    return ok("database.migrations", "All are applied")


def _worker() -> Finding:
    count, age_s = _value(
        "SELECT count(*), extract(epoch FROM now() - max(last_heartbeat)) FROM procrastinate_workers"
    )
    fix = "Start one: `make serve` does, or `manage.py worker`. Without it no summary is written and nothing is swept."
    if not count:
        return problem("database.worker", "No worker lives", fix)
    if age_s > conf().worker_stalled_seconds:
        return problem("database.worker", f"No worker has been heard of for {age_s:.0f} s", fix)
    return ok("database.worker", f"Heard of {age_s:.0f} s ago")


def _servers() -> Finding:
    (count,) = _value("SELECT count(*) FROM server_processes WHERE expires_at > now()")
    if not count:
        return skipped("database.servers", "No server process lives now")
    return ok("database.servers", f"Server processes that live: {count}")
