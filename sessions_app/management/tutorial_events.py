"""A tutorial's rows as events of this log: who spoke, what tools gave, pieces of answers put together."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sessions_app.log import events as ev
from sessions_app.log.rows import storable
from sessions_app.management.tutorial_source import SourceRow


class Said(StrEnum):
    """What a row stands for."""

    USER = "user"
    ASSISTANT = "assistant"
    PIECE = "piece"
    """Of an answer that was streamed."""
    SYSTEM = "system"
    CALL = "call"
    RESULT = "result"
    BOOKKEEPING = "bookkeeping"
    """That a session began, that a socket closed: the log has its own."""


_WORDS = {
    Said.USER: "user user_message user_input human input prompt message_user",
    Said.ASSISTANT: "assistant assistant_message ai ai_response ai_message model bot response output answer "
    "assistant_response llm_response model_response",
    Said.PIECE: "token ai_token delta chunk assistant_chunk response_chunk assistant_delta ai_chunk stream",
    Said.SYSTEM: "system system_message developer",
    Said.CALL: "function_call tool_call tool_use function",
    Said.RESULT: "tool tool_result function_result function_response tool_response tool_output",
    Said.BOOKKEEPING: "session_start session_started session_end session_ended connect connected connection_opened "
    "disconnect disconnected connection_closed start end ping summary session_summary error",
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
NOT_KEPT = "The result was not kept."
_IDS = ("tool_call_id", "call_id", "tool_use_id", "id")
"""What a call's own id is called, in the call and in its result."""
_MOST_STEPS = 100
"""Of a round: a source that kept no result at all is not gathered in memory."""


class Why(StrEnum):
    """Why a row is left out."""

    EMPTY = "no content"
    UNKNOWN = "neither role nor event_type says who spoke"
    BOOKKEEPING = "about the session, not said in it"
    NO_TIME = "no time that can be read, and none before it"
    NO_CALL = "a result of a tool that was not called"
    DOUBLE = "pieces of an answer that is there as a whole"


