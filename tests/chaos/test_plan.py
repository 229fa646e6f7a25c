from collections import Counter

from tests.chaos.plan import Kind, make_plan

OPTIONS = {"seconds": 300.0, "processes": 3, "gap_s": 2.5}


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert make_plan(seed=5, **OPTIONS) == make_plan(seed=5, **OPTIONS)  # type: ignore[arg-type]
    assert make_plan(seed=5, **OPTIONS) != make_plan(seed=6, **OPTIONS)  # type: ignore[arg-type]


def test_every_kind_of_fault_comes_up_in_a_short_run() -> None:
    plan = make_plan(seed=5, seconds=30.0, processes=2, gap_s=1.0)
    assert set(Kind) == {fault.kind for fault in plan}


def test_a_plan_is_in_order_of_time_and_within_its_bounds() -> None:
    plan = make_plan(seed=5, seconds=300.0, processes=3, gap_s=2.5)
    assert [fault.at_s for fault in plan] == sorted(fault.at_s for fault in plan)
    assert plan[-1].at_s <= 300.0
    assert set(Counter(fault.target for fault in plan)) == {0, 1, 2}


def test_of_some_kinds_only_these() -> None:
    plan = make_plan(seed=5, seconds=60.0, processes=2, gap_s=2.0, kinds=(Kind.CUT, Kind.KILL))
    assert {fault.kind for fault in plan} == {Kind.CUT, Kind.KILL}
