"""``manage.py test`` runs the same suite as ``pytest``: labels are apps, dotted names, or paths."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from django.core.management import CommandError

from realtime_ai.env import BASE_DIR

APP_TESTS = {
    "sessions_app": ("admin", "files", "log", "moving", "privacy", "privileges"),
    "identity": ("identity",),
    "chat": (
        "api",
        "contract",
        "door",
        "engine",
        "mcp",
        "page",
        "protocol",
        "providers",
        "responses",
        "sdk",
        "sockets",
        "summary",
        "terminal",
        "testing",
        "tools",
        "words",
    ),
    "realtime_ai": ("bench", "chaos", "docs", "platform", "reliability"),
}
"""The folders of ``tests/`` that test each app; every folder with tests stands here once (a test says so)."""


class PytestRunner:
    """Django's ``TEST_RUNNER``: hands over to pytest, with its settings from ``pyproject.toml``."""

    def __init__(
        self, *, verbosity: int = 1, failfast: bool = False, keepdb: bool = False, **options: Any
    ) -> None:
        self._arguments = ["-q"] if verbosity == 0 else ["-v"] * (verbosity - 1)
        self._arguments += ["-x"] if failfast else []
        self._arguments += ["--reuse-db"] if keepdb else []
        self._arguments += ["-k", options["k"]] if options.get("k") else []
        self._arguments += ["-n", str(options["parallel"])] if options.get("parallel") else []

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("--keepdb", action="store_true", help="pytest's --reuse-db")
        parser.add_argument("--parallel", nargs="?", const="auto", metavar="N", help="pytest's -n")
        parser.add_argument("-k", metavar="EXPRESSION", help="pytest's -k")

    def run_tests(self, test_labels: Sequence[str], **_: Any) -> NoReturn:
        """Becomes pytest: this process has loaded the settings of a command, not those of the suite.

        A run without a test ends with exit code 5, and says so.
        """
        env = os.environ.copy()
        env.pop("DJANGO_SETTINGS_MODULE", None)
        env.pop("DATABASE_POOL_MAX", None)
        targets = dict.fromkeys(target for label in test_labels for target in targets_of(label))
        command = [sys.executable, "-m", "pytest", *self._arguments, *targets]
        os.execve(sys.executable, command, env)


def targets_of(label: str) -> list[str]:
    """What pytest is to run for a label of ``manage.py test``. Raises `CommandError` for one that stands for no test."""
    if label.partition("::")[0].endswith(".py") or label in (".", "tests"):
        return [label]
    parts = [part for part in label.replace("/", ".").split(".") if part]
    if parts[:1] == ["tests"] and (found := _in_tests(parts)):
        return [found]
    if parts and parts[0] in APP_TESTS:
        return [f"tests/{folder}" for folder in APP_TESTS[parts[0]]]
    raise CommandError(
        f"{label}: no tests. A label is an app ({', '.join(APP_TESTS)}), or a dotted name or a path in tests, "
        "e.g. tests.platform or tests/platform/test_env.py."
    )


def _in_tests(parts: Sequence[str]) -> str | None:
    """``tests.platform.test_env.test_name`` as pytest writes it."""
    for length in range(len(parts), 0, -1):
        path, rest = Path(*parts[:length]), parts[length:]
        if (BASE_DIR / path).is_dir() and not rest:
            return str(path)
        if (BASE_DIR / path.with_suffix(".py")).is_file():
            return "::".join([str(path.with_suffix(".py")), *rest])
    return None
