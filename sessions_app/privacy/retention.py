"""The retention: what is older than the settings keep is erased, once a day, and how that went is written down."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from django.db.models import F, Q
from django.db.models.functions import Now

from sessions_app.conf import conf
from sessions_app.errors import SessionNotFound
from sessions_app.models import EraseActor, EraseScope, RetentionRun, Session, SessionStatus
from sessions_app.postgres.outage import is_away
from sessions_app.privacy.erase import By, delete_session, erase_session, erase_tool_data

logger = logging.getLogger(__name__)

STEP_SIZE = 50
OWNER_DAYS = 2
"""For so long an erased session still says whose it was: what its answers cost counts for its owner's budget of the day."""
_BY = By(actor=EraseActor.RETENTION)


@dataclass(frozen=True)
class Rule:
    scope: EraseScope
    days: int
    erase: Callable[..., bool]
    """Raises `SessionNotFound`; False when there was nothing to erase."""

    @property
    def due(self) -> Q:
        """Ended for longer than that, and not erased since. By the database's clock."""
        before = Now() - timedelta(days=self.days)
        ended = Q(status=SessionStatus.ENDED, end_time__lt=before)
        match self.scope:
            case EraseScope.SESSION:
                return ended & Q(start_time__lt=before)  # what an index can use
            case EraseScope.WORDS:
                return ended & Q(erased_at__isnull=True)
        again = Q(tool_data_erased_at__isnull=True) | Q(tool_data_erased_at__lt=F("end_time"))
        return ended & Q(erased_at__isnull=True) & again


def rules() -> list[Rule]:
    """The settings' own, the one that leaves least first."""
    kept = (
        (EraseScope.SESSION, conf().retention_session_days, delete_session),
        (EraseScope.WORDS, conf().retention_days, erase_session),
        (EraseScope.TOOL_DATA, conf().retention_tool_days, erase_tool_data),
    )
    return [Rule(scope, days, erase) for scope, days, erase in kept if days is not None]


def count_due() -> dict[EraseScope, int]:
    """How many sessions a run would erase now, by scope; one that is due for more than one counts for each."""
    return {rule.scope: Session.objects.filter(rule.due).count() for rule in rules()}


class _Step(NamedTuple):
    looked_at: int
    erased: int


class Retention:
    """One run, in steps, so that a worker can stop between two of them."""

    def __init__(self) -> None:
        self.run = RetentionRun.objects.create()
        self._rules = rules()
        self._past: set[str] = set()
        """Sessions that cannot be erased: not met again in this run."""

    def step(self) -> bool:
        """Erase the next few sessions; False when that was the last step."""
        while self._rules:
            step = self._step(self._rules[0])
            if step.looked_at:
                self._note(self._rules[0].scope, step.erased)
                return True
            self._rules.pop(0)
            self._past.clear()
        forget_owners()
        RetentionRun.objects.filter(pk=self.run.pk).update(finished_at=Now())
        return False

    def _step(self, rule: Rule) -> _Step:
        due = Session.objects.filter(rule.due).exclude(session_id__in=self._past)
        ids = list(due.order_by().values_list("session_id", flat=True)[:STEP_SIZE])
        return _Step(len(ids), sum(self._erase(rule, session_id) for session_id in ids))

    def _erase(self, rule: Rule, session_id: str) -> bool:
        try:
            return rule.erase(session_id=session_id, by=_BY, where=rule.due)
        except SessionNotFound:
            return False
        except Exception as error:
            if is_away(error):
                raise
            logger.exception("session %s: the retention cannot erase it", session_id)
            self._past.add(session_id)
            RetentionRun.objects.filter(pk=self.run.pk).update(failed=F("failed") + 1)
            return False

    def _note(self, scope: EraseScope, erased: int) -> None:
        column = {
            EraseScope.SESSION: "sessions",
            EraseScope.WORDS: "words",
            EraseScope.TOOL_DATA: "tool_data",
        }[scope]
        RetentionRun.objects.filter(pk=self.run.pk).update(**{column: F(column) + erased})


def forget_owners() -> int:
    """Cut what ties sessions that were erased some days ago to a person; how many."""
    owned = Q(user__isnull=False) | ~Q(guest_id="")
    before = Now() - timedelta(days=OWNER_DAYS)
    return Session.objects.filter(owned, erased_at__lt=before).update(
        user=None, guest_id="", external_user_id=""
    )
