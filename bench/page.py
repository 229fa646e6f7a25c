"""The chat page in a Chromium: how long a session of 1,000 messages takes until its end is on the screen, and which frames are
dropped while an answer of 200 tokens a second is written.

    python -m bench page
"""

import bench.django_setup  # noqa: F401, I001 - before everything of Django's

import argparse
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from playwright.sync_api import Browser, Page

from bench.support import scratch_database, share_of, table
from identity.guests import GUEST_COOKIE, issue_guest_id, sign_guest_id
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor, append_now, end_session, open_session
from tests.support.browser import launched
from tests.support.server import ServerProcess

DELTA_CHARS = 24
ANSWER = (
    "Here is what I found. The **first** point is short; the `second` one has a list:\n\n"
    "- one thing, and [a link](https://example.org)\n- another thing\n\n"
    "```python\ndef answer(x: int) -> int:\n    return x * 2\n```\n\n"
    "| what | how many |\n|---|---|\n| apples | 12 |\n| pears | 7 |\n\nThat is all there is to say about it."
)
FRAMES = """() => new Promise((resolve) => {
  const gaps = [];
  let last = 0;
  const note = (now) => {
    if (last) gaps.push(now - last);
    last = now;
    const answer = document.querySelector(".answer:last-of-type");
    if (answer?.dataset.status === "completed") resolve(gaps);
    else requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
})"""


def turn(number: int) -> list[ev.Event]:
    """A question and its answer as a model streams it."""
    question, answer, response = f"item_q{number}", f"item_a{number}", f"resp_{number}"
    deltas = [
        ev.AssistantDelta(
            response_id=response,
            item_id=answer,
            output_index=0,
            offset=offset,
            text=ANSWER[offset : offset + DELTA_CHARS],
        )
        for offset in range(0, len(ANSWER), DELTA_CHARS)
    ]
    return [
        ev.UserMessage(item_id=question, text=f"Question {number}?"),
        ev.ResponseStarted(
            response_id=response,
            provider="demo",
            model="demo",
            input_item_ids=[question],
            after_item_id=question,
        ),
        *deltas,
        ev.AssistantMessage(response_id=response, item_id=answer, output_index=0, text=ANSWER),
        ev.ResponseDone(response_id=response, status=ev.ResponseStatus.COMPLETED),
    ]


def write_session(session_id: str, guest_id: str, turns: int) -> None:
    opened = open_session(
        session_id=session_id, visitor=Visitor(guest_id=guest_id), process_id="bench", model="demo"
    )
    seq = opened.last_seq
    for number in range(turns):
        seq = append_now(session_id=session_id, epoch=opened.epoch, last_seq=seq, events=turn(number))
    end_session(session_id=session_id, epoch=opened.epoch, last_seq=seq, reason=ev.EndReason.LEFT)


@contextmanager
def visit(browser: Browser, url: str, guest_id: str) -> Iterator[Page]:
    context = browser.new_context(base_url=url)
    context.add_cookies([{"name": GUEST_COOKIE, "value": sign_guest_id(guest_id), "url": url}])
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def opening_ms(page: Page, path: str, last: str) -> float:
    """From the click on the address until the last answer is there."""
    page.goto(path, wait_until="commit")
    shown = "(last) => document.querySelector('.answer:last-of-type')?.textContent.includes(last) && performance.now()"
    return float(page.wait_for_function(shown, arg=last).json_value())


def measure(options: argparse.Namespace) -> None:
    guest_id, path = issue_guest_id(), "bench-long"
    write_session(path, guest_id, options.messages // 2)
    server = ServerProcess(
        LLM_MODEL="demo",
        DEMO_DELAY_MS=str(1000 // options.per_second),
        SECRET_KEY=settings.SECRET_KEY,
    ).start()
    try:
        with launched(options.chromium) as browser:
            opened = []
            for _ in range(options.rounds + 1):
                with visit(browser, server.url, guest_id) as page:
                    opened.append(opening_ms(page, f"/s/{path}", "That is all"))
            with visit(browser, server.url, guest_id) as page:
                page.goto("/")
                page.locator("#message").fill(f"Count to {options.per_second * options.seconds}")
                page.locator("#message").press("Enter")
                page.locator(".answer").wait_for()
                gaps = sorted(page.evaluate(FRAMES))
    finally:
        server.stop()
        server.close()
    cold, *warm = opened
    rows = [(str(options.messages), f"{cold:.0f}", f"{statistics.median(warm):.0f}", f"{max(warm):.0f}")]
    print(table(("messages", "first opening ms", "median ms", "worst ms"), rows))
    late = sum(gap > options.late_ms for gap in gaps)
    facts = (
        str(options.per_second),
        str(len(gaps)),
        str(late),
        f"{share_of(gaps, 0.99):.0f}",
        f"{gaps[-1]:.0f}",
    )
    print()
    print(table(("tokens/s", "frames", f"later than {options.late_ms} ms", "p99 ms", "worst ms"), [facts]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-second", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--late-ms", type=float, default=34.0, help="two frames of 60 in a second")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with scratch_database():
        measure(options)


if __name__ == "__main__":
    main()
