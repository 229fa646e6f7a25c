"""The schema of plain HTTP, checked in, is that of the operations, and the page about them names each."""

import json
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from realtime_ai.env import BASE_DIR
from sessions_app.log import events as ev
from sessions_app.review.told import all_told, encode
from tests.docs import openapi
from tests.log import engine_log
from tests.protocol.logs import logs

PAGE = (BASE_DIR / "docs" / "http.md").read_text(encoding="utf-8")
SCHEMA = json.loads(openapi.FILE.read_text(encoding="utf-8"))
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
}


def test_the_schema_is_current() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.text(), "python -m tests.docs.openapi"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records=st.one_of(logs(), engine_log.logs()))
def test_every_event_is_as_the_schema_of_its_type_has_it(records: list[ev.Record]) -> None:
    """A program that was generated from it reads the log with the types of its fields."""
    schemas = SCHEMA["components"]["schemas"]
    for event in json.loads(encode(all_told(records))):
        name = schemas["LogEvent"]["discriminator"]["mapping"][event["type"]].rpartition("/")[2]
        assert event.keys() <= schemas[name]["properties"].keys()
        Draft202012Validator({**SCHEMA, "$ref": f"#/components/schemas/{name}"}).validate(event)


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
