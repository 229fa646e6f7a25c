"""What an operation is said to do in the schema, beside what its signature says."""

from http import HTTPStatus
from typing import Any

from ninja import Schema

from chat.api.shapes import Error

_ALWAYS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)
JSON = dict[str, Any]


def told(shape: type[Schema] | None, *errors: int, status: int = 200) -> dict[Any, Any]:
    """What it answers: ``shape`` with ``status`` (None: nothing), errors with the others."""
    return {status: shape, **{int(one): Error for one in sorted({*_ALWAYS, *errors})}}


def query(name: str, schema: JSON, description: str) -> JSON:
    return {"in": "query", "name": name, "required": False, "schema": schema, "description": description}


def parameters(*given: JSON) -> JSON:
    """Of an operation that looks into its query itself."""
    return {"parameters": list(given)}


def path(name: str, description: str) -> JSON:
    return {
        "in": "path",
        "name": name,
        "required": True,
        "schema": {"type": "string"},
        "description": description,
    }


def body_of(shape: type[Schema]) -> JSON:
    """Of an operation that reads its body itself."""
    schema = shape.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def content(status: int, description: str, **by_type: JSON) -> JSON:
    """An answer that is no JSON."""
    shown = {name.replace("_", "/"): {"schema": schema} for name, schema in by_type.items()}
    return {"responses": {status: {"description": description, "content": shown}}}


TEXT: JSON = {"type": "string"}
BINARY: JSON = {"type": "string", "format": "binary"}
