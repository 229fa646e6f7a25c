"""What waits for the staff. Every query reads the open items alone, by the index that holds no others."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce
from operator import or_

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Left, Now
from django.http import HttpRequest

from sessions_app.log.events import (
    AssistantMessage,
    FeedbackGiven,
    Record,
    ResponseStarted,
    ToolApproval,
    UserMessage,
)
from sessions_app.log.replay import find_item
from sessions_app.log.rows import COLUMNS, UNREADABLE, Row, decode_row
from sessions_app.models import AttentionKind, InboxItem, ReviewMention, SessionEvent, Settled

MOST_COUNTED = 100
"""Nobody works through more of them at once; the badge then says "99+"."""
PAGE_ITEMS = 50
SETTLED = "settled"
"""Stands for a kind: what does not wait any more, of every kind."""
EXCERPT_CHARS = 400
_LOOKED_BACK = 5_000
"""So many seqs before what waits are looked through for the question: none is so far away from its answer."""


@dataclass(frozen=True)
class Words:
    """What was said there: the beginnings of the user's question and of what the assistant answered; empty: nothing."""

    question: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Waiting:
    """An item and the event that caused it; None: that cannot be read any more."""

    item: InboxItem
    record: Record | None
    words: Words = Words()
    decisions: Sequence[ToolApproval] = ()
    """What was said to an approval that is settled, in the order in which it was."""


def open_items() -> QuerySet[InboxItem]:
    return InboxItem.objects.filter(settled_at__isnull=True)


def waiting_for(name: str) -> QuerySet[InboxItem]:
    """What a member of staff is to look at: a customer waits for the one alone who has taken their conversation over."""
    return open_items().filter(~Q(kind=AttentionKind.CUSTOMER) | Q(waits_for=name))


def count_waiting(name: str) -> int:
    """At most `MOST_COUNTED`."""
    return waiting_for(name).order_by()[:MOST_COUNTED].count()


def counts_waiting(names: Iterable[str]) -> dict[str, int]:
    """The same of each of them, in two queries."""
    of_all = open_items().exclude(kind=AttentionKind.CUSTOMER).order_by()[:MOST_COUNTED].count()
    customers = open_items().filter(kind=AttentionKind.CUSTOMER, waits_for__in=list(names)).order_by()
    of_each = Counter(customers.values_list("waits_for", flat=True)[: MOST_COUNTED * MOST_COUNTED])
    return {name: min(of_all + of_each[name], MOST_COUNTED) for name in names}


def count_waiting_on(request: HttpRequest) -> int:
    """The same, asked once for a page, however often it stands there."""
    return _menu_counts(request)[0]


def count_mentions_on(request: HttpRequest) -> int:
    """The notes that name the member of staff that they have not seen; at most `MOST_COUNTED`."""
    return _menu_counts(request)[1]


def _menu_counts(request: HttpRequest) -> tuple[int, int]:
    """One query for both."""
    counted: tuple[int, int] | None = getattr(request, "_menu_counts", None)
    if counted is None:
        unseen = ReviewMention.objects.filter(user_id=request.user.pk or 0, seen_at__isnull=True)
        waiting = (
            waiting_for(request.user.get_username())
            .order_by()
            .annotate(of=Value(0))
            .values_list("of")[:MOST_COUNTED]
        )
        mentions = unseen.order_by().annotate(of=Value(1)).values_list("of")[:MOST_COUNTED]
        counts = Counter(of for (of,) in waiting.union(mentions, all=True))
        counted = counts[0], counts[1]
        request._menu_counts = counted  # type: ignore[attr-defined]
    return counted


def count_by_kind(name: str) -> dict[str, int]:
    """At most `MOST_COUNTED` of each kind: one query, a part of an index for each."""
    each = [
        waiting_for(name).filter(kind=kind).order_by().values_list("kind") for kind in AttentionKind.values
    ]
    first, *others = [kind[:MOST_COUNTED] for kind in each]
    counts = Counter(kind for (kind,) in first.union(*others, all=True))
    return {kind: counts[kind] for kind in AttentionKind.values}


FIRST = (AttentionKind.CUSTOMER, AttentionKind.APPROVAL)
"""Those that keep somebody waiting."""


def read_inbox(name: str, *, kind: str = "", limit: int = PAGE_ITEMS) -> list[Waiting]:
    """`FIRST` first, then the newest first: no number of others pushes an approval out."""
    found: list[InboxItem] = []
    for group in _groups(name, kind):
        found += _with_sessions(group).order_by("-at", "-id")[: limit - len(found)]
        if len(found) == limit:
            break
    return _with_words(found)


def _groups(name: str, kind: str) -> list[QuerySet[InboxItem]]:
    """In the order in which they stand."""
    items = waiting_for(name)
    if kind:
        return [items.filter(kind=kind)]
    return [*(items.filter(kind=first) for first in FIRST), items.exclude(kind__in=FIRST)]