@dataclass
class Left:
    """What was left out, with a few places each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def out(self, why: str, place: str, count: int = 1) -> None:
        self.counts[why] += count
        shown = self.examples.setdefault(why, [])
        if len(shown) < 3 and place not in shown:
            shown.append(place)


def kind_of(row: SourceRow) -> Said | None:
    """By its type, where that says so; else by its role."""
    for word in (row.kind, row.role):
        if found := _KINDS.get(word.strip().lower().replace("-", "_").replace(".", "_").replace(" ", "_")):
            return found
    return None


class _Step(NamedTuple):
    """Of a round: a call, or a result."""

    at: datetime
    kind: Said
    text: str


class Events:
    """Of one session, in its order. Ids are the same whenever the same rows are read."""

    def __init__(self, session_id: str, source_id: str, left: Left) -> None:
        self._session_id, self._source_id, self._left = session_id, source_id, left
        self._count = 0
        self._round: list[_Step] = []
        """Calls and results one after the other, of which there are no more results than calls: whose a result is shows when the
        round is over, as a model may make several calls at once."""
        self._pieces: list[str] = []
        self._at: datetime | None = None
        self.last_at: datetime | None = None

    def of(self, rows: Iterable[SourceRow], *, start: datetime | None) -> Iterator[tuple[datetime, ev.Event]]:
        self._at = start
        for row in rows:
            yield from self._of_row(row)
        yield from self._finished()

    def _of_row(self, row: SourceRow) -> Iterator[tuple[datetime, ev.Event]]:
        text, kind = storable(row.content), kind_of(row)
        at = row.at or self._at
        if why := _why_not(text, kind, at):
            self._left.out(why, self._source_id)
            return
        assert at is not None
        if kind is Said.PIECE:
            self._at = at
            self._pieces.append(text)
            return
        yield from self._joined(text if kind is Said.ASSISTANT else None)
        is_open = self._waits_for_a_result()
        if kind is Said.RESULT and not is_open:
            self._left.out(Why.NO_CALL, self._source_id)
            return
        if kind is not Said.RESULT and not (kind is Said.CALL and is_open):
            yield from self._round_over()
        self._at = at = max(at, self.last_at) if self.last_at else at
        self.last_at = at
        if kind in (Said.CALL, Said.RESULT):
            self._round.append(_Step(at, kind, text))
        else:
            yield at, self._event(kind, text)

    def _waits_for_a_result(self) -> bool:
        calls = sum(step.kind is Said.CALL for step in self._round)
        return len(self._round) < _MOST_STEPS and 2 * calls > len(self._round)

    def _event(self, kind: Said | None, text: str) -> ev.Event:
        match kind:
            case Said.USER:
                return ev.UserMessage(item_id=self._id(), text=text)
            case Said.ASSISTANT:
                return ev.AssistantMessage(item_id=self._id(), response_id="", output_index=0, text=text)
        return ev.OperatorMessage(item_id=self._id(), text=text, author="imported")

    def _called(self, text: str) -> ev.ToolCall:
        """``{"name": ..., "arguments": ...}`` as most write it; anything else is the arguments of a tool unknown."""
        name, arguments = "unknown", text
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            arguments = json.dumps({"text": text}, ensure_ascii=False)
        else:
            if isinstance(told, dict) and isinstance(told.get("name"), str):
                given = told.get("arguments", told.get("args", told.get("input", {})))
                name = told["name"]
                arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        item_id = self._id()
        return ev.ToolCall(
            item_id=item_id,
            response_id="",
            call_id=item_id.replace("item_", "call_"),
            output_index=0,
            name=name,
            arguments=arguments,
            location=ev.Location.HISTORY,
        )

    def _result(self, call: ev.ToolCall, text: str, outcome: ev.Outcome) -> ev.ToolResult:
        return ev.ToolResult(
            item_id=self._id(), call_id=call.call_id, name=call.name, output=text, outcome=outcome
        )

    def _finished(self) -> Iterator[tuple[datetime, ev.Event]]:
        yield from self._joined(None)
        yield from self._round_over()

    def _round_over(self) -> Iterator[tuple[datetime, ev.Event]]:
        """A model wants a result for each call."""
        steps, self._round = self._round, []
        whose = _whose(steps)
        calls: dict[int, ev.ToolCall] = {}
        for place, (at, kind, text) in enumerate(steps):
            if kind is Said.CALL:
                calls[place] = self._called(text)
                yield at, calls[place]
            elif place in whose:
                yield at, self._result(calls.pop(whose[place]), text, ev.Outcome.OK)
            else:
                self._left.out(Why.NO_CALL, self._source_id)
        for call in calls.values():
            yield steps[-1].at, self._result(call, NOT_KEPT, ev.Outcome.UNKNOWN)

    def _joined(self, whole: str | None) -> Iterator[tuple[datetime, ev.Event]]:
        """The pieces so far as one message, unless what follows is that message."""
        pieces, self._pieces = self._pieces, []
        text = "".join(pieces)
        if not text.strip():
            return
        if whole is not None and whole.strip() == text.strip():
            self._left.out(Why.DOUBLE, self._source_id, len(pieces))
            return
        yield from self._round_over()
        assert self._at
        self.last_at = max(self._at, self.last_at) if self.last_at else self._at
        yield (
            self.last_at,
            ev.AssistantMessage(item_id=self._id(), response_id="", output_index=0, text=text),
        )

    def _id(self) -> str:
        self._count += 1
        digest = hashlib.sha256(f"{self._session_id} {self._count}".encode()).hexdigest()
        return f"item_{digest[:24]}"


def _whose(steps: list[_Step]) -> dict[int, int]:
    """The place of each result -> that of its call: the one that it names, by an id or by the tool's name; else from the end the
    nearest before it, so that as many results as calls go in the calls' order, and a call whose result was lost takes no other's."""
    told = [_told(step.text) for step in steps]
    calls = [place for place, step in enumerate(steps) if step.kind is Said.CALL]
    results = [place for place, step in enumerate(steps) if step.kind is Said.RESULT]
    found: dict[int, int] = {}

    def waiting(result: int) -> list[int]:
        return [call for call in calls if call < result and call not in found.values()]

    for names in (_IDS, ("name",)):
        for result in [one for one in results if one not in found]:
            known = _named(told[result], names)
            if its_own := [call for call in waiting(result) if known & _named(told[call], names)]:
                found[result] = its_own[0]
    for result in reversed(results):
        if result not in found and (left := waiting(result)):
            found[result] = left[-1]
    return found


def _told(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _named(told: dict[str, Any], names: Iterable[str]) -> set[str]:
    return {value for name in names if isinstance(value := told.get(name), str)}


def _why_not(text: str, kind: Said | None, at: datetime | None) -> Why | None:
    if kind is Said.BOOKKEEPING:
        return Why.BOOKKEEPING
    if kind is None:
        return Why.UNKNOWN
    if not text.strip() and kind is not Said.PIECE:
        return Why.EMPTY
    return Why.NO_TIME if at is None else None
