"""Bars over time as SVG: where each stands and what its axes say. Drawn by a template, in the page's own colours."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sessions_app.review.humanize import compact

WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 6, 12, 26
_MOST_LABELS = 12
_GAP = 0.22
"""Of a bar's place that is left free."""


@dataclass(frozen=True)
class Bar:
    """One bucket. ``part`` of ``value`` is drawn in the colour of trouble."""

    label: str
    value: int
    part: int
    link: str = ""
    """The list of what it counts."""


@dataclass(frozen=True)
class Drawn:
    """A bar in its place; ``y`` and ``height`` of the whole, and of its part."""

    bar: Bar
    x: float
    width: float
    y: float
    height: float
    part_y: float
    part_height: float
    middle: float
    shows_label: bool


@dataclass(frozen=True)
class Tick:
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    bars: list[Drawn] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    base: int = HEIGHT - BOTTOM


def bar_chart(bars: Sequence[Bar]) -> Chart:
    top = _round_top(max((bar.value for bar in bars), default=0))
    room = HEIGHT - TOP - BOTTOM
    base = HEIGHT - BOTTOM
    place = (WIDTH - LEFT - RIGHT) / max(len(bars), 1)
    every = -(-len(bars) // _MOST_LABELS)

    def high(value: int) -> float:
        return round(room * value / top, 1)

    drawn = [
        Drawn(
            bar=bar,
            x=round(LEFT + place * (index + _GAP / 2), 1),
            width=round(place * (1 - _GAP), 1),
            y=round(base - high(bar.value), 1),
            height=high(bar.value),
            part_y=round(base - high(bar.part), 1),
            part_height=high(bar.part),
            middle=round(LEFT + place * (index + 0.5), 1),
            shows_label=index % every == 0,
        )
        for index, bar in enumerate(bars)
    ]
    steps = [step for step in range(5) if top * step % 4 == 0]
    ticks = [Tick(round(base - room * step / 4, 1), compact(top * step // 4)) for step in steps]
    return Chart(drawn, ticks)


def _round_top(most: int) -> int:
    """A round number at or above the tallest bar, which the ticks divide well."""
    size = 1
    while True:
        for step in (1, 2, 4, 8):
            if size * step >= max(most, 4):
                return size * step
        size *= 10
