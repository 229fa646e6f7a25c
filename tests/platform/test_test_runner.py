"""``manage.py test`` is ``pytest``."""

import os
import sys

import pytest
from django.core.management import CommandError

from realtime_ai.env import BASE_DIR
from tests.platform.support import run_python
from tests.plugin.runner import APP_TESTS, PytestRunner, targets_of


def test_manage_py_test_runs_pytest_on_what_it_is_given() -> None:
    done = run_python(
        "manage.py",
        "test",
        "tests/platform/test_env.py",
        "--verbosity",
        "0",
        "-k",
        "has_a_default or are_the_defaults",
        DATABASE_URL=os.environ["DATABASE_URL"],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_failure_is_its_exit_code() -> None:
    done = run_python(
        "manage.py", "test", "tests/platform/no_such_file.py", DATABASE_URL=os.environ["DATABASE_URL"]
    )
    assert done.returncode != 0


def test_every_folder_with_tests_belongs_to_one_app() -> None:
    folders = {path.parent.name for path in (BASE_DIR / "tests").glob("*/test_*.py")}
    named = [folder for folders_of_app in APP_TESTS.values() for folder in folders_of_app]
    assert sorted(named) == sorted(folders)


SESSIONS = ["tests/admin", "tests/files", "tests/log", "tests/moving", "tests/privacy", "tests/privileges"]


@pytest.mark.parametrize(
    ("label", "targets"),
    [
        ("sessions_app", SESSIONS),
        ("sessions_app.tests", SESSIONS),
        ("./sessions_app/", SESSIONS),
        ("tests", ["tests"]),
        ("tests.platform", ["tests/platform"]),
        ("tests/platform/", ["tests/platform"]),
        ("tests.platform.test_env", ["tests/platform/test_env.py"]),
        ("tests.platform.test_env.test_name", ["tests/platform/test_env.py::test_name"]),
        ("tests/platform/test_env.py::test_name", ["tests/platform/test_env.py::test_name"]),
    ],
)
def test_a_label_is_an_app_a_dotted_name_or_a_path(label: str, targets: list[str]) -> None:
    assert targets_of(label) == targets


@pytest.mark.parametrize("label", ["auth", "tests.no_such_folder", ""])
def test_a_label_without_tests_is_refused(label: str) -> None:
    with pytest.raises(CommandError, match="no tests"):
        targets_of(label)


def test_labels_of_apps_become_their_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    def become(_path: str, command: list[str], _env: dict[str, str]) -> None:
        raise SystemExit(" ".join(command))

    monkeypatch.setattr(os, "execve", become)
    with pytest.raises(SystemExit) as became:
        PytestRunner().run_tests(["sessions_app", "chat", "sessions_app"])
    folders = [f"tests/{folder}" for app in ("sessions_app", "chat") for folder in APP_TESTS[app]]
    assert became.value.code == " ".join([sys.executable, "-m", "pytest", *folders])


def test_a_run_of_no_tests_is_an_error_and_says_so() -> None:
    done = run_python(
        "manage.py",
        "test",
        "tests.docs",
        "-k",
        "no_such_test",
        DATABASE_URL=os.environ["DATABASE_URL"],
    )
    assert done.returncode == 5
    assert "error: no test ran" in done.stdout
