"""A request that tells its whole history, as clients do that keep none here: it goes on in the session that holds exactly the
beginning of it, and only what is new is said there.

Where anything is in doubt (another order, a word more, a picture, an answer under way) there is none, and the history is told
to a session of its own. Nobody's session is ever found, nor that of another user of a shop's.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chat.session.commands import AddMessage, AddToolCall, AddToolOutput
from chat.wire.http.visit import Visit
from chat.wire.responses.files import Command, GivenFiles
from sessions_app.log import events as ev
from sessions_app.log.items import Calls, Entry
from sessions_app.log.lookup import begun_with
from sessions_app.log.replay import read_history
from sessions_app.log.state import SessionState
from sessions_app.postgres.threads import in_db_thread

MOST_READ = 3
"""Sessions that begin with the same words, the newest first."""

Token = tuple[str, ...]


class Held(NamedTuple):
    session_id: str
    response_id: str
    """The one that was asked for last there."""
    rest: list[Command]


class _Doubtful(Exception):
    """What a session holds cannot be compared with what a client tells."""


async def held_already(
    visit: Visit, said: Sequence[Command], given: GivenFiles, *, assistant: str
) -> Held | None:
    """The session that it goes on in, if there is one."""
    first = next((one for one in said if isinstance(one, AddMessage) and one.role == "user"), None)
    answered = any(isinstance(one, AddToolCall) or _is_answer(one) for one in said)
    if visit.visitor.user_id is None or first is None or not answered:
        return None
    told = [_token(one, given) for one in said]
    return await in_db_thread(_find, visit, first.text, list(said), told, assistant)


def _is_answer(one: Command) -> bool:
    return isinstance(one, AddMessage) and one.role == "assistant"


def _token(one: Command, given: GivenFiles) -> Token:
    match one:
        case AddMessage():
            with_files = ("with files",) if one.files or one.item_id in given else ()
            return (one.role, one.text, *with_files)
        case AddToolCall():
            return ("call", one.call_id)
        case AddToolOutput():
            return ("output", one.call_id, one.output)


def _find(visit: Visit, words: str, said: list[Command], told: list[Token], assistant: str) -> Held | None:
    for session_id in begun_with(text=words, visitor=visit.visitor)[:MOST_READ]:
        state = SessionState(read_history(session_id=session_id))
        if not _rests(state) or state.assistant[0] != assistant:
            continue
        try:
            held = [token for entry in state.items.entries for token in _held(entry)]
        except _Doubtful:
            continue
        if len(held) < len(told) and told[: len(held)] == held:
            return Held(session_id, state.asked_last[-1], said[len(held) :])
    return None


def _rests(state: SessionState) -> bool:
    """All of it is there, and nothing is under way in it."""
    under_way = state.open or state.queued or state.waiting or state.operator
    return bool(state.asked_last) and not under_way and state.compaction is None


def _held(entry: Entry) -> list[Token]:
    """Raises `_Doubtful`. What the server's own tools did is not told by whoever keeps a history of messages."""
    if isinstance(entry, Calls):
        return _calls(entry)
    match entry.event:
        case ev.UserMessage(text=text, files=[]):
            return [("user", text)]
        case ev.OperatorMessage(text=text):
            return [("system", text)]
        case ev.AssistantMessage(text=text):
            return [("assistant", text)] if text else []
        case _:
            raise _Doubtful


def _calls(entry: Calls) -> list[Token]:
    if not all(isinstance(call, ev.ToolCall) for call in entry.calls):
        raise _Doubtful
    theirs = [
        one for one in entry.calls if isinstance(one, ev.ToolCall) and one.location != ev.Location.SERVER
    ]
    results = [entry.results.get(call.call_id) for call in theirs]
    outputs: list[Token] = [
        ("output", one.call_id, one.output) for one in results if isinstance(one, ev.ToolResult)
    ]
    return [*(("call", call.call_id) for call in theirs), *outputs]
