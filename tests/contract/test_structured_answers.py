"""An answer by a schema: each vendor is asked for it in its own way, and refuses a schema that it would not take."""

from typing import Any

import pytest

from chat.errors import ModelBadRequest
from chat.llm.prompts import SUMMARY_SCHEMA
from chat.llm.provider import Provider
from tests.contract.asking import failure, sent_for
from tests.contract.vendor import Vendor

WHERE = {
    "gemini": ("generationConfig", "responseJsonSchema"),
    "openai": ("text", "format", "schema"),
    "anthropic": ("output_config", "format", "schema"),
}
"""Elsewhere as Chat Completions have it."""
_OF_CHAT = ("response_format", "json_schema", "schema")


def found(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body[name]
    return body


async def test_the_schema_goes_the_vendors_own_way(vendor: Vendor, provider: Provider) -> None:
    sent = await sent_for(vendor, provider, "Hi", answer_schema=SUMMARY_SCHEMA)
    assert found(sent.body, WHERE.get(vendor.name, _OF_CHAT)) == SUMMARY_SCHEMA


async def test_without_one_nothing_is_said_of_it(vendor: Vendor, provider: Provider) -> None:
    sent = await sent_for(vendor, provider, "Hi")
    with pytest.raises(KeyError):
        found(sent.body, WHERE.get(vendor.name, _OF_CHAT))


@pytest.mark.parametrize(
    "changes",
    [
        {"additionalProperties": True},
        {"required": ["title"]},
        {"properties": {"title": {"type": "string", "maxLength": 60}}, "required": ["title"]},
        {"properties": {"topics": {"type": "array"}}, "required": ["topics"]},
        {"properties": {"quality": {"enum": [1, 2]}}, "required": ["quality"]},
        {"type": "array"},
    ],
    ids=str,
)
async def test_a_schema_that_is_not_for_all_is_refused(
    vendor: Vendor, provider: Provider, changes: dict[str, Any]
) -> None:
    """By the fakes as by the vendors; where a server may have no such schemas at all it is asked more simply."""
    vendor.tolerant = True
    wrong = {**SUMMARY_SCHEMA, **changes}
    if vendor.name in WHERE:
        assert isinstance(await failure(vendor, provider, answer_schema=wrong), ModelBadRequest)
    else:
        sent = await sent_for(vendor, provider, "Hi, in JSON", answer_schema=wrong)
        assert sent.body["response_format"] == {"type": "json_object"}
