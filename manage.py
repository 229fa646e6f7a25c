#!/usr/bin/env python3
"""Django's commands, with the development settings unless told otherwise."""

import os
import select
import sys
from collections.abc import Callable

LONG_RUNNING = ("runserver", "worker", "procrastinate", "testserver")

NOBODY_READS = 128 + 13
"""As a shell tells SIGPIPE."""


def main(arguments: list[str]) -> int:
    if not os.environ.get("DJANGO_SETTINGS_MODULE", "").strip():  # an empty variable counts as unset
        os.environ["DJANGO_SETTINGS_MODULE"] = "realtime_ai.settings.development"
    if not set(arguments[1:2]) & set(LONG_RUNNING):
        # one connection is enough for a command, and without a pool a dead database is told at once, not after 10 s
        os.environ.setdefault("DATABASE_POOL_MAX", "0")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        print(
            "error: no Django in this Python. Run `make setup` once, then .venv/bin/python manage.py ...",
            file=sys.stderr,
        )
        return 1
    from django.db.utils import OperationalError

    from realtime_ai.env import EnvError
    from realtime_ai.processes import FD_VARIABLE, watch_supervisor
    from realtime_ai.starting import before_serving
    from realtime_ai.stores import explain_connection_error

    supervised = FD_VARIABLE in os.environ  # then `realtime_ai.supervisor.prepare` has asked already
    watch_supervisor()
    try:
        if not supervised:
            before_serving(arguments)
        return _ended(execute_from_command_line, arguments)
    except EnvError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OperationalError as error:
        explained = explain_connection_error(error)
        if explained is None:
            raise
        print(f"error: {explained}", file=sys.stderr)
        return 1


def _ended(execute: Callable[[list[str]], None], arguments: list[str]) -> int:
    try:
        try:
            execute(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, and not when nobody is left to hear that it cannot be
    except BrokenPipeError:
        if not _nobody_reads():
            raise  # a connection of the command's own
        # as behind `| head`: it ends as SIGPIPE ends a program, and what is left is flushed nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    return 0


def _nobody_reads() -> bool:
    if sys.stdout is None:
        return False
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # what is asked here is told unasked: that the other end is gone
    return bool(output.poll(0))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
