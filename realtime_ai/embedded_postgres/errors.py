class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run: why, and what to do, in one line."""
