"""Bars as SVG: medians, with a line from the lowest to the highest round."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.peers.report import Spread

_WIDTH, _NAMES, _VALUES, _ROW = 760, 170, 130, 28
_OURS, _OTHERS = "#2f6fde", "#9aa5b1"


def bars(title: str, rows: Sequence[tuple[str, Spread]], *, digits: int = 0) -> str:
    """One bar a contender; ours in another colour. ``rows`` is not empty."""
    most = max(spread.high for _, spread in rows) or 1.0
    scale = (_WIDTH - _NAMES - _VALUES) / most
    height = 40 + _ROW * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, spread) in enumerate(rows):
        top = 34 + number * _ROW
        middle, width = top + 9, spread.median * scale
        colour = _OURS if name.startswith("ours") else _OTHERS
        low, high = _NAMES + spread.low * scale, _NAMES + spread.high * scale
        lines += [
            f'<text x="{_NAMES - 8}" y="{middle + 5}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_NAMES}" y="{top}" width="{width:.1f}" height="18" fill="{colour}"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="black"/>',
            f'<text x="{high + 6:.1f}" y="{middle + 5}">{spread.median:,.{digits}f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
