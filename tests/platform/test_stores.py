"""From ``DATABASE_URL`` to Django's settings, and the channel layer."""

import asyncio
import time

import psycopg
import pytest
from channels_redis.core import RedisChannelLayer
from django.db import connection

from realtime_ai.env import EnvError
from realtime_ai.stores import channel_layer, database_settings

POOLER = "postgresql://postgres.ref:p%40ss@aws-0-eu.pooler.supabase.com"


def test_a_url_becomes_settings_with_a_pool_and_time_outs() -> None:
    settings = database_settings(f"{POOLER}:5432/postgres?sslmode=require", pool_max=8)
    assert settings["USER"] == "postgres.ref"
    assert settings["PASSWORD"] == "p@ss"
    options = settings["OPTIONS"]
    assert options["sslmode"] == "require"
    assert options["connect_timeout"] == 5
    assert options["keepalives"] == 1
    pool = {"min_size": 1, "max_size": 8, "timeout": 10, "reconnect_timeout": 2, "max_lifetime": 1800}
    assert options["pool"].items() >= pool.items()
    assert settings["CONN_MAX_AGE"] == 0


def test_a_connect_timeout_of_ones_own_is_kept() -> None:
    assert (
        database_settings("postgresql://h/d?connect_timeout=2", pool_max=0)["OPTIONS"]["connect_timeout"] == 2
    )


def test_a_database_that_is_back_is_soon_found_again() -> None:
    """The pauses between two attempts add up to less than one request for a connection waits."""
    pool = database_settings("postgresql://h/d", pool_max=8)["OPTIONS"]["pool"]
    assert pool["reconnect_timeout"] < pool["timeout"]


@pytest.mark.parametrize(
    ("url", "sslmode"),
    [
        ("postgresql://h/d", "require"),
        ("postgresql://h/d?sslmode=verify-full", "verify-full"),
        ("postgresql://h/d?sslmode=disable", "disable"),  # sessions.E009 refuses it
        ("postgresql://localhost/d", None),
        ("postgresql://u:p@/d?host=/some/where", None),
        ("postgresql://u:p@/d?host=localhost,127.0.0.2", None),
        ("postgresql://u:p@/d?host=/some/where,db.example.com", "require"),
        ("postgresql://u:p@/d?host=127.0.0.1,db.example.com", "require"),
        ("postgresql://u:p@localhost/d?hostaddr=192.0.2.1", "require"),
        ("postgresql://u:p@localhost:5432,db.example.com:5432/d", "require"),
        ("postgresql://u:p@%2Fvar%2Frun%2Fpostgresql/d", None),
        ("postgresql://u:p@127.example.com/d", "require"),
    ],
)
def test_another_host_is_asked_for_tls(url: str, sslmode: str | None) -> None:
    assert database_settings(url, pool_max=0)["OPTIONS"].get("sslmode") == sslmode


def test_a_private_network_is_asked_for_no_more_than_libpq_does() -> None:
    assert "sslmode" not in database_settings("postgresql://h/d", pool_max=0, demand_tls=False)["OPTIONS"]


def test_no_pool_when_there_is_no_room_for_one() -> None:
    assert "pool" not in database_settings("postgresql://h/d", pool_max=0)["OPTIONS"]


@pytest.mark.parametrize(("port", "off"), [(5432, False), (6543, True)])
def test_a_transaction_pooler_gets_no_server_side_cursors(port: int, off: bool) -> None:
    settings = database_settings(f"{POOLER}:{port}/postgres", pool_max=8)
    assert settings["DISABLE_SERVER_SIDE_CURSORS"] is off


