"""The npm packages of ``tests/sdk/node`` (and of a folder beside it) and the Node.js to run them with."""

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.plugin.programs import missing

FOLDER = Path(__file__).parent / "node"
_INSTALL_SECONDS = 180
_RUN_SECONDS = 60


def node_command() -> list[str]:
    """Node.js, so that it has a ``WebSocket`` of its own wherever its version has one."""
    node = shutil.which("node") or missing("Node.js", "install nodejs and npm")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    major = int(said.removeprefix("v").split(".")[0])
    return [node, "--no-warnings", *(["--experimental-websocket"] if major in (20, 21) else [])]


def install(folder: Path = FOLDER) -> None:
    """What its ``package-lock.json`` names, once: whichever process comes first, the others wait for it."""
    lock_file = folder / "package-lock.json"
    wanted = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with lock_file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _npm_ci(folder)
            stamp.write_text(wanted)


def _npm_ci(folder: Path) -> None:
    npm = shutil.which("npm") or missing("npm", "install nodejs and npm")
    retries = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    command = [npm, "ci", "--ignore-scripts", "--prefer-offline", "--loglevel=error", *retries]
    packages = f"npm packages of tests/sdk/{folder.name}"
    try:
        subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[0]
        missing(packages, f"`npm ci` there failed: {last}")
    except subprocess.TimeoutExpired:
        missing(packages, f"`npm ci` there took more than {_INSTALL_SECONDS} s")


async def run(command: list[str], *, certificate: Path, stdin: str = "") -> str:
    """What the program prints, given its ``stdin``. Raises AssertionError when it fails or does not end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=FOLDER,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_RUN_SECONDS):
            stdout, stderr = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        _, stderr = await process.communicate()
        raise AssertionError(f"the program did not end: {stderr.decode()}") from None
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


async def report_of(node: list[str], program: str, certificate: Path, **given: Any) -> dict[str, Any]:
    """What a program of ``tests/sdk/node`` reports."""
    printed = await run([*node, program, json.dumps(given)], certificate=certificate)
    report: dict[str, Any] = json.loads(printed)
    return report
