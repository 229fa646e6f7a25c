"""What a command makes of the conversation: the events that it brings, or why it is refused.

Only the session appends them. What is refused here has changed nothing.
"""

import logging
from collections.abc import Mapping, Sequence

import msgspec

from chat.assistants import Assistant
from chat.conf import conf
from chat.errors import (
    AlreadyDecided,
    ApprovalWaits,
    FrameError,
    ItemExists,
    ItemNotFound,
    ModelCannotRead,
    NothingToRetry,
    NotTheLastResponse,
    OwnApproval,
    SessionFull,
)
from chat.llm.prices import UNKNOWN_CONTEXT_TOKENS, context_tokens, file_tokens
from chat.llm.provider import JSON
from chat.llm.reading import unreadable
from chat.session.commands import (
    AddMessage,
    AddToolCall,
    AddToolOutput,
    ChooseVersion,
    Command,
    Converse,
    DecideApproval,
    DeleteItem,
    RequestResponse,
    ResponseOptions,
    SessionConfig,
    UpdateSession,
)
from chat.session.compaction import Compaction
from chat.session.turns import Turn
from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from sessions_app.errors import DatabaseAway
from sessions_app.files.keeping import use_files
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.events import ROOT
from sessions_app.log.items import Said
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.replay import find_ids, summary_before
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread

logger = logging.getLogger(__name__)

_OF_THE_WINDOW = 0.8
"""So much of what a model takes may be the files of one message."""


async def recall(session_id: str, history: SessionState, command: Command) -> None:
    """Tell a compacted history what it has forgotten of the ids in a command; costs nothing where it was never compacted.

    With the database away an id counts as new: what a client repeats after a break is of the last minutes, and those
    the history remembers. Where it is compacted while the log is asked, it has forgotten more, and the log is asked again.
    """
    parts = command.parts if isinstance(command, Converse) else [command]
    checkpoint_seq = 0
    while checkpoint_seq != history.checkpoint_seq:
        checkpoint_seq = history.checkpoint_seq
        for part in parts:
            await _look_up(session_id, history, part)


async def _look_up(session_id: str, history: SessionState, command: Command) -> None:
    named = {getattr(command, name, None) for name in ("item_id", "previous_item_id")}
    item_ids = sorted(one for one in named if one and one != ROOT and history.may_have_forgotten(one))
    client_event_id = getattr(command, "client_event_id", None)
    if client_event_id in history.client_events:
        client_event_id = None
    if not item_ids and not client_event_id:
        return
    try:
        found = await in_db_thread(
            find_ids,
            session_id=session_id,
            through_seq=history.checkpoint_seq,
            item_ids=item_ids,
            client_event_id=client_event_id,
        )
    except DatabaseAway:
        logger.warning("session %s: earlier ids cannot be looked up now", session_id)
        return
    history.recall(items=found.items, client_events=found.client_events)


def seen(command: Command, history: SessionState, queue: Sequence[Turn]) -> int | None:
    """The seq of what this client event brought about before; 0 when it is still to come, None when it is new."""
    client_event_id = getattr(command, "client_event_id", None)
    if not client_event_id:
        return None
    seq = history.client_events.get(client_event_id)
    asked = any(turn.client_event_id == client_event_id for turn in queue)
    return 0 if seq is None and asked else seq


# The settings.


def updated(config: SessionConfig, changes: JSON) -> SessionConfig:
    """Raises `FrameError`."""
    try:
        return config.updated(changes)
    except msgspec.ValidationError as error:
        raise FrameError(f"session: {error}", param="session") from error


def check_instructions(command: Command, assistant: Assistant) -> None:
    """Raises `InstructionsNotAllowed`."""
    match command:
        case UpdateSession(changes=changes):
            assistant.check_instructions(
                given=bool(changes.get("instructions")), param="session.instructions"
            )
        case AddMessage(role="system"):
            assistant.check_instructions(given=True, param="item.role")
        case Converse():
            for part in command.parts:
                check_instructions(part, assistant)
        case RequestResponse(options=options):
            systems = [item for item in options.input or () if item.get("role") == "system"]
            assistant.check_instructions(given=bool(options.instructions), param="response.instructions")
            assistant.check_instructions(given=bool(systems), param="response.input")


async def check_choice(
    command: Command, config: SessionConfig, registry: Registry, context: ToolContext
) -> None:
    """Raises `FrameError`."""
    match command:
        case Converse(request=RequestResponse() as request):
            await check_choice(request, updated(config, command.changes), registry, context)
        case RequestResponse():
            wished = config.for_response(command.options)
            await check_tool_choice(wished, "response.tool_choice", registry, context)
        case UpdateSession():
            wished = updated(config, command.changes)
            await check_tool_choice(wished, "session.tool_choice", registry, context)


