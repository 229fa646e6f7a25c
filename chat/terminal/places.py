"""Where the last conversation with each server stopped, kept for the next run of the command."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

Query = dict[str, str]


def _folder() -> Path:
    """By the XDG Base Directory Specification: what a program remembers between its runs."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return Path(state if state.startswith("/") else Path.home() / ".local/state") / "realtime-ai"


class Places:
    """One file of this user's alone: it holds the secrets of guests' sessions (their `resume_token`)."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or _folder()) / "chat.json"

    def of(self, server: str) -> Query:
        """What to ask that server for; empty where nothing was kept."""
        kept = self._read().get(server)
        return {str(name): str(value) for name, value in kept.items()} if isinstance(kept, dict) else {}

    def keep(self, server: str, place: Query) -> None:
        """A folder that cannot be written to costs the memory, not the conversation."""
        kept = json.dumps({**self._read(), server: place}, indent=1)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.touch(mode=0o600)
            fresh.write_text(kept, encoding="utf-8")
            fresh.replace(self._path)

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(kept, dict):
                return kept
        return {}
