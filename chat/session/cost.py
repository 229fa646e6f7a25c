"""What answers may cost, by session, and by user and day; and what one costs, counted while it is written."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from weakref import WeakValueDictionary

from chat.conf import conf
from chat.errors import BudgetExceeded
from chat.llm.prices import cost_microusd, request_bytes, tokens_of
from chat.llm.provider import ModelRequest, Usage
from chat.quota.quotas import Quotas
from chat.quota.subjects import payers_of, subjects_of
from chat.supervision import heard
from sessions_app.errors import DatabaseAway
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread
from sessions_app.selectors.analytics import spent_since

logger = logging.getLogger(__name__)


# Budgets are checked before a turn and while an answer is written. What the session spent is in its history. What a user spent today is read from the log at most once in
# `budget_stale_seconds` a process, and what this process's own answers cost since, running ones included,
# is added. So the sum leaves out what other processes spent within that time, and what their answers that
# still run will cost.


MICRO = 1_000_000


class DaySpending:
    """What one user (or guest) spent on one day (UTC), as this process knows it; shared by all their conversations."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._day = _today()
        self._in_log = 0
        self._since_read = 0
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._running: dict[str, int] = {}

    @property
    def microusd(self) -> int:
        self._turn_page()
        return self._in_log + self._since_read + sum(self._running.values())

    @property
    def stale(self) -> bool:
        self._turn_page()
        age_s = None if self._read_at is None else time.monotonic() - self._read_at
        return age_s is None or age_s >= conf().budget_stale_seconds

    def runs(self, response_id: str, microusd: int) -> None:
        """What an answer that is being written comes to so far."""
        self._running[response_id] = microusd

    def ended(self, response_id: str, microusd: int) -> None:
        self._running.pop(response_id, None)
        self._since_read += microusd

    def refresh_soon(self) -> None:
        if self._reading is None:
            self._reading = heard(self._read(), name="spending")

    async def refresh(self) -> None:
        self.refresh_soon()
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        """With the database away, what is known counts on: an answer that cannot be stored is refused anyway."""
        day, known, started = _today(), self._since_read, time.monotonic()
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        try:
            in_log = await in_db_thread(
                spent_since,
                user_id=self._visitor.user_id,
                guest_id=self._visitor.guest_id,
                external_user_id=self._visitor.external_user_id,
                since=begin,
            )
        except DatabaseAway:
            logger.warning("a budget is checked by what is known: the database is away")
        else:
            if day == _today():
                # what ended here before the read began is in the log by now, but for a commit's time
                self._in_log, self._since_read = in_log, self._since_read - known
        finally:
            self._read_at, self._reading = started, None

    def _turn_page(self) -> None:
        if self._day != _today():
            self._day, self._in_log, self._since_read, self._read_at = _today(), 0, 0, None


class Budget:
    """One conversation's."""

    def __init__(self, state: SessionState, visitor: Visitor, quotas: Quotas) -> None:
        self._state = state
        self._quotas = quotas
        self.payers = payers_of(subjects_of(visitor))
        """Whom an answer is counted for (`chat.quota`): who came last; the owner, where nobody comes."""
        self._day = _day_spending(visitor)
        self._running = ""
        """The response that was counted last."""

    def belongs_to(self, visitor: Visitor) -> None:
        """It is the owner's day that counts: a guest who has signed in is a user from here on, also with what runs."""
        before, self._day = self._day, _day_spending(visitor)
        if before and before is not self._day:
            before.ended(self._running, 0)

    async def refresh(self) -> None:
        """Bring the user's sum up to date where that is due; costs nothing without such a budget."""
        if self._bounds_day and self._day and self._day.stale:
            await self._day.refresh()

    def check(self, more_microusd: int = 0) -> None:
        """Raises `BudgetExceeded` when nothing is left, ``more_microusd`` of the running answer counted in."""
        limit = conf().budget_session_usd
        if limit is not None and self._state.spent_microusd + more_microusd >= limit * MICRO:
            raise BudgetExceeded(
                f"This session has used up its budget of ${limit:g}. What was said is kept; start a new session to go on."
            )
        limit = conf().budget_user_day_usd
        if limit is not None and self._day and self._day.microusd >= limit * MICRO:
            raise BudgetExceeded(
                f"You have used up your budget of ${limit:g} for today. What was said is kept; a new day begins at 00:00 UTC."
            )

    @property
    def bounded(self) -> bool:
        return conf().budget_session_usd is not None or (self._bounds_day and self._day is not None)

    @property
    def left(self) -> bool:
        try:
            self.check()
        except BudgetExceeded:
            return False
        return True

    def runs(self, response_id: str, microusd: int) -> None:
        """What the running answer comes to so far. Raises `BudgetExceeded` once it is too much."""
        if self._bounds_day and self._day:
            self._running = response_id
            self._day.runs(response_id, microusd)
            if self._day.stale:
                self._day.refresh_soon()
        self.check(microusd)

    def ended(self, response_id: str, microusd: int, *, tokens: int = 0) -> None:
        if self._day:
            self._day.ended(response_id, microusd)
        self._quotas.spent(self.payers, tokens=tokens, microusd=microusd)

    @property
    def _bounds_day(self) -> bool:
        return conf().budget_user_day_usd is not None


