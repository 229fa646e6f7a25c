"""``manage.py test`` runs the same suite as ``pytest``."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, NoReturn


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
        """Becomes pytest: this process has loaded the settings of a command, not those of the suite."""
        env = os.environ.copy()
        env.pop("DJANGO_SETTINGS_MODULE", None)
        env.pop("DATABASE_POOL_MAX", None)
        command = [sys.executable, "-m", "pytest", *self._arguments, *test_labels]
        os.execve(sys.executable, command, env)  # noqa: S606
