"""The arguments that a model gave for a call, checked against what the tool takes."""

from typing import Any

import msgspec

from chat.errors import ToolError
from chat.messages import JSON
from chat.tools.base import Tool, ToolContext
from chat.tools.json_schema import in_words


def keyword_arguments(tool: Tool, arguments: str, context: ToolContext) -> dict[str, Any]:
    """What the function is called with; ``arguments`` is JSON text as the model gave it.

    Lenient where the meaning is plain ("5" for 5): models are not exact there. Raises `ToolError`.
    """
    form: Any = JSON if tool.arguments is None else tool.arguments
    try:
        given = msgspec.json.decode(arguments.strip() or "{}", type=form, strict=False)
    except msgspec.ValidationError as error:
        raise ToolError(_wrong(tool, str(error))) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ToolError(_wrong(tool, f"they are not valid JSON: {error}")) from error
    if tool.arguments is None:
        return {"arguments": given, "context": context}
    kwargs = {field: getattr(given, field) for field in given.__struct_fields__}
    if tool.context_parameter:
        kwargs[tool.context_parameter] = context
    return kwargs


def _wrong(tool: Tool, why: str) -> str:
    wanted = in_words(tool.spec.parameters)
    return (
        f"The arguments of {tool.name} are wrong: {why}. Expected: {wanted}. Correct them and call it again."
    )
