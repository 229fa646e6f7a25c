"""What is set and does nothing is told, in one line, with what to set instead, and never with its value."""

from collections.abc import Iterable

import pytest

from chat.llm.catalog import PREFERRED
from realtime_ai.env import read_env, settings_of_all
from realtime_ai.env_notices import VENDORS, notices


def told(*, file_names: Iterable[str] = (), **values: str) -> tuple[str, ...]:
    given = dict.fromkeys(file_names, "hunter2") | values
    read_env(given)
    lines = notices(given, from_file=list(file_names), settings=list(settings_of_all()))
    assert "hunter2" not in str(lines)
    assert not any("\n" in line for line in lines)
    return lines


def test_the_vendors_are_those_of_the_chat() -> None:
    assert VENDORS == PREFERRED


def test_nothing_to_tell() -> None:
    assert told() == ()
    assert told(GEMINI_API_KEY="k", GEMINI_MODEL="m", GOOGLE_API_KEY="") == ()
    assert told(GROQ_API_KEY="k", GROQ_MODEL="m", LLM_MODEL="groq") == ()
    assert told(file_names=["PGSSLMODE", "HTTPS_PROXY", "TZ", "COMPOSE_PROJECT_NAME", "GROQ_API_KEY"]) == ()


def test_supabase_without_its_connection_string_is_told_loudly() -> None:
    (line,) = told(SUPABASE_URL="https://abcdef.supabase.co", SUPABASE_SERVICE_ROLE_KEY="hunter2")
    assert line.startswith("SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY: set, but DATABASE_URL is not")
    assert "NOT into Supabase" in line
    assert "https://supabase.com/dashboard/project/abcdef?showConnect=true" in line


def test_supabase_with_it_is_a_mere_remark() -> None:
    (line,) = told(
        DATABASE_URL="postgresql://u:p@h/d", SUPABASE_URL="https://a.supabase.co", SUPABASE_KEY="hunter2"
    )
    assert line == "set and not used: SUPABASE_KEY (DATABASE_URL is enough)."


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"POSTGRES_URL": "hunter2"}, "POSTGRES_URL (set DATABASE_URL)"),
        ({"SUPABASE_DB_URL": "hunter2"}, "SUPABASE_DB_URL (set DATABASE_URL)"),
        ({"SYSTEM_PROMPT": "hunter2"}, "SYSTEM_PROMPT (set CHAT_INSTRUCTIONS)"),
        ({"ANTHROPIC_AUTH_TOKEN": "hunter2"}, "ANTHROPIC_AUTH_TOKEN (set ANTHROPIC_API_KEY)"),
        ({"GOOGLE_API_KEY": "a", "GEMINI_API_KEY": "b"}, "GOOGLE_API_KEY (GEMINI_API_KEY goes before it)"),
        ({"GROQ_MODEL": "m"}, "GROQ_MODEL (set GROQ_API_KEY, too)"),
        (
            {"GROQ_MODEL": "m", "GROQ_API_KEY": "k", "GEMINI_API_KEY": "k"},
            "GROQ_MODEL (set LLM_MODEL=groq to be answered by it)",
        ),
        (
            {"OPENAI_MODEL": "m", "OPENAI_API_KEY": "k", "LLM_MODEL": "openai:gpt-9"},
            "OPENAI_MODEL (set LLM_MODEL=openai to be answered by it)",
        ),
    ],
)
def test_what_another_project_or_another_variable_outdoes(values: dict[str, str], words: str) -> None:
    assert told(**values) == (f"set and not used: {words}.",)


def test_what_nobody_reads_in_the_file() -> None:
    (line,) = told(file_names=["GEMINI_APIKEY", "session_grace_seconds", "WHATEVER"])
    assert line == (
        "set and not used: GEMINI_APIKEY (set GEMINI_API_KEY), WHATEVER, session_grace_seconds (set SESSION_GRACE_SECONDS)."
    )
