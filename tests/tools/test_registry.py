"""The registry: names, who is offered what, how a project's own tools get in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.apps import AppConfig, apps

from chat.llm.provider import ToolSpec
from chat.tools.base import Tool, ToolContext, ToolDefinitionError
from chat.tools.registry import Registry, discover_tools
from chat.tools.schema import make_tool
from tests import fakes
from tests.tools.conftest import NOBODY

STAFF = ToolContext(session_id="s1", call_id="call_1", user_id=1, is_staff=True)


def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


def test_the_decorator_registers_and_leaves_the_function_as_it_is(registry: Registry) -> None:
    assert registry.tool(double) is double
    assert double(4) == 8
    assert [tool.name for tool in registry] == ["double"]


def test_the_decorator_takes_options(registry: Registry) -> None:
    registry.tool(name="twice", timeout_s=1.5, side_effects=True, staff_only=True)(double)
    tool = registry.get("twice")
    assert tool
    assert (tool.limit_s, tool.side_effects, tool.staff_only) == (1.5, True, True)
    assert registry.get("double") is None


def test_without_a_time_limit_of_its_own_a_tool_has_the_servers(registry: Registry, settings: Any) -> None:
    registry.tool(double)
    tool = registry.get("double")
    settings.CHAT_TOOL_SECONDS = 7.0
    assert tool
    assert tool.limit_s == 7.0


def test_a_second_tool_of_a_name_is_refused_and_both_are_named(registry: Registry) -> None:
    def other(x: int) -> int:
        """Another."""
        return x

    registry.tool(double)
    with pytest.raises(ToolDefinitionError, match=r"tests\.tools\.test_registry\.double and .*other"):
        registry.register(make_tool(other, name="double"))


async def test_tools_for_staff_are_offered_to_staff_alone(registry: Registry) -> None:
    registry.tool(double)
    registry.tool(staff_only=True, name="secret")(double)
    assert [spec.name for spec in await registry.specs_for(NOBODY)] == ["double"]
    specs = await registry.specs_for(STAFF)
    assert [spec.name for spec in specs] == ["double", "secret"]
    assert all(isinstance(spec, ToolSpec) for spec in specs)


async def test_tools_of_a_server_come_and_go_and_take_nobodys_name(registry: Registry) -> None:
    def of(server: str, *names: str) -> list[Tool]:
        return [replace(make_tool(double, name=name), server_label=server) for name in names]

    registry.tool(double)
    assert registry.replace("a", of("a", "a__x", "double")) == ["double"]
    assert registry.replace("b", of("b", "b__y", "a__x")) == ["a__x"]
    assert [tool.name for tool in registry] == ["double", "a__x", "b__y"]
    ours, theirs = registry.get("double"), registry.get("a__x")
    assert ours
    assert theirs
    assert (ours.server_label, theirs.server_label) == ("", "a")
    assert registry.replace("a", of("a", "a__z")) == []
    assert sorted(tool.name for tool in registry) == ["a__z", "b__y", "double"]
    assert registry.get("a__x") is None


def test_a_file_of_tools_that_no_app_carries_is_told_with_the_fix(
    tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (".", "shop", "installed", "empty"):
        (tmp_path / folder).mkdir(exist_ok=True)
        if folder != "empty":
            (tmp_path / folder / "ai_tools.py").write_text("raise AssertionError('nobody imports it here')")

    class Installed(AppConfig):
        name = "tests.fakes"
        label = "installed"
        path = str(tmp_path / "installed")

    found = [*apps.get_app_configs(), Installed("tests.fakes", fakes)]
    monkeypatch.setattr(apps, "get_app_configs", lambda: found)
    settings.BASE_DIR = tmp_path
    discover_tools()
    told = [record.getMessage() for record in caplog.records]
    assert [text.partition(" is not read")[0] for text in told] == [
        str(tmp_path / "ai_tools.py"),
        str(tmp_path / "shop" / "ai_tools.py"),
    ]
    assert all("INSTALLED_APPS" in text for text in told)


def test_this_project_leaves_no_tools_behind(caplog: pytest.LogCaptureFixture) -> None:
    discover_tools()
    assert caplog.records == []
