"""What the transcript says of the events that are no conversation: (sentence, tone) of each."""

from sessions_app import events as ev

_DIALECTS = {"plain": "plain text", "realtime": "Realtime JSON", "admin": "staff, from the admin"}
_REOPENED = {
    "returned": ("Session reopened: the client came back", "info"),
    "takeover": ("Taken over by another server process: the one that held it is gone", "warning"),
    "orphaned": ("Taken up to be ended: the server process that held it is gone", "warning"),
}
_ENDED = {
    "left": ("Session ended: the client had left", "neutral"),
    "closed": ("Session ended on request", "neutral"),
    "orphaned": ("Session ended: the server process that held it died", "warning"),
}
_NORMAL_CLOSE = (1000, 1001, 1005)
_LOST = 1006


def notice_text(event: ev.Event) -> tuple[str, str]:
    """The tone is one of `sessions_app.transcript.Tone`; an event that has no sentence of its own is named."""
    match event:
        case ev.SessionStarted():
            return _with(_with("Session started", event.model), _dialect(event.source)), "neutral"
        case ev.SessionReopened():
            text, tone = _REOPENED.get(event.cause, (f"Session reopened: {event.cause}", "info"))
            return _with(text, event.model), tone
        case ev.SessionUpdated():
            return f"Settings changed: {', '.join(sorted(event.config)) or 'nothing'}", "neutral"
        case ev.SessionEnded():
            return _ENDED.get(event.reason, (f"Session ended: {event.reason}", "neutral"))
        case ev.ConnectionOpened() | ev.ConnectionClosed():
            return _connection(event)
        case ev.ItemDeleted() | ev.ResponseQueued() | ev.ResponseDone():
            return _of_the_talk(event)
        case ev.HistoryCompacted():
            return _compacted(event)
        case ev.SummaryWritten():
            return _with("Summary written", event.model), "neutral"
        case ev.SummaryFailed():
            return f"Summary failed after {event.attempts} attempts: {event.error}", "danger"
    return event.event_type.replace("_", " ").capitalize(), "neutral"


def _compacted(event: ev.HistoryCompacted) -> tuple[str, str]:
    if event.cause == "item_deleted":
        return "The summary of earlier turns was shortened: it held an item that was removed", "neutral"
    items = f"{event.items} earlier {'item' if event.items == 1 else 'items'}"
    if not event.model:
        return f"The model no longer sees {items}: no summary could be made ({event.error})", "warning"
    return _with(f"The model now sees a summary of {items}", event.model), "neutral"


def _of_the_talk(event: ev.ItemDeleted | ev.ResponseQueued | ev.ResponseDone) -> tuple[str, str]:
    match event:
        case ev.ItemDeleted():
            return "The client removed an item from the model's history", "neutral"
        case ev.ResponseQueued():
            return f"Another answer was asked for: place {event.position} in the queue", "neutral"
        case ev.ResponseDone():
            return _with("An answer that waited was not given", event.reason), "warning"


def _connection(event: ev.ConnectionOpened | ev.ConnectionClosed) -> tuple[str, str]:
    if isinstance(event, ev.ConnectionOpened):
        return _with("Connected", _dialect(event.dialect)), "neutral"
    if event.close_code == _LOST:
        return "Connection lost: it broke without a goodbye (1006)", "warning"
    normal = event.close_code in _NORMAL_CLOSE
    return f"Disconnected, close code {event.close_code}", "neutral" if normal else "warning"


def _dialect(name: str) -> str:
    return _DIALECTS.get(name, name)


def _with(text: str, detail: str) -> str:
    return f"{text} \N{MIDDLE DOT} {detail}" if detail else text
