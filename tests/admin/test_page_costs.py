"""Queries of every page that the desk's measurement opens: no more than the docs promise, however much is found."""

from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.desk import WANTED_QUERIES, pages, staff
from sessions_app.admin import search as searching
from sessions_app.selectors import said

CHANGE_PAGES = "/change/"


@pytest.mark.django_db(transaction=True)
def test_each_page_is_within_its_queries_at_its_first_and_its_second_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(said, "MAX_HITS", 3)  # so that common words go the longest way
    monkeypatch.setattr(said, "MAX_SESSIONS", 5)
    monkeypatch.setattr(searching, "NEWEST_SESSIONS", 40)
    call_command("seed_demo_sessions", count=60, live=1, long=40, seed=5, force=True, verbosity=0)
    over, opened = {}, set()
    with staff() as client:
        for name, address in pages():
            for _ in range(2):
                with CaptureQueriesContext(connection) as queries:
                    response = client.get(address)
                    response.content  # noqa: B018 - which is when it is drawn, at the latest
                assert response.status_code == 200, address
                if len(queries) > WANTED_QUERIES:
                    over[name] = len(queries)
                    print(name, *(query["sql"][:200] for query in queries), sep="\n  ")
            opened.add(urlsplit(address).path)
    assert over == {}
    assert sum(path.endswith(CHANGE_PAGES) for path in opened) >= 2
    assert len(opened) > 25
