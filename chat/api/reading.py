"""``/api/docs``: the schema as a page to read, under the same policy as every page of ours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chat.api.shapes import SAFE_INT

JSON = dict[str, Any]
_MARK = "#/components/schemas/"


Field = tuple[str, str, SafeString]
"""Name, what it takes, what it means."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    tag: str
    method: str
    path: str
    anchor: str
    summary: str
    description: SafeString
    parameters: list[Field]
    body: list[Field]
    answers: list[tuple[str, str]]
    """Status, and the shape with it."""
    curl: str


def page(request: HttpRequest, schema: JSON) -> HttpResponse:
    operations = sorted(_operations(request, schema), key=lambda one: _ORDER.index(one.tag))
    groups = [(tag, list(found)) for tag, found in groupby(operations, key=lambda one: one.tag)]
    shapes = [(name, _fields(shape)) for name, shape in sorted(schema["components"]["schemas"].items())]
    told = {
        "info": schema["info"],
        "groups": groups,
        "shapes": [one for one in shapes if one[1]],
        "schema_url": reverse("api:openapi-json"),
    }
    return render(request, "chat/api.html", told)


_ORDER = ("sessions", "models", "files", "own data", "webhooks")


def _operations(request: HttpRequest, schema: JSON) -> Iterator[Operation]:
    for path, methods in schema["paths"].items():
        for method, about in methods.items():
            yield Operation(
                tag=about["tags"][0],
                method=method.upper(),
                path=path,
                anchor=about["operationId"],
                summary=about["summary"],
                description=_with_code(about.get("description", "")),
                parameters=[
                    (one["name"], _kind(one["schema"]), _with_code(one.get("description", "")))
                    for one in about["parameters"]
                    if one["in"] != "path"
                ],
                body=_body(schema, about),
                answers=[(str(status), _answer(status, one)) for status, one in about["responses"].items()],
                curl=_curl(request, method.upper(), path, about),
            )


def _body(schema: JSON, about: JSON) -> list[Field]:
    for content in about.get("requestBody", {}).get("content", {}).values():
        return _fields(_named(schema, content["schema"]))
    return []


def _named(schema: JSON, shape: JSON) -> JSON:
    if name := shape.get("$ref", "").removeprefix(_MARK):
        found: JSON = schema["components"]["schemas"][name]
        return found
    return shape


def _fields(shape: JSON) -> list[Field]:
    needed = shape.get("required", [])
    return [
        (name, _kind(one) + ("" if name in needed else ", optional"), _with_code(one.get("description", "")))
        for name, one in shape.get("properties", {}).items()
    ]


def _with_code(text: str) -> SafeString:
    """What stands between backticks is code."""
    pieces = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", one) if n % 2 else one,) for n, one in pieces)
    )


def _kind(shape: JSON) -> str:
    """In a few words."""
    if "enum" in shape:
        return " | ".join(map(str, shape["enum"]))
    if "const" in shape:
        return str(shape["const"])
    if "anyOf" in shape:
        return " | ".join(map(_kind, shape["anyOf"]))
    if "$ref" in shape:
        return str(shape["$ref"]).removeprefix(_MARK)
    if shape.get("type") == "array":
        return f"list of {_kind(shape.get('items', {}))}"
    bounds = " to ".join(
        str(shape[name]) for name in ("minimum", "maximum") if shape.get(name) not in (None, SAFE_INT)
    )
    return " ".join(filter(None, (shape.get("format") or shape.get("type", ""), bounds)))


def _answer(status: str | int, about: JSON) -> str:
    content = about.get("content", {})
    shapes = [_kind(one["schema"]) if "json" in kind else kind for kind, one in content.items()]
    return ", ".join(shapes) or HTTPStatus(int(status)).phrase


def _curl(request: HttpRequest, method: str, path: str, about: JSON) -> str:
    words = ["curl", *(() if method == "GET" else ("-X", method)), '-H "Authorization: Bearer $KEY"']
    if "multipart/form-data" in about.get("requestBody", {}).get("content", {}):
        words.append("-F file=@picture.png")
    elif "requestBody" in about:
        words.append("-d '{...}'")
    if path.endswith("/stream"):
        words.insert(1, "-N")
    place = re.sub(r"\{\w+\}", "$ID", path)
    return " ".join([*words, f"{request.scheme}://{request.get_host()}{place}"])
