import re
import time

import pytest

from sessions_app.review.markdown import MAX_CHARS, render_markdown

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/track.png)",
    "![x](javascript:alert(1))",
    '[x](https://a.example "onmouseover=alert(1) \\"><svg onload=alert(1)>")',
    '```"><script>alert(1)</script>\nx\n```',
    '```js" onclick="alert(1)\nx\n```',
    "<iframe src=//evil.example></iframe>",
    "<style>*{display:none}</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "[x]: javascript:alert(1)\n\n[x]",
    "|a|\n|-|\n|<svg/onload=alert(1)>|",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_markdown_becomes_code_or_loads_anything(attack: str) -> None:
    html = render_markdown(attack)
    tags = re.findall(r"<\s*/?\s*([a-zA-Z0-9]+)", html)
    assert not {tag.lower() for tag in tags} & {
        "script",
        "img",
        "svg",
        "iframe",
        "style",
        "object",
        "embed",
        "form",
    }
    attributes = re.findall(r"<[a-z0-9]+((?:\s[^<>]*?)?)>", html)
    assert not any(
        re.search(r"\son\w+\s*=\s*[\"']?", re.sub(r'"[^"]*"', '""', given)) for given in attributes
    )
    assert not re.search(r'(?:href|src)="\s*(?!https?:|mailto:)', html, re.IGNORECASE)


def test_html_is_shown_as_it_was_written() -> None:
    assert "&lt;b&gt;not bold&lt;/b&gt; &lt;script&gt;x&lt;/script&gt;" in render_markdown(
        "<b>not bold</b> <script>x</script>"
    )


def test_formatting_is_kept() -> None:
    html = render_markdown(
        "# Title\n\n**bold** `code`\n\n- one\n- two\n\n|a|b|\n|:-|-:|\n|1|2|\n\n```js\nlet x\n```"
    )
    for piece in ("<h1>Title</h1>", "<strong>bold</strong>", "<li>one</li>", '<td align="right">2</td>'):
        assert piece in html
    assert '<code class="language-js">' in html


def test_a_link_opens_elsewhere_and_tells_nothing_of_where_it_stood() -> None:
    html = render_markdown("[docs](https://example.com/a)")
    assert 'href="https://example.com/a"' in html
    assert 'target="_blank"' in html
    assert "noopener" in html
    assert "noreferrer" in html


def test_an_image_is_a_link_and_nothing_is_loaded() -> None:
    html = render_markdown("![a chart](https://example.com/chart.png)")
    assert "<img" not in html
    assert 'href="https://example.com/chart.png"' in html
    assert "a chart (image)" in html


def test_a_relative_link_leads_nowhere() -> None:
    assert "href" not in render_markdown("[log out](/admin/logout/)")


def test_a_very_long_text_is_shown_as_it_stands() -> None:
    html = render_markdown("**x** <b>" * MAX_CHARS)
    assert "<strong>" not in html
    assert "&lt;b&gt;" in html


@pytest.mark.parametrize(
    "nested", ["> " * 40 + "deep", "\n".join("  " * depth + "- deep" for depth in range(40))]
)
def test_what_is_nested_too_deep_to_format_is_still_shown(nested: str) -> None:
    assert render_markdown(nested).count("deep") == nested.count("deep")


@pytest.mark.parametrize(
    "piece", ["[", "![", "*a ", "`a", "> ", "[a](", "<a ", "|", "- a\n", "~~", "|a|b|\n|-|-|\n"]
)
def test_a_text_made_to_hurt_is_done_in_two_seconds(piece: str) -> None:
    text = (piece * MAX_CHARS)[:MAX_CHARS]
    began = time.process_time()
    render_markdown(text)
    assert time.process_time() - began < 2.0
