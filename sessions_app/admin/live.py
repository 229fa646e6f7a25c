"""The transcript as it goes on: what a page that shows it is sent, entry by entry, as the HTML that the page itself is made of.

An entry is sent whole whenever it has changed, under the seq at which it began, so that one that is sent again takes its own
place: a page that was away begins at the last seq that it has, and nothing is missed or shown twice. Of a text that is being
written only what is new is sent, as text, until a paragraph of it is whole. What a page is sent depends on the log alone, and on where the page stands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.template.loader import render_to_string

from sessions_app.admin.facts import line
from sessions_app.admin.pages import render_texts
from sessions_app.admin.summaries import summary_shown
from sessions_app.errors import SessionNotFound
from sessions_app.log import events as ev
from sessions_app.log.replay import operator_now
from sessions_app.models import Session, SessionEvent, SessionStatus
from sessions_app.review.reader import read_before
from sessions_app.review.text import visitor_name
from sessions_app.review.transcript import Answer, Folding, Text

ENTRIES_KEPT = 400
"""Of a page that stays open for long: older entries do not change any more, but for what is told of them by a notice."""
_CONNECTIONS = (
    ev.ConnectionOpened.event_type,
    ev.ConnectionClosed.event_type,
    ev.SessionReopened.event_type,
    ev.SessionEnded.event_type,
)
_OF_THE_SUMMARY = (ev.SummaryWritten, ev.SummaryFailed, ev.SessionReopened, ev.SessionEnded)
_OF_THE_LINE = (
    ev.UserMessage,
    ev.OperatorMessage,
    ev.AssistantMessage,
    ev.ToolCall,
    ev.ResponseDone,
    ev.SessionEnded,
    ev.SessionReopened,
)
"""What changes the figures of the head."""
_ROWS_LOOKED_AT = 2_000

JSON = dict[str, Any]


@dataclass
class Now:
    """What stands above the transcript."""

    status: str
    operator: str = ""
    here: set[str] = field(default_factory=set)
    """The user's connections."""
    open_answers: set[str] = field(default_factory=set)

    def apply(self, event: ev.Event) -> None:
        match event:
            case ev.ConnectionOpened() if event.dialect != "admin":
                self.here.add(event.connection_id)
            case ev.ConnectionClosed():
                self.here.discard(event.connection_id)
            case ev.SessionReopened():
                self.status = SessionStatus.ACTIVE
                self.here, self.open_answers = set(), set()
            case ev.SessionEnded():
                self.status, self.operator = SessionStatus.ENDED, ""
                self.here, self.open_answers = set(), set()
            case ev.OperatorTookOver():
                self.operator = event.author
            case ev.OperatorHandedBack():
                self.operator = ""
            case ev.ResponseStarted():
                self.open_answers.add(event.response_id)
            case ev.ResponseDone():
                self.open_answers.discard(event.response_id)

    def told(self) -> JSON:
        return {
            "status": self.status,
            "operator": self.operator,
            "here": len(self.here),
            "answering": bool(self.open_answers),
        }


