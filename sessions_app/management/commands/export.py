"""``manage.py export``: all that is one person's, as lines of JSON."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.privacy.export import export_person
from sessions_app.privacy.people import UnknownPerson, person_of


class Command(BaseCommand):
    help = "Write all that is one person's, a line of JSON each: the account, the sessions, what was said in them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--user", metavar="NAME", help="the user with this username")
        whose.add_argument("--guest", metavar="ID", help="the guest with this id")
        parser.add_argument(
            "--external", metavar="ID", default="", help="with --user: one of that user's own users"
        )
        parser.add_argument("--output", metavar="FILE", help="a new file, readable for its owner alone")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            person = person_of(options)
        except UnknownPerson as error:
            raise CommandError(str(error)) from error
        if not options["output"]:
            for piece in export_person(person):
                sys.stdout.write(piece)
            return
        path = Path(options["output"])
        try:
            path.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise CommandError(f"{path} cannot be made: {error.strerror}.") from error
        with path.open("a", encoding="utf-8") as file:
            lines = 0
            for piece in export_person(person):
                file.write(piece)
                lines += piece.count("\n")
        self.stderr.write(f"{lines} lines in {path}")
