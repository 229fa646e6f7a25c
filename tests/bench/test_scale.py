"""What so many sessions need, reckoned by hand from a recorded report."""

import json
import math

import pytest

from bench.scale import BEGIN, END, PAGE, REPORT, Costs, Load, markdown, need, written
from tests.bench.recorded import report


def test_the_need_of_ten_thousand_sessions() -> None:
    load = Load(streaming=0.1, per_second=10, day=0.5, elsewhere=0.1, full=0.5, connects=0.01)
    found = need(10_000, load, Costs.of(report()))
    assert found.chunks == 10_000
    # 10,000 chunks of 220 us, 1,000 of them read elsewhere for 200 more, 100 connects of 0.6 ms; half full
    assert found.processes == pytest.approx(2.2 / 0.5)
    assert found.processes_elsewhere == pytest.approx(0.2 / 0.5)
    assert found.processes_connects == pytest.approx(0.06 / 0.5)
    assert found.postgres_cores == pytest.approx(0.5)
    # 12 tokens a chunk: 120,000 a second
    assert found.wal_mb_s == pytest.approx(120 * 16 / 1000)
    assert found.disk_gb_day == pytest.approx(120 * 12 * 86_400 * 0.5 / 1e6)
    assert found.memory_gib == pytest.approx((10_000 * 20 + 1_000 * 50) / 2**20)
    assert (found.redis_commands, found.redis_mb_s) == pytest.approx((1_200, 1.0))


def test_everything_but_the_number_of_sessions_stays_the_same_for_one_of_them() -> None:
    one, many = (need(sessions, Load(), Costs.of(report())) for sessions in (1_000, 1_000_000))
    assert many.processes == pytest.approx(1_000 * one.processes)


def test_what_was_not_measured_is_no_ground_for_a_figure() -> None:
    lacking = report()
    del lacking["measures"]["elsewhere"]
    found = need(10_000, Load(), Costs.of(lacking))
    assert found.processes > 0
    assert math.isnan(found.redis_commands)
    page = markdown(Load(), Costs.of(lacking), lacking)
    assert "| Redis commands a second | (not measured) | (not measured) | (not measured) |" in page


def test_the_block_takes_the_place_of_the_one_before() -> None:
    block = markdown(Load(), Costs.of(report()), report())
    assert "a chunk costs 220 us" in block
    page = f"# Scale\n\n{BEGIN}old\n{END}\nmore\n"
    assert written(page, block) == f"# Scale\n\n{BEGIN}{block}{END}\nmore\n"
    with pytest.raises(ValueError, match="has no"):
        written("# Scale\n", block)


def test_the_page_says_what_the_report_gives() -> None:
    source = json.loads(REPORT.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, markdown(Load(), Costs.of(source), source)) == page
