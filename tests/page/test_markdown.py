"""An answer's Markdown: safe whatever a model writes, and the same whether it streams or comes whole."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.django_db

ATTACKS = (
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    "<svg/onload=window.hacked=1>",
    '<iframe srcdoc="<script>parent.hacked=1</script>"></iframe>',
    "[click](javascript:window.hacked=1)",
    "[click](JaVaScRiPt&colon;window.hacked=1)",
    "[click](  javascript:window.hacked=1)",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "[click](vbscript:x)",
    "<javascript:window.hacked=1>",
    "![x](https://evil.invalid/pixel.png?secret)",
    '![x](https://evil.invalid/"onerror="window.hacked=1)',
    "[![x](https://evil.invalid/a.png)](javascript:window.hacked=1)",
    '[x](https://ok.invalid "\\" onmouseover=window.hacked=1 x=\\"")',
    "```html onload=window.hacked=1\n<script>window.hacked=1</script>\n```",
    '```"><img src=x onerror=window.hacked=1>\nx\n```',
    "| a |\n|:-:|\n| <b onclick=window.hacked=1>x</b> |",
    "[ref]\n\n[ref]: javascript:window.hacked=1",
    "<https://ok.invalid/?a=1&b=2><form action=/logout/><input name=a></form>",
    '<a href="https://x.invalid" style="position:fixed;inset:0">x</a>',
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hacked=1>",
    "<form id=transcript><input name=innerHTML>",
)

DOCUMENT = """# Title