def read_settled(*, limit: int = PAGE_ITEMS) -> list[Waiting]:
    """What does not wait any more, the latest first, by the index that holds no others."""
    items = list(_with_sessions(_settled()).order_by("-settled_at", "-id")[:limit])
    decisions = decisions_of(items)
    return [replace(one, decisions=decisions.get(one.item.pk, ())) for one in _with_words(items)]


def _settled() -> QuerySet[InboxItem]:
    return InboxItem.objects.filter(settled_at__isnull=False)


def all_put_away(session_ids: Iterable[str]) -> dict[str, str]:
    """Of those of these sessions in which something waited and nothing does any more, as far as staff put it away: who put
    away the last of it."""
    items = InboxItem.objects.filter(session_id__in=list(session_ids)).order_by("settled_at")
    found: dict[str, str] = {}
    open_ones = set()
    for session_id, settled_at, how, by in items.values_list(
        "session_id", "settled_at", "settled_how", "settled_by"
    ):
        if settled_at is None:
            open_ones.add(session_id)
        elif how == Settled.DISMISSED:
            found[session_id] = by
    return {session_id: by for session_id, by in found.items() if session_id not in open_ones}


def decisions_of(items: Iterable[InboxItem]) -> dict[int, list[ToolApproval]]:
    """By the items' keys: what persons said to those that are approvals and that the log settled. One query, or none."""
    asked = {
        (item.session_id, item.ref): item
        for item in items
        if item.kind == AttentionKind.APPROVAL and item.settled_how == Settled.LOG
    }
    if not asked:
        return {}
    there = [
        Q(session_id=item.session_id, seq__gt=item.seq, payload__approval_id=item.ref)
        for item in asked.values()
    ]
    rows = SessionEvent.objects.filter(reduce(or_, there), event_type=ToolApproval.event_type)
    found: dict[int, list[ToolApproval]] = {}
    for row in rows.order_by("session_id", "seq").values_list(*COLUMNS):
        for record in _decoded(Row(*row)):
            if isinstance(record.event, ToolApproval):
                item = asked[record.session_id, record.event.approval_id]
                found.setdefault(item.pk, []).append(record.event)
    return found


def next_item(item: InboxItem, *, name: str, kind: str = "", forward: bool = True) -> InboxItem | None:
    """The one after it, or before it, in the order of `read_inbox`; it need not wait itself any more. Along `SETTLED`, that of
    `read_settled`. None: at its end."""
    if kind == SETTLED:
        return _next_settled(item, forward=forward)
    if forward:
        there = Q(at__lt=item.at) | Q(at=item.at, pk__lt=item.pk)
    else:
        there = Q(at__gt=item.at) | Q(at=item.at, pk__gt=item.pk)
    groups = [group.order_by(*(("-at", "-id") if forward else ("at", "id"))) for group in _groups(name, kind)]
    place = FIRST.index(AttentionKind(item.kind)) if not kind and item.kind in FIRST else len(groups) - 1
    beyond = groups[place + 1 :] if forward else reversed(groups[:place])
    return next((found for one in (groups[place].filter(there), *beyond) if (found := one.first())), None)


def _next_settled(item: InboxItem, *, forward: bool) -> InboxItem | None:
    """From one that waits again it begins anew."""
    items = _settled().order_by(*(("-settled_at", "-id") if forward else ("settled_at", "id")))
    if item.settled_at is None:
        return items.first() if forward else None
    same = Q(settled_at=item.settled_at)
    if forward:
        return items.filter(Q(settled_at__lt=item.settled_at) | same & Q(pk__lt=item.pk)).first()
    return items.filter(Q(settled_at__gt=item.settled_at) | same & Q(pk__gt=item.pk)).first()


def _with_sessions(items: QuerySet[InboxItem]) -> QuerySet[InboxItem]:
    return items.select_related("session", "session__user").defer("session__summary")


def _with_words(items: list[InboxItem]) -> list[Waiting]:
    records = read_events((item.session_id, item.seq) for item in items)
    words = read_words(items)
    return [
        Waiting(item, records.get((item.session_id, item.seq)), words.get(item.pk, Words())) for item in items
    ]


