import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from realtime_ai.env import BASE_DIR
from tests.sockets.conftest import server, shared_server, start_server
from tests.sockets.shop import gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "server", "shared_server", "start_server", "start_shop"]


@dataclass
class Run:
    """What a run of the command came to."""

    code: int
    out: str
    err: str


Chat = Callable[..., Coroutine[Any, Any, Run]]


def environment(state: Path, **env: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return {**kept, "ENV_FILE": os.devnull, "XDG_STATE_HOME": str(state), **env}


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    """`manage.py chat` as a script runs it."""

    async def run(*arguments: str, stdin: str | bytes = "", **env: str) -> Run:
        typed = stdin.encode() if isinstance(stdin, str) else stdin
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "manage.py", "chat", *arguments),
            cwd=BASE_DIR,
            env=environment(tmp_path, **env),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(typed), timeout=90)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return Run(process.returncode, out.decode(), err.decode())

    return run
