"""sessions_app.supabase.checks and checks: each misconfiguration has its id and its fix, and what is right has none."""

import base64
import json
import os
import re
import subprocess
import sys
from typing import Any, Self

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django.fixtures import Settings

from realtime_ai.env import BASE_DIR
from sessions_app.supabase import checks
from sessions_app.supabase.closing import close_data_api
from tests.privileges.conftest import ROLES, acting_as, sql

REF = "abcdefghijklmnopqrst"
POOLER = "aws-1-eu-central-1.pooler.supabase.com"
SOUND: dict[str, Any] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "postgres",
    "HOST": POOLER,
    "PORT": 5432,
    "USER": f"postgres.{REF}",
    "CONN_MAX_AGE": 0,
    "OPTIONS": {"pool": {"min_size": 1, "max_size": 4}, "sslmode": "verify-full"},
}
TRANSACTION = {**SOUND, "PORT": 6543, "DISABLE_SERVER_SIDE_CURSORS": True}


def ids(messages: list[CheckMessage]) -> list[str]:
    for message in messages:
        assert message.hint, f"{message.id} does not say what to do"
    return [str(message.id) for message in messages]


def check(settings: Settings, **database: Any) -> list[str]:
    settings.DATABASES = {"default": database}
    return ids(checks.check_databases(None))


def options(**changed: Any) -> dict[str, Any]:
    return {**SOUND["OPTIONS"], **changed}


pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")


@pytest.mark.parametrize("database", [SOUND, TRANSACTION, {"ENGINE": "django.db.backends.sqlite3"}])
def test_a_sound_database_passes(settings: Settings, database: dict[str, Any]) -> None:
    assert check(settings, **database) == []


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ({**SOUND, "CONN_MAX_AGE": 60}, "sessions.E001"),
        ({**SOUND, "CONN_MAX_AGE": None}, "sessions.E001"),
        ({**TRANSACTION, "DISABLE_SERVER_SIDE_CURSORS": False}, "sessions.E002"),
        ({**TRANSACTION, "OPTIONS": options(prepare_threshold=5)}, "sessions.E003"),
        ({**TRANSACTION, "OPTIONS": options(prepare_threshold=0)}, "sessions.E003"),
        ({**SOUND, "USER": "postgres"}, "sessions.E004"),
        ({**SOUND, "OPTIONS": options(sslmode="require")}, "sessions.W001"),
        ({**SOUND, "OPTIONS": {"pool": {"max_size": 4}}}, "sessions.E009"),
        ({**SOUND, "HOST": f"db.{REF}.supabase.co", "OPTIONS": {}}, "sessions.E009"),
        ({**SOUND, "HOST": "db.example.com", "OPTIONS": options(sslmode="prefer")}, "sessions.E009"),
        ({**SOUND, "HOST": "10.1.2.3", "OPTIONS": options(sslmode="disable")}, "sessions.E009"),
        ({**SOUND, "OPTIONS": options(pool={"max_size": 8})}, "sessions.W005"),
    ],
)
def test_each_fault_is_named(settings: Settings, database: dict[str, Any], expected: str) -> None:
    assert check(settings, **database) == [expected]


def test_a_connection_pool_without_persistent_connections_is_no_fault_and_the_other_way_round(
    settings: Settings,
) -> None:
    assert check(settings, **{**SOUND, "CONN_MAX_AGE": 60, "OPTIONS": {"sslmode": "verify-full"}}) == []


@pytest.mark.parametrize("host", ["", "/run/postgresql", "localhost", "127.0.0.1", "::1"])
def test_a_database_on_this_machine_needs_no_tls(settings: Settings, host: str) -> None:
    assert check(settings, **{**SOUND, "HOST": host, "OPTIONS": {"sslmode": "disable"}}) == []


def test_a_private_network_may_go_without_tls_when_somebody_says_so(settings: Settings) -> None:
    database = {**SOUND, "HOST": "10.1.2.3", "OPTIONS": {"sslmode": "disable"}}
    assert check(settings, **database) == ["sessions.E009"]
    settings.SESSIONS_INSECURE_DATABASE = True
    assert check(settings, **database) == []


def test_the_sums_in_the_docs_are_the_ones_that_are_checked(settings: Settings) -> None:
    text = (BASE_DIR / "docs/supabase.md").read_text(encoding="utf-8")
    sums = re.findall(r"^\| (\d+) \| (\d+) \| .* = (\d+) \| (\d+) \|$", text, flags=re.MULTILINE)
    assert sums
    for processes, pool_max, at_most, size in sums:
        settings.SESSIONS_SERVER_PROCESSES = int(processes)
        database = {**SOUND, "OPTIONS": options(pool={"max_size": int(pool_max)})}
        assert checks.connections_needed(database) == int(at_most)
        assert int(at_most) < int(size)  # somebody else may look in


def test_the_budget_counts_servers_and_the_worker(settings: Settings) -> None:
    settings.SESSIONS_SERVER_PROCESSES = 3
    assert checks.connections_needed(SOUND) == 3 * (4 + 2) + 4 + 4
    assert checks.connections_needed({"OPTIONS": {"pool": True}}) == 3 * (4 + 2) + 4 + 4
    assert checks.connections_needed({"OPTIONS": {}}) is None
    settings.SESSIONS_POOLER_CONNECTIONS = 25
    assert check(settings, **SOUND) == ["sessions.W005"]
    settings.SESSIONS_POOLER_CONNECTIONS = 26
    assert check(settings, **SOUND) == []


def jwt(role: str) -> str:
    claims = (
        base64.urlsafe_b64encode(json.dumps({"role": role, "iss": "supabase"}).encode()).decode().rstrip("=")
    )
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl"


