"""For those who run the servers: processes, jobs, what is told to others, what was erased by age. Engineers' words live here."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.db.models.functions import Now
from procrastinate.contrib.django.models import ProcrastinateJob

from sessions_app.models import (
    DeliveryState,
    RetentionRun,
    ServerProcess,
    Session,
    SessionStatus,
    SummaryState,
    Webhook,
    WebhookDelivery,
)
from sessions_app.notices.deliveries import failing
from sessions_app.selectors.figures import bounded

NEWEST_RUNS = 5
_FAILING = 5
"""So many webhooks that fail are named."""
_LATE = 10
"""The jobs that have waited longest."""


@dataclass(frozen=True)
class Server:
    name: str
    started_at: dt.datetime
    sessions: int


def machine_room() -> dict[str, Any]:
    return {
        "servers": servers(),
        "jobs": jobs(),
        "waiting_jobs": _waiting_jobs(),
        "summaries_failed": bounded(Session.objects.filter(summary_state=SummaryState.FAILED)),
        "webhooks": Webhook.objects.count(),
        "failing": list(failing(Webhook.objects.all())[:_FAILING]),
        "deliveries": {
            state: bounded(WebhookDelivery.objects.filter(state=state))
            for state in (DeliveryState.WAITING, DeliveryState.FAILED)
        },
        "retention": list(RetentionRun.objects.order_by("-id")[:NEWEST_RUNS]),
    }


def servers() -> list[Server]:
    """The processes that are alive, with how many sessions each holds."""
    held = Session.objects.filter(status=SessionStatus.ACTIVE).order_by().values("lease_owner")
    sessions = dict(held.annotate(count=Count("pk")).values_list("lease_owner", "count"))
    alive = ServerProcess.objects.filter(expires_at__gt=Now()).order_by("started_at")
    return [Server(str(process), process.started_at, sessions.get(process.pk, 0)) for process in alive]


def jobs() -> dict[str, int]:
    """How many wait, run or have failed, however old they are."""
    return {
        state: bounded(ProcrastinateJob.objects.filter(status=state)) for state in ("todo", "doing", "failed")
    }


def _waiting_jobs() -> list[ProcrastinateJob]:
    return list(ProcrastinateJob.objects.filter(status="todo").order_by("pk")[:_LATE])
