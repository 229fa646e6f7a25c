"""What every way to start asks first, so that a wrong setting is one line before the start and not an error in each answer."""

import os
import sys
from collections.abc import Sequence

import django
from django.core.checks import run_checks
from django.core.management.base import CommandParser, handle_default_options

from realtime_ai.env import EnvError, load_env

SERVING = ("runserver", "testserver", "worker")
"""The commands that serve; others may well be there to mend a setting."""


def refuse_errors() -> None:
    """Raises `EnvError` when a system check finds an error, a line each. The apps have to be loaded."""
    errors = [found for found in run_checks() if found.is_serious() and not found.is_silenced()]
    lines = [" ".join(f"{error.msg} {error.hint or ''}".split()) for error in errors]
    if lines:
        raise EnvError("\nerror: ".join(lines))


def before_serving(arguments: Sequence[str]) -> None:
    """For ``manage.py``'s `arguments`. Tells what is set and not used. Raises `EnvError`."""
    asked = set(arguments[2:])
    if not set(arguments[1:2]) & set(SERVING) or asked & {"-h", "--help", "--skip-checks"}:
        return
    if os.environ.get("RUN_MAIN") == "true":
        return  # the reloader's child: its parent has asked, and what was edited since is Django's to tell
    parser = CommandParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    handle_default_options(parser.parse_known_args(arguments[2:])[0])
    django.setup()
    for line in load_env().notices:
        print(f"WARNING: {line}", file=sys.stderr)
    refuse_errors()
