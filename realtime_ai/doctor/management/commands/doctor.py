"""``manage.py doctor``: exit code 0 when nothing is wrong, else 1."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from realtime_ai.doctor.around import look_around
from realtime_ai.doctor.database import look_at_checks, look_at_database
from realtime_ai.doctor.findings import Finding, Status, is_well


class Command(BaseCommand):
    help = "Look at all that a production needs, and say what to mend. Exit code 1 when something is wrong."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own attribute; they are among what is told
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for a program to read")
        parser.add_argument(
            "--no-model", action="store_true", help="do not call the models (a call costs a few tokens)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings: list[Finding] = []
        for finding in self._look(ask_models=not options["no_model"]):
            findings.append(finding)
            if not options["json"]:
                self.stdout.write(finding.line())
        well = is_well(findings)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": well, "findings": [one.as_json() for one in findings]}))
        else:
            self.stdout.write(_sum(findings))
        if not well:
            sys.exit(1)

    def _look(self, *, ask_models: bool) -> Any:
        reached = True
        for finding in look_at_database():
            reached = reached and not (finding.name == "database.reach" and finding.status is Status.PROBLEM)
            yield finding
        if reached:
            yield from look_at_checks()
        yield from look_around(ask_models=ask_models)


def _sum(findings: list[Finding]) -> str:
    counts = {status: sum(one.status is status for one in findings) for status in Status}
    problems, warnings = counts[Status.PROBLEM], counts[Status.WARNING]
    if not problems and not warnings:
        return "Nothing is wrong."
    return f"Problems: {problems}. Warnings: {warnings}."