A paragraph with *emphasis*, `code` and a [link](https://example.org).
# not
A line that ends in front of a
#tag that is no heading, or of
-5 that is no list, nor is
1.5 or
~~this~~

- one
- two

  with a paragraph

  ```python
  print("in a list")
  ```
- three

| a | b |
|---|--:|
| 1 | 2 |
| 3 | 4 |

Setext
------

1. first
2. second
   - nested

> quote
continued

```js
const open = `fence

with blank lines`;
```
Text right after
***
~~gone~~ https://example.org/auto and the end
"""

RENDER_WHOLE = "({ renderMarkdown }, text) => { const box = document.createElement('div'); box.append(renderMarkdown(text)); return box.innerHTML; }"
RENDER_IN_PIECES = """({ StreamingMarkdown }, pieces) => {
  const box = document.createElement("div");
  const markdown = new StreamingMarkdown(box, { restFactor: 0 });
  let text = "";
  for (const piece of pieces) if (!markdown.update((text += piece))) throw new Error("was put off");
  markdown.finish(text);
  return box.innerHTML;
}"""


@pytest.fixture
def tab(open_page: OpenPage) -> ChatPage:
    tab = open_page()
    tab.go("/login/")
    return tab


def whole(tab: ChatPage, text: str) -> Any:
    return tab.module("markdown", RENDER_WHOLE, text)


def in_pieces(tab: ChatPage, pieces: list[str]) -> Any:
    return tab.module("streaming_markdown", RENDER_IN_PIECES, pieces)


def test_nothing_that_a_model_writes_runs_or_loads(tab: ChatPage) -> None:
    requests: list[str] = []
    tab.page.on("request", lambda request: requests.append(request.url))
    script = """({ renderMarkdown }, text) => {
      const box = document.createElement("div");
      box.append(renderMarkdown(text));
      document.body.append(box);
      const all = [...box.querySelectorAll("*")];
      for (const link of box.querySelectorAll("a")) link.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
      return {
        tags: [...new Set(all.map((node) => node.localName))],
        attributes: [...new Set(all.flatMap((node) => node.getAttributeNames()))],
        addresses: all.filter((node) => node.hasAttribute("href")).map((node) => node.getAttribute("href")),
      };
    }"""
    for text in ATTACKS:
        found = tab.module("markdown", script, text)
        forbidden = {
            "script",
            "img",
            "iframe",
            "form",
            "input",
            "style",
            "math",
            "object",
            "embed",
            "link",
            "base",
        }
        assert not forbidden & set(found["tags"]), text
        assert not [
            name for name in found["attributes"] if name.startswith("on") or name in ("style", "id", "src")
        ], text
        assert all(url.startswith(("https://", "#icon-")) for url in found["addresses"]), text
    tab.page.wait_for_timeout(100)
    assert tab.page.evaluate("() => window.hacked") is None
    assert not [url for url in requests if "invalid" in url]


def test_links_open_elsewhere_and_tell_nothing(tab: ChatPage) -> None:
    html = whole(
        tab,
        "[a](https://example.org) https://example.org/b <mailto:a@example.org> ![pic](https://example.org/c.png)",
    )
    assert html.count('rel="noopener noreferrer nofollow"') == html.count('target="_blank"') == 4
    assert ">pic</a>" in html


def test_names_with_dots_are_no_links(tab: ChatPage) -> None:
    assert "<a" not in whole(tab, "Edit main.py, then open example.com or 10.0.0.1")


def test_tables_keep_their_alignment_without_inline_styles(tab: ChatPage) -> None:
    html = whole(tab, "| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert '<td class="align-center" dir="ltr">1</td>' in html
    assert '<td class="align-right" dir="ltr">2</td>' in html
    assert "style=" not in html


def test_code_is_dressed_with_its_language_and_a_copy_button(tab: ChatPage) -> None:
    html = whole(tab, "```python\nprint(1 < 2)\n```")
    assert '<span class="code-language">python</span>' in html
    assert 'aria-label="Copy this code"' in html
    assert "print(1 &lt; 2)" in html


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_streamed_text_ends_as_the_whole_text_does(tab: ChatPage, size: int) -> None:
    pieces = [DOCUMENT[start : start + size] for start in range(0, len(DOCUMENT), size)]
    assert in_pieces(tab, pieces) == whole(tab, DOCUMENT)


_LINES = st.sampled_from(
    [
        *DOCUMENT.splitlines(),
        "",
        "",
        "- a",
        "#tag",
        "-5",
        "1.5",
        "para",
        "~~~",
        "===",
        "  b",
        "    c",
        "#",
        "-",
        "```",
        ">",
        "1.",
        "a | b",
        "|-|-|",
        "\t",
        "[x]",
        "[x]: https://x.invalid",
    ]
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lines=st.lists(_LINES, max_size=12), ends=st.sampled_from(["\n", "\r\n"]), size=st.integers(1, 9))
def test_any_document_ends_the_same_however_it_is_cut(
    tab: ChatPage, lines: list[str], ends: str, size: int
) -> None:
    text = ends.join(lines)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert in_pieces(tab, pieces) == whole(tab, text)


OPEN = """Yours is **ready on *Thursday* at noon**, says `a ** b` and [the *order*](https://shop.example.com/a_b_c), ~~not~~ __you__.

- [x] It is ***all*** of 2 * 3 snake_case_names and 5*4
- a **bold [link](https://example.com)**[^1] \\* too

| what | price |
|---|---|
| **Chain** and | `39` |

[^1]: Note"""


def test_no_sign_is_seen_while_what_it_opens_is_written(tab: ChatPage) -> None:
    """And no word waits for what closes it."""
    script = """async ({ StreamingMarkdown }, text) => {
      const shown = [];
      for (let end = 1; end <= text.length; end += 1) {
        const box = document.createElement("div");
        new StreamingMarkdown(box, { restFactor: 0 }).update(text.slice(0, end));
        shown.push(box.textContent);
      }
      return shown;
    }"""
    for end, shown in enumerate(tab.module("streaming_markdown", script, OPEN), start=1):
        written = OPEN[:end]
        plain = shown.replace("a ** b", "").replace("a **", "")
        for sign in ("**", "`", "](", "~~", "__", "*Th", "[the", "[link", "https"):
            assert sign not in plain, (written[-30:], shown[-30:])
        if written.endswith(("Thursday", "order", "noon", "names", "all", "Chain", "39")):
            assert written.split()[-1].strip("*`[") in shown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a **b", "<p>a <strong>b</strong></p>"),
        ("a **b *c", "<p>a <strong>b <em>c</em></strong></p>"),
        ("a **b*", "<p>a <strong>b</strong></p>"),
        ("a **", "<p>a</p>"),
        ("a *", "<p>a</p>"),
        ("2 * 3 = 6", "<p>2 * 3 = 6</p>"),
        ("snake_case", "<p>snake_case</p>"),
        ("a `b", "<p>a <code>b</code></p>"),
        ("a `", "<p>a</p>"),
        ("a `` b ` c", "<p>a <code> b ` c</code></p>"),
        ("**a `b**", "<p><strong>a <code>b**</code></strong></p>"),
        ("a [b", "<p>a b</p>"),
        ("a **[b](https://x", "<p>a <strong>b</strong></p>"),
        (r"a \**b", "<p>a *<em>b</em></p>"),
        ("```\n**a", None),
        ("    **a", None),
    ],
)
def test_an_open_end_is_closed_for_now(tab: ChatPage, text: str, html: str | None) -> None:
    script = """({ StreamingMarkdown }, text) => {
      const box = document.createElement("div");
      const markdown = new StreamingMarkdown(box, { restFactor: 0 });
      markdown.update(text);
      const before = box.innerHTML.trim();
      markdown.finish(text);
      return [before, box.innerHTML.trim()];
    }"""
    before, after = tab.module("streaming_markdown", script, text)
    assert before == (after if html is None else html)
    assert after.strip() == whole(tab, text).strip()


def test_a_link_may_be_defined_after_its_use(tab: ChatPage) -> None:
    text = "See [the docs].\n\nOne.\n\nTwo.\n\nThree.\n\n[the docs]: https://example.org/docs\n"
    html = in_pieces(tab, list(text))
    assert html == whole(tab, text)
    assert 'href="https://example.org/docs"' in html


def test_a_long_answer_is_not_rendered_again_with_every_piece(tab: ChatPage) -> None:
    """Work per update must not grow with what is above: blocks that are done are left alone."""
    script = """async ({ StreamingMarkdown }, blocks) => {
      const box = document.createElement("div");
      let touched = 0;
      const observer = new MutationObserver((changes) => {
        for (const change of changes) touched += change.addedNodes.length;
      });
      observer.observe(box, { childList: true });
      const markdown = new StreamingMarkdown(box, { restFactor: 0 });
      let text = "";
      for (let index = 0; index < blocks; index += 1) {
        text += `Paragraph ${index} with some *words* in it.\\n\\n`;
        markdown.update(text);
      }
      markdown.finish(text);
      await new Promise((done) => setTimeout(done, 0));
      return [box.querySelectorAll("p").length, touched];
    }"""
    paragraphs, touched = tab.module("streaming_markdown", script, 600)
    assert paragraphs == 600
    assert touched < 600 * 12


def test_updates_of_one_huge_block_are_put_off_not_piled_up(tab: ChatPage) -> None:
    """Rendering takes its share of the time and no more, so a page stays usable under any answer."""
    script = """async ({ StreamingMarkdown }) => {
      const box = document.createElement("div");
      const markdown = new StreamingMarkdown(box);
      let text = "- " + "word ".repeat(20) + "\\n";
      text = text.repeat(500);
      let rendered = 0;
      const started = performance.now();
      let busy = 0;
      while (performance.now() - started < 1500) {
        text += "- more\\n";
        const before = performance.now();
        if (markdown.update(text)) rendered += 1;
        busy += performance.now() - before;
        await new Promise((done) => setTimeout(done, 1));
      }
      return [rendered, busy / (performance.now() - started)];
    }"""
    rendered, share = tab.module("streaming_markdown", script)
    assert rendered >= 1
    assert share < 0.5
