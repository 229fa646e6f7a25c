"""The peers' packages: a virtual environment of their own in the user's cache folder, made on first use."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def peers_python() -> Path:
    """The Python that has the packages of ``requirements.txt``. The first call of a user takes a minute or two."""
    pinned = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "realtime-ai"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"peers-{pinned}"
    with (cache / "peers.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # whoever comes first makes it, the others wait
        if not (folder / "installed").exists():
            print(f"installing the peers' packages into {folder} ...", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder)
    return folder / "bin" / "python"


def _install(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    subprocess.run([*pip, "--no-deps", "-r", str(REQUIREMENTS)], check=True)
    (folder / "installed").touch()
