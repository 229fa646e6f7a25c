"""What makes an answer readable: formulas, code in colours, task lists, notes, columns of numbers, long messages folded."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect

from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.page.scripted_server import ScriptedServer
from tests.page.test_markdown import RENDER_IN_PIECES
from tests.page.test_transcript import IN_BROWSER

pytestmark = pytest.mark.django_db

SHOW = """({ StreamingMarkdown }, text) => {
  const box = document.createElement("div");
  box.className = "prose";
  document.querySelector("#transcript").replaceChildren(box);
  const markdown = new StreamingMarkdown(box);
  markdown.finish(text);
}"""

FORMULAS = r"""The area is $\int_0^1 x\,dx = \frac{1}{2}$, or \(a\,b\), and $\vec v$ or $\fbox{q}$.

$$
\sum_{n=1}^{\infty} \frac{1}{n^2}\;=\;\frac{\pi^2}{6}
$$

\[ E = mc^2 \]
"""

MONEY = (
    "It costs $5 and $10.",
    "From US$5 to US$10 a month",
    "between $5-$10, or $ 7 $",
    "`$x$` is code, \\$x$ is escaped",
    "a single $ and no other",
)

RICH = r"""Before $a\,b$ and [^1].

$$
\frac{a}{b}
$$

- [x] one
- [ ] two $x$
  - [ ] three

| n | of |
|---|---|
| 1 | 2 |

[^1]: A note, with *emphasis*
and a second line.
[^2]: Another.

