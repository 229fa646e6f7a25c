"""The environment: every variable known, documented, checked, and no secret repeated."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from realtime_ai.env import (
    BASE_DIR,
    Env,
    EnvError,
    fill_environment,
    load_env,
    read_env,
    read_env_file,
    settings_of_all,
)
from sessions_app.setting import Setting, figure
from tests.docs import settings_page

SECRETS = {
    "DATABASE_URL": "mysql://joe:hunter2@host/db",
    "REDIS_URL": "http://:hunter2@host",
    "GEMINI_API_KEY": "“hunter2”",
    "OPENAI_API_KEY": "sk-hunter2…",
    "TERMINAL_KEY": "hunter\xa02",
    "OPENAI_CUSTOM_HEADERS": "X-Team: hunter2…",
}
BAD = {
    "PORT": ["abc", "-1", "70000", "1e3", "８０００"],
    "WEB_PROCESSES": ["0", "many"],
    "SESSION_GRACE_SECONDS": ["-1", "soon", "nan", "inf"],
    "GUESTS_ALLOWED": ["maybe"],
    "LOG_LEVEL": ["LOUD"],
    "ALLOWED_ORIGINS": ["app.example.com", "https://app.example.com/path", "*", "https://app:99999"],
    "EMBED_ORIGINS": ["https://shop.example.com;script-src", "https://'self'"],
    "TRUST_PROXY": ["1", "proxy.example.com"],
    "GOOGLE_GEMINI_BASE_URL": ["localhost:8080"],
    "ALLOWED_HOSTS": [
        "https://chat.example.com",
        "chat.example.com/",
        "localhost:8000",
        "*.example.com",
        "a.example b.example",
        "::1",
    ],
    "MAX_FRAME_BYTES": ["1"],
    "MODEL_FILES": ['{"a": [["image"]]}'],
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
    return read_env(values)


def variables() -> set[str]:
    return {name for setting in settings_of_all() for name in setting.variables}


def test_without_any_variable_everything_has_a_default() -> None:
    env = parse()
    assert (env.host, env.port, env.sessions.grace_seconds) == ("127.0.0.1", 8000, 10.0)
    assert env.database_url is None
    assert env.given == frozenset()


def test_prices_are_read_from_json_or_from_a_file_of_it(tmp_path: Path) -> None:
    text = '{"openai:a": {"input": 1.5, "output": 6, "context": 128000}}'
    file = tmp_path / "prices.json"
    file.write_text(text)
    expected = {"openai:a": {"input": 1.5, "output": 6, "context": 128_000}}
    assert parse(LLM_PRICES=text).chat.prices == parse(LLM_PRICES=str(file)).chat.prices == expected
    assert parse().chat.prices == {}


@pytest.mark.parametrize("name", ["ALLOWED_ORIGINS", "EMBED_ORIGINS"])
def test_origins_are_kept_as_browsers_write_them(name: str) -> None:
    """Else no page's own would be like it."""
    given = "https://App.Example.com:443, https://пример.рф:8443,http://[2001:DB8::1]:3000, http://my_app"
    kept = getattr(parse(**{name: given}).chat, name.lower())
    assert kept == (
        "https://app.example.com",
        "https://xn--e1afmkfd.xn--p1ai:8443",
        "http://[2001:db8::1]:3000",
        "http://my_app",
    )


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


@pytest.mark.parametrize(
    "name", ["VAR_DIR", "CHAT_INSTRUCTIONS_FILE", "LLM_PRICES", "MCP_SERVERS", "ASSISTANTS"]
)
def test_a_home_that_nobody_has_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(EnvError, match=f"{name}(='~nobody-of-this-name/it')?: this has to be "):
        parse(**{name: "~nobody-of-this-name/it"})


FILES = {
    "CHAT_INSTRUCTIONS_FILE": "You sell bicycles.",
    "LLM_PRICES": '{"openai:a": {"input": 1.5, "output": 6}}',
    "MCP_SERVERS": '{"files": {"command": "npx"}}',
    "ASSISTANTS": '{"default": {"name": "Bicycle shop"}}',
}