class LiveTranscript:
    def __init__(self, session: Session, *, seen: int, may_decide: bool, may_operate: bool) -> None:
        """``seen``: the last seq that the page has."""
        self._session = session
        self._seen = seen
        self._may = {"may_decide": may_decide, "may_operate": may_operate}
        self._folding = Folding()
        self._streams: set[str] = set()
        """The items whose text the page has as far as it came, so that the rest can be added."""
        self._has_news = False
        """Of the summary."""
        self._has_figures = False
        """New ones for the head."""
        self.now = Now(session.status)
        self.cursor = 0
        """From where the log is to be read on."""

    @classmethod
    def of_page(
        cls, session_id: str, *, first: int, seen: int, may_decide: bool = False, may_operate: bool = False
    ) -> "LiveTranscript":
        """For a page that shows the log from ``first`` to ``seen``. Raises `SessionNotFound`, also for an erased one.

        It reads on from where the first answer began that was not over by then, for its deltas stand nowhere else.
        """
        session = Session.objects.select_related("user").filter(pk=session_id, erased_at__isnull=True).first()
        if session is None:
            raise SessionNotFound
        live = cls(session, seen=seen, may_decide=may_decide, may_operate=may_operate)
        records = read_before(session, first=first, until=seen)
        begun = {
            one.event.response_id: one.seq for one in records if isinstance(one.event, ev.ResponseStarted)
        }
        for one in records:
            if isinstance(one.event, ev.ResponseDone):
                begun.pop(one.event.response_id, None)
        last = records[-1].seq if records else min(seen, session.last_seq)
        live.cursor = min([last, *(seq - 1 for seq in begun.values())])
        for record in records:
            if record.seq <= live.cursor:
                live._folding.apply(record)
        live._folding.touched.clear()
        live.now.here = _connections_until(session_id, live.cursor)
        live.now.operator = operator_now(session_id=session_id)
        live._folding.operator = operator_now(session_id=session_id, until=live.cursor)
        return live

    def take(self, records: Sequence[ev.Record]) -> JSON:
        """What the page is to be sent of them."""
        dropped: int | None = None
        added: dict[int, list[str]] = {}
        for record in records:
            event = record.event
            self.now.apply(event)
            self._session.status = self.now.status
            if isinstance(event, _OF_THE_SUMMARY) and record.seq > self._seen:
                self._has_news = True
            if isinstance(event, _OF_THE_LINE) and record.seq > self._seen:
                self._has_figures = True
            if isinstance(event, ev.SessionReopened) and event.skipped and record.first_seq <= self._seen:
                dropped = record.first_seq
                self._folding.drop_from(record.first_seq)
                self._streams.clear()
            if isinstance(event, ev.AssistantDelta) and event.item_id in self._streams:
                touched = dict(self._folding.touched)
                self._folding.apply(record)
                if not self._folding.ends_paragraph(event):
                    self._folding.touched = touched
                added.setdefault(self._folding.seq_of(event.item_id), []).append(event.text)
            else:
                self._folding.apply(record)
        self._seen = max(self._seen, records[-1].seq)
        update = self._update(added)
        return update if dropped is None else {"drop_from": dropped, **update}

    def _update(self, added: dict[int, list[str]]) -> JSON:
        touched = sorted(self._folding.touched.items())
        self._folding.touched = {}
        entries, whole = [], set[int]()
        for seq, entry in touched:
            for item in entry.items if isinstance(entry, Answer) else ():
                whole.add(item.seq)
                if isinstance(item, Text):
                    self._follow(item)
            entries.append({"seq": seq, "html": self._html(entry)})
        self._folding.keep(ENTRIES_KEPT)
        more = [{"seq": seq, "text": "".join(texts)} for seq, texts in added.items() if seq not in whole]
        update = {"seq": self._seen, "entries": entries, "append": more, "now": self.now.told()}
        return {**update, **self._head()} if self._has_news or self._has_figures else update

    def _head(self) -> JSON:
        """The figures and the summary, as the session has them by now."""
        told, self._has_news, self._has_figures = self._has_news, False, False
        session = Session.objects.filter(pk=self._session.pk).first()
        if session is None:
            return {}
        figures = {"line": [{"value": fact.value, "hint": fact.hint} for fact in line(session)]}
        return {**figures, **self._summary(session)} if told else figures

    def _summary(self, session: Session) -> JSON:
        html = render_to_string("admin/sessions_app/session/summary.html", summary_shown(session))
        return {"summary": html, "heading": session.heading}

    def _follow(self, text: Text) -> None:
        if text.status == "partial":
            self._streams.add(text.item_id)
        else:
            self._streams.discard(text.item_id)

    def _html(self, entry: Any) -> str:
        render_texts([entry])
        context = {
            "entry": entry,
            "session": self._session,
            "visitor": visitor_name(self._session),
            **self._may,
            "csrf_token": "NOTPROVIDED",  # the page puts its own in
        }
        return render_to_string("admin/sessions_app/session/entry.html", context)


def _connections_until(session_id: str, seq: int) -> set[str]:
    """The user's that are open there; of the last part of the log, if it is long."""
    log = SessionEvent.objects.filter(session_id=session_id, seq__lte=seq).order_by("-seq")
    near = SessionEvent.objects.filter(pk__in=log.values("pk")[:_ROWS_LOOKED_AT], event_type__in=_CONNECTIONS)
    found: Iterable[tuple[str, Any]] = near.order_by("seq").values_list("event_type", "payload")
    there: set[str] = set()
    for event_type, payload in found:
        if event_type == ev.ConnectionOpened.event_type:
            there |= {str(payload["connection_id"])} if payload["dialect"] != "admin" else set()
        elif event_type == ev.ConnectionClosed.event_type:
            there.discard(str(payload["connection_id"]))
        else:
            there.clear()
    return there
