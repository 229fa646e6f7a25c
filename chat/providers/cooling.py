"""Models that are not to be asked for a while, because their vendor said so; this process's own memory of it.

Only a quota or an overload that came with a hint counts, and a quota that is spent for good. A hint may be hours long; we
look again after a minute, since somebody may have raised the quota meanwhile.
"""

import time

from chat.errors import ModelOverloaded, ModelQuota, ProviderError

MAX_COOLING_S = 60.0

_cooling: dict[str, tuple[float, ProviderError]] = {}
"""By model's spec: until when (`time.monotonic`), and what it answered."""


def cool_off(spec: str, error: ProviderError) -> None:
    """Remember the error when it says how long to leave the model alone, or that asking again is of no use."""
    if not isinstance(error, ModelQuota | ModelOverloaded):
        return
    seconds = error.retry_after_s if error.ask_again else error.retry_after_s or MAX_COOLING_S
    if seconds:
        told = type(error)(cause=error.cause, ask_again=error.ask_again)  # without a traceback to hold on to
        _cooling[spec] = (time.monotonic() + min(seconds, MAX_COOLING_S), told)


def cooling_error(spec: str) -> ProviderError | None:
    """None when the model may be asked; else the error that its vendor would give, with the seconds left as hint."""
    until, error = _cooling.get(spec, (0.0, None))
    left_s = until - time.monotonic()
    if error is None or left_s <= 0:
        _cooling.pop(spec, None)
        return None
    return type(error)(
        cause=f"not asked: its vendor wants to be left alone for {left_s:.1f} s more; it said: {error.cause}",
        retry_after_s=left_s,
        ask_again=error.ask_again,
    )


def forget() -> None:
    """For tests, and when settings change."""
    _cooling.clear()
