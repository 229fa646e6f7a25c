"""The schema of plain HTTP, checked in, is that of the operations, and the page about them names each."""

import json
import re

from realtime_ai.env import BASE_DIR
from tests.docs import openapi

PAGE = (BASE_DIR / "docs" / "http.md").read_text(encoding="utf-8")
SCHEMA = json.loads(openapi.FILE.read_text(encoding="utf-8"))
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}


def test_the_schema_is_current() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.text(), "python -m tests.docs.openapi"


def test_the_page_names_every_operation_and_no_other() -> None:
    named = set(re.findall(r"`(GET|POST|PATCH|DELETE) (/api/[^`?]*)`", PAGE))
    assert named == {(method, re.sub(r"\{(\w+)_id\}", "ID", path)) for method, path in OPERATIONS}


def test_every_operation_says_what_it_is_and_how_it_refuses() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert operation["tags"]
        assert {"401", "503"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            if status >= "400":
                (content,) = response["content"].values()
                assert content["schema"] == {"$ref": "#/components/schemas/Error"}
