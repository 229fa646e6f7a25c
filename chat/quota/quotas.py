"""The bounds of one process's clients: sockets, handshakes, questions, tokens, cost."""

import logging
import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from chat.conf import conf
from chat.errors import LimitReached, TooManySockets
from chat.quota.levels import QUIET, Holds, Levels, Windows, exchange
from chat.quota.subjects import Kind, Payers, Subject, kind_of
from chat.supervision import Held
from sessions_app.errors import DatabaseAway
from sessions_app.limits.levels import Bound
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

CROWD = 10
"""So many times what one guest may, all guests of one address may together: a household and an office share one."""
_MICRO = 1_000_000
_HANDSHAKES = "handshakes:"
_HANDSHAKE_WINDOW_S = 10.0
_MINUTE_S = 60.0
_DAY_S = 86_400.0


class Measure(StrEnum):
    """What is counted for a payer."""

    REQUESTS = "requests"  #: questions, by the minute
    TOKENS = "tokens"  #: of models, in and out, by the minute
    COST = "cost"  #: in US dollars, by the day


class Left(NamedTuple):
    """What the payer that is nearest to its bound has left."""

    measure: Measure
    limit: float
    remaining: float
    reset_s: float
    """Until all of it is there again."""


def left_headers(lefts: Iterable[Left]) -> dict[str, str]:
    """As OpenAI says it over HTTP: ``x-ratelimit-limit-requests``, ``-remaining-``, ``-reset-``, and the same of tokens."""
    found = {}
    for left in lefts:
        found[f"x-ratelimit-limit-{left.measure}"] = f"{left.limit:.0f}"
        found[f"x-ratelimit-remaining-{left.measure}"] = str(math.floor(left.remaining))
        found[f"x-ratelimit-reset-{left.measure}"] = f"{left.reset_s:.3f}s"
    return found


def bound_of(measure: Measure, kind: Kind) -> Bound | None:
    """None: there is no bound."""
    settings = conf()
    most, window_s = {
        Measure.REQUESTS: (settings.messages_per_minute, _MINUTE_S),
        Measure.TOKENS: (settings.tokens_per_minute, _MINUTE_S),
        Measure.COST: (settings.budget_user_day_usd, _DAY_S),
    }[measure]
    if most is None:
        return None
    return Bound(most=most * (CROWD if kind is Kind.ADDRESS else 1), window_s=window_s)


class Quotas:
    """One per process. What asks waits for nothing; `exchange` brings the processes together."""

    def __init__(self) -> None:
        self._levels = Levels()
        self._holds = Holds()
        self._handshakes = Windows(_HANDSHAKE_WINDOW_S)
        self._told_of_holds = False

    # Sockets

    def connect(self, address: str) -> None:
        """One more handshake of an address; each may make a session. Raises `TooManySockets`."""
        name = f"{_HANDSHAKES}{address}"
        if self._handshakes.one_more(name) + self._holds.elsewhere(name) > conf().max_connects_per_10_seconds:
            raise TooManySockets

    def sockets(self, subjects: Sequence[Subject]) -> Held:
        """Count one open socket of each, until that is closed. Raises `TooManySockets`."""
        held = Held()
        for subject in subjects:
            of_address = subject.kind is Kind.ADDRESS
            most = conf().max_sockets_per_address if of_address else conf().max_sockets_per_user
            if not self._holds.take(subject.name, most):
                held.close()
                raise TooManySockets(None if of_address else TooManySockets.OF_ONE_PERSON)
            held.callback(self._holds.release, subject.name)
        return held

    # Questions and answers

    def ask(self, payers: Payers) -> None:
        """Count one question. Raises `LimitReached` when its payers may not ask now; then nothing was counted."""
        for measure in Measure:
            for payer, bound in self._bounds(measure, payers):
                used, amount = self._used(measure, payer), 1.0 if measure is Measure.REQUESTS else 0.0
                over = used + amount - bound.most
                if over > 0 or (not amount and over >= 0):
                    raise LimitReached.of(measure, wait_s=max(1, math.ceil(over / bound.per_second)))
        for payer, bound in self._bounds(Measure.REQUESTS, payers):
            self._levels.spend(_name(Measure.REQUESTS, payer), bound)

    def spent(self, payers: Payers, *, tokens: int, microusd: int) -> None:
        """What an answer came to. A user's cost, and a guest's, is in the log; an address's and a key's is counted here."""
        for payer, bound in self._bounds(Measure.TOKENS, payers):
            self._levels.spend(_name(Measure.TOKENS, payer), bound, tokens)
        for payer, bound in self._bounds(Measure.COST, payers):
            self._levels.spend(_name(Measure.COST, payer), bound, microusd / _MICRO)

    def left(self, payers: Payers) -> list[Left]:
        """By measure; without what has no bound. Cost is not told: it is nobody's business but the operator's."""
        found = []
        for measure in (Measure.REQUESTS, Measure.TOKENS):
            bounds = self._bounds(measure, payers)
            least = min(
                (
                    Left(measure, bound.most, max(0.0, bound.most - used), used / bound.per_second)
                    for payer, bound in bounds
                    for used in (self._used(measure, payer),)
                ),
                key=lambda left: left.remaining,
                default=None,
            )
            if least:
                found.append(least)
        return found

    def _bounds(self, measure: Measure, payers: Payers) -> list[tuple[str, Bound]]:
        return [
            (payer, bound)
            for payer in payers
            if (bound := bound_of(measure, kind_of(payer))) and not _in_log(measure, payer)
        ]

    def _used(self, measure: Measure, payer: str) -> float:
        return self._levels.used(_name(measure, payer))

    # Among processes

    async def exchange(self, process: str) -> None:
        """Nothing is asked while nobody comes near a bound."""
        used, held = self._levels.to_tell(), self._held()
        if not used and not held and not self._told_of_holds:
            return
        try:
            totals, elsewhere = await in_db_thread(exchange, process, used, held)
        except DatabaseAway:
            self._levels.not_told(used)
            return
        self._levels.told(totals)
        self._holds.told(elsewhere)
        self._told_of_holds = bool(held)

    def _held(self) -> dict[str, int]:
        """Open sockets, and the handshakes of the last seconds."""
        matters = conf().max_connects_per_10_seconds * QUIET
        handshakes = {name: count for name, count in self._handshakes.counts().items() if count >= matters}
        return self._holds.to_tell() | handshakes


def _name(measure: Measure, payer: str) -> str:
    return f"{measure}:{payer}"


def _in_log(measure: Measure, payer: str) -> bool:
    """`chat.session.cost` bounds it, by what the log says."""
    return measure is Measure.COST and kind_of(payer) in (Kind.USER, Kind.GUEST)
