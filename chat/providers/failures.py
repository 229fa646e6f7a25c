"""What the vendors' failures have in common: how their own words are kept, and a few sentences of ours."""

import math

MAX_CAUSE_CHARS = 2000

UNKNOWN_MODEL = (
    "The model's vendor does not know the model that this server asks for. Its operator has to name another."
)
NOT_SERVED = (
    "The model's vendor does not serve this server's account or region. Its operator has to settle that."
)
GARBLED = "The model's answer was garbled on its way. Try again."


def cause_of(error: BaseException, *, key: str) -> str:
    """The vendor's own words, for staff: bounded, and without the key, whoever repeated it."""
    words = f"{type(error).__name__}: {error}"
    if error.__cause__ is not None:
        words += f" ({type(error.__cause__).__name__}: {error.__cause__})"
    return clean(words, key=key)


def clean(text: str, *, key: str) -> str:
    return (text.replace(key, "***") if key else text)[:MAX_CAUSE_CHARS]


def hinted_seconds(text: str) -> float | None:
    """A vendor's hint when to come back, in seconds; None for one that is no finite number."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
