"""docs/supabase.md names every check that the code can report, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ID = re.compile(r"\b(?:sessions|chat)\.[EW]\d{3}\b")
SOURCES = ("sessions_app/supabase/checks.py", "sessions_app/files/checks.py", "chat/checks.py")


def test_every_check_is_documented() -> None:
    in_code = {
        match for source in SOURCES for match in ID.findall((ROOT / source).read_text(encoding="utf-8"))
    }
    in_docs = set(ID.findall((ROOT / "docs/supabase.md").read_text(encoding="utf-8")))
    assert in_code == in_docs
