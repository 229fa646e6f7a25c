"""A folder and a database for a supervisor that a test starts."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.platform.support import short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as found:
        yield found


@pytest.fixture
def own_database() -> Iterator[str]:
    """The URL of an empty database in the suite's server."""
    url, name = os.environ["DATABASE_URL"], f"supervised_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        before, _, query = url.partition("?")
        yield f"{before.rpartition('/')[0]}/{name}{'?' if query else ''}{query}"
        link.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
