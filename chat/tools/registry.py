"""The tools that this server offers. A project adds one by writing a function in the ``ai_tools.py`` of its app."""

import logging
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, Unpack, overload

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import autodiscover_modules

from chat.llm.provider import ToolSpec
from chat.tools.base import Tool, ToolContext, ToolDefinitionError, ToolOptions
from chat.tools.permissions import permitted
from chat.tools.schema import make_tool, place_of

logger = logging.getLogger(__name__)

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
                f"tool {tool.name}: two functions have this name, {place_of(taken.function)} and {place_of(tool.function)}"
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
        self, /, *, name: str | None = None, **options: Unpack[ToolOptions]
    ) -> Callable[[Function], Function]: ...
    def tool(
        self, function: Function | None = None, /, **options: Any
    ) -> Function | Callable[[Function], Function]:
        """Decorator: the function, sync or async, becomes a tool, and stays as it is.

        ``@tool`` or ``@tool(name=..., ...)``; ``name`` is the function's own where it is left out, the rest are
        `ToolOptions`. Raises `ToolDefinitionError` for a function that cannot be described, and for a name that is taken.
        """

        def register(function: Function) -> Function:
            self.register(make_tool(function, **options))
            return function

        return register if function is None else register(function)


class Offered(Registry):
    """Those of another registry's that have these names, as it has them at the moment; nothing is registered here."""

    def __init__(self, registry: Registry, names: Iterable[str]) -> None:
        super().__init__()
        self._registry, self._names = registry, frozenset(names)

    def __iter__(self) -> Iterator[Tool]:
        return (tool for tool in self._registry if tool.name in self._names)

    def get(self, name: str) -> Tool | None:
        return self._registry.get(name) if name in self._names else None


default_registry = Registry()
tool = default_registry.tool


def discover_tools() -> None:
    """Register the shipped tools and those of every installed app's ``ai_tools`` module, once.

    For the time when the apps are ready. What is wrong with a tool is raised here, so that the server does not start; a
    file of tools that no installed app carries is told in the log.
    """
    import_module("chat.tools.builtin")
    autodiscover_modules("ai_tools")
    if project := getattr(settings, "BASE_DIR", None):
        for file in _carried_by_no_app(Path(project)):
            logger.warning(
                "%s is not read, so its tools do not exist: no installed app carries it. It belongs into the folder of an "
                "app, and the app into INSTALLED_APPS",
                file,
            )


def _carried_by_no_app(project: Path) -> list[Path]:
    """Beside manage.py, or in a folder beside it."""
    carried = {Path(app.path).resolve() for app in apps.get_app_configs()}
    found = sorted([*project.glob("ai_tools.py"), *project.glob("*/ai_tools.py")])
    return [file for file in found if file.parent.resolve() not in carried]
