"""Where the running test's database is."""

from urllib.parse import quote, urlencode

from django.db import connection


def database_url(**options: str) -> str:
    """The URL of this test's own database, for a program started beside it."""
    params = {**connection.get_connection_params(), **options}
    names = ("host", "port", "user", "password", "sslmode", "sslrootcert")
    query = urlencode({name: str(params[name]) for name in names if params.get(name)})
    return f"postgresql:///{quote(str(params['dbname']))}?{query}"