async def check_tool_choice(
    config: SessionConfig, param: str, registry: Registry, context: ToolContext
) -> None:
    """Raises `FrameError`, about the field ``param``, for a tool that the model would not be offered; with the names that
    there are."""
    choice = config.tool_choice_name()
    names = {spec.name for spec in config.client_tools()}
    if choice in names | {"auto", "none", "required"}:
        return
    names |= {spec.name for spec in await registry.specs_for(context)}
    if choice not in names:
        raise FrameError(
            f"tool_choice names the tool {choice!r}, which this session does not have. Name one of: "
            f"{', '.join(sorted(names))}.",
            param=param,
        )


# Items.

Files = Mapping[str, ev.FileRef]
Told = ev.UserMessage | ev.OperatorMessage | ev.AssistantMessage | ev.ToolCall | ev.ToolResult


async def files_of(
    command: AddMessage | Converse, *, session_id: str, owner: Visitor, model: str | None
) -> Files:
    """What it brings along, by id, which is the session's from now on. ``model`` is the one that is going to read it, PROVIDER:NAME; None:
    a person does. Raises `FileNotFound`, `ModelCannotRead`."""
    messages = command.items if isinstance(command, Converse) else [command]
    named = [file_id for one in messages if isinstance(one, AddMessage) for file_id in one.files]
    if not named:
        return {}
    files = await in_db_thread(
        use_files,
        list(dict.fromkeys(named)),
        session_id=session_id,
        owner=owner,
        check=lambda files: check_readable(files, model),
    )
    return {file.id: file for file in files}


def check_readable(files: Sequence[ev.FileRef], model: str | None) -> None:
    """Raises `ModelCannotRead`."""
    if model is None:
        return
    if file := unreadable(files, model):
        raise ModelCannotRead(
            f"The model cannot read {file.name!r} ({file.media_type}, {file.size} bytes). Take it out, or choose another model.",
            param="item.content",
        )
    tokens, window = sum(map(file_tokens, files)), context_tokens(model) or UNKNOWN_CONTEXT_TOKENS
    if tokens > window * _OF_THE_WINDOW:
        raise ModelCannotRead(
            f"The files come to about {tokens} tokens, which is more than the model takes at once. Send a part of them.",
            param="item.content",
        )


def message(
    command: AddMessage, history: SessionState, files: Files
) -> ev.UserMessage | ev.OperatorMessage | ev.AssistantMessage:
    """Raises `SessionFull`, `ItemExists`, `ItemNotFound`."""
    _check_room(history)
    place = _place(command, history)
    match command.role:
        case "system":
            return ev.OperatorMessage(text=command.text, author="client", **place)
        case "assistant":
            return ev.AssistantMessage(text=command.text, response_id="", output_index=0, **place)
        case _:
            replaces = _replaced(command, history)
            brought = [files[file_id] for file_id in dict.fromkeys(command.files)]
            return ev.UserMessage(
                text=command.text,
                files=brought,
                respond=command.respond,
                replaces=replaces,
                begins=replaces is not None and _is_first(replaces, history),
                **place,
            )


def _replaced(command: AddMessage, history: SessionState) -> str | None:
    """Raises `ItemNotFound`, `ApprovalWaits`."""
    if command.replaces is None:
        return None
    said = history.items.find(command.replaces)
    if not isinstance(said, Said) or not isinstance(said.event, ev.UserMessage) or not said.entered:
        raise ItemNotFound(
            "x_replaces names no message of the user's that the model has been shown and is still shown word for word.",
            param="x_replaces",
        )
    check_decided(history)
    return command.replaces


def _is_first(item_id: str, history: SessionState) -> bool:
    said = (
        one
        for one in history.items.entries
        if isinstance(one, Said) and isinstance(one.event, ev.UserMessage)
    )
    return history.compaction is None and next(said).item_id == item_id


def check_decided(history: SessionState) -> None:
    """Raises `ApprovalWaits`: what is set aside could not be decided about any more."""
    if any(one.approve is None and not one.continued for one in history.approvals.values()):
        raise ApprovalWaits


