"""Who of the staff read which session: written down before the page is shown."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from sessions_app.models import OpenedView, TranscriptOpening
from sessions_app.postgres.outage import is_read_only

logger = logging.getLogger(__name__)

ONE_OPENING = timedelta(minutes=10)
"""Paging through a transcript is one reading of it."""


def record_downloads(*, session_ids: Sequence[str], staff: AbstractBaseUser | AnonymousUser) -> None:
    """As `record_opening`, of many at once. Raises where the database takes no writes: nobody carries away a list unseen."""
    lately = TranscriptOpening.objects.filter(
        session_id__in=session_ids, staff_id=staff.pk, view=OpenedView.DOWNLOAD, at__gt=Now() - ONE_OPENING
    )
    known = set(lately.order_by().values_list("session_id", flat=True))
    TranscriptOpening.objects.bulk_create(
        TranscriptOpening(
            session_id=session_id,
            staff_id=staff.pk,
            staff_name=staff.get_username(),
            view=OpenedView.DOWNLOAD,
        )
        for session_id in session_ids
        if session_id not in known
    )


_RECORD = """
    INSERT INTO transcript_openings (session_id, staff_id, staff_name, view, at)
    SELECT %(session)s, %(staff)s, %(name)s, %(view)s, statement_timestamp()
    WHERE NOT EXISTS (
        SELECT FROM transcript_openings
        WHERE session_id = %(session)s AND staff_id = %(staff)s AND view = %(view)s
          AND at > statement_timestamp() - make_interval(secs => %(lately)s)
    )
"""


def _own_or_savepoint() -> AbstractContextManager[object]:
    """A statement that fails ends its transaction: on its own it is one, and needs no round trips to begin and end it."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def record_opening(*, session_id: str, staff: AbstractBaseUser | AnonymousUser, view: OpenedView) -> None:
    """Once in `ONE_OPENING` for the same person, session and view. Where the database takes no writes the page is shown all
    the same, and this process's log has the line."""
    name = staff.get_username()
    opening = {"session": session_id, "staff": staff.pk, "name": name, "view": view.value}
    try:
        with _own_or_savepoint(), connection.cursor() as cursor:
            cursor.execute(_RECORD, {**opening, "lately": ONE_OPENING.total_seconds()})
    except DatabaseError as error:
        if not is_read_only(error):
            raise
        logger.warning(
            "session %s: %s opened by staff %s, not recorded: read-only", session_id, view.value, name
        )