@pytest.mark.parametrize(("name", "text"), FILES.items())
def test_a_file_that_a_setting_names_may_begin_with_the_mark_of_utf_8(
    tmp_path: Path, name: str, text: str
) -> None:
    """Windows' editors put it there; in ``.env`` it does no harm, either."""
    plain, marked = tmp_path / "plain", tmp_path / "marked"
    plain.write_text(text, encoding="utf-8")
    marked.write_text(text, encoding="utf-8-sig")
    assert parse(**{name: str(marked)}).chat == parse(**{name: str(plain)}).chat != parse().chat


def test_a_path_that_is_not_absolute_begins_beside_env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs a command from elsewhere, as cron does, reads the same ``.env`` and means the same files."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        with pytest.raises(EnvError, match=name):
            parse(**{name: "nowhere.json"})
    assert parse(CHAT_INSTRUCTIONS_FILE="LICENSE").chat.instructions.startswith("MIT")
    assert parse(VAR_DIR="var").var_dir == parse().var_dir == BASE_DIR / "var"


def test_a_logo_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "assistants.toml"
    file.write_text('[sales]\nlogo = "pictures/of-nobody.svg"\n')
    with pytest.raises(EnvError, match=r"sales: logo: .*/pictures/of-nobody\.svg: No such file"):
        parse(ASSISTANTS=str(file))


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
    fill_environment(file)
    env = read_env(variables)
    assert (env.port, env.chat.llm_model, env.host) == (1234, "demo", "localhost")


FILE = r"""
# a comment
PORT=1234 # another
HOST= # nothing but a comment
  LLM_MODEL = demo
ADMIN_PASSWORD='$ecret'
METRICS_TOKEN=$tok
SECRET_KEY="a $b ${c} # d"
GEMINI_API_KEY=with#inside
CHAT_INSTRUCTIONS="Two\nlines, \"quoted\""
export DRAIN_SECONDS='1.5'  # a number
"""


def test_a_file_means_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("\ufeff" + FILE.replace("\n", "\r\n"), encoding="utf-8", newline="")
    env = parse(**read_env_file(file))
    assert (env.port, env.host, env.chat.llm_model, env.chat.drain_seconds) == (
        1234,
        "127.0.0.1",
        "demo",
        1.5,
    )
    assert (env.admin_password, env.metrics_token, env.secret_key) == ("$ecret", "$tok", "a $b ${c} # d")
    assert (env.chat.gemini_api_key, env.chat.instructions) == ("with#inside", 'Two\nlines, "quoted"')


@pytest.mark.parametrize(
    "line", ["SECRET_KEY: hunter2", "hunter2", "A='hunter2", 'A="x" hunter2', "a-b=hunter2"]
)
def test_a_line_that_is_no_setting_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"PORT=1\n\n\n{line}\n")
    with pytest.raises(EnvError, match=r"\.env, line 4: not NAME=value") as refused:
        read_env_file(file)
    assert "hunter2" not in str(refused.value)


def test_a_dollar_in_the_environment_is_a_dollar() -> None:
    assert parse(ADMIN_PASSWORD="$ecret", METRICS_TOKEN="$$tok").admin_password == "$ecret"


def test_what_is_empty_is_unset_for_libraries_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose's ``${X:-}`` makes such ones by the dozen."""
    file = tmp_path / ".env"
    file.write_text("PORT=1234\nGROQ_API_KEY=from-the-file\n")
    variables = {"OPENAI_BASE_URL": "", "WEB_CONCURRENCY": "  ", "GROQ_API_KEY": "", "HOST": " ::1 "}
    monkeypatch.setattr(os, "environ", variables)
    fill_environment(file)
    env = read_env(variables)
    assert (env.chat.openai_base_url, env.chat.groq_api_key, env.host, env.port) == (None, None, "::1", 1234)
    assert not {"OPENAI_BASE_URL", "WEB_CONCURRENCY", "GROQ_API_KEY"} & variables.keys()


def test_what_is_empty_hides_the_file_from_the_processes_that_are_started_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are given this process's environment, and read the file again."""
    file = tmp_path / ".env"
    file.write_text("PORT=1234\nGROQ_API_KEY=from-the-file\n")
    variables = {"GROQ_API_KEY": "", "LLM_MODEL": " "}
    for _generation in range(3):
        monkeypatch.setattr(os, "environ", variables)
        fill_environment(file)
        env = read_env(variables)
        assert (env.chat.groq_api_key, env.chat.llm_model, env.port) == (None, None, 1234)
        variables = dict(variables)
        file.write_text(file.read_text() + "LLM_MODEL=demo\n")