def test_a_unix_socket_needs_no_keepalive_and_becomes_the_host() -> None:
    settings = database_settings("postgresql://u:p@/d?host=/some/where", pool_max=0)
    assert (settings["HOST"], settings["NAME"]) == ("/some/where", "d")
    assert "keepalives" not in settings["OPTIONS"]
    assert "host" not in settings["OPTIONS"]


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("u:p@a:5432,b:5433", "a,b", "5432,5433"),
        ("a:5432,b", "a,b", "5432,"),
        ("a,b:6543", "a,b", ",6543"),
        ("u:p@[::1]:5432,[::2]", "::1,::2", "5432,"),
        ("u:p@%2Fcloudsql%2FProject%3Aeu:5432", "/cloudsql/Project:eu", "5432"),
        ("a,b", "a,b", ""),
    ],
)
def test_hosts_and_ports_are_read_as_libpq_reads_them(authority: str, host: str, port: str) -> None:
    settings = database_settings(f"postgresql://{authority}/d", pool_max=0)
    assert (settings["HOST"], settings["PORT"]) == (host, port)
    assert settings["DISABLE_SERVER_SIDE_CURSORS"] is ("6543" in port)


def test_a_database_without_a_name_has_its_users() -> None:
    assert database_settings("postgresql://u:p@h:5432?sslmode=require", pool_max=0)["NAME"] == "u"
    with pytest.raises(EnvError, match="DATABASE_URL: it names no database"):
        database_settings("postgresql://h:5432", pool_max=0)


def test_options_of_other_tools_are_dropped() -> None:
    options = database_settings(f"{POOLER}:6543/postgres?pgbouncer=true&connection_limit=1", pool_max=0)[
        "OPTIONS"
    ]
    assert not {"pgbouncer", "connection_limit"} & set(options)


def test_an_option_that_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(EnvError, match=r"DATABASE_URL: .*sslmod\b"):
        database_settings("postgresql://h/d?sslmod=require", pool_max=0)
    with pytest.raises(EnvError, match=r"DATABASE_URL: .*connect_timeout: 'soon'"):
        database_settings("postgresql://h/d?connect_timeout=soon", pool_max=0)


@pytest.mark.django_db
def test_the_suites_own_database_answers() -> None:

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        assert cursor.fetchone() == ("UTF8",)
    assert psycopg.pq.version() >= 150000


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_an_outage_has_left_read_only_a_moment_ago_is_not_given_out() -> None:
    """It is new and it answers; but it was there before the database was well again."""

    def writes() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            return bool(cursor.fetchone() == ("off",))

    connection.close()
    pool = connection.pool  # type: ignore[attr-defined]  # of the PostgreSQL backend
    pool.drain()
    links = [pool.getconn() for _ in range(pool.max_size)]
    for link in links:
        link.execute("SET default_transaction_read_only = on")
        link.commit()
        link.opened_at = time.monotonic()
        pool.putconn(link)
    try:
        assert writes()
    finally:
        connection.close()
        pool.drain()


async def test_a_quiet_wait_is_no_lost_connection(redis_url: str) -> None:
    """redis-py's default time-out is as long as one wait of channels_redis; ours is longer."""
    layer = RedisChannelLayer(**channel_layer(redis_url)["CONFIG"])
    channel = await layer.new_channel()
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(5.5)
    assert not waiting.done()
    await layer.send(channel, {"type": "hello"})
    async with asyncio.timeout(5):
        assert (await waiting)["type"] == "hello"
    await layer.close_pools()


async def test_as_many_may_send_at_once_as_a_restart_moves_sockets(redis_url: str) -> None:
    layer = RedisChannelLayer(**channel_layer(redis_url)["CONFIG"])
    channels = [await layer.new_channel() for _ in range(300)]
    await asyncio.gather(*(layer.send(channel, {"type": "hello"}) for channel in channels))
    async with asyncio.timeout(30):
        assert (await layer.receive(channels[-1]))["type"] == "hello"
    await layer.close_pools()


@pytest.mark.parametrize("url", [None, ""])
def test_without_redis_the_layer_stays_in_its_process(url: str | None) -> None:
    assert channel_layer(url)["BACKEND"].endswith("InMemoryChannelLayer")
