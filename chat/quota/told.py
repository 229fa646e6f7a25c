"""What is left, as OpenAI says it: over HTTP in headers."""

import math
from collections.abc import Iterable

from chat.quota.quotas import Left


def headers(lefts: Iterable[Left]) -> dict[str, str]:
    """``x-ratelimit-limit-requests``, ``-remaining-``, ``-reset-``, and the same of tokens."""
    found = {}
    for left in lefts:
        found[f"x-ratelimit-limit-{left.measure}"] = f"{left.limit:.0f}"
        found[f"x-ratelimit-remaining-{left.measure}"] = str(math.floor(left.remaining))
        found[f"x-ratelimit-reset-{left.measure}"] = f"{left.reset_s:.3f}s"
    return found
