"""The arithmetic of a report of `python -m bench peers`, from a recorded one."""

import argparse
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench import models
from bench.peers.__main__ import MEASURES, parsed, write
from bench.peers.measure import Measure
from bench.peers.measures.pace import OURS_REALTIME, RELAY, share_while_all_run
from bench.peers.plots import bars
from bench.peers.report import Spread, markdown, ratios, spreads
from realtime_ai.env import BASE_DIR
from tests.bench.recorded import report


def test_a_figure_is_the_median_of_its_rounds_with_the_lowest_and_the_highest() -> None:
    found = spreads(report()["measures"]["pace"])
    assert found[OURS_REALTIME]["web_us"] == Spread(220, 200, 300)
    assert found[RELAY]["web_us"] == Spread(440, 400, 500)


def test_a_ratio_is_that_of_the_medians_and_its_spread_that_of_the_rounds() -> None:
    assert ratios(report()["measures"]["pace"]) == [(OURS_REALTIME, "web_us", RELAY, Spread(0.5, 0.5, 0.6))]


def test_without_the_other_there_is_no_ratio() -> None:
    pace = report()["measures"]["pace"]
    pace["samples"] = [one for one in pace["samples"] if one["contender"] != RELAY]
    assert ratios(pace) == []


def test_the_share_of_a_core_is_that_of_the_time_in_which_all_answers_run() -> None:
    """350 answers of 20 s, 15 chunks a second, of which 60 begin in each second; a chunk costs 100 us."""
    spread_s = 350 / 60
    share = share_while_all_run(350 * 300 * 100e-6, 20 + spread_s, spread_s)
    assert share == pytest.approx(350 * 15 * 100e-6 * 100)


def test_what_is_recorded_of_a_process_is_what_its_chunks_cost() -> None:
    recorded = json.loads((BASE_DIR / "docs" / "benchmarks" / "peers.json").read_text(encoding="utf-8"))
    for sample in recorded["measures"]["sweep"]["samples"]:
        figures, name = sample["figures"], sample["contender"]
        if name.startswith("ours"):  # whose answers keep their pace
            expected = int(name.rpartition(" ")[2]) * 15 * figures["web_us"] / 1e6 * 100
            assert figures["web_share"] == pytest.approx(expected, rel=0.02), name


def test_the_page_names_machine_tree_versions_load_and_spread() -> None:
    page = markdown(report(), plots=True)
    for told in (
        "2 cores (a processor)",
        "uvicorn 0.54.0",
        "| ours, Realtime | 220 (200-300) | 50 (40-60) |",
        "| ours, Realtime | relay | web us a chunk | 0.50 (0.50-0.60) x |",
        "3 rounds, began 2026-11-28T12:00:00+00:00, tree `0123abc`, load average 1.5 to 1.5.",
        "![A chunk at pace](peers-pace.svg)",
    ):
        assert told in page


def test_what_is_written_is_the_page_its_data_and_a_picture_for_each_measure(tmp_path: Path) -> None:
    write(report(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "peers.json",
        "peers.md",
        *(f"peers-{name}.svg" for name in report()["measures"]),
    }


def test_a_measure_that_failed_says_why_and_hides_none_of_the_others(tmp_path: Path) -> None:
    failed = report()
    failed["measures"]["memory"]["failed"] = "TimeoutError: too slow"
    page = markdown(failed)
    assert "It failed: TimeoutError: too slow" in page
    assert "| ours, Realtime | 220 (200-300)" in page
    write(failed, tmp_path)
    assert not (tmp_path / "peers-memory.svg").exists()


def test_a_bar_is_as_long_as_its_median_and_names_are_escaped() -> None:
    drawn = ET.fromstring(
        bars("a < b", [("ours", Spread(50, 40, 60)), ("relay & co", Spread(100, 100, 120))])
    )
    rects = drawn.findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert float(rects[1].attrib["width"]) == pytest.approx(2 * float(rects[0].attrib["width"]), rel=0.01)
    assert rects[0].attrib["fill"] != rects[1].attrib["fill"]
    assert "relay & co" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_who_is_set_in_relation_is_measured(measure: Measure) -> None:
    titles = [contender.title for contender in measure.contenders]
    assert len(titles) == len(set(titles))
    assert {other for contender in measure.contenders for other in contender.against} <= set(titles)
    assert set(measure.related) <= {figure.key for figure in measure.figures}


def test_a_measure_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed(["--only", "pace,flat"]).only == ["pace", "flat"]
    with pytest.raises(SystemExit):
        parsed(["--only", "pacee"])
    assert "there is no measure pacee" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"), [(["nope"], "there is no reader nope"), (["--rounds", "0"], "a round of one")]
)
def test_a_reader_that_there_is_not_is_refused(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.models", *arguments])
    with pytest.raises(SystemExit):
        models.main()
    assert words in capsys.readouterr().err


async def test_a_reader_whose_pieces_do_not_come_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read() -> AsyncIterator[str]:
        for piece in ("one", "two"):
            yield piece

    async def opened() -> AsyncIterator[str]:
        return read()

    monkeypatch.setattr(models, "reader", lambda *_: opened)
    monkeypatch.setattr(models, "_send_with_all", lambda _: None)
    asked = argparse.Namespace(streams=2, chunks=2, per_second=15.0)
    assert await models.measure("openai/sdk", "", asked) >= 0
    asked.chunks = 4
    with pytest.raises(SystemExit, match="2 of 6 pieces came"):
        await models.measure("openai/sdk", "", asked)
