"""Models that are not to be asked for a while, because their vendor said so; this process's own memory of it.

Only a quota or an overload that came with a hint counts. A hint may be hours long; we look again after a minute, since
somebody may have raised the quota meanwhile.
"""

import time

from chat.errors import ModelOverloaded, ModelQuota, ProviderError

MAX_COOLING_S = 60.0

_cooling: dict[str, tuple[float, type[ProviderError]]] = {}
"""By model's spec: until when (`time.monotonic`), and what it answered."""


def cool_off(spec: str, error: ProviderError) -> None:
    """Remember the error when it says how long to leave the model alone."""
    if isinstance(error, ModelQuota | ModelOverloaded) and error.retry_after_s:
        until = time.monotonic() + min(error.retry_after_s, MAX_COOLING_S)
        _cooling[spec] = (until, type(error))


def cooling_error(spec: str) -> ProviderError | None:
    """None when the model may be asked; else the error that its vendor would give, with the seconds left as hint."""
    until, cls = _cooling.get(spec, (0.0, ProviderError))
    left_s = until - time.monotonic()
    if left_s <= 0:
        _cooling.pop(spec, None)
        return None
    return cls(
        cause=f"not asked: its vendor wants to be left alone for {left_s:.1f} s more", retry_after_s=left_s
    )


def forget() -> None:
    """For tests, and when settings change."""
    _cooling.clear()
