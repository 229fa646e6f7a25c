from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from tests.support.jobs import no_jobs

__all__ = ["no_jobs"]

INSUFFICIENT_PRIVILEGE = "42501"
ROLES = ("anon", "authenticated")
LEGACY_GRANTS = """
GRANT USAGE ON SCHEMA public TO anon, authenticated;
GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO anon, authenticated;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO anon, authenticated;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated;
"""


def sql(statement: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params or None)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """What happens inside is undone: the role, and what it managed to do."""
    with transaction.atomic():
        sql(f"SET LOCAL ROLE {role}")
        yield
        transaction.set_rollback(True)


def refused(statement: str, *, role: str) -> bool:
    """Whether it is refused for want of a privilege; any other error is raised."""
    try:
        with acting_as(role):
            sql(statement)
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", "") != INSUFFICIENT_PRIVILEGE:
            raise
        return True
    return False


@pytest.fixture
def supabase(db: None) -> None:
    """Supabase's roles with its former default grants, in a transaction that is rolled back.

    Roles belong to the whole cluster; another worker's test that makes them too waits until this one is over.
    """
    if not sql("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")[0][0]:
        pytest.skip("the database's user may not create roles")
    present = {name for (name,) in sql("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", list(ROLES))}
    for role in ROLES:
        if role not in present:
            sql(f"CREATE ROLE {role} NOLOGIN")
        sql(f"GRANT {role} TO CURRENT_USER")
    sql(LEGACY_GRANTS)