def choice(command: ChooseVersion, history: SessionState) -> ev.VersionChosen | None:
    """None: it is the chosen one already. Raises `ItemNotFound`, `ApprovalWaits`."""
    found = history.versions.instead_of(command.item_id)
    if found is None:
        if history.items.find(command.item_id):
            return None
        raise ItemNotFound(
            "There is no such version of a message or of an answer, or it lies too far back.", param="item_id"
        )
    check_decided(history)
    version, instead_of = found
    return ev.VersionChosen(version=version, instead_of=instead_of, client_event_id=command.client_event_id)


def tool_call(command: AddToolCall, history: SessionState) -> ev.ToolCall:
    """Raises `SessionFull`, `ItemExists`, `ItemNotFound`."""
    _check_room(history)
    if history.items.knows_call(command.call_id):
        raise ItemExists(
            f"There is a call {command.call_id!r} in this conversation already.", param="item.call_id"
        )
    return ev.ToolCall(
        response_id="",
        call_id=command.call_id,
        output_index=0,
        name=command.name,
        arguments=command.arguments,
        location=ev.Location.HISTORY,
        **_place(command, history),
    )


def tool_output(command: AddToolOutput, history: SessionState) -> ev.ToolResult:
    """Raises `ItemExists`, `ItemNotFound`."""
    call = history.items.client_call(command.call_id)
    if call is None:
        raise ItemNotFound(
            f"There is no open function call with call_id {command.call_id!r}.", param="item.call_id"
        )
    return _output_of(call, command, history)


def _output_of(
    call: ev.ToolCall | ev.ToolApprovalRequested, command: AddToolOutput, history: SessionState
) -> ev.ToolResult:
    place = _place(command, history)
    return ev.ToolResult(call_id=command.call_id, name=call.name, output=command.output, **place)


def conversed(
    command: Converse, history: SessionState, *, person_id: int | None, files: Files
) -> list[ev.Event]:
    """All that it says and decides, in its order. Raises what refuses any of it."""
    check_last(command.after, history)
    events: list[ev.Event] = [*said(command.items, history, files)]
    for one in command.decisions:
        event = decision(one, history, person_id=person_id)
        after = events[-1].new_item_id if events else event.after_item_id
        events.append(msgspec.structs.replace(event, after_item_id=after))
    return events


def with_settings_of(options: ResponseOptions, request: RequestResponse) -> RequestResponse:
    """The same wishes once more; of what the client said beside, what it says now counts."""
    asked = {**(options.asked or {}), **(request.options.asked or {})}
    return msgspec.structs.replace(request, options=msgspec.structs.replace(options, asked=asked))


def to_take_in(events: Sequence[ev.Event]) -> list[str]:
    """The items that wait for a response: the others stand where they belong at once."""
    said = [one.new_item_id for one in events if not isinstance(one, ev.ToolResult | ev.ToolApproval)]
    return [item_id for item_id in said if item_id]


def check_last(response_id: str, history: SessionState) -> None:
    """Raises `NotTheLastResponse`."""
    if response_id and history.asked_last and response_id not in history.asked_last:
        raise NotTheLastResponse(param="previous_response_id")


def said(
    commands: Sequence[AddMessage | AddToolCall | AddToolOutput], history: SessionState, files: Files
) -> list[Told]:
    """All that is said at once, without what is there already: each behind the one before it. Raises as the single ones do."""
    made: list[Told] = []
    calls: dict[str, ev.ToolCall] = {}
    for command in commands:
        if _is_there(command, history):
            continue
        event = _one_said(command, history, calls, files)
        if any(event.item_id == one.item_id for one in made):
            raise ItemExists(param="input")
        if made:
            event = msgspec.structs.replace(event, after_item_id=made[-1].item_id)
        made.append(event)
    return made


def _is_there(command: AddMessage | AddToolCall | AddToolOutput, history: SessionState) -> bool:
    """A client that names the response before may still tell all outputs of its turn again: word for word they are no news."""
    match command:
        case AddToolCall():
            known = history.items.knows_call(command.call_id)
        case AddToolOutput():
            result = history.items.result_of(command.call_id)
            known = result is not None and result.output == command.output
        case AddMessage():
            known = False
    return known or command.item_id in history.item_seqs


def _one_said(
    command: AddMessage | AddToolCall | AddToolOutput,
    history: SessionState,
    calls: dict[str, ev.ToolCall],
    files: Files,
) -> Told:
    match command:
        case AddMessage():
            return message(command, history, files)
        case AddToolCall():
            if command.call_id in calls:
                raise ItemExists(f"There are two calls {command.call_id!r}.", param="input")
            return calls.setdefault(command.call_id, tool_call(command, history))
        case AddToolOutput():
            call = calls.get(command.call_id)
            return _output_of(call, command, history) if call else tool_output(command, history)


