"""A PostgreSQL of one test's own, which may be crashed: it keeps what it has acknowledged, as a production server does."""

import os
import signal
import time
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
from psycopg.rows import dict_row

from realtime_ai.embedded_postgres import EmbeddedPostgres
from tests.plugin.reaper import Reaper
from tests.support.pythons import start_python
from tests.support.server import ROOT

_SETTINGS = {"fsync": "off", "max_connections": "100"}
"""The machine does not crash here, only the server: what it handed to the kernel is safe."""


class PrivatePostgres:
    """A context manager; ``folder`` has a path short enough for the server's socket to lie in it, and is removed by
    whoever made it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedPostgres(folder / "pg", settings=_SETTINGS, tell=lambda _line: None)
        self._reaper = Reaper()
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        self._migrate()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(patience_s=1.0)
        self._reaper.close()

    def start(self) -> None:
        self.url = self._server.start()
        self._reaper.register(folder=self._folder, pid=self._server.pid)

    def stop_immediately(self) -> None:
        """As ``pg_ctl stop -m immediate``: every backend ends where it is, and nothing is written any more."""
        assert self._server.pid
        process = psutil.Process(self._server.pid)
        process.send_signal(signal.SIGQUIT)
        while self._server.is_running():  # polls the child, so that it is reaped
            time.sleep(0.01)

    def rows(self, query: str, *params: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as link:
            return link.execute(query, params).fetchall()

    def _migrate(self) -> None:
        env = {**os.environ, "ENV_FILE": os.devnull, "DATABASE_URL": self.url}
        env["DJANGO_SETTINGS_MODULE"] = "realtime_ai.settings.development"
        migrating = start_python(["manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env)
        assert migrating.wait(120) == 0
