"""``manage.py api_key create|list|revoke``: the keys of programs, without the admin."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from identity.keys import MOST_DAYS, make_key, revoke_key
from identity.models import ApiKey, Scope


class Command(BaseCommand):
    help = "Make, list and revoke the API keys of programs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        wishes = parser.add_subparsers(dest="wish", required=True)
        create = wishes.add_parser("create", help="make a key and print it, this once")
        create.add_argument("--user", required=True, metavar="NAME", help="the user whom it acts for")
        create.add_argument("--name", required=True, metavar="LABEL", help="what it is for")
        create.add_argument("--scope", choices=list(Scope.values), default=Scope.CHAT.value)
        create.add_argument(
            "--days", type=int, metavar="N", help="how long it is good for; default: for ever"
        )
        wishes.add_parser("list", help="show the keys")
        revoke = wishes.add_parser("revoke", help="end a key and what was made with it")
        revoke.add_argument("id", type=int, metavar="ID", help="as `list` shows it")

    def handle(self, *, wish: str, **options: Any) -> None:
        match wish:
            case "create":
                self._create(options["user"], options["name"], options["scope"], options["days"])
            case "list":
                self._list()
            case "revoke":
                self._revoke(options["id"])

    def _create(self, username: str, label: str, scope: str, days: int | None) -> None:
        users = get_user_model()._default_manager
        user = users.filter(**{get_user_model().USERNAME_FIELD: username}).first()
        if user is None:
            raise CommandError(
                f"There is no user {username!r}. Make one in the admin, or with createsuperuser."
            )
        if not label.strip() or len(label) > 100 or "\x00" in label:
            raise CommandError("--name: a label of 1 to 100 characters.")
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days: a whole number from 1 to {MOST_DAYS}.")
        made = make_key(user=user, label=label.strip(), scope=Scope(scope), days=days)
        self.stderr.write(f"Key {made.row.pk} ({scope}) for {username}. It is shown this once:")
        self.stdout.write(made.value)

    def _list(self) -> None:
        for key in ApiKey.objects.select_related("user"):
            state = f"revoked {_day(key.revoked_at)}" if key.revoked_at else f"expires {_day(key.expires_at)}"
            self.stdout.write(
                f"{key.pk}  {key.prefix}…  {key.scope:<5}  {key.user.get_username()}  {key.label}  "
                f"{state}  last used {_day(key.last_used_at)}"
            )

    def _revoke(self, key_id: int) -> None:
        key = ApiKey.objects.filter(pk=key_id).first()
        if key is None:
            raise CommandError(f"There is no key {key_id}. `api_key list` shows them.")
        if key.revoked_at:
            self.stdout.write(f"Key {key_id} was revoked before.")
            return
        revoke_key(key)
        self.stdout.write(f"Key {key_id} ({key.label}) is revoked.")


def _day(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if when else "never"
