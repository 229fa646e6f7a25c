"""``manage.py import_sessions``: the conversations of a tutorial's tables, or of a CSV of its events, into this log."""

import sys
import time
from argparse import ArgumentParser
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.management.tutorial_events import Left
from sessions_app.management.tutorial_import import Importer
from sessions_app.management.tutorial_source import Source, SourceError, open_csv, open_tables
from sessions_app.privacy.people import UnknownPerson, user_named

_WIDTH = 30
_EVERY_S = 10.0


class Command(BaseCommand):
    help = (
        "Bring in the conversations of a tutorial's tables or of a CSV. May be run again: what is here stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(
            "--database-url", metavar="URL", help="where the tables sessions and session_events or events are"
        )
        source.add_argument("--file", metavar="CSV", type=Path, help="an export of the events")
        parser.add_argument("--schema", default="public", help="the tables' schema (default: public)")
        parser.add_argument("--events-table", metavar="NAME", help="default: session_events, else events")
        parser.add_argument("--owner", metavar="NAME", help="the user whose all these sessions are to be")
        parser.add_argument(
            "--model", default="", help="PROVIDER:NAME that answers when one goes on (default: LLM_MODEL)"
        )
        parser.add_argument("--dry-run", action="store_true", help="read everything, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            owner_id = user_named(options["owner"]).user_id if options["owner"] else None
            importer = Importer(owner_id=owner_id, model=options["model"], dry_run=options["dry_run"])
            with self._source(options) as source:
                self._run(importer, source)
        except (SourceError, UnknownPerson) as error:
            raise CommandError(str(error)) from error
        self._tell(importer, dry_run=options["dry_run"])

    def _source(self, options: dict[str, Any]) -> AbstractContextManager[Source]:
        if options["file"]:
            return open_csv(options["file"])
        return open_tables(
            options["database_url"], schema=options["schema"], events_table=options["events_table"]
        )

    def _run(self, importer: Importer, source: Source) -> None:
        sessions, events = source.count()
        self.stdout.write(f"{sessions:,} sessions with {events:,} events")
        progress = _Progress(events)
        for count in importer.run(source):
            progress.on(count)
        progress.end()

    def _tell(self, importer: Importer, *, dry_run: bool) -> None:
        report = importer.report
        verb = "would be imported" if dry_run else "imported"
        self.stdout.write(f"{report.sessions:,} sessions {verb}, {report.events:,} events")
        if report.already:
            self.stdout.write(f"{report.already:,} sessions were here already")
        self._tell_left("sessions", report.left_sessions)
        self._tell_left("rows", report.left_events)

    def _tell_left(self, what: str, left: Left) -> None:
        for why, count in left.counts.most_common():
            places = ", ".join(left.examples[why])
            self.stdout.write(f"left out, {count:,} {what}: {why} (in {places})")


class _Progress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._on_terminal = sys.stderr.isatty()
        self._told_at = time.monotonic()

    def on(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._told_at < (0.1 if self._on_terminal else _EVERY_S):
            return
        self._told_at = now
        self._show()

    def end(self) -> None:
        if self._on_terminal:
            self._show()
            sys.stderr.write("\n")

    def _show(self) -> None:
        share = min(1.0, self._done / self._total) if self._total else 1.0
        words = f"{share:4.0%}  {self._done:,} of {self._total:,} events"
        if self._on_terminal:
            sys.stderr.write(f"\r[{'#' * int(share * _WIDTH):<{_WIDTH}}] {words}")
        else:
            sys.stderr.write(f"{words}\n")
        sys.stderr.flush()
