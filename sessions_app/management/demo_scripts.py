"""What is said in the sessions that `seed_demo_sessions` writes: a handful of conversations, told as data."""

from dataclasses import dataclass

from sessions_app.log.events import Location, Outcome


@dataclass(frozen=True, kw_only=True)
class Call:
    name: str
    arguments: str
    output: str
    outcome: Outcome = Outcome.OK
    side_effects: bool = False
    location: Location = Location.SERVER


@dataclass(frozen=True, kw_only=True)
class Turn:
    user: str
    answer: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Script:
    title: str
    summary: str
    turns: tuple[Turn, ...]
    topics: tuple[str, ...]
    intent: str
    language: str = "en"
    open_questions: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()


STREAMING = Script(
    title="How WebSocket streaming works",
    topics=("streaming", "websockets"),
    intent="Learn how tokens reach a browser.",
    open_questions=("Which proxies buffer?",),
    summary=(
        "The user asked how tokens reach a browser over a WebSocket.\n\n"
        "- Explained **frames, back-pressure and resume**\n"
        "- Gave a browser snippet that prints tokens as they come\n"
        "- Open question: proxies that buffer"
    ),
    turns=(
        Turn(
            user="Explain WebSocket streaming to me in a few sentences.",
            answer=(
                "A WebSocket is **one long-lived connection** over which both sides may speak at any time.\n\n"
                "1. The browser asks for an upgrade of a plain HTTP request.\n"
                "2. From then on each side sends *frames*.\n"
                "3. A model's tokens are put into frames as they are made, so that you read while it still writes.\n\n"
                "Compared with polling there is no request per message, and compared with server-sent events the "
                "client can interrupt on the same connection."
            ),
        ),
        Turn(
            user="Show me the smallest client that prints the tokens.",
            answer=(
                "```js\n"
                'const ws = new WebSocket("ws://localhost:8000/ws/session");\n'
                "ws.onmessage = (event) => console.log(event.data);\n"
                'ws.onopen = () => ws.send("Explain WebSocket streaming");\n'
                "```\n\n"
                "`onmessage` fires once for each piece of the answer; join them for the whole text."
            ),
        ),
        Turn(
            user="and if my laptop sleeps in the middle?",
            answer=(
                "Then the socket is gone, but the answer is not: the server keeps writing it to the log. Connect "
                "again with the same session and the last event you saw, and the rest is replayed.\n\n"
                "> Rule of thumb: the log is the truth, the socket is only a reader of it."
            ),
        ),
    ),
)
ACCOUNT = Script(
    title="Why an upload was refused",
    topics=("uploads", "account"),
    intent="Find out why a file was refused.",
    follow_ups=("Raise the limit of the account, if the user asks again.",),
    summary=(
        "An upload was refused because the account's **storage was full** (5.0 of 5 GB).\n\n"
        "The assistant looked up the profile, explained the two ways out, and the user chose to delete old exports."
    ),
    turns=(
        Turn(
            user="My upload was refused this morning. What is wrong with my account?",
            calls=(
                Call(
                    name="get_my_profile",
                    arguments="{}",
                    output='{"username": "ada", "plan": "team", "status": "active", "storage": {"used_gb": 5.0, "limit_gb": 5}}',
                ),
            ),
            answer=(
                "Your account is active, but its **storage is full**:\n\n"
                "| | used | limit |\n|---|---:|---:|\n| Storage | 5.0 GB | 5 GB |\n| Seats | 3 | 10 |\n\n"
                "You can delete old exports or ask an owner of your team to raise the limit."
            ),
        ),
        Turn(
            user="How much would I free if I delete everything older than a year? It is 41 files of about 38.5 MB",
            calls=(
                Call(
                    name="calculate",
                    arguments='{"expression": "41 * 38.5 / 1024"}',
                    output='{"result": 1.54150390625}',
                ),
            ),
            answer="41 files of 38.5 MB are about **1.54 GB**, so you would be at roughly 3.5 of 5 GB afterwards.",
        ),
        Turn(
            user="OK, I do that. Thanks!",
            answer="You're welcome. The next upload will work as soon as the files are gone.",
        ),
    ),
)
TRAVEL = Script(
    title="Call with Tokyo at a humane hour",
    topics=("travel", "time zones"),
    intent="Find an hour for a call with Tokyo.",
    summary="Found a time for a call between **Berlin and Tokyo**: 09:00 in Berlin is 17:00 in Tokyo.",
    turns=(
        Turn(
            user="What time is it in Tokyo and in Berlin right now?",
            calls=(
                Call(
                    name="get_time",
                    arguments='{"zone": "Asia/Tokyo"}',
                    output='{"zone": "Asia/Tokyo", "time": "2026-03-04T21:14:09+09:00"}',
                ),
                Call(
                    name="get_time",
                    arguments='{"zone": "Europe/Berlin"}',
                    output='{"zone": "Europe/Berlin", "time": "2026-03-04T13:14:09+01:00"}',
                ),
            ),
            answer="It is **21:14 in Tokyo** and **13:14 in Berlin**, eight hours apart.",
        ),
        Turn(
            user="When can we call without anybody getting up at night?",
            answer=(
                "Between **08:00 and 11:00 in Berlin**, which is 16:00 to 19:00 in Tokyo.\n\n"
                "- 09:00 / 17:00 suits most people\n- from the end of March it is seven hours: 09:00 / 16:00"
            ),
        ),
    ),
)
BUG = Script(
    title="A race in a Python cache",
    topics=("python", "threads"),
    intent="Have a cache checked for races.",
    summary=(
        "Reviewed a cache that computed a value twice under load.\n\n"
        "Cause: *check, then act* without a lock. Fix: one lock per key; a test that fails without it was suggested."
    ),
    turns=(
        Turn(
            user=(
                "Is this cache safe with threads?\n\n"
                "    def get(key):\n        if key not in cache:\n            cache[key] = compute(key)\n"
                "        return cache[key]"
            ),
            answer=(
                "### Not quite\n\nTwo threads may both see that `key` is missing and both call `compute`. Nothing is "
                "corrupted, but the work is done twice.\n\n"
                "```python\n"
                "locks = defaultdict(threading.Lock)\n\n"
                "def get(key):\n"
                "    with locks[key]:\n"
                "        if key not in cache:\n"
                "            cache[key] = compute(key)\n"
                "        return cache[key]\n"
                "```\n\n"
                "Mind that `defaultdict` itself is only safe because creating the lock happens under the GIL."
            ),
        ),
        Turn(
            user="How would I test that?",
            answer=(
                "Make `compute` wait on a barrier, start two threads, and count the calls:\n\n"
                "1. without the lock both threads reach the barrier: the count is **2**;\n"
                "2. with it the second never gets there: let the barrier time out, the count is **1**."
            ),
        ),
    ),
)
GERMAN = Script(
    title="Einladung zum Sommerfest",
    topics=("writing",),
    intent="Have an invitation written.",
    language="de",
    summary="Eine kurze, freundliche **Einladung zum Sommerfest** wurde entworfen und einmal gekürzt.",
    turns=(
        Turn(
            user="Schreib mir bitte eine kurze Einladung zum Sommerfest am 12. Juli, 16 Uhr, im Hof.",
            answer=(
                "**Einladung zum Sommerfest**\n\nLiebe Nachbarinnen und Nachbarn,\n\nam *12. Juli ab 16 Uhr* feiern wir im "
                "Hof. Für Getränke ist gesorgt, über einen Beitrag zum Buffet freuen wir uns. Kommt zahlreich!"
            ),
        ),
        Turn(
            user="Noch kürzer, bitte.",
            answer="Sommerfest am 12. Juli, 16 Uhr, im Hof. Bringt gute Laune und Kuchen mit!",
        ),
    ),
)
ORDER = Script(
    title="Cancelling order 8841",
    topics=("orders", "refunds"),
    intent="Cancel an order.",
    follow_ups=("See that the money is back within five days.",),
    summary=(
        "The user wanted to cancel order **8841**. The tool failed once (`order_locked`), an operator stepped in, and the "
        "order was cancelled and refunded."
    ),
    turns=(
        Turn(
            user="Please cancel my order 8841.",
            calls=(
                Call(
                    name="cancel_order",
                    arguments='{"order_id": 8841}',
                    output="The order is locked while it is being packed. Try again in ten minutes, or ask staff.",
                    outcome=Outcome.ERROR,
                    side_effects=True,
                ),
            ),
            answer="I could not cancel it yet: the order is **being packed** and locked for some minutes. Shall I try again later?",
        ),
        Turn(
            user="It is urgent, I ordered the wrong size.",
            calls=(
                Call(
                    name="cancel_order",
                    arguments='{"order_id": 8841, "force": true}',
                    output='{"order_id": 8841, "status": "cancelled", "refund": {"amount": "59.90", "currency": "EUR"}}',
                    side_effects=True,
                ),
            ),
            answer="Done: order **8841 is cancelled**. The refund of 59.90 EUR takes two or three days.",
        ),
    ),
)
SCRIPTS = (STREAMING, ACCOUNT, TRAVEL, BUG, GERMAN, ORDER)
