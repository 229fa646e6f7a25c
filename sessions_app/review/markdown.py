"""Markdown from a model or a person, as HTML that staff can look at without risk.

Two walls: the parser knows no raw HTML, and what it gives is cleaned against a short list of tags. Nothing in the
result loads anything from another server: an image becomes a link to it.
"""

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from sessions_app.selectors.said import START, STOP

MAX_CHARS = 20_000
"""A longer text is shown as it stands. The parser takes 3 us a character of prose and up to 15 of one made to hurt."""

_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BLOCKS = {"blockquote", "hr", "li", "ol", "p", "pre", "table", "tbody", "td", "th", "thead", "tr", "ul"}
_INLINE = {"a", "b", "br", "code", "del", "em", "i", "s", "strong"}
_ATTRIBUTES = {
    "a": {"href", "title", "target"},
    "code": {"class"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
}
_SCHEMES = {"http", "https", "mailto"}
_REL = "noopener noreferrer nofollow ugc"


class _Renderer(RendererHTML):
    """Commonmark's renderer, but that images become links and table cells say their alignment in ``align``."""

    def image(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        token = tokens[idx]
        label = self.renderInlineAsText(token.children or [], options, env) or "image"
        return format_html('<a href="{}">{} (image)</a>', str(token.attrs.get("src", "")), label)

    def th_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return self._cell(tokens[idx])

    def td_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]
    ) -> str:
        return self._cell(tokens[idx])

    def _cell(self, token: Token) -> str:
        align = str(token.attrs.get("style", "")).removeprefix("text-align:")
        return f'<{token.tag} align="{align}">' if align in ("left", "center", "right") else f"<{token.tag}>"


_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer).enable(
    ["table", "strikethrough"]
)
_MAX_LEVEL = int(_parser.options["maxNesting"]) - 1
"""The parser drops what is nested deeper. (A higher limit is no way out: 20,000 open brackets then take 4 s.)"""


def render_markdown(text: str) -> SafeString:
    """The text as safe HTML; as plain text when it is longer than `MAX_CHARS`, or nested so deep that some would be lost."""
    if len(text) > MAX_CHARS:
        return plain(text)
    env: dict[str, Any] = {}
    tokens = _parser.parse(text, env)
    if any(token.level >= _MAX_LEVEL for token in tokens):
        return plain(text)
    html = _parser.renderer.render(tokens, _parser.options, env)
    return mark_safe(_clean(html))  # noqa: S308 - cleaned in the same breath


def plain(text: str) -> SafeString:
    """The text as it stands, in an element that keeps its line breaks."""
    return format_html('<div class="plain">{}</div>', text)


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=_HEADINGS | _BLOCKS | _INLINE,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes=_SCHEMES,
        link_rel=_REL,
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Only an absolute address may be linked to, and a class only name a fence's language."""
    if name == "href":
        return value if value.split(":", 1)[0].lower() in _SCHEMES and ":" in value else None
    if name == "class":
        return value if value.startswith("language-") else None
    return value


_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_SIGNS = re.compile(
    r"^[ \t]*(?:#{1,6}|>|[-*+])[ \t]+|^[ \t]*```\w*|`+|\*\*|~~|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])| ?\|[\s:|-]*",
    re.MULTILINE,
)
"""Of Markdown, in a piece of it that is read as one line."""


def in_a_line(text: str) -> str:
    """A piece of Markdown without its signs, to be read among other words."""
    return _SIGNS.sub(lambda sign: " " if "|" in sign.group() else "", _LINK.sub(r"\1", text))


_FOUND = re.compile(f"{START}([^{START}{STOP}]*){STOP}")
"""A word that somebody looked for."""


def pieces(cut: str) -> list[str]:
    """A piece of Markdown as a search has cut it, without its signs: in turn what is around the words, and the words."""
    line = re.sub(r"\s+", " ", in_a_line(cut))
    return [piece.replace(START, "").replace(STOP, "") for piece in _FOUND.split(line)]
