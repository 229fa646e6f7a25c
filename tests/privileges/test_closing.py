"""sessions_app.supabase.closing: Supabase's Data API reaches nothing of ours, and we notice nothing of it."""

import logging
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.models import Session
from sessions_app.supabase.closing import (
    Exposure,
    close_after_migrate,
    close_data_api,
    find_exposure,
    project_tables,
)
from tests.privileges.conftest import ROLES, acting_as, refused, sql
from tests.summary.support import ended_session, jobs

pytestmark = pytest.mark.django_db

VERBS = ("SELECT FROM {}", "INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "TRUNCATE {} CASCADE")


def our_functions() -> list[str]:
    found = sql(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND (proname LIKE 'procrastinate%' OR proname LIKE 'session%') ORDER BY 1"
    )
    return [name for (name,) in found]


def may_execute(role: str) -> Iterator[str]:
    for function in our_functions():
        if sql("SELECT has_function_privilege(%s, %s, 'EXECUTE')", role, function)[0][0]:
            yield function


def test_the_door_was_really_open_before(supabase: None) -> None:
    for role in ROLES:
        assert not refused("INSERT INTO auth_group (name) VALUES ('intruders')", role=role)
        assert not refused("SELECT session_id FROM sessions", role=role)
        assert not refused("TRUNCATE session_events", role=role)
        assert not refused("SELECT procrastinate_register_worker_v1()", role=role)
    assert len(our_functions()) > 15


@pytest.mark.parametrize("role", ROLES)
def test_nothing_can_be_read_written_or_emptied(supabase: None, role: str) -> None:
    close_data_api()
    tables = [f'"{name}"' for name in project_tables()]
    assert {
        '"sessions"',
        '"session_events"',
        '"auth_user"',
        '"procrastinate_jobs"',
        '"django_migrations"',
    } <= set(tables)
    for table in tables:
        for verb in VERBS:
            assert refused(verb.format(table), role=role), verb.format(table)
        column = sql(
            "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attidentity = '' AND NOT attisdropped LIMIT 1",
            table,
        )[0][0]
        assert refused(f"UPDATE {table} SET {column} = {column}", role=role), table
        assert sql(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", table
        ) == [(True, False)]


@pytest.mark.parametrize("role", ROLES)
def test_no_sequence_and_no_function_is_theirs(supabase: None, role: str) -> None:
    close_data_api()
    for sequence in ("procrastinate_jobs_id_seq", "session_events_event_id_seq", "auth_user_id_seq"):
        assert refused(f"SELECT nextval('{sequence}')", role=role)
    assert list(may_execute(role)) == []
    assert refused("SELECT procrastinate_register_worker_v1()", role=role)


def test_a_second_time_finds_nothing_to_do(supabase: None) -> None:
    assert len(close_data_api()) > 40
    assert close_data_api() == []
    assert find_exposure() == Exposure(roles=ROLES)


def test_the_application_notices_nothing(supabase: None, client: Client) -> None:
    close_data_api()
    ended_session()
    assert Session.objects.count() == 1
    assert len(jobs()) == 1
    user = get_user_model().objects.create_superuser("ada", password="x")
    client.force_login(user)
    assert client.get("/admin/").status_code == 200


def test_migrate_closes_also_when_nothing_is_to_migrate(supabase: None) -> None:
    call_command("migrate", verbosity=0, interactive=False)
    assert refused("SELECT * FROM auth_user", role="anon")
    sql(
        "GRANT SELECT (username) ON auth_user TO anon; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC"
    )
    assert not refused("SELECT username FROM auth_user", role="anon")
    call_command("migrate", verbosity=0, interactive=False)
    assert refused("SELECT username FROM auth_user", role="anon")
    assert list(may_execute("anon")) == []


@pytest.mark.parametrize(
    "table", ["mfa_authenticator", "account_emailaddress", "limits_level", "limits_cacheentry"]
)
def test_the_front_doors_tables_are_closed_like_all(supabase: None, table: str) -> None:
    close_data_api()
    assert refused(f"SELECT * FROM {table}", role="anon")


def test_what_our_role_makes_later_is_closed_from_the_start(supabase: None) -> None:
    close_data_api()
    sql("CREATE TABLE later (id serial)")
    assert refused("SELECT FROM later", role="anon")
    assert refused("SELECT nextval('later_id_seq')", role="anon")
    sql("CREATE VIEW later_view AS SELECT * FROM auth_user")
    assert refused("SELECT FROM later_view", role="anon")


def test_a_function_that_our_role_makes_later_is_nobodys_but_ours(supabase: None) -> None:
    sql("CREATE FUNCTION session_before() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert not refused("SELECT session_before()", role="anon")
    close_data_api()
    sql("CREATE FUNCTION session_later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    for role in ROLES:
        assert refused("SELECT session_later()", role=role)
    assert sql("SELECT session_later()") == [(1,)]
    assert find_exposure() == Exposure(roles=ROLES)


def test_who_writes_our_tables_may_call_what_a_later_migration_made(supabase: None) -> None:
    sql("CREATE ROLE later_writer NOLOGIN; GRANT later_writer TO CURRENT_USER")
    sql(
        "GRANT USAGE ON SCHEMA public TO later_writer; GRANT ALL ON ALL TABLES IN SCHEMA public TO later_writer"
    )
    close_data_api()
    sql("CREATE FUNCTION procrastinate_later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert refused("SELECT procrastinate_later()", role="later_writer")
    assert close_data_api() == ["GRANT EXECUTE ON ROUTINE procrastinate_later() TO later_writer"]
    assert not refused("SELECT procrastinate_later()", role="later_writer")
    assert refused("SELECT procrastinate_later()", role="anon")


def test_what_is_not_this_projects_stays_as_it_is(supabase: None) -> None:
    sql(
        "CREATE TABLE somebody_elses (id int); CREATE FUNCTION their_rpc() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION account_balance() RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    close_data_api()
    assert not refused("SELECT FROM somebody_elses", role="anon")
    assert not refused("SELECT their_rpc()", role="anon")
    assert not refused("SELECT account_balance()", role="anon")
    assert sql("SELECT relrowsecurity FROM pg_class WHERE relname = 'somebody_elses'") == [(False,)]


def test_another_role_that_writes_our_tables_may_still_queue_jobs(supabase: None) -> None:
    sql(
        "CREATE ROLE app_writer NOLOGIN; GRANT app_writer TO CURRENT_USER; GRANT USAGE ON SCHEMA public TO app_writer"
    )
    sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO app_writer")
    close_data_api()
    sql("ALTER TABLE procrastinate_workers DISABLE ROW LEVEL SECURITY")
    assert not refused("SELECT procrastinate_register_worker_v1()", role="app_writer")
    sql(
        "CREATE ROLE bystander NOLOGIN; GRANT bystander TO CURRENT_USER; GRANT USAGE ON SCHEMA public TO bystander"
    )
    assert refused("SELECT procrastinate_register_worker_v1()", role="bystander")


def test_names_that_need_quotes_are_closed_too(supabase: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sql('ALTER TABLE auth_group RENAME TO "Odd ""Name"" 100%"')
    monkeypatch.setattr(Group._meta, "db_table", 'Odd "Name" 100%')
    close_data_api()
    assert refused('SELECT FROM "Odd ""Name"" 100%"', role="anon")


def test_without_the_roles_it_is_one_query() -> None:
    if sql("SELECT FROM pg_roles WHERE rolname IN ('anon', 'authenticated')"):
        pytest.skip("this cluster has Supabase's roles")
    with CaptureQueriesContext(connection) as queries:
        close_after_migrate(using="default")
    assert len(queries) == 1


def test_what_another_role_owns_is_warned_of_and_stops_nothing(
    supabase: None, caplog: pytest.LogCaptureFixture
) -> None:
    sql(
        "CREATE ROLE the_owner NOLOGIN; ALTER TABLE auth_group OWNER TO the_owner; GRANT SELECT ON auth_group TO anon"
    )
    sql("CREATE ROLE the_migrator NOLOGIN; GRANT the_migrator TO CURRENT_USER")
    sql("GRANT USAGE ON SCHEMA public TO the_migrator; ALTER TABLE sessions OWNER TO the_migrator")
    caplog.set_level(logging.WARNING, "sessions_app.supabase.closing")
    with acting_as("the_migrator"):
        close_data_api()
        assert sql(
            "SELECT relacl::text LIKE '%%anon%%', relrowsecurity FROM pg_class WHERE relname = 'sessions'"
        ) == [(False, True)]
    assert "TABLE auth_group is open to Supabase's Data API and owned by another role" in caplog.text
