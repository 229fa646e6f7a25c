"""What every test may ask for."""

from tests.plugin.programs import (
    chromium,
    nginx,
    pgbouncer,
    pytest_terminal_summary,
    redis_program,
    redis_url,
)

__all__ = ["chromium", "nginx", "pgbouncer", "pytest_terminal_summary", "redis_program", "redis_url"]
