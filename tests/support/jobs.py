"""The jobs' tables, which Django does not empty after a test that commits: it does not manage them."""

import pytest
from django.db import connection


@pytest.fixture(autouse=True)
def no_jobs(db: None) -> None:
    """For the conftest of tests that count jobs: whatever other tests left is gone."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
        cursor.execute("DELETE FROM procrastinate_workers")
        cursor.execute("DELETE FROM procrastinate_periodic_defers")
