"""What the demo remembers: only what stands in the conversation, so that it knows the same after a restart."""

import re
from collections.abc import Iterable, Iterator

from chat.llm.demo.turn import Turn

_FACT = re.compile(
    r"\b(?:my (?P<key>[a-z][a-z -]{0,30}?) is(?: called)?|(?P<name>i am called|i'm called|call me)) "
    r"(?P<value>[^.,!?\n]{1,80})",
    re.IGNORECASE,
)
_NOTE = re.compile(r"\b(?:please )?remember (?:that |this: ?)?(?P<note>[^\n]{2,300})", re.IGNORECASE)
_ASKED_FACT = re.compile(
    r"\b(?:what(?:'s| is| was)|do you (?:know|remember)) my (?P<key>[a-z][a-z -]{0,30})", re.IGNORECASE
)


def recall(turn: Turn) -> str | None:
    """Answers a question about what was said before; None when it was not said here (a tool may know)."""
    said = turn.said.lower()
    if asked := _ASKED_FACT.search(turn.said):
        key = asked["key"].strip().lower()
        value = dict(_facts(turn.earlier)).get(key)
        return f"Your {key} is **{value}**; you told me earlier in this session." if value else _unknown(key)
    if re.search(
        r"\bwhat (did|have) i (say|said|ask|asked|write|wrote|written)\b|\bmy (first|last) message\b", said
    ):
        return _quote(turn, first="first" in said)
    if re.search(r"\bwhat do you (remember|know about me)\b", said):
        return _everything(turn)
    return None


def take_note(turn: Turn) -> str | None:
    """Confirms what it will find again in the conversation."""
    if facts := dict(_facts([turn.said])):
        known = " and ".join(f"your {key} is **{value}**" for key, value in facts.items())
        greeting = f"Nice to meet you, {facts['name']}. " if "name" in facts else ""
        return f"{greeting}I will remember for this session that {known}."
    if note := _NOTE.search(turn.said):
        return f"I will remember: {note['note'].strip()}"
    return None


def _facts(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The later one counts: build a dict of it."""
    for text in texts:
        for found in _FACT.finditer(text):
            value = re.split(r"\s+(?:and|but) (?:my|i)\b", found["value"], flags=re.IGNORECASE)[0].strip()
            if value:
                yield ("name" if found["name"] else found["key"].strip().lower()), value


def _unknown(key: str) -> str | None:
    """Only the name is surely not a tool's business."""
    return "You have not told me your name in this session." if key == "name" else None


def _quote(turn: Turn, *, first: bool) -> str:
    if not turn.earlier:
        return "This is the first thing you have said in this session."
    place = "first" if first else "last"
    return f"The {place} thing you said before this was: “{turn.earlier[0 if first else -1]}”"


def _everything(turn: Turn) -> str:
    lines = [f"- Your {key} is {value}." for key, value in dict(_facts(turn.earlier)).items()]
    lines += [f"- {note['note'].strip()}" for text in turn.earlier if (note := _NOTE.search(text))]
    lines.append(f"- You have sent {len(turn.earlier) + 1} messages in this session.")
    return "\n".join(["This is what I can find in our conversation:", "", *lines])