def test_a_file_that_names_another_sends_nobody_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("ENV_FILE=/nowhere/.env\nPORT=1234\n")
    variables = {"ENV_FILE": str(file)}
    monkeypatch.setattr(os, "environ", variables)
    env = load_env.__wrapped__()
    assert (env.port, env.env_file, variables["ENV_FILE"]) == (1234, str(file), str(file))
    assert env.notices == ("set and not used: ENV_FILE (it counts in the process's environment alone).",)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere/.env", "there is no such file"),
        ("~nobody-of-this-name/.env", "cannot be looked for"),
        (f"/tmp/{'long' * 100}", "cannot be looked for"),
    ],
)
def test_a_file_that_is_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch, path: str, words: str) -> None:
    monkeypatch.setenv("ENV_FILE", path)
    with pytest.raises(EnvError, match=rf"ENV_FILE='{path}': {words}"):
        load_env.__wrapped__()


def test_a_file_that_is_named_may_be_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither compose nor systemd opens a ``~``, nor does a shell in quotes."""
    (tmp_path / "mine.env").write_text("PORT=1234\n")
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path), "ENV_FILE": "~/mine.env"})
    assert load_env.__wrapped__().port == 1234


def test_a_nul_in_the_file_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"PORT=1234\r\nSECRET_KEY=hunter\0" + b"2\r\n")
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(EnvError, match=r"^\.env, line 2: holds a NUL\.") as refused:
        fill_environment(file)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://postgres:hunter#2@db.ref.supabase.co:5432/postgres", "'#'.*%23"),
        ("postgresql://postgres:12#hunter@h:5432/postgres", "'#'.*%23"),
        ("postgresql://postgres:hunter/2@h:5432/postgres", "'/'.*%2F"),
        ("postgresql://postgres:12/hunter@h:5432/postgres", "'/'.*%2F"),
        ("postgresql://postgres:hunter?2@h:5432/postgres", r"'\?'.*%3F"),
        ("postgresql://postgres:12?hunter@h:5432/postgres", r"'\?'.*%3F"),
        ("postgresql://postgres:hunter[2@h:5432/postgres", r"'\['.*%5B"),
        (
            "postgresql://postgres.ref:[YOUR-PASSWORD]@aws-0-eu.pooler.supabase.com:5432/postgres",
            "still has to be put",
        ),
        ("redis://:hunter/2@h:6379/0", "'/'.*%2F"),
    ],
)
def test_a_password_that_does_not_fit_into_its_url_is_told(url: str, told: str) -> None:
    name = "REDIS_URL" if url.startswith("redis") else "DATABASE_URL"
    with pytest.raises(EnvError, match=f"{name}: .*{told}") as refused:
        parse(**{name: url})
    assert "hunter" not in str(refused.value)
    assert "begins with" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%23%2F%3F%40@h:5432/d?sslmode=require",
        "postgresql://u:p@ss:w@h/d",
        "postgresql://u:p@/d?host=/tmp/a@b/c",
        "postgresql://h:5432/d?application_name=a@b",
        "postgresql://u:p@[::1]:5432/d",
        "postgresql://u:p@a:5432,b:5433/d",
        "postgresql://u:p@[::1]:5432,b,[::2]/d?target_session_attrs=read-write",
        "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/d",
    ],
)
def test_a_url_that_fits_is_taken_as_it_is(url: str) -> None:
    assert parse(DATABASE_URL=url).database_url == url


@pytest.mark.parametrize("host", ["h:abc", "h:0", "h:99999", "a:5432,b:x", "a:5432,b:0"])
def test_a_port_that_is_none_is_told(host: str) -> None:
    with pytest.raises(EnvError, match=r"DATABASE_URL: .* whose port is a number from 1 to 65535\."):
        parse(DATABASE_URL=f"postgresql://u:p@{host}/d")


def test_vendors_own_names_are_understood() -> None:
    env = parse(GOOGLE_API_KEY="g", GEMINI_MODEL="gemini:x", GROQ_MODEL="openai/gpt-oss-20b")
    assert (env.chat.gemini_api_key, env.chat.gemini_model, env.chat.groq_model) == (
        "g",
        "x",
        "openai/gpt-oss-20b",
    )
    assert parse(GOOGLE_API_KEY="g", GEMINI_API_KEY="own").chat.gemini_api_key == "own"
    headers = "X-Team: a:b\n\nX-Other : c"
    assert parse(OPENAI_CUSTOM_HEADERS=headers).chat.openai_custom_headers == {
        "X-Team": "a:b",
        "X-Other": "c",
    }
    with pytest.raises(EnvError, match="OPENAI_CUSTOM_HEADERS") as refused:
        parse(OPENAI_CUSTOM_HEADERS="hunter2")
    assert "hunter2" not in str(refused.value)


def test_instructions_come_from_a_variable_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "instructions.md"
    file.write_text("You are\n*brief*.\n")
    assert parse(CHAT_INSTRUCTIONS=" Be brief. ").chat.instructions == "Be brief."
    assert parse(CHAT_INSTRUCTIONS_FILE=str(file)).chat.instructions == "You are\n*brief*."
    with pytest.raises(EnvError, match="CHAT_INSTRUCTIONS and CHAT_INSTRUCTIONS_FILE are both set"):
        parse(CHAT_INSTRUCTIONS="a", CHAT_INSTRUCTIONS_FILE=str(file))
    with pytest.raises(EnvError, match="CHAT_INSTRUCTIONS_FILE='/nowhere'"):
        parse(CHAT_INSTRUCTIONS_FILE="/nowhere")
    with pytest.raises(EnvError, match=r"CHAT_INSTRUCTIONS: .*at most"):
        parse(CHAT_INSTRUCTIONS="x" * 100_001)


def test_every_variable_stands_in_the_docs_and_the_reverse() -> None:
    text = (BASE_DIR / "docs" / "settings.md").read_text()
    assert set(re.findall(r"^\| `([A-Z0-9_]+)` \|", text, flags=re.MULTILINE)) == variables()


def test_every_variable_stands_in_the_example_and_the_reverse() -> None:
    text = (BASE_DIR / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z0-9_]+)=", text, flags=re.MULTILINE)) == variables() - {"ENV_FILE"}


def test_the_page_and_the_example_are_made_from_the_declarations() -> None:
    """Defaults, bounds and meanings, word for word: ``python -m tests.docs.settings_page`` writes them anew."""
    page = settings_page.PAGE.read_text(encoding="utf-8")
    assert settings_page.page_with_tables(page) == page
    assert settings_page.EXAMPLE.read_text(encoding="utf-8") == settings_page.example()


def test_the_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    """Also with every line of it in use, but for the files that it names."""
    text = (BASE_DIR / ".env.example").read_text()
    every = re.sub(r"^#(?=[A-Z0-9_]+=)", "", text, flags=re.MULTILINE)
    file = tmp_path / "all"
    file.write_text(re.sub(r"^(CHAT_INSTRUCTIONS_FILE|MCP_SERVERS)=.*\n", "", every, flags=re.MULTILINE))
    assert parse(**read_env_file(BASE_DIR / ".env.example")) == parse()
    assert parse(**read_env_file(file)).chat.llm_fallbacks[0] == "openai:gpt-6.1-terra"


def test_the_documented_defaults_are_the_defaults() -> None:
    text = (BASE_DIR / "docs" / "settings.md").read_text()
    told = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| `([^`]+)` \|", text, flags=re.MULTILINE))
    assert replace(parse(**told), given=frozenset()) == parse()
    assert len(told) > 30


@pytest.mark.parametrize("setting", list(settings_of_all()), ids=lambda setting: setting.variable)
def test_every_bound_that_is_told_is_kept(setting: Setting) -> None:
    bounds = re.fullmatch(r"([0-9.,]+) to ([0-9.,]+)", setting.kind.bounds)
    if bounds is None:
        return
    least, most = (float(bound.replace(",", "")) for bound in bounds.groups())
    for fits in (least, most):
        assert setting.kind.parse(figure(fits)) == fits
    for outside in (least - 1, most + 1):
        with pytest.raises(EnvError, match=f"{setting.variable}=.* from {figure(least)} to {figure(most)}"):
            parse(**{setting.variable: figure(outside)})
