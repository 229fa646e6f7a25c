"""What one socket is sent of its session's log, as text.

A frame is encoded once for all sockets of a session. Where a socket asks for it (``history=joined``), old deltas are
joined, and no old text is told twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from weakref import WeakKeyDictionary

import msgspec

from chat.conf import conf
from chat.errors import InvalidCursor
from chat.wire.dialect import AnySession
from chat.wire.realtime import server as se
from chat.wire.realtime.objects import Item, MessageItem, OutputText
from chat.wire.realtime.projector import Cursor, RealtimeProjector, event_id, parse_event_id
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.pages import page_start
from sessions_app.log.replay import read_finished, stored_until

_KEPT_RECORDS = 32
_KEPT_CHARS = 16_384


class _Encoded:
    """The newest frames of one session as text, by the seq of their record, until each of its sockets has taken them."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Sequence[str], int]] = {}

    def take(self, seq: int) -> Sequence[str] | None:
        kept = self._kept.pop(seq, None)
        if kept is None:
            return None
        texts, readers = kept
        if readers > 1:
            self._kept[seq] = texts, readers - 1
        return texts

    def keep(self, seq: int, texts: Sequence[str], readers: int) -> None:
        if readers and sum(map(len, texts)) <= _KEPT_CHARS:
            self._kept[seq] = texts, readers
            if (
                len(self._kept) > _KEPT_RECORDS
            ):  # a socket that is slow, or of another dialect, does not come for them
                del self._kept[min(self._kept)]


_encoded: WeakKeyDictionary[AnySession, _Encoded] = WeakKeyDictionary()


class LogReader:
    """Gives the frames after a cursor, of the records that it is given in order of seq. The first may be any at which no
    response is open."""

    def __init__(self, session: AnySession, cursor: Cursor, *, joined_until: int = 0) -> None:
        """What was up to seq ``joined_until`` is history, and is joined."""
        self._session = session
        self.cursor = cursor
        self._joined_until = joined_until
        self._projector = RealtimeProjector(session.session_id)

    def texts(self, records: Sequence[ev.Record]) -> Iterator[str]:
        if records[0].seq <= self._joined_until:
            old = [record for record in records if record.seq <= self._joined_until]
            yield from map(se.encode, joined(frame for record in old for frame in self._old_frames(record)))
            records = records[len(old) :]
        others = len(self._session.subscribers) - 1
        for record in records:
            yield from self._texts(record, others)

    def _old_frames(self, record: ev.Record) -> list[se.ServerEvent]:
        return old_frames(record, self._projector.frames_after(record, self.cursor))

    def _texts(self, record: ev.Record, others: int) -> Sequence[str]:
        if record.seq <= self.cursor.seq:
            return [se.encode(frame) for frame in self._frames(record)]
        kept = self._shared.take(record.seq) if others else None
        if (template := self._projector.delta(record)) is not None:
            assert isinstance(record.event, ev.AssistantDelta)
            texts: Sequence[str] = kept or (template.encode(record.seq, record.event.text),)
        else:
            frames = self._frames(record)
            texts = kept or [se.encode(frame) for frame in frames]
        if kept is None and others:
            self._shared.keep(record.seq, texts, others)
        return texts

    def _frames(self, record: ev.Record) -> list[se.ServerEvent]:
        frames = self._projector.frames_after(record, self.cursor)
        if not _repeats(record.event):
            return frames
        limit = conf().repeated_text_chars
        return [told_once(frame, limit) for frame in frames]

    @property
    def _shared(self) -> _Encoded:
        shared = _encoded.get(self._session)
        if shared is None:
            shared = _encoded[self._session] = _Encoded()
        return shared


def old_frames(record: ev.Record, frames: list[se.ServerEvent]) -> list[se.ServerEvent]:
    """A record's frames, with no text in them that deltas have told."""
    return [told_once(frame, 0) for frame in frames] if _repeats(record.event) else frames


def joined(frames: Iterable[se.ServerEvent]) -> Iterator[se.ServerEvent]:
    """The same with neighbouring deltas of a text as one, under the ``event_id`` of the last: whoever has that frame has them
    all."""
    run: list[se.TextDelta] = []
    for frame in frames:
        delta = frame if isinstance(frame, se.TextDelta) else None
        if run and (delta is None or delta.item_id != run[0].item_id):
            yield _one_of(run)
            run = []
        if delta is None:
            yield frame
        else:
            run.append(delta)
    if run:
        yield _one_of(run)


def _one_of(run: list[se.TextDelta]) -> se.TextDelta:
    text = "".join(delta.delta for delta in run)
    return msgspec.structs.replace(run[-1], delta=text)


# What deltas have told, and is told again whole as the text, its item and its response end


def _repeats(event: ev.Event) -> bool:
    """Not an assistant's message that the client itself has put there: that was told by no delta."""
    return isinstance(event, ev.ResponseDone) or (
        isinstance(event, ev.AssistantMessage) and bool(event.response_id)
    )


def told_once(frame: se.ServerEvent, max_chars: int) -> se.ServerEvent:
    """The frame, with the length in place of an answer's text that is longer than ``max_chars``."""
    replace = msgspec.structs.replace
    match frame:
        case se.TextDone() if len(frame.text) > max_chars:
            return replace(frame, text="", x_text_chars=len(frame.text))
        case se.ContentPartDone(part=part) if len(part.text) > max_chars:
            return replace(frame, part=replace(part, text="", x_text_chars=len(part.text)))
        case se.ItemDone() | se.OutputItemDone():
            return replace(frame, item=_item_told_once(frame.item, max_chars))
        case se.ResponseDone(response=response):
            output = [_item_told_once(item, max_chars) for item in response.output]
            return replace(frame, response=replace(response, output=output))
        case _:
            return frame


def _item_told_once(item: Item, max_chars: int) -> Item:
    if not isinstance(item, MessageItem):
        return item
    content = [
        msgspec.structs.replace(part, text="", x_text_chars=len(part.text))
        if isinstance(part, OutputText) and len(part.text) > max_chars
        else part
        for part in item.content
    ]
    return msgspec.structs.replace(item, content=content)


def page_before(session_id: str, until: str) -> se.HistoryGiven:
    """What was said before a place, in one frame, for a client that began near the end and scrolls upwards: the events of the page
    that ends with ``until``, each text as one delta, and told once.

    Raises `InvalidCursor` for what is no such place.
    """
    last = parse_event_id(session_id, until)
    if last.index is not None or last.seq > stored_until(session_id=session_id):
        raise InvalidCursor(
            "until is not a place at which an event of this session's log ends.", param="until"
        )
    start = page_start(session_id=session_id, until=last.seq)
    projector = RealtimeProjector(session_id)
    events = [
        frame
        for record in read_finished(session_id=session_id, after=start, until=last.seq)
        for frame in old_frames(record, projector.frames(record))
    ]
    return se.HistoryGiven(
        event_id=new_id("evt"), after=event_id(session_id, start), until=until, events=events
    )
