"""Every operation of the schema, asked for with what schemathesis makes up: no fault of ours, no status and no shape but those
that the schema tells of."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, given, settings

from identity.keys import make_key
from identity.models import Scope
from sessions_app.models import StoredFile
from tests.admin.rows import turn, write_session
from tests.api.conftest import bearer
from tests.docs.openapi import FILE
from tests.support.server import ServerProcess

schemathesis = pytest.importorskip("schemathesis", reason="the package schemathesis is not installed")
from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(json.loads(FILE.read_text(encoding="utf-8")))
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]
EXAMPLES = 6
"""Of each, for each way; the same ones in every run."""

pytestmark = pytest.mark.django_db(transaction=True)
Fuzz = Callable[[Any, GenerationMode], None]


@pytest.fixture
def root() -> dict[str, str]:
    """Who may all that anybody may over this wire."""
    user = User.objects.create_superuser("root", password="x")
    return bearer(make_key(user=user, label="tests", scope=Scope.ADMIN).value)


@pytest.fixture
def ids(root: dict[str, str]) -> dict[str, Any]:
    """What is there, by the names in addresses."""
    user = User.objects.get(username="root")
    session = write_session([event for number in range(3) for event in turn(number)], user=user)
    kept = StoredFile.objects.create(
        file_id=f"file_{'0' * 24}", name="a.txt", media_type="text/plain", size=1, user=user
    )
    return {"session_id": session.session_id, "file_id": kept.file_id, "webhook_id": 1}


@pytest.fixture
def fuzz(server: ServerProcess, root: dict[str, str], ids: dict[str, Any]) -> Fuzz:
    def fuzzed(operation: Any, mode: GenerationMode) -> None:
        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def asked(case: Any) -> None:
            if mode is GenerationMode.POSITIVE:
                known = {name: ids[name] for name in case.path_parameters or {}}
                case.path_parameters = {**(case.path_parameters or {}), **known}
            response = case.call(base_url=server.url, headers=root)
            case.validate_response(response, checks=CHECKS)

        asked()

    return fuzzed


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_the_schema_allows(operation: Any, fuzz: Fuzz) -> None:
    fuzz(operation, GenerationMode.POSITIVE)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_it_does_not(operation: Any, fuzz: Fuzz) -> None:
    fuzz(operation, GenerationMode.NEGATIVE)
