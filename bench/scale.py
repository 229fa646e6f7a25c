"""What so many sessions need: arithmetic on what `python -m bench peers` has measured.

python -m bench scale                    from docs/benchmarks/peers.json, as Markdown
python -m bench scale --write            the same, into docs/scale.md
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers.measures.pace import OURS_REALTIME
from bench.peers.model import CHUNK_CHARS
from bench.peers.report import spreads
from bench.support import table
from realtime_ai.env import BASE_DIR

REPORT = BASE_DIR / "docs" / "benchmarks" / "peers.json"
PAGE = BASE_DIR / "docs" / "scale.md"
BEGIN, END = "<!-- from python -m bench scale -->\n", "<!-- end -->\n"
SESSIONS = (10_000, 100_000, 1_000_000)
CHARS_PER_TOKEN = 4
CONNECTIONS = 8 + 2
"""Of one web process: its pool, the journal's, the lease's."""
_DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the sessions do."""

    streaming: float = 0.10
    """The share of open sessions that has an answer running, on the average of a busy hour."""
    per_second: float = 15.0
    day: float = 0.4
    """What a day's average is of a busy hour."""
    elsewhere: float = 0.05
    """The share of the streams that is read through another process: moved sockets, second tabs."""
    full: float = 0.7
    """How full a web process may be."""
    connects: float = 1 / 600
    """Of each open session, a second: a socket lives ten minutes."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one chunk, one socket, as measured."""

    web_us: float
    postgres_us: float
    disk_kb: float
    """Per 1,000 tokens, and so the WAL."""
    wal_kb: float
    idle_kib: float
    active_kib: float
    connect_ms: float
    elsewhere_us: float
    redis_us: float
    commands: float
    redis_bytes: float

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Costs":
        """What the report lacks is not a number, and neither is what follows from it."""
        found = {name: spreads(measure) for name, measure in report["measures"].items()}

        def median(measure: str, figure: str) -> float:
            figures = found.get(measure, {}).get(OURS_REALTIME, {})
            return figures[figure].median if figure in figures else math.nan

        return cls(
            web_us=median("pace", "web_us"),
            postgres_us=median("pace", "postgres_us"),
            disk_kb=median("pace", "disk_kb"),
            wal_kb=median("pace", "wal_kb"),
            idle_kib=median("memory", "idle_kib"),
            active_kib=median("memory", "active_kib"),
            connect_ms=median("connects", "web_ms"),
            elsewhere_us=median("elsewhere", "more_us"),
            redis_us=median("elsewhere", "redis_us"),
            commands=median("elsewhere", "commands"),
            redis_bytes=median("elsewhere", "bytes"),
        )


@dataclass(frozen=True, kw_only=True)
class Need:
    sessions: int
    chunks: float
    """A second."""
    processes: float
    processes_elsewhere: float
    """More, for those that are read through another process."""
    processes_connects: float
    memory_gib: float
    connections: float
    postgres_cores: float
    wal_mb_s: float
    disk_gb_day: float
    redis_cores: float
    redis_commands: float
    redis_mb_s: float


def need(sessions: int, load: Load, costs: Costs) -> Need:
    streams = sessions * load.streaming
    chunks = streams * load.per_second
    tokens = chunks * CHUNK_CHARS / CHARS_PER_TOKEN
    elsewhere = chunks * load.elsewhere
    processes = chunks * costs.web_us / 1e6 / load.full
    return Need(
        sessions=sessions,
        chunks=chunks,
        processes=processes,
        processes_elsewhere=elsewhere * (costs.elsewhere_us - costs.redis_us) / 1e6 / load.full,
        processes_connects=sessions * load.connects * costs.connect_ms / 1e3 / load.full,
        memory_gib=(sessions * costs.idle_kib + streams * costs.active_kib) / 2**20,
        connections=processes * CONNECTIONS,
        postgres_cores=chunks * costs.postgres_us / 1e6,
        wal_mb_s=tokens / 1e3 * costs.wal_kb / 1e3,
        disk_gb_day=tokens / 1e3 * costs.disk_kb / 1e6 * _DAY_S * load.day,
        redis_cores=elsewhere * costs.redis_us / 1e6,
        redis_commands=elsewhere * costs.commands,
        redis_mb_s=elsewhere * costs.redis_bytes / 1e6,
    )


