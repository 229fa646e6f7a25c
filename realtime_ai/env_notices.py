"""Variables that are set and do nothing: other projects' names, misspelt ones, and those that another one outdoes."""

import difflib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from realtime_ai.env_reader import EnvReader

if TYPE_CHECKING:
    from realtime_ai.env import Env

VENDORS = ("gemini", "openai", "anthropic", "groq")
"""`chat.llm.catalog.PREFERRED`, whose import would cost the supervisor's start 0.2 s; a test compares them."""
_DATABASE = "DATABASE_URL"
_SUPABASE_KEYS = ("SUPABASE_KEY", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_KEY", "SUPABASE_SERVICE_ROLE_KEY")
_INSTEAD = dict.fromkeys(
    ("SUPABASE_DB_URL", "SUPABASE_DATABASE_URL", "POSTGRES_URL", "DB_URL"), _DATABASE
) | {
    "ANTHROPIC_AUTH_TOKEN": "ANTHROPIC_API_KEY",
    "CLAUDE_API_KEY": "ANTHROPIC_API_KEY",
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "OPENAI_ORGANIZATION": "OPENAI_ORG_ID",
    "GEMINI_BASE_URL": "GOOGLE_GEMINI_BASE_URL",
    "GOOGLE_MODEL": "GEMINI_MODEL",
    "CLAUDE_MODEL": "ANTHROPIC_MODEL",
    "MODEL_NAME": "LLM_MODEL",
    "SYSTEM_PROMPT": "CHAT_INSTRUCTIONS",
    "DJANGO_SECRET_KEY": "SECRET_KEY",
    "DJANGO_DEBUG": "DEBUG",
    "DJANGO_ALLOWED_HOSTS": "ALLOWED_HOSTS",
    "CORS_ALLOWED_ORIGINS": "ALLOWED_ORIGINS",
    "CORS_ORIGINS": "ALLOWED_ORIGINS",
}
"""By the names that tutorials and other frameworks use: ours."""
_OTHERS_READ = re.compile(
    r"(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|TZ|LANG|LC_\w+|PATH|HOME|TMPDIR|(PYTHON|PG|COMPOSE_|DOCKER_|OTEL_)\w+"
    r"|DJANGO_SETTINGS_MODULE|PROMETHEUS_\w+|(OPENAI|ANTHROPIC)_LOG",
    re.IGNORECASE,
)
"""What a ``.env`` may hold for the system, for libraries and for compose."""
_DASHBOARD = "https://supabase.com/dashboard/project/{}?showConnect=true"


def notices(env: "Env", reader: EnvReader) -> tuple[str, ...]:
    """A line each; never with a value."""
    return tuple(filter(None, (_no_supabase(env, reader), _unused_line(dict(_unused(env, reader))))))


def _no_supabase(env: "Env", reader: EnvReader) -> str | None:
    """The one that costs data, so by itself: who sets these believes that it goes to Supabase."""
    found = [name for name in ("SUPABASE_URL", *_SUPABASE_KEYS) if _is_set(reader, name)]
    if env.database_url or not found:
        return None
    project = re.match(r"https://(\w+)\.supabase\.co", reader.values.get("SUPABASE_URL", "").strip())
    return (
        f"{', '.join(found)}: set, but DATABASE_URL is not, so the data goes into the embedded PostgreSQL on this "
        "machine and NOT into Supabase. Copy the connection string (session pooler) from "
        f"{_DASHBOARD.format(project[1] if project else '_')}, put the database's password into it, and set it as "
        "DATABASE_URL (docs/supabase.md)."
    )


def _unused(env: "Env", reader: EnvReader) -> Iterator[tuple[str, str]]:
    """Names, with what to do instead (empty: nothing is known)."""
    if env.database_url:
        for name in ("SUPABASE_URL", *_SUPABASE_KEYS):
            if _is_set(reader, name):
                yield name, "DATABASE_URL is enough"
    for name, ours in _INSTEAD.items():
        if _is_set(reader, name) and not _is_set(reader, ours):
            yield name, f"set {ours}"
    yield from _outdone(env, reader)
    known = {*reader.names_read, *_INSTEAD, "SUPABASE_URL", *_SUPABASE_KEYS}
    for name in sorted(reader.file_names - known):
        if not _OTHERS_READ.fullmatch(name):
            alike = difflib.get_close_matches(name.upper(), reader.names_read, n=1, cutoff=0.8)
            yield name, f"set {alike[0]}" if alike else ""


def _outdone(env: "Env", reader: EnvReader) -> Iterator[tuple[str, str]]:
    """Ours, but another one has the word."""
    if _is_set(reader, "GOOGLE_API_KEY") and _is_set(reader, "GEMINI_API_KEY"):
        yield "GOOGLE_API_KEY", "GEMINI_API_KEY goes before it"
    for vendor in VENDORS:
        if not getattr(env, f"{vendor}_model"):
            continue
        specs = (env.llm_model, *env.llm_fallbacks, *env.llm_models)
        if not getattr(env, f"{vendor}_api_key"):
            yield f"{vendor.upper()}_MODEL", f"set {vendor.upper()}_API_KEY, too"
        elif vendor not in specs and (env.llm_model or _first_with_key(env) != vendor):
            yield f"{vendor.upper()}_MODEL", f"set LLM_MODEL={vendor} to be answered by it"


def _first_with_key(env: "Env") -> str | None:
    return next((vendor for vendor in VENDORS if getattr(env, f"{vendor}_api_key")), None)


def _unused_line(unused: dict[str, str]) -> str | None:
    told = [f"{name} ({instead})" if instead else name for name, instead in unused.items()]
    return f"set and not used: {', '.join(told)}." if told else None


def _is_set(reader: EnvReader, name: str) -> bool:
    return bool(reader.values.get(name, "").strip())
