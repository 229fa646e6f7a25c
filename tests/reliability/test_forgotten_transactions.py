"""A transaction whose client a network has swallowed: PostgreSQL hears of no end, and must not keep the rows locked for it."""

import asyncio
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, transaction
from django.db.utils import ConnectionHandler

from bench.support import upstream_of
from realtime_ai.stores import database_settings
from sessions_app.models import Session
from sessions_app.postgres import base
from tests.support.database import database_url
from tests.support.moody_proxy import Mood, MoodyProxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[MoodyProxy]:
    with MoodyProxy(upstream_of(connection.settings_dict)) as proxy:
        yield proxy


@pytest.fixture
def pooled(proxy: MoodyProxy) -> Iterator[ConnectionHandler]:
    url = database_url(host="127.0.0.1", port=str(proxy.port), sslmode="disable")
    handler = ConnectionHandler({"default": database_settings(url, pool_max=2)})
    yield handler
    handler.close_all()
    handler["default"].close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own


async def is_free(session_id: str) -> None:
    def lock() -> None:
        try:
            with transaction.atomic():
                Session.objects.select_for_update(nowait=True).get(session_id=session_id)
        except OperationalError as error:
            raise AssertionError("still locked") from error
        finally:
            connection.close()

    await asyncio.to_thread(lock)


async def test_rows_are_free_again(
    proxy: MoodyProxy, pooled: ConnectionHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_FORGOTTEN_MS", 500)

    def begin_and_be_forgotten() -> None:
        Session.objects.create(session_id="held")
        connection.close()
        link = pooled["default"]
        link.set_autocommit(False)
        with link.cursor() as cursor:
            cursor.execute("SELECT 1 FROM sessions WHERE session_id = 'held' FOR UPDATE")
        proxy.be(Mood.SWALLOW)

    await asyncio.to_thread(begin_and_be_forgotten)
    with pytest.raises(AssertionError):
        await is_free("held")
    await eventually(lambda: is_free("held"))
