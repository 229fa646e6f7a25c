"""What the demo does with a conversation: the first rule that fits. It understands nothing, and says so.

The same conversation gives the same step, but for the ids of calls.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import msgspec
from django.utils import translation

from chat.llm.demo.suggestions import STREAMING, no_account, table_head, time_told, understood
from chat.llm.provider import (
    JSON,
    AnsweredCall,
    AssistantText,
    ModelRequest,
    OperatorText,
    ToolCallItem,
    ToolCallRequest,
    ToolResultItem,
    ToolSpec,
    UserText,
    in_rounds,
)
from chat.llm.shaping import object_in
from sessions_app.ids import new_id

MAX_CHARS = 2_000
"""Of a message that the rules look at: their patterns run on the event loop's thread."""
MAX_CALLS = 8
"""In one round."""
_QUOTED_CHARS = 160


@dataclass(frozen=True)
class Turn:
    said: str
    """What the user said last; empty where that is answered, and staff had the last word."""
    hints: list[str]
    """What staff said since the last answer."""
    goes_on: bool
    """Staff had the last word, and nothing of the user's is left to be answered."""
    earlier: list[str]
    """The user's words of the turns before."""
    answered: list[AnsweredCall]
    """The calls of this turn, with their results."""
    files: list[str]
    """What the user sent with it, a line each."""


def turn_of(request: ModelRequest) -> Turn:
    history = request.history
    spoken = [n for n, item in enumerate(history) if isinstance(item, UserText | OperatorText)]
    start = spoken[-1] if spoken else -1
    rounds = [one for one in in_rounds(history[start + 1 :]) if isinstance(one, list)]
    asked = max((n for n in spoken if isinstance(history[n], UserText)), default=-1)
    answer = max((n for n, item in enumerate(history) if isinstance(item, AssistantText)), default=-1)
    last = history[asked] if spoken and (asked == start or asked > answer) else None
    return Turn(
        said=last.text.strip() if isinstance(last, UserText) else "",
        hints=[item.text[:MAX_CHARS] for item in history[answer + 1 :] if isinstance(item, OperatorText)],
        goes_on=last is None and start >= 0,
        earlier=[item.text[:MAX_CHARS] for item in history[: max(asked, 0)] if isinstance(item, UserText)],
        answered=[answered for one in rounds for answered in one],
        files=_files(last) if isinstance(last, UserText) else [],
    )


def _files(said: UserText) -> list[str]:
    """Pictures and PDFs as such; texts stand among the words."""
    pictures = [
        f"**{file.name}** ({file.media_type}, {file.size:,} bytes"
        + (f", {file.width} × {file.height} pixels)" if file.width else ")")
        for file in said.files
    ]
    texts = [
        f"**{found[1]}** (text, {len(found[2]):,} characters)" for found in _TEXT_FILE.finditer(said.text)
    ]
    return pictures + texts


_TEXT_FILE = re.compile(r"^The file (.+):\n<file>\n(.*?)\n</file>", re.MULTILINE | re.DOTALL)


def next_step(request: ModelRequest) -> tuple[str, list[ToolCallRequest]]:
    """What to say, and the tools to ask for."""
    turn = turn_of(request)
    said, language = understood(turn.said)
    with translation.override(language):
        text, calls = _step(request, replace(turn, said=said))
    return (_following(turn.hints, text) if turn.hints and not calls else text), calls


def _step(request: ModelRequest, turn: Turn) -> tuple[str, list[ToolCallRequest]]:
    said = turn.said[:MAX_CHARS]
    if turn.answered:
        return "\n\n".join(_told(call, result) for call, result in turn.answered), []
    if request.instructions.startswith("Summarise"):
        return _summary(turn.said, as_json="JSON" in request.instructions), []
    if turn.files:
        listed = "\n".join(f"- {file}" for file in turn.files)
        return f"You sent me:\n\n{listed}\n\nI am a script and cannot look into it; a real model can.", []
    if turn.goes_on:
        return "I go on from here. What can I do next?", []
    if remembered := _remembered(said, turn.earlier):
        return remembered, []
    if calls := _calls(said, request):
        return "", calls
    for pattern, rule in _RULES:
        if found := re.search(pattern, said, re.IGNORECASE):
            return rule(found), []
    beginning = f"I have no rule for this:\n\n> {_clipped(said)}" if said else "Hello!"
    return f"{beginning}\n\n{_WHAT_I_AM}", []


def _following(hints: Sequence[str], text: str) -> str:
    """The answer as staff want it, as far as a script can: they are followed, not quoted."""
    for hint in hints:
        if re.search(r"\b(?:brief|short|concise|one sentence)\b", hint, re.IGNORECASE):
            text = text.split("\n\n", maxsplit=1)[0]
        if re.search(r"\b(?:apologi[sz]e|sorry)\b", hint, re.IGNORECASE):
            text = f"I am sorry for the trouble. {text}"
        if re.search(r"\b(?:friendly|kind|polite|warm)\b", hint, re.IGNORECASE):
            text = f"Thank you for writing. {text}"
        if offer := re.search(_OFFER, hint, re.IGNORECASE):
            text = f"{text}\n\nI can offer you {offer[1]}."
    return text


