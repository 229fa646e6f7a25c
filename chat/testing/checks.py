"""Assertions whose messages show what happened instead."""

from typing import Any

import msgspec

from chat.testing.answer import Answer, Call
from chat.tools.base import Outcome, ToolOutcome


def assert_completed(answer: Answer) -> Answer:
    """The model came to its end by itself. The message shows the answer's status, reason and cause, and what was said."""
    assert answer.status == "completed", f"the answer is {answer.status}, not completed:\n{answer}"
    return answer


def assert_called(answer: Answer, name: str, /, **arguments: Any) -> Call:
    """The model called the tool, with at least these arguments; the first such call. The message lists all calls."""
    for call in answer.calls:
        if call.name == name and arguments.items() <= call.arguments.items():
            return call
    made = "\n".join(f"  {call}" for call in answer.calls) or "  none"
    raise AssertionError(f"no call of {name} with {arguments}; the calls of this answer:\n{made}")


def result_of(outcome: ToolOutcome) -> Any:
    """What the tool returned, as the model reads it: the JSON value, else the text. The message shows an error's words."""
    assert outcome.outcome == Outcome.OK, f"the tool failed: {outcome.output}"
    try:
        return msgspec.json.decode(outcome.output)
    except msgspec.DecodeError:
        return outcome.output


def error_of(outcome: ToolOutcome) -> str:
    """The words that the model is told. The message shows what the tool returned instead."""
    assert outcome.outcome == Outcome.ERROR, f"the tool did not fail, it gave: {outcome.output}"
    return outcome.output
