"""The demo's summary of a transcript: it counts and quotes, and says that it does no more."""

import re
from collections import Counter

import msgspec

from chat.llm.demo.turn import Turn

MAX_TITLE_CHARS = 60
_QUOTE_CHARS = 160

_LINE = re.compile(r"^(User|Assistant|Operator): ", re.MULTILINE)
_TOOL = re.compile(r"^\[The assistant used the tool (\S+)\]$", re.MULTILINE)


def summarise(turn: Turn) -> str | None:
    """When the instructions, or the message, begin with "Summarise": JSON with title and summary if they ask for it."""
    asked = turn.instructions if turn.instructions.startswith("Summarise") else turn.said
    if not asked.startswith("Summarise"):
        return None
    found = re.search(r"<conversation>\n?(.*)</conversation>", turn.whole, re.DOTALL)
    title, summary = _summary(found[1] if found else turn.whole)
    if "json" not in asked.lower():
        return summary
    return msgspec.json.encode({"title": title, "summary": summary}).decode()


def _summary(transcript: str) -> tuple[str, str]:
    texts: dict[str, list[str]] = {"User": [], "Assistant": [], "Operator": []}
    for speaker, text in zip(*_split(_TOOL.sub("", transcript)), strict=True):
        texts[speaker].append(text)
    users, tools = texts["User"], Counter(_TOOL.findall(transcript))
    if not users:
        return "Nothing said", "The user said nothing."
    lines = [f"- The user wrote {_count(len(users), 'message')}, beginning with {_quote(users[0])}."]
    if len(users) > 1:
        lines.append(f"- The last message was {_quote(users[-1])}.")
    if tools:
        lines.append(f"- Tools used: {', '.join(f'{name} ({number})' for name, number in tools.items())}.")
    if texts["Operator"]:
        lines.append(f"- Staff spoke {_count(len(texts['Operator']), 'time')}.")
    lines.append(
        f"- The last answer begins with {_quote(texts['Assistant'][-1])}."
        if texts["Assistant"]
        else "- There was no answer."
    )
    note = "*Counted and quoted by the built-in demo model, which does not understand what it reads.*"
    return _clipped(users[0], MAX_TITLE_CHARS), "\n".join([*lines, "", note])


def _split(transcript: str) -> tuple[list[str], list[str]]:
    """The speakers, and what each said."""
    _, *pieces = _LINE.split(transcript)
    return pieces[::2], [text.strip() for text in pieces[1::2]]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _quote(text: str) -> str:
    return f"“{_clipped(text, _QUOTE_CHARS)}”"


def _clipped(text: str, chars: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1].rstrip() + "…"
