"""One tool, called as the server calls it."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from chat.tools.base import Tool, ToolContext, ToolOutcome
from chat.tools.registry import Registry, default_registry
from chat.tools.runner import run_tool as run
from chat.tools.schema import make_tool

Function = Callable[..., Any]


async def run_tool(
    tool: Function | str,
    /,
    arguments: dict[str, Any] | str | None = None,
    *,
    session_id: str = "session",
    call_id: str = "call_1",
    user_id: int | None = None,
    guest_id: str = "",
    account_id: int | None = None,
    external_user_id: str = "",
    is_staff: bool = False,
    approved: bool = False,
) -> ToolOutcome:
    """What the model would be told: with the arguments checked, permissions asked, and time and output bounded.

    ``tool`` is the function, decorated or not, or the name of a tool that the server offers; ``arguments`` the model's,
    or the JSON text that it gave. The rest is the `ToolContext`. Raises nothing: see `result_of` and `error_of`.
    """
    registry, name = default_registry, tool
    if not isinstance(tool, str):
        registry = registry_of([tool])
        (name,) = (one.name for one in registry)
    return await run(
        registry,
        name=str(name),
        arguments=arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode(),
        context=ToolContext(
            session_id=session_id,
            call_id=call_id,
            user_id=user_id,
            guest_id=guest_id,
            account_id=user_id if account_id is None else account_id,
            external_user_id=external_user_id,
            is_staff=is_staff,
            approved=approved,
        ),
    )


def registry_of(functions: Iterable[Function]) -> Registry:
    """These alone, each with the options that it was decorated with."""
    registry = Registry()
    for function in functions:
        registry.register(_decorated(function) or make_tool(function))
    return registry


def _decorated(function: Function) -> Tool | None:
    return next((tool for tool in default_registry if tool.function is function), None)
