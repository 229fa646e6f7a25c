"""``python -m bench peers [--only pace,flat] [--whole]``: our server beside its peers."""

import argparse
import json
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.peers import report
from bench.peers.measure import Contender, Measure, Stage
from bench.peers.measures.crowd import Connects, Memory
from bench.peers.measures.log import Long, Replay, Stop, Summaries
from bench.peers.measures.pace import Flat, Pace, Sweep
from bench.peers.measures.processes import Elsewhere, Processes
from bench.peers.measures.vendors import Chainlit, Vendors
from bench.peers.plots import bars

MEASURES: tuple[Measure, ...] = (
    Pace(), Flat(), Vendors(), Chainlit(), Memory(), Connects(), Replay(), Stop(), Summaries(), Elsewhere(),
    Processes(), Sweep(), Long(),
)  # fmt: skip

FILE = "peers.json"


def measured(
    measure: Measure,
    stage: Stage,
    contenders: Sequence[Contender],
    repeats: int,
    found: report.JSON,
    keep: Callable[[], None],
) -> None:
    """Round after round, and within a round each once, beginning with another one each time. ``keep``: after each."""
    for number in range(repeats):
        begin = number % len(contenders)
        for contender in [*contenders[begin:], *contenders[:begin]]:
            figures = measure.run(stage, contender)
            found["samples"].append(report.sample(contender, figures))
            told = ", ".join(
                f"{one.title} {figures[one.key]:.{one.digits}f}"
                for one in measure.figures
                if one.key in figures
            )
            print(f"  {contender.title}: {told}", flush=True)
        keep()


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    names = [measure.name for measure in MEASURES]
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    parser.add_argument("--only", default="", help=f"measures, commas between: {', '.join(names)}")
    parser.add_argument(
        "--contenders", default="", help="only those whose title begins so; semicolons between"
    )
    parser.add_argument("--whole", action="store_true", help="longer answers, more rounds")
    parser.add_argument("--repeats", type=int, default=0, help="rounds (default: 3, whole: 5)")
    parser.add_argument(
        "--out",
        type=Path,
        help="a folder for peers.json, peers.md, pictures; measures that are there stay. Without it all is printed",
    )
    options = parser.parse_args(arguments)
    options.only = options.only.split(",") if options.only else names
    if unknown := set(options.only) - set(names):
        parser.error(f"there is no measure {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    return options


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is stopped
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (most, most)
    )  # for thousands of sockets, here and in what is started
    begins = tuple(filter(None, options.contenders.split(";")))
    whole, failed = report.new_report(), 0
    if options.out and (options.out / FILE).exists():
        whole["measures"] = json.loads((options.out / FILE).read_text(encoding="utf-8"))["measures"]

    def keep() -> None:
        if options.out:
            write(whole, options.out)

    for measure in MEASURES:
        contenders = [one for one in measure.contenders if not begins or one.title.startswith(begins)]
        if measure.name not in options.only or not contenders:
            continue
        found = whole["measures"][measure.name] = report.described(measure, whole=options.whole)
        print(f"\n{measure.title}", flush=True)
        try:
            with Stage(whole=options.whole) as stage:
                repeats = options.repeats or (5 if options.whole else measure.quick_repeats)
                measured(measure, stage, contenders, repeats, found, keep)
        except Exception as error:  # noqa: BLE001 - told, and no reason to lose the others
            found["failed"] = f"{type(error).__name__}: {error}"[:1000]
            print(f"  failed: {found['failed']}", flush=True)
            failed = 1
        keep()
    if not options.out:
        print("\n" + report.markdown(whole))
    return failed


def write(whole: report.JSON, folder: Path) -> None:
    """In the order of the measures, whenever each was taken."""
    names = [measure.name for measure in MEASURES if measure.name in whole["measures"]]
    whole = {**whole, "measures": {name: whole["measures"][name] for name in names}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    (folder / "peers.md").write_text(report.markdown(whole, plots=True), encoding="utf-8")
    for name, measure in whole["measures"].items():
        if measure.get("failed"):
            continue
        key, title, digits = measure["figures"][0]
        rows = [(one, found[key]) for one, found in report.spreads(measure).items()]
        plot = bars(f"{measure['title']}: {title}", rows, digits=digits)
        (folder / f"peers-{name}.svg").write_text(plot, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
