"""chat.jobs.summary_text: whatever a model writes, a title and a summary come out, or the lack of one is seen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.jobs.summary_text import MAX_SUMMARY_CHARS, MAX_TITLE_CHARS, read_summary

WHOLE = '{"title": "Sums", "summary": "They added."}'


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"```json\n{WHOLE}\n```",
        f"```\n{WHOLE}\n```\n",
        f"Here it is:\n{WHOLE}\nAnything else?",
        f'They filled in {{name}}, as {{"a": 1}}. So:\n```json\n{WHOLE}\n```',
        '{"title": "# **Sums**\\nand more", "summary": " They added. "}',
        '{"summary": "They added.", "mood": {"a": 1}, "title": "`Sums`"}',
    ],
)
def test_the_object_is_found_whatever_stands_around_it(text: str) -> None:
    assert read_summary(text) == ("Sums", "They added.")


def test_a_list_of_bullets_becomes_markdown() -> None:
    assert read_summary('{"title": "T", "summary": ["one", "two"]}') == ("T", "- one\n- two")


def test_plain_text_is_the_summary_and_its_first_line_the_title() -> None:
    text = "## The user asked for **sums**\n\nThey were given."
    assert read_summary(text) == ("The user asked for sums", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"title": "Sums", "summary": "They ad', ("Sums", "They ad …")),
        ('{"title": "Sums", "summary": "A line\\nand \\u00', ("Sums", "A line\nand  …")),
        ('{"title": "Sums", "summary": "bad \\q escape', ("Sums", "bad \\q escape …")),
        ('{"title": "Su', ("Su …", "")),
        ('{"other": 1}', ("", "")),
        ("", ("", "")),
        ("   \n", ("", "")),
        ('{"title": "T", "summary": null}', ("T", "")),
    ],
)
def test_what_was_cut_off_is_saved_and_what_is_missing_is_not_invented(
    text: str, expected: tuple[str, str]
) -> None:
    assert read_summary(text) == expected


def test_a_long_title_is_cut_at_a_word() -> None:
    title, _ = read_summary(json.dumps({"title": "word " * 40, "summary": "s"}))
    assert title == "word " * 10 + "word…"
    assert len(title) <= MAX_TITLE_CHARS


def test_what_postgresql_cannot_store_is_taken_out() -> None:
    assert read_summary('{"title": "a\\u0000b", "summary": "c\\u0000\\ud800d"}') == ("ab", "c?d")


@given(st.text() | st.builds(json.dumps, st.dictionaries(st.sampled_from(["title", "summary"]), st.text())))
def test_nothing_breaks_it(text: str) -> None:
    title, summary = read_summary(text)
    assert len(title) <= MAX_TITLE_CHARS
    assert len(title.splitlines()) <= 1
    assert len(summary) <= MAX_SUMMARY_CHARS
    assert "\x00" not in title + summary
    (title + summary).encode()  # raises for a lone surrogate
