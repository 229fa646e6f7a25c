"""``python -m bench [NAME ...]``: the measurements by name (default: all), on ``DATABASE_URL``'s server or one of their own.

A server of their own is an embedded PostgreSQL as ``make run`` has it, in a folder that is removed at the end.

``python -m bench peers [OPTIONS]`` is our server beside its peers, each with a PostgreSQL of its own; their packages are
installed at the first use, so it is run by its name alone:

    python -m bench peers --only pace                       a chunk's cost at 60 x 15/s: ours, both wires, against both relays
    python -m bench peers --only pace --contenders ours     ours alone, for a look while working on it
    python -m bench peers --whole --out docs/benchmarks     all of them, into the report (an hour)
    python -m bench peers --help                            the other measures and options
    python -m bench scale                                   what 10,000 and more sessions need, from that report

``python -m bench desk`` opens the pages of the admin on a database that is there, and is run by its name alone, too.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realtime_ai.embedded_postgres import EmbeddedPostgres

ALONE = ("peers", "scale", "desk")
"""Take options of their own, and bring their own databases, or want one that is there."""
NAMES = (
    "journal",
    "pace",
    "models",
    "stop",
    "streams",
    "crowd",
    "sockets",
    "summaries",
    "words",
    "readers",
    "wires",
    "growth",
    "size",
    "page",
)


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
    if names[:1] and names[0] in ALONE:
        os.execv(
            sys.executable, [sys.executable, "-m", f"bench.{names[0]}", *names[1:]]
        )  # a signal is theirs
    if names[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
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
