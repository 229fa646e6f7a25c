"""``python -m tests.chaos [--minutes 10] [--seed N] [--processes 2] [--clients 20]``; 1 when a promise was broken."""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.plan import Kind
from tests.chaos.stores import Postgres, Redis, install_witness
from tests.plugin.reaper import Reaper

if TYPE_CHECKING:
    from tests.chaos.run import Options, Outcome


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    with _folder(keep=given.keep) as folder, _stores(folder) as (postgres, redis, reaper):
        from tests.chaos.run import Options, Run  # needs Django, and that needs the database's URL

        options = Options(
            seed=seed,
            seconds=given.minutes * 60,
            processes=given.processes,
            clients=given.clients,
            gap_s=given.gap,
            kinds=tuple(given.kinds or Kind),
            longest_wait_s=given.longest_wait,
        )
        run = Run(options, folder=folder, postgres=postgres, redis=redis, reaper=reaper, tell=_tell)
        outcome = asyncio.run(run.run())
        _report(options, outcome)
    return 1 if outcome.findings else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    environ = os.environ
    parser.add_argument("--minutes", type=float, default=float(environ.get("MINUTES", "2")))
    parser.add_argument("--seed", type=int, default=int(environ["SEED"]) if environ.get("SEED") else None)
    parser.add_argument("--processes", type=int, default=int(environ.get("PROCESSES", "2")))
    parser.add_argument("--clients", type=int, default=int(environ.get("CLIENTS", "20")))
    parser.add_argument("--gap", type=float, default=2.5, help="seconds between two faults, on the average")
    parser.add_argument(
        "--longest-wait", type=float, default=30.0, help="seconds that an answer may take, whatever breaks"
    )
    parser.add_argument("--kinds", type=Kind, nargs="+", help="of all faults only these")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the processes' logs")
    return parser


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="realtime-ai-chaos-"))
    try:
        yield folder
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stores(folder: Path) -> Iterator[tuple[Postgres, Redis, Reaper]]:
    """Both running, the schema made, Django set up on them."""
    reaper = Reaper()
    reaper.register(folder=folder)
    postgres, redis = Postgres(folder, reaper), Redis(folder, reaper)
    try:
        redis.start()
        _django(postgres.start())
        install_witness(postgres.url)
        yield postgres, redis, reaper
    finally:
        redis.kill()
        postgres.stop()
        reaper.close()


def _django(database_url: str) -> None:
    os.environ |= {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "ENV_FILE": os.devnull,
        "DATABASE_POOL_MAX": "0",
        "LOG_LEVEL": "WARNING",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)


_started = time.monotonic()


def _tell(line: str) -> None:
    print(f"[{time.monotonic() - _started:6.1f}] {line}", flush=True)


def _report(options: "Options", outcome: "Outcome") -> None:
    for name, value in outcome.figures.items():
        print(f"{name:28} {value}")
    for line in outcome.complaints[:40]:
        print(f"logged: {line}")
    for finding in outcome.findings[:100]:
        print(f"FOUND: {finding}")
    again = f"--seed {options.seed} --minutes {options.seconds / 60:g} --clients {options.clients}"
    print(f"{len(outcome.findings)} findings; give this run again with {again}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
