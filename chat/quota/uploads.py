"""What may be sent of pictures and files in a day: by whoever sends them, and by all together; in all processes."""

import math
from collections.abc import Iterator

from chat.errors import LimitReached
from chat.quota.quotas import CROWD
from chat.quota.subjects import Kind, Payers, kind_of
from sessions_app.conf import conf
from sessions_app.limits.levels import Bound, give_back, subject, take

_DAY_S = 86_400.0
_EVERYBODY = "everybody"


def count_upload(payers: Payers, size: int) -> None:
    """Asks the database. Raises `LimitReached`, and then nothing was counted."""
    taken: list[tuple[str, Bound]] = []
    for name, bound in _bounds(payers):
        answer = take(name, bound, size)
        if not answer.ok:
            for other, its_bound in taken:
                give_back(other, its_bound, size)
            raise LimitReached.of("bytes", wait_s=max(1, math.ceil(answer.wait_s)))
        taken.append((name, bound))


def _bounds(payers: Payers) -> Iterator[tuple[str, Bound]]:
    """In one order for all, so that two do not wait for each other."""
    for payer in sorted(payers):
        most = conf().file_bytes_per_day * (CROWD if kind_of(payer) is Kind.ADDRESS else 1)
        yield subject("file bytes", payer), Bound(most=most, window_s=_DAY_S)
    yield subject("file bytes", _EVERYBODY), Bound(most=conf().all_file_bytes_per_day, window_s=_DAY_S)
