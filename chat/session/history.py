"""What a model is sent of a session's state, in the words that all providers take."""

from collections.abc import Iterable, Iterator

from chat.llm.prompts import DECIDED_LATER, HANDED_BACK, NO_RESULT, REFUSED, TOOK_OVER, WAITS_FOR_APPROVAL
from chat.llm.provider import (
    AssistantText,
    FileItem,
    HistoryItem,
    OperatorText,
    ToolCallItem,
    ToolResultItem,
    UserText,
)
from sessions_app.log import events as ev
from sessions_app.log.items import Call, Calls, Entry, Said
from sessions_app.log.state import SessionState


def items_of(state: SessionState) -> list[HistoryItem]:
    """The whole history: the summary of what came before, and the rest word for word."""
    summary = [Said(state.compaction)] if state.compaction and state.summary else []
    return as_items([*summary, *state.items.entries])


def items_through(state: SessionState, seq: int) -> list[HistoryItem]:
    """What a summary of the turns up to ``seq`` has to tell, but for the summary before it."""
    return as_items(state.items.through(seq))


def as_items(entries: Iterable[Entry]) -> list[HistoryItem]:
    """The results of one round stand behind its calls, in the calls' order."""
    items: list[HistoryItem] = []
    for entry in entries:
        items.extend(_round(entry) if isinstance(entry, Calls) else [_text(entry)])
    return items


def _text(said: Said) -> HistoryItem:
    match said.event:
        case ev.UserMessage() as event:
            return UserText(event.item_id, event.text, [_file(file) for file in event.files])
        case ev.OperatorMessage() | ev.OperatorWhispered() as event:
            return OperatorText(event.item_id, event.text)
        case ev.OperatorTookOver() as event:
            return OperatorText(event.item_id, TOOK_OVER)
        case ev.OperatorHandedBack() as event:
            return OperatorText(event.item_id, HANDED_BACK)
        case ev.AssistantMessage() as event:
            return AssistantText(event.item_id, event.text, event.parts, event.response_id)
        case ev.HistoryCompacted() as event:
            return OperatorText(event.item_id, event.summary)
        case ev.ResponseStarted():
            return OperatorText(said.item_id, DECIDED_LATER)


def _file(file: ev.FileRef) -> FileItem:
    """Without its bytes, which `chat.session.attachments` reads for a request."""
    return FileItem(
        id=file.id,
        name=file.name,
        media_type=file.media_type,
        size=file.size,
        width=file.width,
        height=file.height,
        pages=file.pages,
    )


def _round(calls: Calls) -> Iterator[HistoryItem]:
    for call in calls.calls:
        yield ToolCallItem(
            call.item_id, call.call_id, call.name, call.arguments, call.extra, call.response_id
        )
    for call in calls.calls:
        yield _result(calls, call)


def _result(calls: Calls, call: Call) -> ToolResultItem:
    match calls.results.get(call.call_id):
        case ev.ToolResult() as given:
            failed = given.outcome != ev.Outcome.OK
            return ToolResultItem(given.item_id, given.call_id, given.name, given.output, is_error=failed)
        case ev.ToolApproval() as refusal:
            words = f"{REFUSED} Reason given: {refusal.reason}" if refusal.reason else REFUSED
        case None:
            words = WAITS_FOR_APPROVAL if call.call_id in calls.asked else NO_RESULT
    return ToolResultItem(call.item_id, call.call_id, call.name, words, is_error=True)
