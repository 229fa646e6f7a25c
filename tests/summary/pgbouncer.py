"""A real pgbouncer in transaction mode before the test's PostgreSQL: it stands in for Supabase's pooler."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.plugin.reaper import Reaper

PORT = 6543
"""Of the Unix socket's name alone: by it the settings know a transaction pooler."""


@contextmanager
def transaction_pooler(
    program: str, server: dict[str, Any], *, pool_size: int = 4, max_clients: int = 100, port: int = PORT
) -> Iterator[Path]:
    """The folder of the pooler's socket. ``server``: host, port, user, password of the PostgreSQL behind it."""
    folder = Path(tempfile.mkdtemp(prefix="rt-pgb-"))
    user = _unprivileged(server)
    target = " ".join(
        f"{name}='{server[name]}'" for name in ("host", "port", "user", "password") if server.get(name)
    )
    (folder / "pgbouncer.ini").write_text(
        "[databases]\n"
        f"* = {target}\n"
        "[pgbouncer]\n"
        "pool_mode = transaction\n"
        f"default_pool_size = {pool_size}\n"
        f"max_client_conn = {max_clients}\n"
        "auth_type = any\n"
        "listen_addr =\n"
        f"listen_port = {port}\n"
        f"unix_socket_dir = {folder}\n"
        f"logfile = {folder}/log\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    command = [program, str(folder / "pgbouncer.ini")]
    if user:
        for path in (folder, folder / "pgbouncer.ini"):
            shutil.chown(path, user)
        command[1:1] = ["-u", user]
    reaper = Reaper()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reaper.register(folder=folder, pid=process.pid)
    try:
        _wait_for(folder / f".s.PGSQL.{port}", process, folder / "log")
        yield folder
    finally:
        process.kill()
        process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)
        reaper.close()


def _unprivileged(server: dict[str, Any]) -> str | None:
    """pgbouncer does not run as root; the owner of the server's socket may certainly use it."""
    if os.geteuid() != 0:
        return None
    host = str(server.get("host") or "")
    uid = Path(host).stat().st_uid if host.startswith("/") else 0
    return pwd.getpwuid(uid).pw_name if uid else "nobody"


def _listens(path: Path) -> bool:
    """Its file is there before anybody listens."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _wait_for(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 15
    while not _listens(path):
        said = log.read_text() if log.exists() else ""
        assert process.poll() is None, f"pgbouncer did not start: {said}"
        assert time.monotonic() < deadline, f"pgbouncer did not come up: {said}"
        time.sleep(0.02)
