"""Every word for people is in the catalogues, and the catalogues are whole, compiled, and hold nothing else."""

import gettext
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter

import pytest
from django.utils import translation

from realtime_ai.env import BASE_DIR
from sessions_app.assistant import LANGUAGES
from tests.words.catalogues import PLURALS, TEMPLATES, Catalogue, all_catalogues, scripts, words_of_scripts

CATALOGUES = {f"{one.language}-{one.domain}": one for one in all_catalogues()}


@pytest.fixture(params=CATALOGUES)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    return CATALOGUES[request.param]


def test_each_language_that_is_offered_has_its_catalogues() -> None:
    assert {"en", *PLURALS} == set(LANGUAGES)


def test_no_catalogue_lacks_a_word_or_has_one_too_many(catalogue: Catalogue) -> None:
    renewed = catalogue.renewed()
    assert catalogue.entries.keys() == renewed.entries.keys(), "run python -m tests.words.catalogues"
    assert [key[0] for key, said in catalogue.entries.items() if not all(said)] == [], "translate them"
    assert {key: len(said) for key, said in catalogue.entries.items()} == {
        key: catalogue.forms if key[1] else 1 for key in catalogue.entries
    }


def test_what_is_compiled_is_what_is_written(catalogue: Catalogue) -> None:
    assert catalogue.mo.read_bytes() == catalogue.as_mo(), "run python -m tests.words.catalogues"
    assert catalogue.po.read_text(encoding="utf-8") == catalogue.as_po()
    compiled = gettext.GNUTranslations(io.BytesIO(catalogue.mo.read_bytes()))
    for (one, many), said in catalogue.entries.items():
        if many:
            forms = {compiled.ngettext(one, many, number) for number in range(201)}
            assert forms <= set(said)
            assert compiled.ngettext(one, many, 1) in said
        else:
            assert compiled.gettext(one) == said[0]


def test_a_translation_fills_in_what_the_words_have_to_fill_in(catalogue: Catalogue) -> None:
    """A form for one or two may do without the number."""
    for (one, many), said in catalogue.entries.items():
        wanted = _fields(many or one)
        for text in said:
            assert _fields(text) <= wanted, text
        assert any(_fields(text) == wanted for text in said), one
        assert _marks(said[0]) == _marks(one), one


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def _marks(text: str) -> list[str]:
    return re.findall(r"</?kbd>", text)


def test_django_reads_them() -> None:
    with translation.override("de"):
        assert translation.gettext("Write a message") == "Nachricht schreiben"
    with translation.override("ar"):
        assert translation.gettext("Send") == "إرسال"


# Nothing is said outside of them

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<regex>(?<=[=(,:!&|?{};\n])\s*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]*)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)""",
    re.VERBOSE | re.DOTALL,
)
_SAID = re.compile(r"n?gettext\(\s*$|n?gettext\(\s*(?:\"[^\"]*\"|'[^']*'),\s*$")
_CODE = re.compile(
    r"(?:class:|className =|classList\.\w+\(|querySelector(?:All)?\(|closest\?*\.?\(|matchMedia\(|Error\(|import\(|from)\s*(?:`|\"|')?\s*$"
)
_WORDS = re.compile(r"[A-Z][a-z]+|[A-Za-z]{2,} [A-Za-z]{2,}|[a-z]…")
NO_WORDS = {
    "Enter", "Escape", "Accept", "X-CSRFToken", "Home", "End", "Page", "PageUp", "PageDown", "ArrowUp", "ArrowDown", "ArrowLeft",
    "ArrowRight", "Tab", "Shift", "DELETE", "DOMContentLoaded", "SESSION_ID", "ASSISTANT", "(hover: hover)",
    "(min-width: 60rem)", "Content-Type",
}  # fmt: skip
"""What the scripts say to the browser and to the server."""


def strings_outside(source: str) -> list[str]:
    """The literals that look like words for people and are given to neither ``gettext`` nor a place for code."""
    found = []
    for match in _TOKEN.finditer(source):
        literal = match["text"]
        if literal is None:
            continue
        before = source[: match.start()]
        text = re.sub(r"\$\{[^}]*\}", "", literal[1:-1])
        if (
            _WORDS.search(text)
            and text not in NO_WORDS
            and not _SAID.search(before)
            and not _CODE.search(before)
        ):
            found.append(text)
    return found


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_no_word_of_a_script_stands_outside(path: Path) -> None:
    assert [text for text in strings_outside(path.read_text(encoding="utf-8")) if not _is_code(text)] == []


def _is_code(text: str) -> bool:
    """Classes, attributes of a cookie, selectors, addresses; tags with nothing between them."""
    return bool(re.fullmatch(r"[a-z][\w-]*( [a-z][\w-]*)*|(<[^>]*>|\s|\\n)+", text)) or bool(
        re.search(r"=;|; |[.#][a-z]|\[|https?:|^/|^\?|status $", text)
    )


@pytest.mark.parametrize(
    "source",
    [
        'el("p", { text: "Not connected" })',
        'announce("Copied")',
        "const words = `Delete ${title} now`;",
        'return "You are offline";',
        "const label = open ? 'Close' : 'Open';",
    ],
)
def test_a_word_outside_is_seen(source: str) -> None:
    assert strings_outside(source)


def test_a_word_inside_is_not() -> None:
    source = (
        'gettext("Not sent"); ngettext("{n} Message", "{n} Messages", 3); el("p", { class: "Button Quiet" })'
    )
    assert strings_outside(source) == []
    assert ("Not sent.", "") in words_of_scripts()


class _Texts(HTMLParser):
    """What a person would read or hear of a template."""

    SPOKEN = ("aria-label", "title", "placeholder", "alt")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.found += [value or "" for name, value in attrs if name in self.SPOKEN]

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if not self._in_script:
            self.found.append(data)


def texts_outside(template: str) -> list[str]:
    bare = re.sub(
        r"{% blocktranslate.*?{% endblocktranslate %}|{%.*?%}|{{.*?}}|{#.*?#}",
        "",
        template,
        flags=re.DOTALL,
    )
    parser = _Texts()
    parser.feed(bare)
    return [text.strip() for text in parser.found if re.search(r"[A-Za-z]{2}", text)]


NO_TEXTS = {"Realtime AI", "· Realtime AI", "wide"}
"""The product's name, and a class that one template gives to another."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_word_of_a_template_stands_outside(name: str) -> None:
    found = texts_outside((BASE_DIR / "templates" / name).read_text(encoding="utf-8"))
    assert [text for text in found if text not in NO_TEXTS] == []


def test_a_word_of_a_template_outside_is_seen() -> None:
    assert texts_outside('<p>Hello {{ name }}</p><a title="Go back">x</a>') == ["Hello", "Go back"]
    assert texts_outside('<p>{% translate "Hello" %}</p>') == []
