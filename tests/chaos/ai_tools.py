"""A tool whose side effect can be counted: found by the tool registry where ``tests.chaos`` is an installed app."""

import os
import time
from pathlib import Path

from chat.tools import ToolContext, tool

MARKS_VARIABLE = "CHAOS_MARKS"
_SECONDS_AFTER = 0.4
"""Between the effect and its result: the time in which a kill leaves the outcome unknown."""


@tool(side_effects=True)
def leave_mark(context: ToolContext) -> str:
    """Leave a mark that stays, one line in a file, for the call that asks for it."""
    with Path(os.environ[MARKS_VARIABLE]).open("a", encoding="utf-8") as marks:
        marks.write(f"{context.session_id} {context.call_id}\n")
    time.sleep(_SECONDS_AFTER)
    return "the mark is left"
