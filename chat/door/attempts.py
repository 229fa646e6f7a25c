"""Attempts to sign in, bounded by name and by address for all processes together; logged, and counted.

An attempt is counted before the password is looked at and given back when it was right, so that a thousand at the same
time are no way around the bound. docs/decisions/0067-limits-are-counted-in-the-database.md
"""

import logging
import math
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from chat import metrics
from chat.conf import conf
from chat.quota.subjects import network_of
from sessions_app.limits.levels import Bound, give_back, subject, take

logger = logging.getLogger(__name__)

WINDOW_S = 900.0
_SHOWN_CHARS = 150


class SignInOutcome(StrEnum):
    OK = "ok"  #: the password, or the passkey, was right
    WRONG_PASSWORD = "wrong_password"  #: or there is no such user  # noqa: S105
    WRONG_CODE = "wrong_code"  #: of a second factor
    LIMITED = "limited"  #: too many attempts; nothing was looked at


class TooManyAttempts(Exception):
    """Told in whole seconds, at least one."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = max(1, math.ceil(wait_s))


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One that was counted."""

    name: str
    address: str
    counted: tuple[tuple[str, Bound], ...]

    def right(self) -> None:
        for what, bound in self.counted:
            give_back(what, bound)
        metrics.sign_ins.labels(outcome=SignInOutcome.OK).inc()

    def wrong(self) -> None:
        metrics.sign_ins.labels(outcome=SignInOutcome.WRONG_PASSWORD).inc()
        logger.warning("sign-in failed: name %s, from %s", shown(self.name), self.address)


def begin(name: str, address: str) -> Attempt:
    """Raises `TooManyAttempts`. The address counts first: one that is refused does not use up a stranger's name."""
    known_as = unicodedata.normalize("NFKC", name).casefold().strip()
    bounds = (
        (subject("sign-in-address", network_of(address)), _bound(conf().sign_in_tries_per_address)),
        (subject("sign-in-name", known_as), _bound(conf().sign_in_tries_per_name)),
    )
    for what, bound in bounds:
        taken = take(what, bound)
        if not taken.ok:
            metrics.sign_ins.labels(outcome=SignInOutcome.LIMITED).inc()
            logger.warning(
                "sign-in refused, too many attempts: name %s, from %s, again in %.0f s",
                shown(name),
                address,
                taken.wait_s,
            )
            raise TooManyAttempts(taken.wait_s)
    return Attempt(name=name, address=address, counted=bounds)


def code_failed(name: str, address: str) -> None:
    """A second factor's code was wrong; its own bound is the library's."""
    metrics.sign_ins.labels(outcome=SignInOutcome.WRONG_CODE).inc()
    logger.warning("second factor failed: name %s, from %s", shown(name), address)


def code_refused(name: str, address: str) -> None:
    """There were too many wrong ones; it was not looked at."""
    metrics.sign_ins.labels(outcome=SignInOutcome.LIMITED).inc()
    logger.warning("second factor refused, too many wrong codes: name %s, from %s", shown(name), address)


def shown(name: str) -> str:
    """What somebody typed, as one short word of a log line."""
    return repr(name[:_SHOWN_CHARS])


def _bound(most: int) -> Bound:
    return Bound(most=most, window_s=WINDOW_S)
