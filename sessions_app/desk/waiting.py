"""What staff do with what waits for them: put it away, settle all of a session by being done with it, and bring it back."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from sessions_app.models import AttentionKind, InboxItem, Settled
from sessions_app.selectors.inbox import open_items

KEPT = (AttentionKind.APPROVAL, AttentionKind.CUSTOMER)
"""Somebody waits for an answer: these are given it, never put away."""
BY_STAFF = (Settled.DISMISSED, Settled.REVIEWED)
"""What a person settled, a person can bring back; what the log settled is over."""


def put_away(item_ids: Iterable[int], *, by: str) -> list[int]:
    """Those of them that waited. Of `KEPT` none did."""
    with transaction.atomic():
        waiting = _can_be_put_away().filter(pk__in=list(item_ids)).order_by("pk").select_for_update()
        ids = list(waiting.values_list("pk", flat=True))
        InboxItem.objects.filter(pk__in=ids).update(**_settled(Settled.DISMISSED, by))
    return ids


def bring_back(item_ids: Iterable[int]) -> int:
    """How many wait again."""
    return _wait_again(InboxItem.objects.filter(pk__in=list(item_ids), settled_how__in=BY_STAFF))


def ran_again(item_id: int, *, by: str) -> None:
    """Until it is settled it says so; and what the log has settled by then was settled because somebody asked for it."""
    asked = Q(settled_at__isnull=True) | Q(settled_how=Settled.LOG)
    InboxItem.objects.filter(asked, pk=item_id).update(settled_by=by[:150])


def settle_session(session_id: str, *, by: str) -> None:
    """Somebody is done with the session."""
    _can_be_put_away().filter(session_id=session_id).update(**_settled(Settled.REVIEWED, by))


def unsettle_session(session_id: str) -> None:
    """Nobody is done with it after all."""
    _wait_again(InboxItem.objects.filter(session_id=session_id, settled_how=Settled.REVIEWED))


def _can_be_put_away() -> QuerySet[InboxItem]:
    return open_items().exclude(kind__in=KEPT)


def _settled(how: Settled, by: str) -> dict[str, object]:
    return {"settled_at": Now(), "settled_how": how, "settled_by": by[:150]}


def _wait_again(items: QuerySet[InboxItem]) -> int:
    return items.update(settled_at=None, settled_how="", settled_by="")
