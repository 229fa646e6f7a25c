"""What every test may ask for."""

from tests.plugin.programs import chromium, pgbouncer, pytest_terminal_summary, redis_program, redis_url

__all__ = ["chromium", "pgbouncer", "pytest_terminal_summary", "redis_program", "redis_url"]