def read_words(waiting: Iterable[InboxItem]) -> dict[int, Words]:
    """By the items' keys, in one query."""
    of_session = SessionEvent.objects.filter(session_id=OuterRef("session_id"))
    near = of_session.filter(seq__lte=OuterRef("seq"), seq__gt=OuterRef("seq") - _LOOKED_BACK)
    starts = near.filter(event_type=ResponseStarted.event_type).order_by("-seq").values("seq")[:1]
    items = of_session.filter(event_type=AssistantMessage.event_type).annotate(item=KT("payload__item_id"))
    rated = items.filter(item=OuterRef("ref")).order_by()
    is_rating = Q(kind=AttentionKind.BAD_RATING)
    placed = InboxItem.objects.annotate(
        place=Coalesce(
            Case(
                When(is_rating, then=Subquery(rated.values("seq")[:1])),
                When(kind=AttentionKind.CUSTOMER, then=F("session__last_seq")),  # what they said last
                default=Subquery(starts),
            ),
            F("seq"),
        )
    )
    before = of_session.filter(seq__lte=OuterRef("place"), seq__gt=OuterRef("place") - _LOOKED_BACK)
    asked = before.filter(event_type=UserMessage.event_type).order_by("-seq")
    said = near.filter(event_type=AssistantMessage.event_type, seq__gte=OuterRef("place")).order_by("-seq")
    found = placed.filter(pk__in=[item.pk for item in waiting]).annotate(
        question=_beginning(asked),
        answer=Case(When(is_rating, then=_beginning(rated)), default=_beginning(said)),
    )
    return {
        pk: Words(question or "", answer or "")
        for pk, question, answer in found.order_by().values_list("pk", "question", "answer")
    }


def read_ratings(session_ids: Iterable[str], limit: int) -> list[Record]:
    """The newest ones of these sessions, at most ``limit``, in the order in which they were given."""
    given = SessionEvent.objects.filter(
        session_id__in=session_ids, event_type=FeedbackGiven.event_type
    ).order_by("-created_at")
    rows = given.values_list(*COLUMNS)[:limit]
    return [record for row in reversed(rows) for record in _decoded(Row(*row))]


def read_answers(places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, Words]]:
    """Where these answers, (session, item), stand, and what was said; in one query. What is gone is left out."""
    wanted = reduce(or_, (Q(session_id=one, item=item) for one, item in places), Q(pk__in=[]))
    answers = SessionEvent.objects.annotate(item=KT("payload__item_id"))
    answers = answers.filter(wanted, event_type=AssistantMessage.event_type).order_by()
    asked = SessionEvent.objects.filter(
        session_id=OuterRef("session_id"),
        seq__lt=OuterRef("seq"),
        seq__gt=OuterRef("seq") - _LOOKED_BACK,
        event_type=UserMessage.event_type,
    )
    found = answers.annotate(
        question=_beginning(asked.order_by("-seq")), answer=Left("content", EXCERPT_CHARS)
    )
    rows = found.values_list("session_id", "item", "seq", "question", "answer")
    return {
        (session_id, item): (seq, Words(question or "", answer or ""))
        for session_id, item, seq, question, answer in rows
    }


def _beginning(events: QuerySet[SessionEvent]) -> Subquery:
    return Subquery(events.annotate(words=Left("content", EXCERPT_CHARS)).values("words")[:1])


def read_events(places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Record]:
    """The events at these places; one that cannot be read is left out."""
    there = reduce(or_, (Q(session_id=one, seq=seq) for one, seq in places), Q(pk__in=[]))
    rows = SessionEvent.objects.filter(there).order_by().values_list(*COLUMNS)
    return {(record.session_id, record.seq): record for row in rows for record in _decoded(Row(*row))}


def rated_again(places: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """``places``: of ratings, (session, seq). Those of them after which another one of the same answer came: a thumb and its comment are
    two events, and who is told of the second is not told of the first. Both wait for a comment (`sessions_app.log.attention.COMMENT_WAIT_S`).
    """
    if not places:
        return set()
    given = SessionEvent.objects.filter(
        session_id__in={session_id for session_id, _ in places}, event_type=FeedbackGiven.event_type
    )
    last: dict[tuple[str, str], int] = {}
    for session_id, seq, item_id in given.values_list("session_id", "seq", KT("payload__item_id")):
        last[session_id, item_id] = max(seq, last.get((session_id, item_id), 0))
    return {
        place
        for place, record in read_events(places).items()
        if isinstance(record.event, FeedbackGiven) and last[place[0], record.event.item_id] > place[1]
    }


def _decoded(row: Row) -> Sequence[Record]:
    try:
        return decode_row(row)
    except UNREADABLE:
        return []


def place_of(item: InboxItem) -> int:
    """The seq of what it is about, as the transcript has it: of the answer, not of its failure or of what a user thinks of
    it."""
    seq = item.seq
    if item.kind == AttentionKind.BAD_RATING:
        rated, _ = find_item(session_id=item.session_id, item_id=item.ref)
        seq = rated.seq if rated else seq
    elif item.kind not in (AttentionKind.FAILED_ANSWER, AttentionKind.BUDGET, AttentionKind.FAILED_TOOL):
        return seq
    starts = SessionEvent.objects.filter(
        session_id=item.session_id, seq__lte=seq, event_type=ResponseStarted.event_type
    )
    return starts.order_by("-seq").values_list("seq", flat=True).first() or seq


KEEP = timedelta(days=30)
"""So long what does not wait any more says how it was settled."""


def forget_settled() -> None:
    InboxItem.objects.filter(settled_at__lt=Now() - KEEP).delete()
