"""Where a database URL leads, and which way to Supabase: what holds for the one breaks on the other (docs/supabase.md)."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, urlsplit

_SESSION_PORT = 5432
_TRANSACTION_PORT = 6543


class SupabaseMode(StrEnum):
    DIRECT = "direct"
    """The database server itself: IPv6, everything works."""
    SESSION_POOLER = "session_pooler"
    """IPv4; a server connection per client connection, few of them; everything works."""
    TRANSACTION_POOLER = "transaction_pooler"
    """IPv4; each transaction may run on another server connection: no LISTEN, no session state."""


def describe(database: str | Mapping[str, Any]) -> SupabaseMode | None:
    """The mode of a URL or of one entry of Django's ``DATABASES``; None when it does not lead to Supabase."""
    host, (port, *_) = _address(database)
    if host.endswith(".pooler.supabase.com"):
        return SupabaseMode.TRANSACTION_POOLER if port == _TRANSACTION_PORT else SupabaseMode.SESSION_POOLER
    if host.startswith("db.") and host.endswith((".supabase.co", ".supabase.net")):
        # the dedicated pooler (PgBouncer, paid projects) listens beside the server, in transaction mode
        return SupabaseMode.TRANSACTION_POOLER if port == _TRANSACTION_PORT else SupabaseMode.DIRECT
    return None


def pools_transactions(database: str | Mapping[str, Any]) -> bool:
    """True for a transaction pooler: Supabase's, or any other on its port (a local pgbouncer that stands in for it)."""
    return _TRANSACTION_PORT in _address(database)[1]


def is_local(database: str | Mapping[str, Any]) -> bool:
    """Whether the way to the database leaves this machine."""
    hosts = _address(database)[0].split(",")  # libpq tries several, one after the other
    if not isinstance(database, str):
        addresses = database.get("OPTIONS", {}).get("hostaddr", "")
        hosts += str(addresses).split(",")  # goes before the hosts' names
    return all(map(_is_here, hosts))


def _is_here(host: str) -> bool:
    is_address = re.fullmatch(r"127\.[0-9.]+", host) is not None  # and no name like 127.example.com
    return not host or host.startswith(("/", "@")) or host in ("localhost", "::1") or is_address


def insists_on_tls(sslmode: str) -> bool:
    """libpq's other modes go without TLS when somebody between says that the server has none."""
    return sslmode in ("require", "verify-ca", "verify-full")


def _address(database: str | Mapping[str, Any]) -> tuple[str, list[int]]:
    """The host, or several with commas between, and their ports."""
    if isinstance(database, str):
        parts = urlsplit(database)
        return unquote(parts.hostname or "").lower(), [parts.port or _SESSION_PORT]
    ports = str(database.get("PORT") or "").split(",")
    found = [int(port) if port.isdecimal() else _SESSION_PORT for port in ports]
    return str(database.get("HOST") or "").lower(), found
