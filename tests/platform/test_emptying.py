"""After a test its tables are as a flush leaves them, whichever way they were emptied."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase

from sessions_app.models import Session, SessionEvent
from tests.admin.rows import user_says, write_session
from tests.plugin.emptying import Emptying

Empty = Callable[[], int]


class Case(TransactionTestCase):
    databases = {"default"}  # noqa: RUF012


@pytest.fixture
def empty(transactional_db: None) -> Empty:
    """Empties the tables as after a test; how many flushes there have been by then."""
    flushes = 0

    def flush(_case: TransactionTestCase) -> None:
        nonlocal flushes
        flushes += 1
        call_command("flush", verbosity=0, interactive=False)

    emptying = Emptying(flush)

    def after() -> int:
        emptying.after(Case("run"))
        return flushes

    return after


def write() -> None:
    user = User.objects.create(username="someone")
    user.groups.add(Group.objects.create(name="some"))
    user.user_permissions.add(Permission.objects.all()[0])
    write_session([user_says("Hello")], session_id="known")


def is_empty() -> bool:
    return not any(model.objects.exists() for model in (User, Group, Session, SessionEvent))


def made() -> tuple[list[object], list[object]]:
    return list(Permission.objects.values_list("codename")), list(ContentType.objects.values_list("model"))


def test_rows_are_gone_and_what_a_flush_makes_is_there(empty: Empty) -> None:
    assert empty() == 1  # the first time
    before = made()
    for _ in range(3):
        write()
        assert not is_empty()
        assert empty() == 1
        assert is_empty()
        assert made() == before


def test_what_a_flush_makes_is_made_again_when_it_was_changed(empty: Empty) -> None:
    empty()
    before = made()
    Permission.objects.all()[0].delete()
    ContentType.objects.create(app_label="some", model="thing")
    assert empty() == 2
    assert made() == before
    write()
    assert empty() == 2


def test_much_is_flushed(empty: Empty) -> None:
    empty()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO auth_group (name) SELECT repeat(md5(n::text), 4) FROM generate_series(1, 30000) AS n"
        )
    assert empty() == 2
    assert is_empty()
