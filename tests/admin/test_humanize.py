import pytest

from sessions_app.review.humanize import compact, duration, milliseconds


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
