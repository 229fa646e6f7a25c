"""Texts on request: counting and filler, long enough to try stop and resume on, and Markdown to look at."""

import re
from itertools import cycle, islice

from chat.llm.demo.turn import Turn

MAX_WORDS = 20_000

_FILLER = (
    "This sentence is filler: it says nothing, but it takes its time to say so, and that is all it is for. "
    "Every word of it comes as a piece of its own, goes into the log, and is sent to whoever reads along. "
    "Stop it, close the page, come back: the text goes on where it was, and no word is missing or there twice."
)


def write(turn: Turn) -> str | None:
    said = turn.said.lower()
    for rule in (_count, _filler, _table, _list, _code, _markdown):
        if (text := rule(said)) is not None:
            return text
    return None


def _count(said: str) -> str | None:
    found = re.search(r"\bcount (?:from (\d+) )?(?:up )?to (\d+)", said)
    if not found:
        return None
    start, end = int(found[1] or 1), int(found[2])
    end = min(end, start + MAX_WORDS - 1)
    if end < start:
        return f"{start} is more than {end}; I only count up."
    return " ".join(f"{number}," if number < end else f"{number}." for number in range(start, end + 1))


def _filler(said: str) -> str | None:
    found = re.search(r"\b(\d+) words\b", said)
    if not found and not re.search(r"\b(filler|lorem ipsum|long (text|answer|story))\b", said):
        return None
    number = min(int(found[1]), MAX_WORDS) if found else 400
    return " ".join(islice(cycle(_FILLER.split()), number))


def _table(said: str) -> str | None:
    if not re.search(r"\btable\b", said):
        return None
    size = re.search(r"\b(?:to|of) (\d+)\b", said)
    rows = range(1, min(int(size[1]) if size else 5, 50) + 1)
    lines = [f"| {number} | {number**2} | {number**3} |" for number in rows]
    return "\n".join(["| Number | Square | Cube |", "| ---: | ---: | ---: |", *lines])


def _list(said: str) -> str | None:
    found = re.search(r"\blist (?:of |with )(.{3,400})", said)
    if not found:
        return None
    items = [item.strip(" .!?") for item in re.split(r",|;|\band\b", found[1])]
    bullet = "1." if "numbered" in said else "-"
    return "\n".join(f"{bullet} {item}" for item in items if item)


def _code(said: str) -> str | None:
    if not re.search(r"\bcode\b|\bsnippet\b", said):
        return None
    if re.search(r"\bpython\b", said):
        return f"A client of this server in Python (`pip install websockets`):\n\n```python\n{_PYTHON}\n```"
    return f"Paste this into the browser's console, on this page:\n\n```js\n{_JAVASCRIPT}\n```"


def _markdown(said: str) -> str | None:
    return _MARKDOWN if "markdown" in said else None


_JAVASCRIPT = """\
const ws = new WebSocket("/ws/session");
ws.onmessage = (e) => console.log(e.data);
ws.onopen = () => ws.send("Explain WebSocket streaming");"""

_PYTHON = """\
import asyncio, websockets

async def main():
    async with websockets.connect("ws://localhost:8000/ws/session") as ws:
        print(await ws.recv())
        await ws.send("Explain WebSocket streaming")
        async for piece in ws:
            print(piece, end="", flush=True)

asyncio.run(main())"""

_MARKDOWN = """\
## A heading

A paragraph with **bold**, *italic* and `code`, and [a link](https://example.com/).

1. First
2. Second
   - a detail

> A quotation.

| Column | Value |
| --- | ---: |
| one | 1 |
| two | 2 |

```js
console.log("a code block");
```"""
