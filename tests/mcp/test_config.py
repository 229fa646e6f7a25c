"""The servers that the settings name: in the shape of other clients, checked, and without a secret in any message."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from chat.tools.mcp.config import McpServer, read_servers
from realtime_ai.env import EnvError, read_env

SECRET = "hunter2-secret"
OTHER_CLIENTS = {
    "files": {"command": "npx", "args": ["-y", "server-files", "/data"], "env": {"TOKEN": SECRET}},
    "web": {
        "type": "http",
        "url": "https://mcp.example.com/mcp",
        "headers": {"Authorization": f"Bearer {SECRET}"},
    },
    "off": {"command": "x", "disabled": True},
}


def servers_of(text: str) -> dict[str, Any]:
    return dict(read_env({"MCP_SERVERS": text}).chat.mcp_servers)


def test_what_other_clients_write_is_understood() -> None:
    servers, problems = read_servers(OTHER_CLIENTS)
    assert problems == []
    assert [server.name for server in servers] == ["files", "web"]
    assert (servers[0].command, servers[0].args[-1], servers[1].url) == (
        "npx",
        "/data",
        "https://mcp.example.com/mcp",
    )
    assert SECRET not in repr(servers)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({}, "either a command or a url"),
        ({"command": "x", "url": "https://a.example"}, "either a command or a url"),
        ({"url": "ftp://a.example"}, "https:// or http://"),
        ({"command": "x", "timeout": 5}, "unknown field `timeout`"),
        ({"command": "x", "args": "y"}, r"Expected `array`, got `str` - at `\$.args`"),
        ({"command": "x", "timeout_s": 0}, "more than 0"),
        ({"command": "x", "requires_approval": "some"}, "Invalid enum value"),
        ({"command": "x", "permission": "refund"}, "app.codename"),
        ({"command": "x", "env": {"A": "${NOT_SET}"}}, "the variable NOT_SET is not set"),
    ],
)
def test_a_wrong_entry_is_told_and_the_others_stay(entry: dict[str, Any], why: str) -> None:
    servers, problems = read_servers({"bad": {**entry}, "good": {"command": "x"}}, {})
    assert [server.name for server in servers] == ["good"]
    assert len(problems) == 1
    assert problems[0].startswith("MCP server 'bad': ")
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(problems[0])


def test_two_names_that_would_give_their_tools_the_same_names_are_refused() -> None:
    _, problems = read_servers({"a b": {"command": "x"}, "a_b": {"command": "x"}})
    assert problems == ["MCP server 'a_b': its tools would have the same names as those of 'a b'"]


def test_variables_stand_in_strings() -> None:
    given = {"s": {"command": "x", "args": ["${A}", "${B:-b}", "${C:-}"], "env": {"K": "-${A}-"}}}
    (server,), problems = read_servers(given, {"A": "one"})
    assert problems == []
    assert (server.args, server.env) == (["one", "b", ""], {"K": "-one-"})


def test_secrets_are_known() -> None:
    server = McpServer(
        url="https://joe:password1@a.example/mcp?key=keykey1",
        headers={"Authorization": "Bearer token-1", "X-Short": "abc"},
    )
    assert {*server.secrets()} == {"password1", "keykey1", "Bearer token-1", "token-1"}


@pytest.mark.parametrize("wrap", [None, "mcpServers"])
def test_the_variable_holds_json_or_names_a_file(tmp_path: Path, wrap: str | None) -> None:
    given = {wrap: OTHER_CLIENTS} if wrap else OTHER_CLIENTS
    (tmp_path / "mcp.json").write_text(json.dumps(given), encoding="utf-8")
    assert servers_of(json.dumps(given)) == OTHER_CLIENTS
    assert servers_of(str(tmp_path / "mcp.json")) == OTHER_CLIENTS
    assert servers_of("") == {}


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "mcp.toml").write_text('[files]\ncommand = "x"\nargs = ["a"]\n', encoding="utf-8")
    assert servers_of(str(tmp_path / "mcp.toml")) == {"files": {"command": "x", "args": ["a"]}}


@pytest.mark.parametrize("text", [f'{{"a": "{SECRET}"', f'{{"a": "{SECRET}"}}', "no/such/file.json"])
def test_a_variable_that_makes_no_sense_stops_the_start_in_one_line(text: str) -> None:
    with pytest.raises(EnvError) as refused:
        servers_of(text)
    message = str(refused.value)
    assert message.startswith("MCP_SERVERS: this has to be")
    assert SECRET not in message
    assert "\n" not in message


def test_a_wrong_entry_is_a_system_check(settings: Any) -> None:
    settings.CHAT_MCP_SERVERS = {"bad": {"command": "x", "env": {"A": 1, "B": SECRET}}}
    found = [message for message in run_checks() if message.id == "chat.W003"]
    assert len(found) == 1
    assert found[0].msg.startswith("MCP server 'bad': Expected `str`, got `int`")
    assert SECRET not in str(found[0])
