"""``python -m bench [NAME ...]``: the measurements by name (default: all), on ``DATABASE_URL``'s server or one of their own.

A server of their own is an embedded PostgreSQL as ``make run`` has it, in a folder that is removed at the end.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime_ai.embedded_postgres import EmbeddedPostgres

NAMES = ("journal", "pace", "stop", "streams", "crowd", "sockets", "summaries", "readers", "growth", "size")


@contextmanager
def database() -> Iterator[None]:
    if os.environ.get("DATABASE_URL"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="realtime-ai-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "pg")
        os.environ["DATABASE_URL"] = postgres.start()
        try:
            yield
        finally:
            postgres.stop()


def main(names: list[str]) -> int:
    if unknown := set(names) - set(NAMES):
        print(f"there is no measurement {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 1
    failed = 0
    with database():
        for name in names or NAMES:
            print(f"\n## {name}\n", flush=True)
            failed |= subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
