"""The environment: every variable known, documented, checked, and no secret repeated."""

import os
import re
from pathlib import Path

import environ
import pytest

from realtime_ai.env import BASE_DIR, Env, EnvError, read_env
from realtime_ai.env_reader import EnvReader

SECRETS = {"DATABASE_URL": "mysql://joe:hunter2@host/db", "REDIS_URL": "http://:hunter2@host"}
BAD = {
    "PORT": ["abc", "-1", "70000", "1e3", "８０００"],
    "WEB_PROCESSES": ["0", "many"],
    "SESSION_GRACE_SECONDS": ["-1", "soon", "nan", "inf"],
    "GUESTS_ALLOWED": ["maybe"],
    "LOG_LEVEL": ["LOUD"],
    "ALLOWED_ORIGINS": ["app.example.com", "https://app.example.com/path", "*"],
    "TRUST_PROXY": ["1", "proxy.example.com"],
    "GOOGLE_GEMINI_BASE_URL": ["localhost:8080"],
    "MAX_FRAME_BYTES": ["1"],
    "BUDGET_SESSION_USD": ["0", "-1", "5 USD"],
    "LLM_PRICES": [
        "{not json",
        "/nowhere/prices.json",
        '{"a": 1}',
        '{"a": {"input": 1}}',
        '{"a": {"input": -1, "output": 1}}',
        '{"a": {"input": true, "output": 1}}',
        '{"a": {"price": 1}}',
    ],
}


def parse(**values: str) -> Env:
    return read_env(EnvReader(values))


def variables() -> set[str]:
    reader = EnvReader({})
    read_env(reader)
    return {*reader.names_read, "ENV_FILE"}


def test_without_any_variable_everything_has_a_default() -> None:
    env = parse()
    assert (env.host, env.port, env.session_grace_seconds) == ("127.0.0.1", 8000, 10.0)
    assert env.database_url is None
    assert env.guests_allowed is None


def test_prices_are_read_from_json_or_from_a_file_of_it(tmp_path: Path) -> None:
    text = '{"openai:a": {"input": 1.5, "output": 6, "context": 128000}}'
    file = tmp_path / "prices.json"
    file.write_text(text)
    expected = {"openai:a": {"input": 1.5, "output": 6, "context": 128_000}}
    assert parse(LLM_PRICES=text).llm_prices == parse(LLM_PRICES=str(file)).llm_prices == expected
    assert parse().llm_prices == {}


def test_an_empty_value_counts_as_unset() -> None:
    assert parse(PORT="", GUESTS_ALLOWED=" ", DATABASE_URL="") == parse()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_a_bad_value_is_refused_in_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(EnvError) as refused:
        parse(**{name: value})
    message = str(refused.value)
    assert name in message
    assert repr(value) in message
    assert "\n" not in message


@pytest.mark.parametrize("name", SECRETS)
def test_a_refused_secret_is_not_repeated(name: str) -> None:
    with pytest.raises(EnvError, match=name) as refused:
        parse(**{name: SECRETS[name]})
    assert "hunter2" not in str(refused.value)


def test_the_environment_is_shown_without_secrets() -> None:
    env = parse(
        GEMINI_API_KEY="hunter2", ADMIN_PASSWORD="hunter2", SECRET_KEY="hunter2", METRICS_TOKEN="hunter2"
    )
    assert "hunter2" not in repr(env)


def test_the_file_fills_in_what_the_environment_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text('# a comment\n\nPORT=1234\nexport LLM_MODEL="demo"\nHOST=from-the-file\n')
    variables = {"HOST": "localhost"}
    monkeypatch.setattr(os, "environ", variables)
    monkeypatch.setattr(environ.Env, "ENVIRON", variables)
    env = read_env(EnvReader.of_process(file))
    assert (env.port, env.llm_model, env.host) == (1234, "demo", "localhost")


def test_a_line_of_the_file_that_is_no_setting_is_refused_without_its_text(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=1\nSECRET_KEY: hunter2\n")
    with pytest.raises(EnvError, match=r"\.env, line 2") as refused:
        EnvReader.of_process(file)
    assert "hunter2" not in str(refused.value)


def test_every_variable_stands_in_the_docs_and_the_reverse() -> None:
    text = (BASE_DIR / "docs" / "settings.md").read_text()
    assert set(re.findall(r"^\| `([A-Z0-9_]+)` \|", text, flags=re.MULTILINE)) == variables()


def test_every_variable_stands_in_the_example_and_the_reverse() -> None:
    text = (BASE_DIR / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z0-9_]+)=", text, flags=re.MULTILINE)) == variables() - {"ENV_FILE"}


def test_the_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    EnvReader.of_process(BASE_DIR / ".env.example")


def test_the_documented_defaults_are_the_defaults() -> None:
    text = (BASE_DIR / "docs" / "settings.md").read_text()
    told = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| `([^`]+)` \|", text, flags=re.MULTILINE))
    numbers = {name: value for name, value in told.items() if re.fullmatch(r"[0-9]+", value)}
    assert parse(**numbers) == parse()
    assert len(numbers) > 8
