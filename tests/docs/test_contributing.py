"""The example of ``docs/contributing.md``, done to a copy of the product."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_ai.env import BASE_DIR

PAGE = (BASE_DIR / "docs" / "contributing.md").read_text(encoding="utf-8")
CHANGES = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
LOOK = """
import json
from datetime import UTC, datetime
import django
django.setup()
from chat.wire.realtime.projector import RealtimeProjector
from chat.wire.realtime.server import encode
from sessions_app.log import events as ev
from sessions_app.log.journal_sql import Append
from sessions_app.log.rows import decode_row
from sessions_app.log.state import SessionState
from sessions_app.review.transcript import fold

event = ev.SessionRenamed(title="Lamps", client_event_id="mine_1")
append = Append("s", 1, [ev.Record("s", 1, datetime.now(UTC), event)])
records = [record for row in append.rows for record in decode_row(row)]
state = SessionState(records)
print(json.dumps({
    "row": [[getattr(row, name) for row in append.rows] for name in ("event_type", "role", "content")],
    "read": [record.event == event for record in records],
    "state": [state.title, state.client_events],
    "frames": [encode(frame) for record in records for frame in RealtimeProjector("s").frames(record)],
    "people": [entry.text for entry in fold(records)],
}))
"""


def changed_files() -> list[str]:
    return re.findall(r"^\+\+\+ b/(\S+)$", "".join(CHANGES), re.MULTILINE)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the changes that the page shows."""
    copy = tmp_path_factory.mktemp("product")
    for package in ("sessions_app", "identity", "chat", "realtime_ai"):
        shutil.copytree(BASE_DIR / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        ["git", "apply", "-"],
        cwd=copy,
        input="".join(CHANGES),
        text=True,
        check=True,
        env=_no_repository(copy),
    )
    return copy


def _no_repository(copy: Path) -> dict[str, str]:
    return {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}


def test_a_new_event_type_touches_the_four_files_that_the_page_names() -> None:
    table = re.findall(r"^\| `(\S+\.py)` \|", PAGE, re.MULTILINE)
    assert len(table) == 4
    assert sorted(changed_files()) == sorted(table)


def test_log_fold_frame_and_transcript_carry_it(product: Path) -> None:
    looked = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=product,
        env={**os.environ, "PYTHONPATH": str(product), "DJANGO_SETTINGS_MODULE": "realtime_ai.settings.test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert looked.returncode == 0, looked.stderr
    seen = json.loads(looked.stdout.splitlines()[-1])
    assert seen["row"] == [["session_renamed"], ["user"], ["Lamps"]]
    assert seen["read"] == [True]
    assert seen["state"] == ["Lamps", {"mine_1": 1}]
    (frame,) = map(json.loads, seen["frames"])
    assert (frame["type"], frame["title"], frame["event_id"]) == ("x_session.renamed", "Lamps", "event_s_1")
    assert seen["people"] == ["Renamed to Lamps"]
