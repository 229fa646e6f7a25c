"""The doctor: each thing that can be wrong is found, named, and told with its fix; nothing secret is printed."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from realtime_ai.doctor import around, database
from realtime_ai.doctor.findings import Finding, Status, is_well, ok, problem, warning
from realtime_ai.env import BASE_DIR
from sessions_app.supabase.closing import close_data_api
from tests.fakes.gemini_script import HttpError, say
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.platform.support import run_python
from tests.privileges.conftest import sql, supabase

__all__ = ["supabase"]

pytestmark = pytest.mark.django_db


def examined(*arguments: str) -> dict[str, Any]:
    """What it says as JSON, with its exit code as ``exit``."""
    out, code = StringIO(), 0
    try:
        call_command("doctor", "--json", *arguments, stdout=out)
    except SystemExit as ended:
        code = int(str(ended.code))
    return {**json.loads(out.getvalue()), "exit": code}


def seen(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


@pytest.fixture
def worker() -> None:
    sql("DELETE FROM procrastinate_workers")
    sql("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")


def test_all_is_well_where_it_is(worker: None) -> None:
    told = examined("--no-model")
    found = {one["name"]: one["status"] for one in told["findings"]}
    assert (told["ok"], told["exit"]) == (True, 0), told
    for name in ("way", "reach", "version", "tls", "writes", "clock", "pools", "migrations", "worker"):
        assert found[f"database.{name}"] in ("ok", "skipped"), name
    assert found["files"] == "ok"
    assert {found["database.exposure"], found["auth.keys"], found["redis"], found["model"]} == {"skipped"}


def test_each_name_stands_in_its_page() -> None:
    page = (BASE_DIR / "docs" / "doctor.md").read_text(encoding="utf-8")
    for one in examined("--no-model")["findings"]:
        if not one["name"].startswith(("check.", "model")):
            assert f"`{one['name']}`" in page, one["name"]


def test_a_problem_has_a_fix_and_makes_the_exit_code() -> None:
    sql("DELETE FROM procrastinate_workers")
    told = examined("--no-model")
    assert (told["ok"], told["exit"]) == (False, 1)
    worker = next(one for one in told["findings"] if one["name"] == "database.worker")
    assert (worker["status"], "manage.py worker" in worker["fix"]) == ("problem", True)
    assert all(one["fix"] for one in told["findings"] if one["status"] in ("warning", "problem"))


def test_a_worker_that_was_heard_of_long_ago_counts_for_nothing() -> None:
    sql("DELETE FROM procrastinate_workers")
    sql("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')")
    assert "3600 s" in database._worker().message


def test_warnings_are_for_people() -> None:
    assert is_well([ok("a", "."), warning("b", ".", "do")])
    assert not is_well([ok("a", "."), problem("b", ".", "do")])
    assert problem("b", "Wrong", "Do it").line() == "XX  b: Wrong\n      -> Do it"


# The database


def test_a_read_only_database() -> None:
    sql("SET LOCAL transaction_read_only = on")
    found = database._writes()
    assert (found.status, found.message) == (Status.PROBLEM, "It is read-only")


def test_a_database_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        from django.db import OperationalError

        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    told = examined("--no-model")
    names = [one["name"] for one in told["findings"]]
    assert names[:2] == ["database.way", "database.reach"]
    assert not [name for name in names if name.startswith("check.")]
    assert told["exit"] == 1


def test_no_database_at_all(folder: Path) -> None:
    """As a newcomer has it who asks before the first start."""
    done = run_python("manage.py", "doctor", "--no-model", "--json", VAR_DIR=str(folder / "var"))
    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    way, reach = found["database.way"], found["database.reach"]
    assert (way["status"], reach["status"], done.returncode) == ("skipped", "problem", 1)
    assert way["message"].startswith("DATABASE_URL is not set")
    assert reach["fix"].startswith("Set DATABASE_URL")


def test_migrations_that_are_not_applied() -> None:
    ((_, newest),) = MigrationLoader(connection).graph.leaf_nodes("sessions_app")
    sql(f"DELETE FROM django_migrations WHERE app = 'sessions_app' AND name = '{newest}'")
    found = database._migrations()
    assert found.status is Status.PROBLEM
    assert f"sessions_app.{newest}" in found.message


def test_a_table_that_it_may_not_read_is_no_table_that_is_missing() -> None:
    sql("CREATE ROLE nobody_much")
    sql("SET LOCAL ROLE nobody_much")
    found = database._seen(database._worker)
    assert found.status is Status.PROBLEM
    assert "permission denied for table procrastinate_workers" in found.message


def test_before_the_first_start_one_thing_is_a_problem_as_its_page_says() -> None:
    page = (BASE_DIR / "docs" / "doctor.md").read_text(encoding="utf-8")
    told = re.search(r"Before the first start (.*?) is a problem, and (.*?) are left out", page)
    assert told
    looks = {"database.migrations": database._migrations}
    looks |= {"database.worker": database._worker, "database.servers": database._servers}
    found = {}
    for name, look in looks.items():
        with transaction.atomic():  # as each is by itself where nothing is begun
            sql("CREATE SCHEMA empty; SET LOCAL search_path = empty")
            found[name] = database._seen(look).status
            transaction.set_rollback(True)
    expected = dict.fromkeys(re.findall(r"`([\w.]+)`", told[1]), Status.PROBLEM)
    expected |= dict.fromkeys(re.findall(r"`([\w.]+)`", told[2]), Status.SKIPPED)
    assert found == expected


def test_a_clock_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    later = sql("SELECT clock_timestamp() + interval '2 minutes'")[0]
    monkeypatch.setattr(database, "_value", lambda _: later)
    found = database._clock()
    assert found.status is Status.PROBLEM
    assert "+120" in found.message or "+119" in found.message


def test_what_the_data_api_can_reach(supabase: None) -> None:
    assert "The Data API can reach" in database._exposure().message
    close_data_api()
    assert database._exposure().status is Status.OK
    sql("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
    found = database._exposure()
    assert (found.status, found.message) == (Status.PROBLEM, "What will be made later lies open: functions")


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("db.abc.supabase.co", "5432", "its direct host"),
        ("aws-0-eu.pooler.supabase.com", "5432", "session pooler"),
        ("aws-0-eu.pooler.supabase.com", "6543", "transaction pooler"),
        ("10.0.0.5", "6543", "by its port 6543"),
        ("10.0.0.5", "5432", "not Supabase's"),
    ],
)
def test_the_way_in_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, host: str, port: str, words: str
) -> None:
    entry = {"HOST": host, "PORT": port, "PASSWORD": "hidden"}
    monkeypatch.setattr(database, "settings", type("S", (), {"DATABASES": {"default": entry}}))
    line = database._way_in().line()
    assert words in line
    assert "hidden" not in line


def test_more_connections_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "connections_needed", lambda _: 10_000)
    assert database._pools().status is Status.WARNING


def test_system_checks_are_told_with_their_hints(settings: Any) -> None:
    settings.CHAT_LLM_MODEL = "nobody:nothing"
    found = seen(list(database.look_at_checks()))["check.chat.E001"]
    assert found.status is Status.PROBLEM
    assert "docs/models.md" in found.fix


# Around it


class _Keys(BaseHTTPRequestHandler):
    body, date = b"", ""

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", self.date or formatdate(usegmt=True))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def keys(settings: Any) -> Iterator[type[_Keys]]:
    """A server of keys, named by SUPABASE_URL."""
    handler = type("Handler", (_Keys,), {})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.IDENTITY_SUPABASE_URL = f"http://127.0.0.1:{server.server_port}/"
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


GOOD = b'{"keys": [{"kty": "EC", "alg": "ES256", "kid": "1"}]}'


@pytest.mark.parametrize(
    ("body", "date", "status", "words"),
    [
        (GOOD, "", Status.OK, "1 (ES256)"),
        (b'{"keys": []}', "", Status.WARNING, "its old secret"),
        (b"<html>", "", Status.PROBLEM, "cannot be had"),
        (b'{"keys": [1]}', "", Status.PROBLEM, "cannot be had"),
        (GOOD, "Mon, 01 Jan 2024 00:00:00 GMT", Status.PROBLEM, "clock"),
    ],
)
def test_the_keys_of_sign_in_tokens(
    keys: type[_Keys], body: bytes, date: str, status: Status, words: str
) -> None:
    keys.body, keys.date = body, date
    found = around._keys()
    assert (found.status, words in found.message) == (status, True), found


def test_clocks_that_nobody_could_compare_do_not_agree(keys: type[_Keys]) -> None:
    keys.body, keys.date = GOOD, "some day"
    found = around._keys()
    assert (found.status, "agree" in found.message) == (Status.OK, False), found


def test_keys_that_cannot_be_had(settings: Any) -> None:
    for url in ("http://127.0.0.1:1/keys", "file:///etc/passwd"):
        settings.IDENTITY_JWKS_URL = url
        assert around._keys().status is Status.PROBLEM


def test_the_keys_are_those_that_the_server_takes(keys: type[_Keys], settings: Any) -> None:
    keys.body = GOOD
    settings.IDENTITY_JWT_ISSUER = (
        settings.IDENTITY_SUPABASE_URL
    )  # beside a project of Supabase's, which it outdoes
    settings.IDENTITY_SUPABASE_URL = "http://127.0.0.1:1"
    assert around._keys().status is Status.OK
    keys.body, settings.IDENTITY_JWT_SECRET = b'{"keys": []}', "legacy"
    assert around._keys().status is Status.OK


def test_redis_that_is_needed_or_set_wrong(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SESSIONS_SERVER_PROCESSES = 2
    assert around._redis().status is Status.PROBLEM
    monkeypatch.setattr(around, "redis_url", lambda: "redis://127.0.0.1:1")
    assert around._redis().status is Status.WARNING


def test_redis_that_answers(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setattr(around, "redis_url", lambda: redis_url)
    assert around._redis().status is Status.OK


def test_a_folder_that_cannot_be_written(settings: Any, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    settings.ENV = replace(settings.ENV, var_dir=in_the_way / "var")
    found = around._folder()
    assert found.status is Status.PROBLEM
    assert "VAR_DIR" in found.fix


@pytest.fixture
def gemini(settings: Any) -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        settings.CHAT_LLM_MODEL = "gemini:gemini-3-flash"
        settings.CHAT_GEMINI_API_KEY = API_KEY
        settings.CHAT_GOOGLE_GEMINI_BASE_URL = server.url
        yield server


def test_a_model_is_asked_once_and_its_refusal_told(gemini: GeminiServer) -> None:
    gemini.then(say("ok"))
    assert list(around.look_around(ask_models=True))[-1].status is Status.OK
    gemini.then(HttpError(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."))
    found = list(around.look_around(ask_models=True))[-1]
    assert (found.name, found.status) == ("model.gemini:gemini-3-flash", Status.PROBLEM)
    assert API_KEY not in found.line()
    assert gemini.hits == 2


def test_the_demo_model_is_a_warning(settings: Any) -> None:
    settings.CHAT_LLM_MODEL = "demo"
    found = list(around.look_around(ask_models=True))[-1]
    assert (found.name, found.status) == ("model.demo", Status.WARNING)
