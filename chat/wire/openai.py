"""OpenAI's calls over HTTP but the Realtime ones: docs/responses.md."""

import re
from http import HTTPStatus

from chat.errors import ObjectNotFound
from chat.llm.catalog import offered
from chat.wire.completions import calls as completions
from chat.wire.http.exchange import Exchange
from chat.wire.http.serving import HttpApi, route
from chat.wire.http.visit import Visit
from chat.wire.responses import calls, conversations
from chat.wire.responses.objects import DIALECT, Model, ModelList

PATHS = re.compile(r"/v1/(?!realtime/client_secrets$|files$).*")
"""All but those that Django serves: also what is not offered is told as OpenAI's clients read it."""


async def list_models(one: Exchange, visit: Visit) -> None:
    models = [Model(id=spec, owned_by=spec.partition(":")[0]) for spec in offered()]
    await one.answer(HTTPStatus.OK, ModelList(data=models))


async def one_model(one: Exchange, visit: Visit, name: str) -> None:
    spec = next((spec for spec in offered() if name in (spec, spec.partition(":")[2])), None)
    if spec is None:
        raise ObjectNotFound(f"There is no model {name!r} here. GET /v1/models lists them.", param="model")
    await one.answer(HTTPStatus.OK, Model(id=spec, owned_by=spec.partition(":")[0]))


ROUTES = [
    route("POST", "/v1/responses", calls.create, takes_body=True, begins=True),
    route("GET", "/v1/responses/ID", calls.retrieve),
    route("DELETE", "/v1/responses/ID", calls.delete),
    route("POST", "/v1/responses/ID/cancel", calls.cancel),
    route("GET", "/v1/responses/ID/input_items", calls.input_items),
    route("POST", "/v1/conversations", conversations.create, takes_body=True, begins=True),
    route("GET", "/v1/conversations/ID", conversations.retrieve),
    route("POST", "/v1/conversations/ID", conversations.update, takes_body=True),
    route("DELETE", "/v1/conversations/ID", conversations.delete),
    route("GET", "/v1/conversations/ID/items", conversations.items),
    route("POST", "/v1/conversations/ID/items", conversations.add_items, takes_body=True),
    route("GET", "/v1/conversations/ID/items/ID", conversations.item),
    route("DELETE", "/v1/conversations/ID/items/ID", conversations.delete_item),
    route("POST", "/v1/chat/completions", completions.create, takes_body=True, begins=True),
    route("GET", "/v1/models", list_models),
    route("GET", r"/v1/models/(.{1,256})", one_model),
]

openai_application = HttpApi(ROUTES, dialect=DIALECT)
