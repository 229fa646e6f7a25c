"""The demo's built-in pages: what this server does, in plain words. Nothing else is explained by it."""

import re

from chat.llm.demo.turn import Turn

_POLITE = r"^(?:please |can you |could you )*"
_EXPLAIN = re.compile(
    _POLITE + r"(?:explain|describe|tell me about|teach me|how (?:do|does|can)|why)\b", re.IGNORECASE
)
_WHAT_IS = re.compile(_POLITE + r"(?:what|how|where|when)\b", re.IGNORECASE)
_NOTE = "*From the built-in pages of the demo model. With `GEMINI_API_KEY` set, a real model answers here.*"


def explain(turn: Turn) -> str | None:
    """The page that fits best, when an explanation is asked for; None when no page is about it."""
    return _page(turn.said) if _EXPLAIN.search(turn.said) else None


def answer_question(turn: Turn) -> str | None:
    """The same for looser questions, which a tool may answer better: ask the tools first."""
    return _page(turn.said) if _WHAT_IS.search(turn.said) else None


def _page(said: str) -> str | None:
    words = set(re.findall(r"[a-z]+", said.lower()))
    best = max(_PAGES, key=lambda page: len(words & page[0]))
    return f"{best[1]}\n\n{_NOTE}" if words & best[0] else None


_STREAMING = """\
**WebSocket streaming** means that the answer is sent in pieces over one open connection, as the model produces them.

1. The browser opens a WebSocket: an HTTP request that is upgraded to a connection on which both sides may speak at any \
time.
2. You send a message. The server stores it *before* it says that it has it.
3. The model writes word by word. Each piece goes to every open tab of the session at once, and into the session's log \
within a tenth of a second.
4. When the answer is whole, its final text is committed, and only then is it called done.

```js
const ws = new WebSocket("/ws/session");
ws.onmessage = (e) => console.log(e.data);
ws.onopen = () => ws.send("Explain WebSocket streaming");
```

Compared with asking again and again (polling) there is no waiting for the next question, and compared with waiting for \
the whole answer you read the first words after a moment."""

_SESSIONS = """\
A **session** is one conversation with one log.

- It starts with the first connection and gets an id; `/ws/session/{id}` comes back to it.
- Everything that happens is an event in its log, numbered without a gap: messages, pieces of answers, tool calls.
- A socket only reads along. Closing a tab cancels nothing, and several tabs may share a session.
- When the last one has been gone for a while (10 seconds unless set otherwise), the session ends and its summary is \
written. Coming back reopens it with its whole history."""

_RESUME = """\
**Resume** means: after a break you get exactly what you missed.

- Every event has a number. A client that reconnects says which one it saw last.
- The server sends all that came after it, from memory or from the log, and then goes on live, with no gap and nothing \
twice.
- An answer does not stop because nobody listens: it is written on, and is there when you come back.

Try it: say “Count to 500”, reload the page while it counts, and compare."""

_TOOLS = """\
**Tools** are functions that the model may ask the server to run.

1. The model sees their names, descriptions and parameters.
2. It asks for one, or for several at once, with arguments.
3. The server checks the arguments, records the call, runs it with a time limit, and records the result.
4. The model reads the result and goes on with its answer.

A call is in the log before it runs, so that a crash cannot make it run twice unseen. Try “What time is it in Tokyo, and \
what is 12 * 7?”."""

_SUMMARIES = """\
**Summaries** are written after a session ends.

- The end of the session and the job that summarises it are stored in one transaction: neither exists without the other.
- A worker reads the log and asks the model for a title and a summary.
- Staff read both in the admin, above the transcript. Coming back to the session renews them at its next end."""

_MODELS = """\
**Models** are chosen by `LLM_MODEL`.

- `LLM_MODEL=gemini:NAME` with `GEMINI_API_KEY` asks Google's Gemini; with a key alone, the default Gemini model answers.
- `LLM_MODEL=demo`, or no key at all, is me: rules instead of a model, offline, the same words for the same question."""

_ADMIN = """\
**The admin** at `/admin/` is where staff review sessions: a list with user, length, tokens and state, and for each \
session its transcript with tool calls, below its title and summary. It shows; it does not change."""

_PAGES: tuple[tuple[set[str], str], ...] = (
    ({"websocket", "websockets", "streaming", "stream", "socket", "tokens"}, _STREAMING),
    ({"session", "sessions", "log", "tab", "tabs"}, _SESSIONS),
    ({"resume", "resuming", "reconnect", "reconnecting", "replay", "lost"}, _RESUME),
    ({"tool", "tools", "function", "functions", "calling"}, _TOOLS),
    ({"summary", "summaries", "summarise", "summarize"}, _SUMMARIES),
    ({"model", "models", "gemini", "key", "demo", "provider"}, _MODELS),
    ({"admin", "staff", "review", "transcript"}, _ADMIN),
)
