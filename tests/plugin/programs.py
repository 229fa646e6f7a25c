"""Programs that a test needs beside Python: found, or the test is skipped by name; in CI their lack is a failure."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis import RedisProcess, redis_executable

_CHROMIUM = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
_MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def missing(what: str, remedy: str) -> str:
    """Ends the test: skipped on a developer's machine, failed in CI, where everything has to be there."""
    reason = f"no {what} here: {remedy}"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason} (in CI it has to be there)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium to drive: ``CHROMIUM``, else one on PATH, best one without windows: a page costs a sixth of the
    CPU there."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    found = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if found is None and Path(_MAC_CHROME).exists():
        found = _MAC_CHROME
    return found or missing("Chromium", "install one, or name it in CHROMIUM")


@pytest.fixture(scope="session")
def pgbouncer() -> str:
    """The path of a pgbouncer: it stands in for Supabase's transaction pooler."""
    found = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    return found or missing("pgbouncer", "install it")


@pytest.fixture(scope="session")
def nginx() -> str:
    """The path of an nginx: it stands in for the proxy of a production."""
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    return found or missing("nginx", "install nginx-light")


@pytest.fixture(scope="session")
def redis_program() -> str:
    """The path of a redis-server."""
    return redis_executable() or missing("Redis", "install redis-server, or name one in REDIS_URL")


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Redis to use: ``REDIS_URL``, else one of this worker's own, on a Unix socket."""
    named = os.environ.get("REDIS_URL")
    if named:
        yield named
        return
    with RedisProcess(request.getfixturevalue("redis_program")) as server:
        yield server.url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what did not run, and why, in lines that stand out from the list of dots."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"NOT RUN: {count} test{'s' if count > 1 else ''}: {reason}", yellow=True)
