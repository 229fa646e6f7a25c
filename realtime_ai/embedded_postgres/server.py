"""One PostgreSQL server, owned by one process: started, adopted after a crash of its owner, stopped.

What a crash of the server itself leaves, and why no start needs a hand: ``docs/decisions/0029-what-a-crash-leaves-of-the-embedded-postgres.md``.

Unix socket only, password (SCRAM) for everybody: no local user gets in without the file that only the owner can read.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psutil

from realtime_ai.embedded_postgres.account import (
    Account,
    EmbeddedPostgresError,
    account_for,
    open_tree,
    open_way,
)
from realtime_ai.embedded_postgres.cluster import (
    SUPERUSER,
    check_version,
    install_folder,
    make_cluster,
    server_environment,
    shared_libraries,
)
from realtime_ai.embedded_postgres.postmaster import (
    Postmaster,
    end_orphans,
    ended,
    find_postmaster,
    stop_process,
)

_SOCKET_NAME = ".s.PGSQL.5432"
_MAX_SOCKET_PATH = 103
"""Bytes; ``sun_path`` holds 104 on macOS and 108 on Linux, with the closing zero."""
_LIST_SIGNS = ',"'
"""PostgreSQL and libpq take a folder with one of these for a list of folders."""
_SOCKET_DIR_PREFIX = "realtime-ai-pg-"
_START_SECONDS = 30.0
_HELD_SECONDS = 10.0
_HELD = ("lock file", "is still in use")
"""In what PostgreSQL says when another one seems to have its data or its socket."""
_MAX_LOG_BYTES = 10 * 1024 * 1024
_SETTINGS = {"listen_addresses": "", "shared_buffers": "32MB", "max_wal_size": "256MB", "log_timezone": "UTC"}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
"""For data that nobody will miss: tests."""


class EmbeddedPostgres:
    """The server of ``home``: its data in ``home/data``, its log in ``home/log``, its URL in ``home/url``.

    The caller makes sure that there is one owner of a ``home`` at a time. ``tell`` is given the lines that a person
    should read, such as a changed mode; ``check`` is called while waiting and may raise to give up.
    """

    def __init__(
        self,
        home: Path,
        *,
        settings: dict[str, str] | None = None,
        tell: Callable[[str], None] = print,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.home = home.resolve()
        self.data = self.home / "data"
        self._settings = _SETTINGS | (settings or {})
        self._tell = tell
        self._check = check
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """The URL of the running server: a new one, or one that a former owner left behind.

        Raises `EmbeddedPostgresError`.
        """
        try:
            return self._start()
        except OSError as error:  # a full disk, a file in the folder's place: whoever watches over it goes on, and tries again
            raise EmbeddedPostgresError(f"the embedded PostgreSQL cannot be started: {error}.") from error

    def _start(self) -> str:
        self.home.mkdir(parents=True, exist_ok=True)
        account = account_for(self.data)
        password = self._password()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            found = self._left_behind(deadline) or self._anew(account, password)
            folder = quote(str(found.socket_dir), safe="/")
            url = f"postgresql://{SUPERUSER}:{password}@/{SUPERUSER}?host={folder}"
            try:
                self._create_database(url, found.pid)
            except EmbeddedPostgresError:
                # One that was killed a moment ago may still look as if it ran.
                if time.monotonic() > deadline or not ended(found.process, 1.0):
                    raise
                continue
            write_private(self.home / "url", url + "\n")
            return url

    def is_running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return find_postmaster(self.data) is not None

    @property
    def pid(self) -> int | None:
        found = find_postmaster(self.data)
        return found.pid if found else None

    def stop(self, *, patience_s: float = 3.0) -> None:
        """Returns when the server is gone. Takes at most ``patience_s`` and three seconds."""
        found = find_postmaster(self.data)
        process = found.process if found else None
        if process is None and self._child is not None and self._child.poll() is None:
            process = psutil.Process(self._child.pid)
        with contextlib.suppress(
            OSError
        ):  # it may not have been made; a server that runs is to be stopped all the same
            (self.home / "url").unlink()
        if process is not None:
            stop_process(process, patience_s=patience_s)
        if self._child is not None:
            self._child.wait()
            self._child = None
        if found and found.socket_dir:
            self._remove_socket_dir(found.socket_dir)

    def _left_behind(self, deadline: float) -> Postmaster | None:
        """The server of a former owner, waited for while it starts. None: there is none, or it stopped meanwhile."""
        while (found := find_postmaster(self.data)) and not found.ready:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL (process {found.pid}) neither starts nor stops. End it (kill -QUIT {found.pid}) and try "
                    f"again; its log is {self.home / 'log'}"
                )
            self._check()
            time.sleep(0.01)
        return found

    def _anew(self, account: Account, password: str) -> Postmaster:
        """What was killed a moment ago may hold the data for some more: such a refusal is no last word."""
        deadline = time.monotonic() + _HELD_SECONDS
        while True:
            self._prepare(account, password)
            try:
                return self._launch(account)
            except EmbeddedPostgresError as error:
                if time.monotonic() > deadline or not any(words in str(error) for words in _HELD):
                    raise
                self._check()
                time.sleep(0.2)

    # --- making it ready ---------------------------------------------------------------------------------------------

    def _prepare(self, account: Account, password: str) -> None:
        install = install_folder()
        changed = open_way(account, self.data) + open_way(account, install)
        for tree in filter(None, (install, shared_libraries())):
            if open_tree(account, tree):
                changed.append(tree)
        if changed:
            names = ", ".join(map(str, changed))
            self._tell(
                f"PostgreSQL runs as {account.name}: gave others access (read or search only) to {names}"
            )
        if self.data.exists():
            self._forget_last_run()
        else:
            sync = self._settings.get("fsync") != "off"
            make_cluster(install=install, data=self.data, account=account, password=password, sync=sync)
        check_version(self.data)

    def _forget_last_run(self) -> None:
        """No server runs here: its two lock files (the data's, the socket's) are stale, and so is its socket folder.

        PostgreSQL removes such a file by itself, unless its pid is by now some other process of the same user, or
        a dead one's that nobody has waited for.
        """
        pid_file = self.data / "postmaster.pid"
        stale = [*self.data.glob("postmaster.pid"), *self.data.glob(f"{_SOCKET_NAME}*")]
        if not stale:
            return
        end_orphans(self.data)
        with contextlib.suppress(OSError):
            lines = pid_file.read_text(encoding="utf-8").splitlines()
            if len(lines) > 4:
                self._remove_socket_dir(Path(lines[4].strip()))
        for file in stale:
            file.unlink(missing_ok=True)

    def _password(self) -> str:
        file = self.home / "password"
        kept = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        if kept:  # a crash of the machine may leave an empty one
            return kept
        if self.data.exists():
            raise EmbeddedPostgresError(
                f"{file} is missing or empty. Put it back, or move {self.home} away to begin anew."
            )
        password = secrets.token_hex(24)
        write_private(file, password + "\n")
        return password

    # --- running it --------------------------------------------------------------------------------------------------

    def _launch(self, account: Account) -> Postmaster:
        socket_dir = self._choose_socket_dir(account)
        command = [str(install_folder() / "bin" / "postgres"), "-D", str(self.data), "-k", str(socket_dir)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self._open_log() as log:
            self._child = subprocess.Popen(
                command,
                cwd="/",
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **account.popen_options(),  # type: ignore[call-overload]
            )
        return self._wait_ready(self._child.pid)

    def _choose_socket_dir(self, account: Account) -> Path:
        is_one_path = not set(str(self.data)) & set(_LIST_SIGNS)
        if is_one_path and len(os.fsencode(self.data / _SOCKET_NAME)) <= _MAX_SOCKET_PATH:
            return self.data
        folder = Path(tempfile.mkdtemp(prefix=_SOCKET_DIR_PREFIX, dir="/tmp"))  # a short path, of mode 0700
        account.give(folder)
        return folder

    @staticmethod
    def _remove_socket_dir(folder: Path) -> None:
        if folder.name.startswith(_SOCKET_DIR_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)

    def _open_log(self) -> "contextlib.AbstractContextManager[object]":
        log = self.home / "log"
        if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
            log.replace(log.with_name("log.1"))
        return log.open("ab")

    def _wait_ready(self, pid: int) -> Postmaster:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            found = find_postmaster(self.data)
            if found and found.pid == pid and found.ready:
                return found
            if self._child is not None and self._child.poll() is not None:
                self._child = None
                break
            self._check()
            time.sleep(0.01)
        raise EmbeddedPostgresError(
            f"PostgreSQL did not start: {self._last_log_line()} (more in {self.home / 'log'})"
        )

    def _last_log_line(self) -> str:
        lines = (self.home / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line for line in lines if "FATAL" in line or "ERROR" in line] or lines
        return told[-1] if told else "no word from it"

    def _create_database(self, url: str, pid: int) -> None:
        """initdb makes only ``postgres``. Also proves that the server takes our password."""
        import psycopg

        try:
            with psycopg.connect(url, dbname="postgres", autocommit=True, connect_timeout=10) as link:
                known = link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [SUPERUSER]).fetchone()
                if not known:
                    link.execute(f"CREATE DATABASE {SUPERUSER}")
        except psycopg.errors.ConnectionTimeout as error:
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL (process {pid}) does not answer: stopped, or the machine is very busy. Wake it "
                f"(kill -CONT {pid}) or end it (kill -QUIT {pid}), and try again."
            ) from error
        except psycopg.Error as error:
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL refuses us: {' '.join(str(error).split())}"
            ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, in one step: a reader sees the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp's mode is 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
