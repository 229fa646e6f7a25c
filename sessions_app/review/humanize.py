"""Figures as people read them."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float | None) -> str:
    """The two largest units: ``3 min 12 s``; below ten seconds with a decimal; empty for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        if rest >= size or parts:
            parts.append((rest // size, unit))
            rest %= size
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


LONG_S = 6 * 3_600
"""What took longer had a pause: nobody talks on for so long."""


def span(seconds: float | None) -> str:
    """How long a conversation took, from its beginning to its end: of a long one it is said that it is that."""
    words = duration(seconds)
    return f"over {words}" if seconds is not None and seconds > LONG_S else words


def duration_so_far(span: timedelta) -> str:
    """Its largest unit alone: ``3 min``. It grows while one looks."""
    return " ".join(duration(max(round(span.total_seconds()), 10)).split(" ")[:2])


def ago(at: datetime) -> str:
    """``3 minutes ago``, ``just now``."""
    recent = timezone.now() - at < timedelta(minutes=1)
    return "just now" if recent else f"{timesince(at)} ago"


def ahead(at: datetime) -> str:
    """``in 4 minutes``; its largest unit alone."""
    left = at - timezone.now()
    return f"in {timeuntil(at, depth=1)}" if left >= timedelta(minutes=1) else "in less than a minute"


def milliseconds(ms: float | None) -> str:
    """``820 ms`` below a second, else as `duration`; empty for None."""
    if ms is None:
        return ""
    return f"{ms:.0f} ms" if ms < 999.5 else duration(ms / 1000)


def compact(count: int | None) -> str:
    """``950``, ``12.3k``, ``4.1M``; empty for None."""
    if count is None:
        return ""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size * 0.9995:
            return f"{count / size:.1f}".removesuffix(".0") + letter
    return str(count)


def exact(count: int) -> str:
    """With a comma between thousands."""
    return f"{count:,}"


def usd(microusd: int | None) -> str:
    """Millionths of a US dollar with the digits that matter: ``$12.34``, ``$0.123``, ``$0.000339``; None: ``unknown``."""
    if microusd is None:
        return "unknown"
    dollars = microusd / 1_000_000
    if dollars >= 1 or not microusd:
        return f"${dollars:,.2f}"
    return f"${dollars:.3f}" if dollars >= 0.01 else f"${dollars:.6f}".rstrip("0")


def short_cost(microusd: int, unpriced: int) -> str:
    """The same for a narrow cell: three digits at most, and a plus where a part is not known."""
    if not microusd and unpriced:
        return "unknown"
    dollars = microusd / 1_000_000
    words = (
        "<$0.001" if 0 < dollars < 0.001 else f"${dollars:,.3f}" if 0 < dollars < 1 else f"${dollars:,.2f}"
    )
    return f"{words} +" if unpriced else words


def cost(microusd: int, unpriced: int) -> str:
    """A sum of which ``unpriced`` parts are not known: ``unknown`` when it is nothing but these."""
    if not unpriced:
        return usd(microusd)
    return f"{usd(microusd)} + unknown" if microusd else "unknown"
