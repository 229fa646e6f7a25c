"""The tools that this server offers. A project adds one by writing a function in the ``ai_tools.py`` of its app."""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, TypeVar, overload

from django.utils.module_loading import autodiscover_modules

from chat.llm.provider import ToolSpec
from chat.tools.base import ApprovalRule, Permission, Tool, ToolContext, ToolDefinitionError
from chat.tools.permissions import permitted
from chat.tools.schema import make_tool

Function = TypeVar("Function", bound=Callable[..., Any])


class Registry:
    """Tools by name: our own in the order of their registration, then those of MCP servers, which come and go."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}
        self._of_servers: dict[str, Tool] = {}

    def __iter__(self) -> Iterator[Tool]:
        return iter([*self._tools.values(), *self._of_servers.values()])

    def register(self, tool: Tool) -> None:
        """Raises `ToolDefinitionError` when the name is taken."""
        taken = self._tools.get(tool.name)
        if taken is not None:
            raise ToolDefinitionError(
                f"tool {tool.name}: two functions have this name, {_place(taken)} and {_place(tool)}"
            )
        self._tools[tool.name] = tool

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name) or self._of_servers.get(name)

    def replace(self, server_label: str, tools: Iterable[Tool]) -> list[str]:
        """The tools of an MCP server as they are now, from any thread. Returns the names of those that are left out,
        because they are taken."""
        others = {name: tool for name, tool in self._of_servers.items() if tool.server_label != server_label}
        found = {tool.name: tool for tool in tools}
        taken = [name for name in found if name in self._tools or name in others]
        self._of_servers = {**others, **{name: tool for name, tool in found.items() if name not in taken}}
        return taken

    async def specs_for(self, context: ToolContext) -> list[ToolSpec]:
        """The tools that a model is told of: what the person may not use does not exist."""
        return [tool.spec for tool in await permitted(self, context)]

    @overload
    def tool(self, function: Function, /) -> Function: ...
    @overload
    def tool(
        self,
        /,
        *,
        name: str | None = None,
        timeout_s: float | None = None,
        max_concurrent: int | None = None,
        max_output_chars: int | None = None,
        side_effects: bool = False,
        idempotent: bool = False,
        requires_approval: bool | ApprovalRule = False,
        allow: str | Permission | None = None,
        staff_only: bool = False,
    ) -> Callable[[Function], Function]: ...
    def tool(
        self, function: Function | None = None, /, **options: Any
    ) -> Function | Callable[[Function], Function]:
        """Decorator: register the function as a tool, with or without options (see `make_tool`), and leave it as it is."""

        def register(function: Function) -> Function:
            self.register(make_tool(function, **options))
            return function

        return register if function is None else register(function)


default_registry = Registry()
tool = default_registry.tool


def discover_tools() -> None:
    """Register the shipped tools and those of every installed app's ``ai_tools`` module, once.

    For the time when the apps are ready. What is wrong with a tool is raised here, so that the server does not start.
    """
    import_module("chat.tools.builtin")
    autodiscover_modules("ai_tools")


def _place(tool: Tool) -> str:
    return f"{tool.function.__module__}.{tool.function.__qualname__}"
