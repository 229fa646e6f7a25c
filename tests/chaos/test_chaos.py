"""A short run of the whole program, as ``make chaos`` runs it; docs/reliability.md tells of long ones."""

import os
import subprocess
import sys

from realtime_ai.env import BASE_DIR

_STORES = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")


def test_nothing_is_lost_and_nothing_repeated_whatever_breaks(redis_url: str) -> None:
    """It has stores of its own to break; ``redis_url`` is asked for because it needs the program, too."""
    environment = {name: value for name, value in os.environ.items() if name not in _STORES}
    options = ["--minutes", "0.2", "--seed", "7", "--clients", "6", "--gap", "0.9", "--longest-wait", "90"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *options],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    assert done.stdout.startswith("seed 7\n"), told
    assert "lost                         0" in done.stdout, told
    assert "repeated                     0" in done.stdout, told
