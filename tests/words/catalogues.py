"""The catalogues of the chat page's words: ``python -m tests.words.catalogues`` brings them up to date and compiles them.

It does what ``makemessages`` and ``compilemessages`` do, without the programs that these need: each word of the templates and
scripts stands in each ``.po``, none beside them, and each ``.mo`` is what its ``.po`` says.
"""

import ast
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from realtime_ai.env import BASE_DIR

LOCALE = BASE_DIR / "chat" / "locale"
PLURALS = {
    "de": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "ar": "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;",
}
TEMPLATES = tuple(
    sorted(
        str(path.relative_to(BASE_DIR / "templates"))
        for where in ("chat", "account", "mfa", "allauth", ".")
        for path in (BASE_DIR / "templates" / where).glob("*.html" if where == "." else "**/*.html")
        if path.name != "api.html"
    )
)
"""All but the admin's, and the page for whoever writes programs."""
PYTHON = ("chat/page/look.py", "chat/llm/demo/suggestions.py", "chat/door/adapter.py")

Key = tuple[str, str]
"""The English words, and their plural or nothing."""


def scripts() -> list[Path]:
    """Of the page and the frame."""
    return sorted(path for path in (BASE_DIR / "static" / "chat").glob("*.js") if path.name not in ENGLISH)


ENGLISH = {"key_trouble.js", "widget.js", "words.js"}
"""The door's and the widget's, which are given their words by the page and by the frame; and the help that the others call. The
client module, whose words are for programs, is a folder of its own."""

_LITERAL = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_CALL = re.compile(rf"\bgettext\(\s*({_LITERAL})")
_PLURAL = re.compile(rf"\bngettext\(\s*({_LITERAL}),\s*({_LITERAL})")
_TRANSLATE = re.compile(r"{% translate \"([^\"]+)\"")
_BLOCK = re.compile(r"{% blocktranslate(?: with [^%]*)? %}(.*?){% endblocktranslate %}", re.DOTALL)
_FILLED_IN = re.compile(r"{{ (\w+) }}")


def words_of_scripts() -> dict[Key, None]:
    found: dict[Key, None] = {}
    for path in scripts():
        text = path.read_text(encoding="utf-8")
        places = [(match.start(), (_text(match[1]), "")) for match in _CALL.finditer(text)]
        places += [(match.start(), (_text(match[1]), _text(match[2]))) for match in _PLURAL.finditer(text)]
        found.update(dict.fromkeys(key for _, key in sorted(places)))
    return found


def words_of_templates() -> dict[Key, None]:
    found: dict[Key, None] = {}
    for name in TEMPLATES:
        text = (BASE_DIR / "templates" / name).read_text(encoding="utf-8")
        places = [(match.start(), match[1]) for match in _TRANSLATE.finditer(text)]
        places += [(match.start(), _FILLED_IN.sub(r"%(\1)s", match[1])) for match in _BLOCK.finditer(text)]
        found.update(dict.fromkeys((words, "") for _, words in sorted(places)))
    for name in PYTHON:
        found.update(dict.fromkeys((words, "") for words in _of_python((BASE_DIR / name).read_text("utf-8"))))
    return found


def _of_python(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "gettext_lazy"):
            yield ast.literal_eval(node.args[0])


def _text(literal: str) -> str:
    text: str = ast.literal_eval(literal)
    return text


DOMAINS = {"django": words_of_templates, "djangojs": words_of_scripts}


@dataclass
class Catalogue:
    """A ``.po`` as far as we write it: entries of one line a string."""

    language: str
    domain: str
    entries: dict[Key, list[str]] = field(default_factory=dict)
    """The translation, or one for each plural form."""

    @property
    def po(self) -> Path:
        return LOCALE / self.language / "LC_MESSAGES" / f"{self.domain}.po"

    @property
    def mo(self) -> Path:
        return self.po.with_suffix(".mo")

    @property
    def header(self) -> str:
        return (
            f"Language: {self.language}\n"
            "MIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=UTF-8\n"
            "Content-Transfer-Encoding: 8bit\n"
            f"Plural-Forms: {PLURALS[self.language]}\n"
        )

    @property
    def forms(self) -> int:
        return int(PLURALS[self.language][len("nplurals=")])

    def read(self) -> "Catalogue":
        """What the file says now; nothing where there is none."""
        if not self.po.exists():
            return self
        for block in self.po.read_text(encoding="utf-8").split("\n\n"):
            said = re.findall(r"^(msgid|msgid_plural|msgstr(?:\[\d\])?) (\".*\")$", block, re.MULTILINE)
            fields = {name: _text(value) for name, value in said}
            if fields.get("msgid"):
                key = (fields["msgid"], fields.get("msgid_plural", ""))
                self.entries[key] = [value for name, value in fields.items() if name.startswith("msgstr")]
        return self

    def renewed(self) -> "Catalogue":
        """The same with each word that there is, and no other."""
        words = DOMAINS[self.domain]()
        empty = {key: [""] * (self.forms if key[1] else 1) for key in words}
        kept = {key: self.entries[key] for key in words if key in self.entries}
        return Catalogue(self.language, self.domain, empty | kept)

    def as_po(self) -> str:
        header = "".join(f"{_quoted(line)}\n" for line in self.header.splitlines(keepends=True))
        return "\n".join([f'msgid ""\nmsgstr ""\n{header}', *(_entry(*one) for one in self.entries.items())])

    def as_mo(self) -> bytes:
        """GNU gettext's format of 1995: two tables of lengths and places, then the strings, each with a NUL behind it."""
        pairs = [("", self.header)]
        for (one, many), said in self.entries.items():
            if all(said):
                pairs.append((f"{one}\x00{many}" if many else one, "\x00".join(said)))
        texts = sorted((key.encode(), value.encode()) for key, value in pairs)
        tables = 28 + 16 * len(texts)
        places: list[list[int]] = [[], []]
        body = b""
        for column in (0, 1):
            for pair in texts:
                places[column] += [len(pair[column]), tables + len(body)]
                body += pair[column] + b"\x00"
        begin = struct.pack("<7I", 0x950412DE, 0, len(texts), 28, 28 + 8 * len(texts), 0, tables)
        return begin + struct.pack(f"<{4 * len(texts)}I", *places[0], *places[1]) + body

    def write(self) -> None:
        self.po.parent.mkdir(parents=True, exist_ok=True)
        self.po.write_text(self.as_po(), encoding="utf-8")
        self.mo.write_bytes(self.as_mo())


def _entry(key: Key, said: list[str]) -> str:
    one, many = key
    lines = [f"msgid {_quoted(one)}"]
    if many:
        lines += [f"msgid_plural {_quoted(many)}"]
        lines += [f"msgstr[{number}] {_quoted(text)}" for number, text in enumerate(said)]
    else:
        lines += [f"msgstr {_quoted(said[0])}"]
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def all_catalogues() -> list[Catalogue]:
    return [Catalogue(language, domain).read() for language in PLURALS for domain in DOMAINS]


if __name__ == "__main__":
    for catalogue in all_catalogues():
        renewed = catalogue.renewed()
        renewed.write()
        missing = [key[0] for key, said in renewed.entries.items() if not all(said)]
        print(
            f"{renewed.po.relative_to(BASE_DIR)}: {len(renewed.entries)} words, {len(missing)} not translated"
        )