@pytest.mark.parametrize("secret", ["sb_secret_abc", jwt("service_role")])
def test_a_secret_key_in_a_public_setting_is_an_error(settings: Settings, secret: str) -> None:
    settings.SUPABASE_PUBLISHABLE_KEY = secret
    messages = checks.check_public_keys(None)
    assert ids(messages) == ["sessions.E007"]
    assert secret not in str(messages)


@pytest.mark.parametrize(
    "key", ["sb_publishable_abc", jwt("anon"), "", None, "a.b.c", "a..c", jwt("anon") + "é"]
)
def test_a_public_key_in_a_public_setting_is_right(settings: Settings, key: str | None) -> None:
    settings.SUPABASE_ANON_KEY = key
    settings.SUPABASE_SECRET_KEY = "sb_secret_abc"
    assert checks.check_public_keys(None) == []


def test_the_embedded_server_is_for_development(settings: Settings) -> None:
    settings.SESSIONS_EMBEDDED_DATABASE = True
    settings.DEBUG = False
    assert ids(checks.check_embedded(None)) == ["sessions.W006"]
    settings.DEBUG = True
    assert checks.check_embedded(None) == []
    settings.DEBUG = False
    settings.SESSIONS_EMBEDDED_DATABASE = False
    assert checks.check_embedded(None) == []


def test_a_database_that_refuses_connections_is_an_error_of_the_check() -> None:
    env = {**os.environ, "ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "realtime_ai.settings.development"}
    env["DATABASE_URL"] = "postgresql://u:p@127.0.0.1:1/d"
    command = [sys.executable, "manage.py", "check", "--database", "default"]
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "sessions.E008" in done.stderr
    assert "Traceback" not in done.stderr


# With the database


def reach() -> list[str]:
    return ids(checks.check_reach(None, databases=["default"]))


def as_supabase(settings: Settings, monkeypatch: pytest.MonkeyPatch, **database: Any) -> None:
    """The connection stays the test's own; only the checks see another address."""
    seen = {"default": {**SOUND, **database}}
    monkeypatch.setattr(checks, "settings", type("Seen", (), {"DATABASES": seen}))


@pytest.mark.django_db
def test_an_open_door_is_an_error_until_migrate_shuts_it(supabase: None) -> None:
    assert reach() == ["sessions.E005", "sessions.W003"]
    close_data_api()
    assert reach() == []


@pytest.mark.django_db
def test_the_error_names_who_reaches_what(supabase: None) -> None:
    close_data_api()
    sql("GRANT TRUNCATE ON session_events TO authenticated")
    (message,) = checks.check_reach(None, databases=["default"])
    assert message.msg == "Supabase's Data API (anon, authenticated) can reach: table session_events."


@pytest.mark.django_db
def test_row_level_security_that_hides_our_own_rows_is_an_error(supabase: None) -> None:
    close_data_api()
    sql("CREATE ROLE the_app NOLOGIN; GRANT the_app TO CURRENT_USER; GRANT USAGE ON SCHEMA public TO the_app")
    sql("ALTER TABLE sessions OWNER TO the_app")
    with acting_as("the_app"):
        assert "sessions" not in hidden()
    sql("ALTER TABLE sessions FORCE ROW LEVEL SECURITY")
    with acting_as("the_app"):
        assert "sessions" in hidden()
        assert "sessions.E006" in reach()


def hidden() -> list[str]:
    from sessions_app.supabase.closing import tables_with_hidden_rows

    return tables_with_hidden_rows()


@pytest.mark.django_db
def test_on_supabase_the_public_schema_is_warned_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "sessions.W004" not in reach()
    as_supabase(settings, monkeypatch)
    assert "sessions.W004" in reach()
    sql("CREATE SCHEMA app; SET LOCAL search_path = app, public")
    assert "sessions.W004" not in reach()


@pytest.mark.django_db
def test_a_direct_host_needs_ipv6(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "has_ipv6", lambda: False)
    assert "sessions.W002" not in reach()
    as_supabase(settings, monkeypatch, HOST=f"db.{REF}.supabase.co")
    assert "sessions.W002" in reach()
    monkeypatch.setattr(checks, "has_ipv6", lambda: True)
    assert "sessions.W002" not in reach()


def test_whether_there_is_ipv6_is_asked_without_sending_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoRoute:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...
        def connect(self, _: object) -> None:
            raise OSError("Network is unreachable")

    assert isinstance(checks.has_ipv6(), bool)
    monkeypatch.setattr("socket.socket", NoRoute)
    assert not checks.has_ipv6()


@pytest.mark.django_db
def test_the_servers_own_limit_counts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SESSIONS_SERVER_PROCESSES = 10_000
    as_supabase(settings, monkeypatch, HOST="db.example.com")
    assert "sessions.W005" in reach()
    as_supabase(settings, monkeypatch, HOST=POOLER, PORT=6543)
    assert "sessions.W005" not in reach()
    settings.SESSIONS_SERVER_PROCESSES = 1
    as_supabase(settings, monkeypatch, HOST="db.example.com")
    assert "sessions.W005" not in reach()


@pytest.mark.django_db
def test_they_run_with_check_and_migrate(supabase: None) -> None:
    assert "sessions.E005" not in ids(run_checks())
    assert "sessions.E005" in ids(run_checks(databases=["default"]))
    with pytest.raises(SystemCheckError, match=r"sessions\.E005"):
        call_command("check", databases=["default"])


@pytest.mark.django_db
def test_this_project_as_tested_passes_all_of_them() -> None:
    if sql("SELECT FROM pg_roles WHERE rolname = ANY(%s)", list(ROLES)):
        close_data_api()
    ours = [m for m in run_checks(databases=["default"]) if str(m.id).startswith(("sessions.", "chat."))]
    assert ours == []
