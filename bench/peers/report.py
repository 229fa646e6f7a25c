"""What was measured, as JSON and as Markdown: medians, their spread, and ratios of medians of one run."""

import datetime as dt
import importlib.metadata
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.peers.measure import Contender, Figure, Measure
from bench.support import table
from realtime_ai.env import BASE_DIR

JSON = dict[str, Any]
_PACKAGES = (
    "google-genai", "openai", "anthropic", "aiohttp", "httpx2", "uvicorn", "uvloop", "channels", "django", "msgspec", "psycopg",
)  # fmt: skip


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def shown(self, digits: int) -> str:
        if self.low == self.high:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}-{self.high:,.{digits}f})"


def machine() -> JSON:
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def tree() -> str:
    """The commit that was measured; ``+`` behind it: with changes."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def new_report() -> JSON:
    return {"machine": machine(), "measures": {}}


def described(measure: Measure, *, whole: bool) -> JSON:
    """What a reader of the JSON has to know of a measure, without its samples."""
    return {
        "began": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "tree": tree(),
        "whole": whole,
        "title": measure.title,
        "told": measure.told,
        "figures": [[figure.key, figure.title, figure.digits] for figure in measure.figures],
        "related": list(measure.related),
        "against": {one.title: list(one.against) for one in measure.contenders},
        "samples": [],
    }


def sample(contender: Contender, figures: Mapping[str, float]) -> JSON:
    """``load``: the machine's load average of the last minute, when it was taken."""
    return {"contender": contender.title, "load": os.getloadavg()[0], "figures": dict(figures)}


def spreads(measure: JSON) -> dict[str, dict[str, Spread]]:
    """By contender and figure."""
    values: dict[str, dict[str, list[float]]] = {}
    for one in measure["samples"]:
        for key, value in one["figures"].items():
            values.setdefault(one["contender"], {}).setdefault(key, []).append(value)
    return {name: {key: Spread.of(each) for key, each in figures.items()} for name, figures in values.items()}


def ratios(measure: JSON) -> list[tuple[str, str, str, Spread]]:
    """Contender, figure, whom against, and the ratio: of the medians; low and high are those of the single rounds."""
    found = []
    by_name: dict[str, list[Mapping[str, float]]] = {}
    for one in measure["samples"]:
        by_name.setdefault(one["contender"], []).append(one["figures"])
    for name, others in measure["against"].items():
        for other in others:
            pairs = list(zip(by_name.get(name, []), by_name.get(other, []), strict=False))
            for key in measure["related"]:
                if pairs and all(base.get(key) for _, base in pairs):
                    rounds = [mine[key] / base[key] for mine, base in pairs]
                    medians = [
                        statistics.median(side[key] for side in sides) for sides in zip(*pairs, strict=True)
                    ]
                    found.append(
                        (name, key, other, Spread(medians[0] / medians[1], min(rounds), max(rounds)))
                    )
    return found


def markdown(report: JSON, *, plots: bool = False) -> str:
    """``plots``: with the pictures that lie beside it."""
    here = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in here["packages"].items())
    lines = [
        "# Beside its peers",
        "",
        (
            f"What `.venv/bin/python -m bench peers` measured on {here['cores']} cores ({here['processor']}), {here['memory_gib']} GiB, Python "
            f"{here['python']}; {packages}. Server, PostgreSQL, model and load generator share the machine. Figures are medians of "
            "interleaved rounds, the lowest and the highest behind them; ratios are those of the medians, with those of the single rounds "
            "behind them. Ratios travel, absolute times do not: under load (told at each) CPU times grow as well, and delays are the machine's."
        ),
    ]
    for name, measure in report["measures"].items():
        plot = ["", f"![{measure['title']}](peers-{name}.svg)"] if plots else []
        lines += ["", f"## {measure['title']}", "", measure["told"], *plot, "", *_section(measure)]
    return "\n".join(lines) + "\n"


def _section(measure: JSON) -> list[str]:
    figures = [Figure(*one) for one in measure["figures"]]
    found = spreads(measure)
    if measure.get("failed"):
        return [f"It failed: {measure['failed']}"]
    rows = [
        [name, *(each[one.key].shown(one.digits) if one.key in each else "" for one in figures)]
        for name, each in found.items()
    ]
    loads = [one["load"] for one in measure["samples"]]
    lines = [table(["", *(figure.title for figure in figures)], rows), ""]
    if related := ratios(measure):
        titles = {figure.key: figure.title for figure in figures}
        told = [[name, other, titles[key], f"{ratio.shown(2)} x"] for name, key, other, ratio in related]
        lines += [table(["", "against", "of", "ratio"], told), ""]
    rounds = max(len([1 for one in measure["samples"] if one["contender"] == name]) for name in found)
    lines.append(
        f"{'Whole' if measure['whole'] else 'Quick'} run, {rounds} rounds, began {measure['began']}, tree `{measure['tree']}`, load average "
        f"{min(loads):.1f} to {max(loads):.1f}."
    )
    return lines
