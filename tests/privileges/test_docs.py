"""docs/supabase.md names every check that the code can report, and no other."""

import re
from pathlib import Path

from tests.platform.support import run_python

ROOT = Path(__file__).parents[2]
ID = re.compile(r"\b(?:sessions|chat)\.[EW]\d{3}\b")
SOURCES = ("sessions_app/supabase/checks.py", "sessions_app/files/checks.py", "chat/checks.py")


def test_every_check_is_documented() -> None:
    in_code = {
        match for source in SOURCES for match in ID.findall((ROOT / source).read_text(encoding="utf-8"))
    }
    in_docs = set(ID.findall((ROOT / "docs/supabase.md").read_text(encoding="utf-8")))
    assert in_code == in_docs


def test_the_check_that_the_page_runs_counts_the_connections() -> None:
    """A command of Django's opens no pool: without being told the servers' it would count nothing."""
    page = (ROOT / "docs" / "supabase.md").read_text(encoding="utf-8")
    told = re.search(r"^    (?:(\w+)=(\w+) )?\.venv/bin/python manage\.py check", page, re.MULTILINE)
    assert told
    assert told[1]
    url = "postgresql://postgres.abcdefghijklmnopqrst:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
    done = run_python("manage.py", "check", DATABASE_URL=url, **{told[1]: told[2]})
    assert "(sessions.W005) Up to 22 database connections" in done.stdout + done.stderr
