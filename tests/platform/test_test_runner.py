"""``manage.py test`` is ``pytest``."""

import os

from tests.platform.support import run_python


def test_manage_py_test_runs_pytest_on_what_it_is_given() -> None:
    done = run_python(
        "manage.py",
        "test",
        "tests/platform/test_env.py",
        "--verbosity",
        "0",
        "-k",
        "default",
        DATABASE_URL=os.environ["DATABASE_URL"],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_failure_is_its_exit_code() -> None:
    done = run_python(
        "manage.py", "test", "tests/platform/no_such_file.py", DATABASE_URL=os.environ["DATABASE_URL"]
    )
    assert done.returncode != 0
