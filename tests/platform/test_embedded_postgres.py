"""The embedded PostgreSQL: started, found again, stopped; closed to everybody else."""

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from realtime_ai.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from realtime_ai.embedded_postgres.postmaster import find_postmaster
from realtime_ai.embedded_postgres.server import THROWAWAY
from tests.platform.support import short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as found:
        yield found
        for home in found.rglob("data"):
            EmbeddedPostgres(home.parent).stop()


def server(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, settings=THROWAWAY, tell=lambda _line: None)


def write(url: str, text: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute("CREATE TABLE IF NOT EXISTS kept (line text)")
        link.execute("INSERT INTO kept VALUES (%s)", [text])


def read(url: str) -> list[str]:
    with psycopg.connect(url) as link:
        return [line for (line,) in link.execute("SELECT line FROM kept ORDER BY line")]


def test_a_life(folder: Path) -> None:
    """One server through everything; a new one for each sentence would cost a second each."""
    one = EmbeddedPostgres(folder / "pg", tell=lambda _line: None)
    url = one.start()
    first_pid = one.pid
    assert first_pid

    # it is closed: no trust, no network, and nothing readable by others
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url, password="wrong")
    assert _mode(folder / "pg" / "password") == 0o600
    assert _mode(folder / "pg" / "url") == 0o600
    assert _mode(folder / "pg" / "data") == 0o700
    assert psutil.Process(first_pid).net_connections(kind="tcp") == []
    if os.geteuid() == 0:
        assert psutil.Process(first_pid).uids().real != 0

    # its owner is killed: the next one adopts it, and can stop it
    write(url, "before")
    two = EmbeddedPostgres(folder / "pg", tell=lambda _line: None)
    assert two.start() == url
    assert two.pid == first_pid
    two.stop()
    assert not one.is_running()
    assert not psutil.pid_exists(first_pid)
    assert not (folder / "pg" / "url").exists()
    assert not two.is_running()

    # a stop keeps the data; so does a crash, of which a stale pid file stays that by now names another process
    three = EmbeddedPostgres(folder / "pg", tell=lambda _line: None)
    three.start()
    write(url, "between")
    pid = three.pid
    assert pid
    family = [psutil.Process(pid), *psutil.Process(pid).children()]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert three._child
    three._child.wait()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        pid_file = folder / "pg" / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        four = EmbeddedPostgres(folder / "pg", tell=lambda _line: None)
        found = read(four.start())
        four.stop()
        assert other.poll() is None
        other.kill()
    assert found == ["before", "between"]


def test_a_long_path_moves_the_socket_to_a_private_folder(folder: Path) -> None:
    home = folder / ("long-" * 20) / "pg"
    one = server(home)
    url = one.start()
    socket_dir = Path(url.partition("?host=")[2])
    assert socket_dir.parent == Path("/tmp")
    assert _mode(socket_dir) == 0o700
    write(url, "there")
    one.stop()
    assert not socket_dir.exists()


def test_an_interrupted_initdb_leaves_nothing_half_done(folder: Path) -> None:
    half = folder / "pg" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    one = server(folder / "pg")
    write(one.start(), "fine")
    one.stop()
    assert not half.exists()


def test_data_of_another_version_is_refused(folder: Path) -> None:
    data = folder / "pg" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    (folder / "pg" / "password").write_text("x")
    with pytest.raises(EmbeddedPostgresError, match="PostgreSQL 16"):
        server(folder / "pg").start()


def test_data_without_its_password_is_refused(folder: Path) -> None:
    (folder / "pg" / "data").mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="password is missing"):
        server(folder / "pg").start()


def test_a_server_that_cannot_start_tells_its_own_reason(folder: Path) -> None:
    one = EmbeddedPostgres(folder / "pg", settings={"shared_buffers": "plenty"}, tell=lambda _line: None)
    with pytest.raises(EmbeddedPostgresError, match="shared_buffers"):
        one.start()


def test_a_pid_file_of_nonsense_is_no_server(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    assert find_postmaster(data) is None
    (data / "postmaster.pid").write_text("nonsense\n")
    assert find_postmaster(data) is None
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    assert find_postmaster(data) is None
    (data / "postmaster.pid").unlink()
    data.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_root_opens_the_way_and_no_more(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    told: list[str] = []
    one = EmbeddedPostgres(closed / "pg", settings=THROWAWAY, tell=told.append)
    one.start()
    one.stop()
    assert _mode(closed) == 0o701
    assert len(told) == 1
    assert str(closed) in told[0]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
