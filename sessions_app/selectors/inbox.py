"""What waits for the staff. Every query reads the open items alone, by the index that holds no others."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_

import msgspec
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from sessions_app.log.events import Record, ResponseStarted
from sessions_app.log.replay import find_item
from sessions_app.log.rows import COLUMNS, Row, decode_row
from sessions_app.models import AttentionKind, InboxItem, SessionEvent, Settled

MOST_COUNTED = 100
"""Nobody works through more of them at once; the badge then says "99+"."""
PAGE_ITEMS = 50


@dataclass(frozen=True)
class Waiting:
    """An item and the event that caused it; None: that cannot be read any more."""

    item: InboxItem
    record: Record | None


def open_items() -> QuerySet[InboxItem]:
    return InboxItem.objects.filter(settled_at__isnull=True)


def count_waiting() -> int:
    """At most `MOST_COUNTED`."""
    return open_items().order_by()[:MOST_COUNTED].count()


def count_by_kind() -> dict[str, int]:
    """At most `MOST_COUNTED` of each kind: one query, a part of an index for each."""
    each = [open_items().filter(kind=kind).order_by().values_list("kind") for kind in AttentionKind.values]
    first, *others = [kind[:MOST_COUNTED] for kind in each]
    counts = Counter(kind for (kind,) in first.union(*others, all=True))
    return {kind: counts[kind] for kind in AttentionKind.values}


def read_inbox(*, kind: str = "", limit: int = PAGE_ITEMS) -> list[Waiting]:
    """Those that keep somebody waiting first, then the newest first: no number of others pushes an approval out."""
    items = open_items().select_related("session", "session__user").defer("session__summary")
    items = items.order_by("-at", "-id")
    first = kind or AttentionKind.APPROVAL
    found = list(items.filter(kind=first)[:limit])
    if not kind and len(found) < limit:
        found += items.exclude(kind=first)[: limit - len(found)]
    records = read_events((item.session_id, item.seq) for item in found)
    return [Waiting(item, records.get((item.session_id, item.seq))) for item in found]


def read_events(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Record]:
    """The events at these places; one that cannot be read is left out."""
    there = reduce(or_, (Q(session_id=one, seq=seq) for one, seq in places), Q(pk__in=[]))
    rows = SessionEvent.objects.filter(there).order_by().values_list(*COLUMNS)
    return {(record.session_id, record.seq): record for row in rows for record in _decoded(Row(*row))}


def _decoded(row: Row) -> Sequence[Record]:
    try:
        return decode_row(row)
    except (msgspec.ValidationError, KeyError, TypeError):
        return []


def place_of(item: InboxItem) -> int:
    """The seq of what it is about, as the transcript has it: of the answer, not of its failure or of what a user thinks of
    it."""
    seq = item.seq
    if item.kind == AttentionKind.BAD_RATING:
        rated, _ = find_item(session_id=item.session_id, item_id=item.ref)
        seq = rated.seq if rated else seq
    elif item.kind not in (AttentionKind.FAILED_ANSWER, AttentionKind.BUDGET):
        return seq
    starts = SessionEvent.objects.filter(
        session_id=item.session_id, seq__lte=seq, event_type=ResponseStarted.event_type
    )
    return starts.order_by("-seq").values_list("seq", flat=True).first() or seq


KEEP = timedelta(days=30)
"""So long what does not wait any more says how it was settled."""


def forget_settled() -> None:
    InboxItem.objects.filter(settled_at__lt=Now() - KEEP).delete()


def dismiss(item: InboxItem, *, by: str) -> bool:
    """False: it does not wait any more."""
    still = open_items().filter(pk=item.pk)
    return bool(still.update(settled_at=Now(), settled_how=Settled.DISMISSED, settled_by=by))
