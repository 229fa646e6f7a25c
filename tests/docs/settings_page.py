"""``python -m tests.docs.settings_page`` writes the tables of ``docs/settings.md``, and ``.env.example``, from the declarations."""

import re
from collections.abc import Iterator

from realtime_ai.env import BASE_DIR, settings_of_all
from sessions_app.setting import SECTIONS, Section, Setting

PAGE = BASE_DIR / "docs" / "settings.md"
EXAMPLE = BASE_DIR / ".env.example"
_TABLE_HEAD = "| variable | default | bounds | meaning |\n|---|---|---|---|\n"
_EXAMPLE_HEAD = """\
# Copy to .env and change what you need; everything has a default. What each one means: docs/settings.md.
# Lines are NAME=value # comment; "quotes" or 'quotes' around a value that holds " #". A $ is a dollar sign.
# The process's own environment wins over this file.
"""


def page_with_tables(page: str) -> str:
    """The page with each section's table made anew; what else stands there stays."""
    for section in SECTIONS:
        rows = _TABLE_HEAD + "".join(row for setting in _of(section) for row in _rows(setting)).rstrip()
        table = re.compile(
            rf"\n## {re.escape(section.title)}\n(?:(?!\n## |\n\|).)*?\n(?P<table>\|.*?)(?=\n\n|\Z)", re.DOTALL
        )
        before = table.search(page)
        assert before, f"{PAGE.name} has no table under {section.title!r}"
        page = page[: before.start("table")] + rows + page[before.end("table") :]
    return page


def example() -> str:
    parts = [_EXAMPLE_HEAD]
    for section in SECTIONS:
        lines = [line for setting in _of(section) for line in _example_lines(setting)]
        parts.append(f"# {section.note or section.title + '.'}\n" + "".join(lines))
    return "\n".join(parts)


def _of(section: Section) -> Iterator[Setting]:
    return (setting for setting in settings_of_all() if setting.section is section)


def _rows(setting: Setting) -> Iterator[str]:
    yield f"| `{setting.variable}` | {setting.default_told} | {setting.kind.bounds} | {setting.meaning} |\n"
    if setting.also:
        yield f"| `{setting.also}` | none | | The same as `{setting.variable}`, which goes before it. |\n"
    if setting.file_variable:
        yield (
            f"| `{setting.file_variable}` | none | | The path of a text file with what `{setting.variable}` would "
            "hold, instead of it. Read at the start. |\n"
        )


def _example_lines(setting: Setting) -> Iterator[str]:
    if setting.variable == "ENV_FILE":
        return
    yield f"#{setting.variable}={setting.example}\n"
    if setting.also:
        yield f"#{setting.also}=\n"
    if setting.file_variable:
        yield f"#{setting.file_variable}=instructions.md\n"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
