"""What production does not start with, and that it says so in one line."""

import secrets

import pytest

from realtime_ai.env import EnvError, read_env
from realtime_ai.settings.refusals import refuse_unsafe
from realtime_ai.supervisor.plan import make_plan
from tests.platform.support import run_python

GOOD = {"SECRET_KEY": secrets.token_urlsafe(60), "ALLOWED_HOSTS": "chat.example.com"}
UNSAFE = [
    ("DEBUG", {"DEBUG": "1"}),
    ("SECRET_KEY", {"SECRET_KEY": ""}),
    ("SECRET_KEY", {"SECRET_KEY": "short"}),
    ("SECRET_KEY", {"SECRET_KEY": "a" * 80}),
    ("SECRET_KEY", {"SECRET_KEY": "django-insecure-" + secrets.token_urlsafe(60)}),
    ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": ""}),
    ("ALLOWED_HOSTS", {"ALLOWED_HOSTS": "chat.example.com,*"}),
    ("INSECURE_HTTP", {"INSECURE_HTTP": "1", "HOST": "0.0.0.0"}),
    (
        "INSECURE_HTTP",
        {"INSECURE_HTTP": "1", "HOST": "0.0.0.0", "ALLOWED_HOSTS": "localhost,chat.example.com"},
    ),
]


def test_a_sound_environment_is_accepted() -> None:
    refuse_unsafe(read_env(GOOD))
    refuse_unsafe(read_env(GOOD | {"INSECURE_HTTP": "1"}))
    in_a_container = {"INSECURE_HTTP": "1", "HOST": "0.0.0.0", "ALLOWED_HOSTS": "localhost,127.0.0.1"}
    refuse_unsafe(read_env(GOOD | in_a_container))


@pytest.mark.parametrize(("name", "change"), UNSAFE)
def test_an_unsafe_setting_is_refused_by_name(name: str, change: dict[str, str]) -> None:
    with pytest.raises(EnvError, match=name) as refused:
        refuse_unsafe(read_env(GOOD | change))
    assert "\n" not in str(refused.value)


def test_serve_and_commands_refuse_in_one_line_and_exit_1() -> None:
    for command in (["-m", "realtime_ai.supervisor", "serve"], ["manage.py", "check"]):
        done = run_python(*command, DJANGO_SETTINGS_MODULE="realtime_ai.settings.production", DEBUG="1")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("error: DEBUG=1")


def test_the_production_settings_pass_djangos_own_deployment_checks() -> None:
    done = run_python(
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        **GOOD,
        DJANGO_SETTINGS_MODULE="realtime_ai.settings.production",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "variables", [{}, {"REDIS_URL": "redis://h"}, {"REDIS_URL": "redis://h", "WEB_PROCESSES": "3"}]
)
def test_the_checks_count_the_processes_that_serve_starts(variables: dict[str, str]) -> None:
    script = "from django.conf import settings; print(settings.SESSIONS_SERVER_PROCESSES)"
    done = run_python(
        "-c", script, **GOOD, **variables, DJANGO_SETTINGS_MODULE="realtime_ai.settings.production"
    )
    assert int(done.stdout) == make_plan(read_env(GOOD | variables), serve=True).web_processes
