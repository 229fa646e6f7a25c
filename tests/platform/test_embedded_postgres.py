"""The embedded PostgreSQL: started, found again, stopped; closed to everybody else."""

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from realtime_ai.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from realtime_ai.embedded_postgres.account import account_for
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


def durable(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, tell=lambda _line: None)


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


def crash(one: EmbeddedPostgres) -> int:
    """SIGKILL for all of it, as when the machine loses power; nobody has waited for the postmaster. Its pid."""
    assert one.pid
    family = [psutil.Process(one.pid), *psutil.Process(one.pid).children()]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return family[0].pid


def test_after_a_crash_the_old_pid_may_be_another_process_of_the_same_user(folder: Path) -> None:
    """In both lock files: PostgreSQL then believes that another server runs."""
    one = durable(folder / "pg")
    write(one.start(), "kept")
    old = crash(one)
    assert one._child
    one._child.wait()
    account = account_for(one.data)
    options: Any = account.popen_options()
    with subprocess.Popen(["sleep", "60"], **options) as other:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            file = one.data / name
            first, _, rest = file.read_text().partition("\n")
            assert first == str(old)
            file.write_text(f"{other.pid}\n{rest}")
        two = durable(folder / "pg")
        assert read(two.start()) == ["kept"]
        two.stop()
        assert other.poll() is None, "a process that is none of ours was ended"
        other.kill()


def test_a_dead_server_that_nobody_waited_for_is_dead(folder: Path) -> None:
    one = durable(folder / "pg")
    write(one.start(), "kept")
    old = crash(one)
    two = durable(folder / "pg")
    assert read(two.start()) == ["kept"]
    assert psutil.Process(old).status() == psutil.STATUS_ZOMBIE
    two.stop()
    assert one._child
    one._child.wait()


def test_what_outlived_its_server_does_not_keep_the_next_one_from_starting(folder: Path) -> None:
    one = durable(folder / "pg")
    write(one.start(), "kept")
    assert one.pid
    orphan = psutil.Process(one.pid).children()[0]
    orphan.suspend()  # it cannot notice that its postmaster is gone
    psutil.Process(one.pid).kill()
    two = durable(folder / "pg")
    assert read(two.start()) == ["kept"]
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    two.stop()
    one.stop()


def test_a_server_that_is_just_stopping_is_waited_for(folder: Path) -> None:
    one = durable(folder / "pg")
    url = one.start()
    write(url, "kept")
    assert one.pid
    old = one.pid
    with psycopg.connect(url):
        psutil.Process(old).terminate()  # a smart shutdown: it waits for its clients
        status = one.data / "postmaster.pid"
        while not status.read_text().splitlines()[7].startswith("stopping"):
            time.sleep(0.01)
        threading.Timer(0.3, psutil.Process(old).send_signal, [signal.SIGINT]).start()
        two = durable(folder / "pg")
        again = two.start()
    assert two.pid != old
    assert read(again) == ["kept"]
    two.stop()
    one.stop()


@pytest.mark.parametrize("name", ["long-" * 20, "Doe, Jane"])
def test_a_path_that_is_long_or_a_list_moves_the_socket_to_a_private_folder(folder: Path, name: str) -> None:
    home = folder / name / "pg"
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


def test_a_password_that_a_crash_has_left_empty_is_made_anew(folder: Path) -> None:
    (folder / "pg").mkdir()
    (folder / "pg" / "password").touch()
    one = server(folder / "pg")
    one.start()
    one.stop()


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
