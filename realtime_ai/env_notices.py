"""Variables that are set and do nothing: other projects' names, misspelt ones, and those that another one outdoes."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from sessions_app.setting import Setting, names_of

VENDORS = ("gemini", "openai", "anthropic", "groq")
"""`chat.llm.catalog.PREFERRED`, whose import would cost the supervisor's start 0.2 s; a test compares them."""
_DATABASE = "DATABASE_URL"
_PROJECT = "SUPABASE_URL"
"""Whose access tokens are a sign-in; its data goes where `DATABASE_URL` says."""
_SUPABASE = (
    "SUPABASE_KEY",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
)
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


def notices(
    values: Mapping[str, str], *, from_file: Collection[str], settings: Sequence[Setting]
) -> tuple[str, ...]:
    """A line each; never with a value. ``from_file``: the names that ``.env`` sets."""
    given = {name: text for name, value in values.items() if (text := value.strip())}
    unused = dict(_unused(given, from_file, settings))
    told = [f"{name} ({instead})" if instead else name for name, instead in unused.items()]
    line = f"set and not used: {', '.join(told)}." if told else None
    return tuple(filter(None, (_no_supabase(given), line)))


def _no_supabase(given: Mapping[str, str]) -> str | None:
    """The one that costs data, so by itself: who sets these believes that it goes to Supabase."""
    found = [name for name in (_PROJECT, *_SUPABASE) if name in given]
    if _DATABASE in given or not found:
        return None
    project = re.match(r"https://(\w+)\.supabase\.co", given.get(_PROJECT, ""))
    return (
        f"{', '.join(found)}: set, but DATABASE_URL is not, so the data goes into the embedded PostgreSQL on this "
        "machine and NOT into Supabase. Copy the connection string (session pooler) from "
        f"{_DASHBOARD.format(project[1] if project else '_')}, put the database's password into it, and set it as "
        "DATABASE_URL (docs/supabase.md)."
    )


def _unused(
    given: Mapping[str, str], from_file: Collection[str], settings: Sequence[Setting]
) -> Iterator[tuple[str, str]]:
    """Names, with what to do instead (empty: nothing is known)."""
    if _DATABASE in given:
        yield from ((name, "DATABASE_URL is enough") for name in _SUPABASE if name in given)
    for name, ours in _INSTEAD.items():
        if name in given and ours not in given:
            yield name, f"set {ours}"
    for setting in settings:
        if setting.also in given and setting.variable in given:
            yield str(setting.also), f"{setting.variable} goes before it"
    yield from _models(given)
    if "ENV_FILE" in from_file:
        yield "ENV_FILE", "it counts in the process's environment alone"
    known = [name for setting in settings for name in setting.variables]
    for name in sorted(set(from_file).difference(known, _INSTEAD, _SUPABASE)):
        if not _OTHERS_READ.fullmatch(name):
            alike = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
            yield name, f"set {alike[0]}" if alike else ""


def _models(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A vendor's model that no answer comes from."""
    with_key = [vendor for vendor in VENDORS if _has_key(vendor, given)]
    default = given.get("LLM_MODEL") or next(iter(with_key), None)
    asked = {
        default,
        *(one for name in ("LLM_FALLBACKS", "LLM_MODELS") for one in names_of(given.get(name, ""))),
    }
    for vendor in VENDORS:
        variable = f"{vendor.upper()}_MODEL"
        if variable in given and vendor not in with_key:
            yield variable, f"set {vendor.upper()}_API_KEY, too"
        elif variable in given and vendor not in asked:
            yield variable, f"set LLM_MODEL={vendor} to be answered by it"


def _has_key(vendor: str, given: Mapping[str, str]) -> bool:
    return f"{vendor.upper()}_API_KEY" in given or (vendor == "gemini" and "GOOGLE_API_KEY" in given)
