"""``manage.py erase``: what was said in a session, or by a person, is erased; the figures stay."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand, CommandError

from sessions_app.errors import SessionNotFound
from sessions_app.log.lifecycle import ACCOUNT_DELETED
from sessions_app.models import EraseActor, Session
from sessions_app.privacy.erase import By, erase_person, erase_session
from sessions_app.privacy.people import Person, UnknownPerson, person_of

_BY = By(actor=EraseActor.COMMAND)


class Command(BaseCommand):
    help = "Erase what was said in a session or by a person. Places, times and figures stay. See docs/privacy.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--session", metavar="ID")
        whose.add_argument("--user", metavar="NAME", help="all sessions of the user with this username")
        whose.add_argument("--guest", metavar="ID", help="all sessions of this guest's cookie")
        parser.add_argument(
            "--external", metavar="ID", default="", help="with --user: one of that user's own users"
        )
        parser.add_argument("--account", action="store_true", help="with --user: delete the account as well")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be erased, and erase nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["account"] and (not options["user"] or options["external"]):
            raise CommandError("--account goes with --user, and without --external.")
        if options["session"]:
            self._erase_session(options["session"], dry_run=options["dry_run"])
            return
        try:
            person = person_of(options)
        except UnknownPerson as error:
            raise CommandError(str(error)) from error
        self._erase_person(person, dry_run=options["dry_run"], account=options["account"])

    def _erase_session(self, session_id: str, *, dry_run: bool) -> None:
        found = Session.objects.filter(pk=session_id).first()
        if found is None:
            raise CommandError(f"There is no session {session_id!r}.")
        if found.erased_at:
            self.stdout.write(f"{session_id}: erased already.")
        elif dry_run:
            self.stdout.write(f"{session_id}: would be erased, {found.last_seq} events. Nothing was changed.")
        else:
            try:
                erase_session(session_id=session_id, by=_BY)
            except SessionNotFound as error:
                raise CommandError(f"There is no session {session_id!r} any more.") from error
            self.stdout.write(f"{session_id}: erased.")

    def _erase_person(self, person: Person, *, dry_run: bool, account: bool) -> None:
        due = person.sessions().filter(erased_at__isnull=True).count()
        if dry_run:
            also = " and the account deleted" if account else ""
            self.stdout.write(f"{due} sessions would be erased{also}. Nothing was changed.")
            return
        tally = erase_person(person=person, by=_BY)
        self.stdout.write(f"{tally.erased} sessions erased.")
        if tally.failed:
            raise CommandError(f"{tally.failed} sessions could not be erased: the log above says why.")
        if account and person.user_id is not None:
            self._forget_name(person.user_id)
            get_user_model().objects.filter(pk=person.user_id).delete()
            self.stdout.write("The account is deleted.")

    def _forget_name(self, user_id: int) -> None:
        """In Django's own log of what was done to the account in the admin."""
        about = ContentType.objects.get_for_model(get_user_model())
        LogEntry.objects.filter(content_type=about, object_id=str(user_id)).update(
            object_repr=ACCOUNT_DELETED
        )
