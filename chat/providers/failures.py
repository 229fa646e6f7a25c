"""How a failure of any vendor is told: its own words, and its hint when to come back."""

import math


def cause_of(error: BaseException) -> str:
    """In one line, with what is behind it: some SDKs say no more than that the connection failed."""
    behind = error.__cause__
    told = f" ({type(behind).__name__}: {behind})" if behind is not None else ""
    return f"{type(error).__name__}: {error}{told}"


def hinted_seconds(text: str) -> float | None:
    """A vendor's hint; None for one that is no finite number."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
