"""``manage.py retention``: what the worker does once a day, now; or what it would do."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.models import EraseScope
from sessions_app.privacy.retention import Retention, count_due, rules

_VARIABLES = {
    EraseScope.WORDS: "RETENTION_DAYS",
    EraseScope.TOOL_DATA: "RETENTION_TOOL_DAYS",
    EraseScope.SESSION: "RETENTION_SESSION_DAYS",
}


class Command(BaseCommand):
    help = "Erase what is older than RETENTION_DAYS and its like keep. A worker does it every night."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be erased, and erase nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for rule in rules():
            self.stdout.write(f"{_VARIABLES[rule.scope]}={rule.days}")
        if not rules():
            self.stdout.write(f"Everything is kept: none of {', '.join(_VARIABLES.values())} is set.")
        if options["dry_run"]:
            for scope, sessions in count_due().items():
                self.stdout.write(f"{scope.label}: {sessions} sessions would be erased")
            self.stdout.write("Nothing was changed.")
            return
        retention = Retention()
        while retention.step():
            pass
        run = retention.run
        run.refresh_from_db()
        self.stdout.write(
            f"erased: words of {run.words} sessions, tool data of {run.tool_data}, {run.sessions} sessions whole"
        )
        if run.failed:
            raise CommandError(f"{run.failed} sessions could not be erased: the log above says why.")