def _day_spending(visitor: Visitor) -> DaySpending | None:
    """None for somebody who cannot be told from others."""
    key = visitor.as_owner()
    if key == Visitor():
        return None
    spending = _accounts.get(key)
    if spending is None:
        spending = _accounts[key] = DaySpending(visitor)
    return spending


_accounts: WeakValueDictionary[Visitor, DaySpending] = WeakValueDictionary()


def _today() -> date:
    return datetime.now(UTC).date()


class Meter:
    """``model`` says who answers now, as ``PROVIDER:NAME``; ``tokens_per_byte`` is as the vendor's last count gave it."""

    def __init__(self, model: Callable[[], str], tokens_per_byte: float) -> None:
        self._model = model
        self._tokens_per_byte = tokens_per_byte
        self._finished: int | None = 0
        self._under_way = False
        self._request_bytes = 0
        self._output_bytes = 0
        self._answered = False
        self.context_tokens = 0
        self.context_bytes = 0
        self.estimated = False

    def begin(self, request: ModelRequest) -> None:
        """A request goes out."""
        self._request_bytes, self._output_bytes, self._answered = request_bytes(request), 0, False
        self._under_way = True

    def received(self, size_bytes: int) -> None:
        self._answered = True
        self._output_bytes += size_bytes

    def complete(self, usage: Usage) -> None:
        """The vendor's count of the request; all zero: it gave none."""
        if usage == Usage():
            self.give_up()
            return
        self._add(usage)
        self.context_tokens, self.context_bytes = usage.input_tokens, self._request_bytes

    def wasted(self, usage: Usage) -> None:
        """An attempt gave nothing to show and is counted all the same; the request goes out again."""
        under_way = self._under_way
        self.estimated = self.estimated or usage == Usage()
        self._add(self._guess() if usage == Usage() else usage)
        self._under_way = under_way

    def refused(self) -> None:
        """The vendor failed the request: before its first word it charges nothing."""
        if self._answered:
            self.give_up()
        self._under_way = False

    def give_up(self) -> None:
        """The request ends without the vendor's count, if one is under way."""
        if self._under_way:
            self.estimated = True
            self._add(self._guess())

    @property
    def microusd(self) -> int | None:
        """So far; None: the model's price is not known."""
        if self._finished is None or not self._under_way:
            return self._finished
        running = cost_microusd(self._model(), self._guess())
        return None if running is None else self._finished + running

    def _add(self, usage: Usage) -> None:
        cost = cost_microusd(self._model(), usage)
        self._finished = None if self._finished is None or cost is None else self._finished + cost
        self._under_way = False

    def _guess(self) -> Usage:
        return Usage(
            input_tokens=tokens_of(self._request_bytes, self._tokens_per_byte),
            output_tokens=tokens_of(self._output_bytes, self._tokens_per_byte),
        )
