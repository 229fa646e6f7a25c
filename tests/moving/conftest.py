"""A tutorial's tables, in a schema of their own beside ours, and the command that brings them in."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from tests.support.database import database_url

Imported = Callable[..., str]


@pytest.fixture
def imported() -> Imported:
    """Runs the command on the tutorial's tables, or with other arguments; what it says."""

    def run(*arguments: str, **options: Any) -> str:
        source = () if "--file" in arguments else ("--database-url", database_url(), "--schema", "tutorial")
        out = StringIO()
        call_command("import_sessions", *source, *arguments, stdout=out, **options)
        return out.getvalue()

    return run


@pytest.fixture
def tutorial(transactional_db: None) -> Iterator[Callable[[str], None]]:
    """Makes the tables; they go at the end."""
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS tutorial CASCADE; CREATE SCHEMA tutorial")

    def run(sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL search_path = tutorial; " + sql)

    yield run
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA tutorial CASCADE")