_OFFER = r"\boffer (?:(?:them|him|her|the user|the customer) )?([^.!?\n]{1,80})"


def _remembered(said: str, earlier: list[str]) -> str:
    """From the conversation, so that it is known after a restart, too."""
    if re.search(r"\bwhat(?:'s| is| was) my name\b", said, re.IGNORECASE):
        told = [found[1] for text in earlier if (found := re.search(_NAME, text, re.IGNORECASE))]
        return f"Your name is **{told[-1]}**." if told else "You have not told me your name in this session."
    if asked := re.search(r"\bwhat did i (?:say|ask|write) (first|last|before)\b", said, re.IGNORECASE):
        place = 0 if asked[1].lower() == "first" else -1
        return f"You said: “{_clipped(earlier[place])}”" if earlier else "Nothing before this."
    return ""


# Tools: some of those that ship are called when their subject comes up, any when it is named.


def _calls(said: str, request: ModelRequest) -> list[ToolCallRequest]:
    """Of the tools that are offered; what ``tool_choice`` demands, in any case."""
    choice = request.tool_choice
    wanted = [spec for spec in request.tools if choice in {spec.name, "auto", "required"}]
    calls = [(spec, arguments) for spec in wanted for arguments in _asked_of(spec, said)]
    if wanted and not calls and choice != "auto":
        calls = [(wanted[0], _guessed(wanted[0], said))]
    return [
        ToolCallRequest(new_id("call"), spec.name, msgspec.json.encode(arguments).decode())
        for spec, arguments in calls[:MAX_CALLS]
    ]


def _asked_of(spec: ToolSpec, said: str) -> list[JSON]:
    """The arguments of each call of the tool that the words ask for."""
    if arguments := [arguments for name, arguments in _wishes(said) if name == spec.name]:
        return arguments
    named = re.search(rf"(?<![\w-]){re.escape(spec.name)}(?![\w-])", said, re.IGNORECASE)
    return [_guessed(spec, said)] if named else []


def _wishes(said: str) -> Iterator[tuple[str, JSON]]:
    if re.search(r"\b(?:what|current|the) time\b|\btime (?:is it|in)\b", said, re.IGNORECASE):
        place = re.search(
            r"\btime\b[^?!;]*? (?:in|at|for) (.+?)(?= now| please|[?!;]|$)", said, re.IGNORECASE
        )
        names = [one.strip(" .") for one in re.split(r",|\band\b", place[1] if place else "UTC")]
        yield from (("get_time", {"zone": one}) for one in names if one[:1].isupper() or len(names) == 1)
    for words, sign in _SIGNS.items():
        said = re.sub(words, sign, said)
    yield from (("calculate", {"expression": found[0]}) for found in _SUM.finditer(said))
    if re.search(r"\bmy (?:profile|account|e-?mail)\b|\bwho am i\b", said, re.IGNORECASE):
        yield "get_my_profile", {}
    if found := re.search(r"\bsearch (?:my )?(?:sessions|conversations) for (.+)", said, re.IGNORECASE):
        yield "search_my_sessions", {"query": found[1].strip(" .?!")}


_SIGNS = {"×": "*", "÷": " / ", r"\^": "**", r"(?<=\d),(?=\d{3}\b)": "", r"(?<=\d)% of (?=\d)": " / 100 * "}
_TERM = r"\(*+-?\d++(?:\.\d++)?\)*+"
_SUM = re.compile(rf"(?<![\d.]){_TERM}(?:(?:\s*+(?:\*\*?|\+)\s*+|\s++[-/]\s++){_TERM})+")
"""``-`` and ``/`` between spaces alone: else they are part of a date, or of a number of a telephone."""


def _guessed(spec: ToolSpec, said: str) -> JSON:
    """The required arguments, each the simplest thing of its type that the words hold."""
    properties = spec.parameters.get("properties", {})
    return {name: _simplest(properties.get(name, {}), said) for name in spec.parameters.get("required", [])}


def _simplest(schema: JSON, said: str) -> Any:
    number = re.search(r"-?\d+(?:\.\d+)?", said)
    words = re.search(r"[\"“]([^\"”]+)[\"”]", said) or re.search(r"\b(?:for|of|with|in) (.+?)[.?!]?$", said)
    match schema:
        case {"enum": choices}:
            return next((one for one in choices if str(one) in said.split()), choices[0])
        case {"type": "integer" | "number" as kind}:
            return (int if kind == "integer" else float)(float(number[0]) if number else 1)
        case {"type": "boolean"}:
            return True
    return words[1] if words else said


def _told(call: ToolCallItem, result: ToolResultItem) -> str:
    """A result in words; an error as the tool said it."""
    if result.is_error:
        return f"The tool `{call.name}` could not help: {result.output}"
    match call.name, object_in(result.output, max_depth=20):
        case "get_time", {"zone": zone, "time": time, "weekday": weekday}:
            return time_told(zone, str(time)[11:16], weekday, time)
        case "calculate", {"result": outcome}:
            return f"`{(object_in(call.arguments, max_depth=2) or {}).get('expression')}` = **{outcome}**"
        case name, {**fields}:
            return f"**{name}**\n\n{_table(table_head(), *fields.items())}"
    if call.name == "get_my_profile" and translation.get_language() != "en":
        return no_account()
    return result.output