After \(x\) the end
"""


@pytest.fixture
def chat(open_page: OpenPage) -> ChatPage:
    chat = open_page()
    chat.go("/")
    chat.expect_connection("Ready")
    return chat


def show(chat: ChatPage, text: str) -> Any:
    chat.expect_connection("Ready")  # what the page shows then takes the place of what stands there
    chat.module("streaming_markdown", SHOW, text)
    return chat.page.locator("#transcript .prose")


def test_formulas_are_drawn_whole_and_no_rule_of_the_page_is_broken(chat: ChatPage) -> None:
    prose = show(chat, FORMULAS)
    expect(prose.locator(".math.drawn .katex")).to_have_count(6)
    sources = prose.locator("annotation").all_text_contents()
    assert sources[:4] == [r"\int_0^1 x\,dx = \frac{1}{2}", r"a\,b", r"\vec v", r"\fbox{q}"]
    assert sources[5] == "E = mc^2"
    assert prose.locator(".katex-display").count() == 2
    family = prose.locator(".katex").first.evaluate("node => getComputedStyle(node).fontFamily")
    assert "KaTeX_Main" in family
    arrow = prose.locator(".katex-html svg").first.evaluate("node => node.style.width")
    assert arrow, "what KaTeX writes as a style attribute is there"


@pytest.mark.parametrize("text", MONEY)
def test_money_is_no_formula(chat: ChatPage, text: str) -> None:
    prose = show(chat, text)
    assert prose.locator(".math").count() == 0
    assert prose.inner_text().replace("`", "") == text.replace("`", "").replace("\\$", "$")


def test_what_is_no_formula_after_all_is_shown_as_it_was_written(chat: ChatPage) -> None:
    prose = show(chat, r"Look: $\frac{1}{$ and $\href{javascript:alert(1)}{x}$ and $x$.")
    expect(prose.locator(".drawn")).not_to_have_count(0)
    assert r"\frac{1}{" in prose.inner_text()
    assert prose.locator("a").count() == 0


def test_tasks_are_boxes_that_are_read_out(chat: ChatPage) -> None:
    prose = show(chat, "- [x] bread\n- [ ] milk\n- [y] no box\n")
    boxes = prose.get_by_role("img")
    assert [box.get_attribute("aria-label") for box in boxes.all()] == ["Done:", "To do:"]
    assert [item.inner_text().strip() for item in prose.locator("li").all()] == [
        "bread",
        "milk",
        "[y] no box",
    ]


def test_a_note_is_reached_from_where_it_is_named(chat: ChatPage) -> None:
    prose = show(chat, "As shown[^1] and[^b].\n\n[^1]: By *Ann*.\n[^b]: [By Bob](https://example.org).\n")
    prose.get_by_role("button", name="Note b").click()
    expect(prose.locator(".note").nth(1)).to_be_focused()
    assert prose.locator(".note").nth(0).inner_text() == "1 By Ann."
    assert prose.locator(".note a").get_attribute("href") == "https://example.org"


def test_columns_of_numbers_stand_under_one_another(chat: ChatPage) -> None:
    table = (
        "| what | € | share | c |\n|---|---|---|:-:|\n| a | 1,200.50 | 3 % | 1 |\n| b 2 | -7 | 40 % | 2 |\n"
    )
    prose = show(chat, table)
    assert [cell.get_attribute("class") for cell in prose.locator("tbody tr").first.locator("td").all()] == [
        None,
        "align-right",
        "align-right",
        "align-center",
    ]
    assert prose.locator("th").nth(1).get_attribute("class") == "align-right"


def test_code_has_colours_and_says_that_it_scrolls(chat: ChatPage) -> None:
    wide = "x = '" + "long " * 80 + "'"
    prose = show(
        chat, f"```python\ndef f():\n    return 1\n```\n\n```python\n{wide}\n```\n\n```what\nx\n```\n"
    )
    expect(prose.locator(".hljs-keyword").first).to_have_text("def")
    said = prose.locator(".code-scrolls")
    expect(said.nth(1)).to_be_visible()
    expect(said.nth(0)).to_be_hidden()
    assert prose.locator("pre").nth(1).inner_text().strip() == wide
    assert prose.locator("pre").nth(2).locator("span").count() == 0


def test_code_has_colours_though_they_could_not_be_fetched_at_first(chat: ChatPage) -> None:
    vendor = "**/vendor/highlight/*"
    chat.page.route(vendor, lambda route: route.abort())
    with chat.page.expect_event("requestfailed"):
        show(chat, "```js\nlet x;\n```")
    chat.page.unroute(vendor)
    chat.complaints.found.clear()
    expect(show(chat, "```js\nlet y;\n```").locator(".hljs-keyword")).to_have_text("let")


WRITTEN = """async ({ StreamingMarkdown }, [text, written]) => {
  const box = document.createElement("div");
  document.querySelector("#transcript").replaceChildren(box);
  const markdown = new StreamingMarkdown(box, { restFactor: 0 });
  const colours = () => [...box.querySelectorAll(".hljs-keyword")].map((node) => node.textContent).join(" ");
  markdown.update(text.slice(0, 5));
  const seen = [];
  for (let end = text.length; end <= written.length; end += 1) {
    markdown.update(written.slice(0, end));
    seen.push(colours());
  }
  markdown.finish(written);
  return [...seen, colours()];
}"""


def test_code_has_its_colours_while_it_is_written(chat: ChatPage) -> None:
    """With each character, also as its block closes, the next one begins, and the answer ends."""
    expect(show(chat, "```js\nlet x;\n```").locator(".hljs-keyword")).to_have_text("let")
    begun = "Here:\n\n```python\ndef "
    written = begun + "f():\n    pass\n```\n\nThat is it.\n\nAnd *more*.\n\nThe end."
    seen = chat.module("streaming_markdown", WRITTEN, [begun, written])
    assert {colours.split()[0] for colours in seen} == {"def"}
    assert seen[-1] == "def pass"


def test_code_cannot_hide_a_tag_in_its_colours(chat: ChatPage) -> None:
    code = '<img src=x onerror="window.hacked=1">\n<script>window.hacked=1</script>'
    prose = show(chat, f"```html\n{code}\n```\n")
    expect(prose.locator("pre span").first).to_be_visible()
    assert prose.locator("pre").inner_text().strip() == code
    assert prose.locator("pre img, pre script").count() == 0
    assert chat.page.evaluate("() => window.hacked") is None


def test_a_long_message_is_folded_until_somebody_wants_it_all(open_page: OpenPage) -> None:
    chat = open_page()
    server = ScriptedServer(chat.page)
    chat.go(server.path)
    chat.say("line\n" * 20)
    chat.say("word " * 6_000)
    short, long = (chat.messages.nth(index).locator(".message-text") for index in range(2))
    expect(long).to_be_visible()
    assert chat.messages.nth(0).get_by_role("button", name="Show all").count() == 0
    folded = long.bounding_box()
    button = chat.messages.nth(1).get_by_role("button", name="Show all")
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    unfolded = long.bounding_box()
    assert folded
    assert unfolded
    assert folded["height"] < 300 < unfolded["height"]
    chat.messages.nth(1).get_by_role("button", name="Show less").click()
    expect(long).to_have_class("message-text folded")
    expect(short).to_be_attached()


@IN_BROWSER
@given(cuts=st.lists(st.integers(1, len(RICH) - 1), max_size=12, unique=True))
def test_it_is_the_same_whether_it_streams_or_comes_whole(chat: ChatPage, cuts: list[int]) -> None:
    show(chat, "$x$")
    expect(chat.page.locator(".drawn")).to_have_count(1)
    places = [0, *sorted(cuts), len(RICH)]
    pieces = [RICH[one:other] for one, other in pairwise(places)]
    in_pieces = chat.module("streaming_markdown", RENDER_IN_PIECES, pieces)
    assert in_pieces == chat.module("streaming_markdown", RENDER_IN_PIECES, [RICH])


def test_a_table_that_is_wider_than_its_place_says_so(chat: ChatPage) -> None:
    draw = """({ renderMarkdown }, columns) => {
      const row = (word) => `| ${Array(columns).fill(word).join(" | ")} |`;
      const text = [row("a long heading"), row("---"), row("-5")].join("\\n");
      const box = document.querySelector("#transcript");
      box.replaceChildren(renderMarkdown(text));
    }"""
    hint = chat.page.locator(".table-scrolls")
    chat.module("markdown", draw, 2)
    expect(chat.page.locator(".table-frame")).to_be_visible()
    expect(hint).to_be_hidden()
    chat.module("markdown", draw, 30)
    expect(hint).to_be_visible()
    expect(chat.page.locator("td").first).to_have_attribute("dir", "ltr")
