from datetime import timedelta

import pytest
from django.utils import timezone

from sessions_app.review import humanize
from sessions_app.review.humanize import compact, duration, duration_so_far, milliseconds, short_cost, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.6, "1 min"),
        (192, "3 min 12 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration_says_the_two_largest_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(-5, "10 s"), (45, "45 s"), (200, "3 min"), (3_700, "1 h")])
def test_what_goes_on_has_its_largest_unit(seconds: float, words: str) -> None:
    assert duration_so_far(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("microusd", "unpriced", "words"),
    [
        (0, 0, "$0.00"),
        (0, 2, "unknown"),
        (400, 0, "<$0.001"),
        (1_404, 3, "$0.001 +"),
        (340_000, 0, "$0.340"),
        (12_345_678, 0, "$12.35"),
    ],
)
def test_a_cost_is_short_in_a_cell(microusd: int, unpriced: int, words: str) -> None:
    assert short_cost(microusd, unpriced) == words


@pytest.mark.parametrize(
    ("ms", "words"), [(None, ""), (0, "0 ms"), (999, "999 ms"), (999.7, "1.0 s"), (61_000, "1 min 1 s")]
)
def test_milliseconds_become_seconds_from_one_second_on(ms: float | None, words: str) -> None:
    assert milliseconds(ms) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, ""),
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (12_345, "12.3k"),
        (999_950, "1M"),
        (4_100_000, "4.1M"),
    ],
)
def test_compact_counts_keep_three_figures(count: int | None, words: str) -> None:
    assert compact(count) == words


def test_when_it_was_is_told_without_noughts() -> None:
    now = timezone.now()
    assert humanize.ago(now - timedelta(seconds=20)) == "just now"
    assert humanize.ago(now - timedelta(minutes=3, seconds=5)).replace("\xa0", " ") == "3 minutes ago"
    assert humanize.ahead(now + timedelta(minutes=4, seconds=30)).replace("\xa0", " ") == "in 4 minutes"
    assert humanize.ahead(now + timedelta(seconds=5)) == "in less than a minute"


def test_a_conversation_of_a_day_is_said_to_lie_within_it() -> None:
    assert [span(one) for one in (None, 75, 100_800)] == ["", "1 min 15 s", "over 1 d 4 h"]