def _table(head: Sequence[Any], *rows: Sequence[Any]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _clipped(text).replace("|", "\\|")


# Texts: long ones to stop and resume, Markdown to look at, and what this is.


_THANKS = re.compile(r"\b(?:thanks?|thank you|great|perfect)\b", re.IGNORECASE)


def _summary(material: str, *, as_json: bool) -> str:
    """Counts and quotes."""
    said = re.findall(r"^(?:<conversation>)?User: (.*)$", material, re.MULTILINE)
    tools = sorted(set(re.findall(r"^\[The assistant used the tool (\S+)\]$", material, re.MULTILINE)))
    lines = [f"- The user wrote {len(said)} messages."]
    lines += [
        f"- It {how} “{_clipped(said[n])}”." for how, n in (("began with", 0), ("ended with", -1)) if said
    ]
    lines += [f"- Tools used: {', '.join(tools)}."] if tools else []
    note = "*Counted and quoted by the built-in demo model, which does not understand what it reads.*"
    summary = "\n".join([*lines, "", note])
    begun = re.search(
        r"^- It began with “(.*)”\.$", material, re.MULTILINE
    )  # notes on parts of a long conversation
    title = _clipped(said[0]) if said else begun[1] if begun else "Nothing said"
    if not as_json:
        return summary
    findings = {
        "title": title,
        "summary": summary,
        "topics": [],
        "intent": title,
        "outcome": "resolved" if said and _THANKS.search(said[-1]) else "unresolved",
        "open_questions": [_clipped(one) for one in said[-1:] if one.rstrip().endswith("?")],
        "follow_ups": [],
        "sentiment": "positive" if said and _THANKS.search(said[-1]) else "neutral",
        "language": "en",
        "quality": 3,
        "quality_reason": "The demo model cannot judge it.",
    }
    return msgspec.json.encode(findings).decode()


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED_CHARS else line[: _QUOTED_CHARS - 1].rstrip() + "…"


_FILLER = (
    "This sentence is filler: it says nothing, but it takes its time to say so, and that is all it is for. "
    "Stop it, close the page, come back: the text goes on where it was, and no word is missing or there twice."
)
_WHAT_I_AM = """\
I am the built-in **demo** model: a script that runs offline, so that everything around a model can be tried without a \
key. I do not understand language. Set `GEMINI_API_KEY` and a real model answers in my place. Things to try:

- “What time is it in Tokyo and Berlin, and what is (12 + 30) * 7?”, to see tools called at once
- “Show my profile”, “Search my sessions for streaming”, “Call get_session_analytics”
- “Explain WebSocket streaming”, “Show a table”, “Make a list of red, green and blue”, “Show a code block”
- “My name is Ada”, later “What is my name?” or “What did I say first?”
- “Count to 500” or “Write 300 words of filler”, to try stop and resume"""
_JAVASCRIPT = """\
```js
const ws = new WebSocket("/ws/session");
ws.onmessage = (e) => console.log(e.data);
ws.onopen = () => ws.send("Explain WebSocket streaming");
```"""
_PYTHON = """\
```python
import asyncio, websockets

async def main():
    async with websockets.connect("ws://localhost:8000/ws/session") as ws:
        print(await ws.recv())
        await ws.send("Explain WebSocket streaming")
        async for piece in ws:
            print(piece, end="", flush=True)

asyncio.run(main())
```"""
_NAME = r"\bmy name is ([^.,!?\n]{1,80}?)(?= and | but |[.,!?\n]|$)"

_RULES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (_NAME, lambda told: f"Nice to meet you, {told[1]}. I will remember your name for this session."),
    (r"\bcount to (\d{1,4})\b", lambda asked: ", ".join(map(str, range(1, int(asked[1]) + 1))) + "."),
    (r"\b(\d{1,4}) words\b", lambda asked: " ".join(islice(cycle(_FILLER.split()), int(asked[1])))),
    (r"\blist of ([^.?!]+)", lambda asked: "- " + "\n- ".join(re.split(r", | and ", asked[1]))),
    (r"\btable\b", lambda _: _table(("Number", "Square"), *((number, number**2) for number in range(1, 6)))),
    (r"\bpython\b", lambda _: f"A client of this server (`pip install websockets`):\n\n{_PYTHON}"),
    (r"\bcode\b", lambda _: f"Paste this into the browser's console, on this page:\n\n{_JAVASCRIPT}"),
    (r"\bstreaming\b", lambda _: str(STREAMING).replace("{code}", _JAVASCRIPT)),
    (r"^(?:hi|hello|hey)\b", lambda _: f"Hello! {_WHAT_I_AM}"),
    (r"\b(?:who|what) are you\b|\bwhat can you do\b|^help\b", lambda _: _WHAT_I_AM),
)
