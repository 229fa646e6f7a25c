"""Another answer to a response that is not the last one: a session of its own, which begins with all that was said until then."""

from chat.errors import FrameError
from chat.session.commands import AddMessage, AddToolCall, AddToolOutput
from chat.wire.responses.input import Command
from sessions_app.log import events as ev
from sessions_app.log.items import Calls, Entry
from sessions_app.log.lookup import Place
from sessions_app.log.replay import read_history
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread


async def said_until(place: Place) -> tuple[list[Command], str]:
    """Through the response's end; and with which assistant. Raises `FrameError` where it lies before what was summed up."""
    records = await in_db_thread(read_history, session_id=place.session_id)
    end = _end_of(records, place.response_id)
    summed_up = any(isinstance(one.event, ev.HistoryCompacted) and one.seq > end for one in records)
    if not end or summed_up:
        raise FrameError(
            "This response lies too far back in its conversation to go on from. Send what was said as input.",
            param="previous_response_id",
        )
    state = SessionState(record for record in records if record.seq <= end)
    summary = [AddMessage(text=state.summary, role="system")] if state.summary else []
    return [*summary, *(one for entry in state.items.entries for one in _told(entry))], state.assistant[0]


def _end_of(records: list[ev.Record], response_id: str) -> int:
    """The seq of its last try's end; 0: it is not among them."""
    ids, end = {response_id}, 0
    for record in records:
        event = record.event
        if isinstance(event, ev.ResponseStarted) and event.retry_of in ids:
            ids.add(event.response_id)
        if isinstance(event, ev.ResponseDone) and event.response_id in ids:
            end = record.seq
    return end


def _told(entry: Entry) -> list[Command]:
    if isinstance(entry, Calls):
        return _calls(entry)
    match entry.event:
        case ev.UserMessage() as event:
            files = [file.id for file in event.files]
            return [AddMessage(text=event.text, files=files, item_id=event.item_id)]
        case ev.OperatorMessage() as event:
            return [AddMessage(text=event.text, role="system", item_id=event.item_id)]
        case ev.AssistantMessage() as event if event.text:
            return [AddMessage(text=event.text, role="assistant", item_id=event.item_id)]
        case _:
            return []


def _calls(calls: Calls) -> list[Command]:
    told: list[Command] = [
        AddToolCall(call_id=one.call_id, name=one.name, arguments=one.arguments, item_id=one.item_id)
        for one in calls.calls
    ]
    for one in calls.calls:
        result = calls.results.get(one.call_id)
        if isinstance(result, ev.ToolResult):
            own = None if result.response_id else result.item_id
            told.append(AddToolOutput(call_id=one.call_id, output=result.output, item_id=own))
    return told
