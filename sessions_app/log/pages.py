"""Where in a log a page begins: so much of a conversation as one reads at once, cut where no response is open."""

from django.db.models import Func, IntegerField
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from sessions_app.log.events import (
    AssistantMessage,
    OperatorMessage,
    OperatorTookOver,
    ResponseDone,
    ResponseStarted,
    ToolResult,
    UserMessage,
)
from sessions_app.models import STEPPED_EVENTS, SessionEvent

ENTRIES = 40
"""Messages and responses: some screens full."""
PAGE_BYTES = 256 * 1024
"""A page that is longer has fewer of them."""

_MOST_ROWS = 4 * ENTRIES
_ENTRY_EVENTS = (UserMessage.event_type, OperatorMessage.event_type, ResponseStarted.event_type)
_LONG_EVENTS = (AssistantMessage.event_type, ToolResult.event_type)


def recent_start(*, session_id: str, until: int) -> int:
    """As `page_start`, and not after a takeover by staff that goes on: whoever reads from there knows who answers."""
    start = page_start(session_id=session_id, until=until)
    stepped = SessionEvent.objects.filter(session_id=session_id, event_type__in=STEPPED_EVENTS)
    last = stepped.order_by("-seq").values_list("seq", "event_type").first()
    if last is None or last[1] != OperatorTookOver.event_type or last[0] > start:
        return start
    return _cut_before(session_id, last[0])


def page_start(*, session_id: str, until: int) -> int:
    """The seq after which the last page up to ``until`` begins; 0: with the session."""
    size = Coalesce(Func("content", function="octet_length", output_field=IntegerField()), 0)
    rows = SessionEvent.objects.filter(
        session_id=session_id, seq__lte=until, event_type__in=_ENTRY_EVENTS + _LONG_EVENTS
    ).order_by("-seq")
    found = list(rows.values_list("seq", "event_type", size)[:_MOST_ROWS])
    entries = bytes_ = 0
    for seq, event_type, length in found:
        entries += event_type in _ENTRY_EVENTS
        bytes_ += length
        if event_type in _ENTRY_EVENTS and (entries >= ENTRIES or bytes_ > PAGE_BYTES):
            return _cut_before(session_id, seq)
    return _cut_before(session_id, found[-1][0]) if len(found) == _MOST_ROWS else 0


def _cut_before(session_id: str, seq: int) -> int:
    """The last seq before ``seq`` at which no response is open: one that is, is taken along from its start."""
    rows = SessionEvent.objects.filter(session_id=session_id, seq__lt=seq)
    started = (
        rows.filter(event_type=ResponseStarted.event_type)
        .order_by("-seq")
        .annotate(response=KT("payload__response_id"))
        .values_list("seq", "response")
        .first()
    )
    if started is None:
        return seq - 1
    ends = rows.filter(seq__gt=started[0], event_type=ResponseDone.event_type)
    ended = ends.annotate(response=KT("payload__response_id")).filter(response=started[1]).exists()
    return seq - 1 if ended else int(started[0]) - 1
