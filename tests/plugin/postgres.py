"""One PostgreSQL per test run, unless ``DATABASE_URL`` names another; pytest-django makes a database per worker in it.

Loaded with ``-p`` (see ``pyproject.toml``), because it has to come before pytest-django loads the settings.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from realtime_ai.embedded_postgres import EmbeddedPostgres
from realtime_ai.embedded_postgres.server import THROWAWAY
from tests.plugin.reaper import Reaper


class _Server:
    """The run's server, held by the one process that started it: not by xdist's workers."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="realtime-ai-tests-"))
        self.reaper = Reaper()
        self.reaper.register(folder=self.folder)
        self.postgres = EmbeddedPostgres(self.folder / "pg", settings=THROWAWAY, tell=lambda _line: None)

    def start(self) -> None:
        os.environ["DATABASE_URL"] = self.postgres.start()
        self.reaper.register(folder=self.folder, pid=self.postgres.pid)

    def stop(self) -> None:
        self.postgres.stop(patience_s=1.0)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.reaper.close()
        del os.environ["DATABASE_URL"]


_server = pytest.StashKey[_Server]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    options = early_config.known_args_namespace
    wanted = not (options.help or options.version)
    if wanted and not os.environ.get("DATABASE_URL"):
        server = _Server()
        early_config.stash[_server] = server
        early_config.add_cleanup(server.stop)
        server.start()
    return (yield)
