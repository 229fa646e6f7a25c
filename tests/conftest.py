"""What every test may ask for."""

from hypothesis import settings

from tests.plugin.programs import (
    chromium,
    nginx,
    pgbouncer,
    pytest_terminal_summary,
    redis_program,
    redis_url,
)

__all__ = ["chromium", "nginx", "pgbouncer", "pytest_terminal_summary", "redis_program", "redis_url"]

# The same code is given the same examples, whoever runs it: what chance finds is found by `--hypothesis-profile=default`.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
