"""The demo's rules, in the order in which they are asked. The first one that has something to say answers."""

import re
from collections.abc import Callable

from chat.llm.demo.knowledge import answer_question, explain
from chat.llm.demo.memory import recall, take_note
from chat.llm.demo.results import tell_results
from chat.llm.demo.summary import summarise
from chat.llm.demo.tools import calls_for, missing_tool
from chat.llm.demo.turn import Plan, Turn, turn_of
from chat.llm.demo.writing import write
from chat.llm.provider import ModelRequest

Rule = Callable[[Turn], str | None]


def decide(request: ModelRequest) -> Plan:
    """Deterministic: the same request gives the same plan, but for the ids of its calls."""
    turn = turn_of(request)
    if turn.answered:
        return Plan(tell_results(turn.answered))
    for rule in (summarise, recall, explain):
        if (text := rule(turn)) is not None:
            return Plan(text)
    if calls := calls_for(turn):
        return Plan(calls=tuple(calls))
    return Plan(next(text for rule in _LAST_RULES if (text := rule(turn)) is not None))


def _operator(turn: Turn) -> str | None:
    return None if turn.operator is None else f"Noted. A member of the staff wrote: “{turn.operator}”"


def _small_talk(turn: Turn) -> str | None:
    said = turn.said.lower()
    if not said:
        return f"Hello! {_WHAT_I_AM}"
    if re.match(r"(hi|hello|hey|good (morning|afternoon|evening)|moin|servus)\b", said):
        return f"Hello! {_WHAT_I_AM}\n\n{_abilities(turn)}"
    if re.search(
        r"\b(who|what) are you\b|\bwhat can you do\b|^help\b|\bare you (an? )?(ai|real|human|gemini)\b", said
    ):
        return f"{_WHAT_I_AM}\n\n{_abilities(turn)}"
    if re.match(r"(thanks|thank you|thx|cheers)\b", said):
        return "You are welcome."
    if re.match(r"(bye|goodbye|see you)\b", said):
        return "Goodbye! When you close this page, the session ends and its summary is written."
    return None


def _no_rule(turn: Turn) -> str:
    """Never a pretence: what no rule knows is said back, with what the rules do know."""
    shown = turn.said if len(turn.said) <= 200 else turn.said[:200] + "…"
    return f"I have no rule for this:\n\n> {_quoted(shown)}\n\n{_WHAT_I_AM}\n\n{_abilities(turn)}"


def _quoted(text: str) -> str:
    return "\n> ".join(text.splitlines())


def _abilities(turn: Turn) -> str:
    offered = [line for name, line in _TOOL_LINES.items() if name in turn.offered]
    return "\n".join(["Things to try:", "", *(f"- {line}" for line in (*offered, *_LINES))])


_WHAT_I_AM = (
    "I am the built-in **demo** model: a small set of rules that runs offline, so that everything around a model can be "
    "tried without a key. I do not understand language. Set `GEMINI_API_KEY` and a real model answers in my place."
)
_TOOL_LINES = {
    "get_time": "“What time is it in Tokyo and Berlin?”",
    "calculate": "“What is (12 + 30) * 7?”",
    "get_my_profile": "“Show my profile”",
    "get_user_data": "“Fetch user data for user_123” (staff)",
    "get_session_analytics": "“Show the analytics of this session”",
    "search_my_sessions": "“Search my sessions for streaming”",
}
_LINES = (
    "“Explain WebSocket streaming” (or sessions, resume, tools, summaries)",
    "“My name is Ada”, later “What is my name?” or “What did I say first?”",
    "“Count to 500” or “Write 300 words of filler”, to try stop and resume",
    "“Show a table”, “Make a list of red, green and blue”, “Show a code block”",
)
_LAST_RULES: tuple[Rule, ...] = (
    _operator,
    missing_tool,
    take_note,
    write,
    _small_talk,
    answer_question,
    _no_rule,
)
