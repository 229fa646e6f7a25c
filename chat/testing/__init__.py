"""For the tests of whoever writes tools or models: a scripted model, a session to talk to, one tool run by itself.

Nothing here needs a socket or a database. A tool that asks the database is tested on Django's test database, as every
code that does: mark its test ``django_db(transaction=True)``, for a tool runs in a thread with a connection of its own.
The product itself never imports this package.
"""

from chat.testing.answer import Answer, Call
from chat.testing.checks import assert_called, assert_completed, error_of, result_of
from chat.testing.memory import MemorySession, session
from chat.testing.model import Round, ScriptedModel, ScriptEnded, Step, calls
from chat.testing.tool import run_tool

__all__ = [
    "Answer",
    "Call",
    "MemorySession",
    "Round",
    "ScriptEnded",
    "ScriptedModel",
    "Step",
    "assert_called",
    "assert_completed",
    "calls",
    "error_of",
    "result_of",
    "run_tool",
    "session",
]
