"""What a client was shown and promised, against the log."""

import json
from collections.abc import Iterator

from sessions_app.log import events as ev
from tests.chaos.client import Client
from tests.chaos.logged import LoggedSession
from tests.chaos.turn import MAY_FAIL, Turn
from tests.chaos.verdict import Broken, Finding
from tests.chaos.view import Frame, View

_EMPTY = {"status": "never stored", "user_messages": 0}


def check_client(client: Client, session: LoggedSession | None) -> list[Finding]:
    stored = session or LoggedSession(client.session_id, dict(_EMPTY))
    findings = [Finding(client.session_id, None, what) for what in (*client.wrong, *client.view.wrong)]
    findings += [Finding(client.session_id, None, what, Broken.REPEATED) for what in client.view.repeated]
    findings += [Finding(client.session_id, None, what, Broken.LOST) for what in client.view.unkept]
    findings += view_is_the_log(client.view, stored)
    for turn in client.turns:
        findings += turn_is_the_log(turn, stored)
    return findings


def view_is_the_log(view: View, session: LoggedSession) -> Iterator[Finding]:
    """From the client's first frame to its last one, the very frames of the log: none lost, none changed, none twice."""
    if not view.start:
        return
    start, end = view.place(view.start), view.place(view.last_event_id)
    logged = {frame["event_id"]: frame for frame in session.frames}
    expected = [one for one in logged if start < view.place(one) <= end]
    for event_id in expected:
        if event_id not in view.frames:
            what = f"the client never saw {event_id}, {logged[event_id]['type']}"
            yield _at(view, event_id, what, Broken.LOST)
        elif view.frames[event_id] != logged[event_id]:
            yield _at(view, event_id, _difference(view.frames[event_id], logged[event_id]))
    for event_id in view.frames:
        if event_id not in logged and not _left_before_it_was_told(view, event_id, session):
            what = f"the client saw {event_id}, {view.frames[event_id]['type']}, which the log does not have"
            yield _at(view, event_id, what, Broken.LOST)
    for item_id, text in view.texts().items():
        yield from _text_is_whole(view, item_id, text)


def _left_before_it_was_told(view: View, event_id: str, session: LoggedSession) -> bool:
    """Lost with its process, and the client never came back to hear it."""
    seq, last = view.place(event_id)[0], view.place(view.last_event_id)[0]
    return any(record.first_seq <= seq <= last < record.seq for record in session.records)


def _text_is_whole(view: View, item_id: str, text: str) -> Iterator[Finding]:
    for event_id, frame in view.frames.items():
        if frame["type"] == "response.output_text.done" and frame["item_id"] == item_id:
            began = any(
                one["type"] == "response.content_part.added" and one["item_id"] == item_id
                for one in view.frames.values()
            )
            if began and frame["text"] != text:
                yield _at(view, event_id, f"the deltas joined are {text!r}, the text is {frame['text']!r}")


def turn_is_the_log(turn: Turn, session: LoggedSession) -> Iterator[Finding]:
    """The message is there once, with its words; the question has an end, and the one that the client was told."""
    messages = [
        record.event
        for record in session.records
        if isinstance(record.event, ev.UserMessage) and record.event.client_event_id == turn.message_id
    ]
    if turn.acknowledged and len(messages) != 1:
        yield Finding(
            session.session_id, None, f"acknowledged {turn.message_id} is {len(messages)} times there"
        )
    if any(message.text != turn.text for message in messages):
        yield Finding(
            session.session_id, None, f"message {turn.message_id} has other words than it was sent with"
        )
    if turn.end is None:
        what = (
            f"question {turn.text!r} has no end: acknowledged {turn.acknowledged}, refused {turn.refusal!r}"
        )
        yield Finding(session.session_id, None, what)
        return
    if turn.answered_with_another:
        yield from _taken_in(messages, session)
        return
    dones = [
        record.event
        for record in session.records
        if isinstance(record.event, ev.ResponseDone) and record.event.response_id == turn.response_id
    ]
    if [done.status for done in dones] != [turn.status]:
        what = f"{turn.response_id} ended as {turn.status}, the log says {[done.status for done in dones]}"
        yield Finding(session.session_id, None, what)
    yield from _ended_as_it_should(turn, session)
    yield from _answered_once(turn, session)


def _taken_in(messages: list[ev.UserMessage], session: LoggedSession) -> Iterator[Finding]:
    """By a response that was asked for with another message."""
    taken = {
        item_id
        for record in session.records
        if isinstance(record.event, ev.ResponseStarted)
        for item_id in record.event.input_item_ids
    }
    for message in messages:
        if message.item_id not in taken:
            what = f"message {message.item_id} was passed over, and no response took it in"
            yield Finding(session.session_id, None, what)


def _ended_as_it_should(turn: Turn, session: LoggedSession) -> Iterator[Finding]:
    wanted = {"completed"}
    if turn.fault == "stop":
        wanted = {"completed", "cancelled"}
    elif code := MAY_FAIL.get(turn.fault):
        wanted = {"failed"} if turn.reason == code else set()
    if turn.status not in wanted and not turn.given_up:
        what = f"question {turn.text!r} ended as {turn.status} ({turn.reason})"
        yield Finding(session.session_id, None, what)
    elif turn.status == "completed" and turn.expected is not None and turn.answer() != turn.expected:
        what = f"question {turn.text!r} was answered with {turn.answer()!r}"
        yield Finding(session.session_id, None, what)


def _answered_once(turn: Turn, session: LoggedSession) -> Iterator[Finding]:
    """Of one ``response.create`` and the server's own further tries of it, one at most was completed."""
    family: dict[str, str] = {}
    completed: dict[str, int] = dict.fromkeys(turn.asks, 0)
    for record in session.records:
        match record.event:
            case ev.ResponseStarted(response_id=response_id, retry_of=str(first)) if first in family:
                family[response_id] = family[first]
            case ev.ResponseStarted(response_id=response_id, client_event_id=str(ask)) if ask in completed:
                family[response_id] = ask
            case ev.ResponseDone(response_id=response_id, status="completed") if response_id in family:
                completed[family[response_id]] += 1
    for ask, times in completed.items():
        if times > 1:
            yield Finding(session.session_id, None, f"{ask} was answered {times} times", Broken.REPEATED)


def _at(view: View, event_id: str, what: str, broken: Broken = Broken.OTHER) -> Finding:
    return Finding(view.session_id, int(view.place(event_id)[0]), what, broken)


def _difference(seen: Frame, logged: Frame) -> str:
    return f"the client saw {json.dumps(seen)}, the log has {json.dumps(logged)}"