_ROWS: tuple[tuple[str, str, int], ...] = (
    ("answers' chunks a second", "chunks", 0),
    ("web processes, a core each, for the answers", "processes", 1),
    ("more, for readers elsewhere", "processes_elsewhere", 1),
    ("more, for connects", "processes_connects", 1),
    ("memory of their sockets, GiB", "memory_gib", 1),
    ("connections to the database", "connections", 0),
    ("PostgreSQL cores", "postgres_cores", 1),
    ("WAL, MB/s", "wal_mb_s", 1),
    ("on disk, GB a day", "disk_gb_day", 0),
    ("Redis cores", "redis_cores", 2),
    ("Redis commands a second", "redis_commands", 0),
    ("into Redis, MB/s", "redis_mb_s", 1),
)


def shown(value: float, digits: int = 0) -> str:
    return "(not measured)" if math.isnan(value) else f"{value:,.{digits}f}"


def markdown(load: Load, costs: Costs, source: Mapping[str, Any]) -> str:
    needs = [need(sessions, load, costs) for sessions in SESSIONS]
    rows = [[title, *(shown(getattr(one, key), digits) for one in needs)] for title, key, digits in _ROWS]
    pace = source["measures"]["pace"]
    measured = (
        f"Measured ({pace['began'][:10]}, tree `{pace['tree']}`, [all of it](benchmarks/peers.md)): a chunk costs {shown(costs.web_us)} us of a web "
        f"process and {shown(costs.postgres_us)} us of PostgreSQL; 1,000 tokens are {shown(costs.disk_kb, 1)} KB on disk and "
        f"{shown(costs.wal_kb, 1)} KB of WAL; an idle socket holds {shown(costs.idle_kib)} KiB, an answer {shown(costs.active_kib)} more; a "
        f"connect costs {shown(costs.connect_ms, 2)} ms; a reader elsewhere {shown(costs.elsewhere_us)} us a chunk, "
        f"{shown(costs.commands, 2)} Redis commands and {shown(costs.redis_bytes)} bytes."
    )
    assumed = (
        f"Assumed: {load.streaming:.0%} of the open sessions have an answer running in a busy hour, {load.per_second:g} chunks of {CHUNK_CHARS} "
        f"characters a second each; a day is {load.day:.0%} of its busy hours; {load.elsewhere:.0%} of the answers are read through another "
        f"process; a socket lives {1 / load.connects / 60:.0f} minutes; a web process is {load.full:.0%} full."
    )
    head = ["open sessions", *(f"{sessions:,}" for sessions in SESSIONS)]
    return "\n\n".join([measured, assumed, table(head, rows)]) + "\n"


def written(page: str, block: str) -> str:
    """The page with the block between its two marks. Raises ValueError for a page without them."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no {BEGIN.strip()} and {END.strip()}")
    return before + BEGIN + block + END + after


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("report", nargs="?", type=Path, default=REPORT)
    parser.add_argument(
        "--streaming", type=float, default=Load.streaming, help="share with an answer running"
    )
    parser.add_argument(
        "--elsewhere", type=float, default=Load.elsewhere, help="share read through another process"
    )
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(BASE_DIR)}")
    options = parser.parse_args(arguments)
    source = json.loads(options.report.read_text(encoding="utf-8"))
    load = Load(streaming=options.streaming, elsewhere=options.elsewhere)
    block = markdown(load, Costs.of(source), source)
    if options.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), block), encoding="utf-8")
    else:
        print(block)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
