"""A page of what was said before a place, in one frame: for a client that began near the end and scrolls upwards."""

from chat.errors import InvalidCursor
from chat.wire.realtime.projector import RealtimeProjector, event_id, parse_event_id
from chat.wire.realtime.reader import old_frames
from chat.wire.realtime.server import HistoryGiven
from sessions_app.ids import new_id
from sessions_app.log.pages import page_start
from sessions_app.log.replay import read_finished, stored_until


def page_before(session_id: str, until: str) -> HistoryGiven:
    """The events of the page that ends with the place ``until``: each text is one delta, and told once.

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
    return HistoryGiven(event_id=new_id("evt"), after=event_id(session_id, start), until=until, events=events)