def _check_room(history: SessionState) -> None:
    if history.user_messages >= conf().max_session_messages:
        raise SessionFull


def _place(command: AddMessage | AddToolCall | AddToolOutput, history: SessionState) -> JSON:
    """Which item it makes, and where. Raises `ItemExists`, `ItemNotFound`."""
    previous, item_id = command.previous_item_id, command.item_id or new_id("item")
    if item_id in history.item_seqs:
        raise ItemExists(param="item.id")
    if previous not in (None, ROOT) and previous not in history.item_seqs:
        raise ItemNotFound(param="previous_item_id")
    return {
        "item_id": item_id,
        "client_event_id": command.client_event_id,
        "previous_item_id": previous,
        "after_item_id": history.order.place(previous),
    }


async def summary_before_deleted(session_id: str, history: SessionState, command: DeleteItem) -> str:
    """Of an item that a summary tells of: what the summary said before it came to that item."""
    while (item_id := command.item_id) in history.recalled:
        seq, checkpoint_seq = history.item_seqs[item_id], history.checkpoint_seq
        before = await in_db_thread(summary_before, session_id=session_id, item_id=item_id, seq=seq)
        if history.checkpoint_seq == checkpoint_seq:
            return before
        await recall(session_id, history, command)  # what was recalled is forgotten with the next summary
    return ""


def deletion(
    command: DeleteItem, history: SessionState, compaction: Compaction, before: str
) -> list[ev.Event]:
    """One that a summary tells of takes with it what the summary says from there on. Raises `ItemNotFound`."""
    item_id = command.item_id
    if command.is_response:
        return [ev.ItemDeleted(item_id=item_id, client_event_id=command.client_event_id, response=True)]
    if item_id not in history.item_seqs:
        raise ItemNotFound(param="item_id")
    deleted = ev.ItemDeleted(
        item_id=item_id,
        client_event_id=command.client_event_id,
        after_item_id=history.order.before(item_id),
    )
    return [deleted, compaction.without(item_id, before)] if item_id in history.recalled else [deleted]


# Decisions, and responses that take another's place.


def decision(command: DecideApproval, history: SessionState, *, person_id: int | None) -> ev.ToolApproval:
    """``person_id``: the user who talks in the session. Raises `ItemNotFound`, `AlreadyDecided`, `OwnApproval`."""
    approval = history.approvals.get(command.approval_id)
    if approval is None:
        raise ItemNotFound(
            f"There is no approval request {command.approval_id!r} in this conversation.",
            param="item.approval_request_id",
        )
    if approval.approve is not None or approval.continued:
        raise AlreadyDecided(param="item.approval_request_id")
    their_own = command.staff_id is not None and command.staff_id == person_id
    if command.approve and approval.asked.approvals > 1 and their_own:
        raise OwnApproval(param="item.approval_request_id")
    if command.approve and command.by in approval.agreed:
        raise AlreadyDecided(
            "You have said yes to this already; it needs another person's yes, too.",
            param="item.approval_request_id",
        )
    return ev.ToolApproval(
        item_id=command.item_id or new_id("item"),
        approval_id=command.approval_id,
        approve=command.approve,
        by=command.by,
        reason=command.reason,
        missing=approval.missing - 1 if command.approve else 0,
        client_event_id=command.client_event_id,
        after_item_id=history.order.place(None),
    )


def decided_by(decisions: Sequence[DecideApproval], history: SessionState) -> str | None:
    """The response whose calls are all decided about with these decisions: it is gone on with. None: there is none."""
    named = {one.approval_id for one in decisions}
    agreed = {one.approval_id for one in decisions if one.approve and _wants_more(one.approval_id, history)}
    for approval_id in named:
        response_id = history.approvals[approval_id].asked.response_id
        left = {
            one
            for one, approval in history.approvals.items()
            if approval.asked.response_id == response_id and approval.approve is None
        }
        if left <= named - agreed:
            return response_id
    return None


def _wants_more(approval_id: str, history: SessionState) -> bool:
    return history.approvals[approval_id].missing > 1


def check_retry(response_id: str | None, history: SessionState) -> None:
    """Raises `NothingToRetry`, `ApprovalWaits`; None asks for no retry."""
    if response_id is None or response_id == history.may_be_retried:
        return
    if response_id != history.answered_last() or history.operator:
        raise NothingToRetry(param="response.x_retry_of")
    check_decided(history)
