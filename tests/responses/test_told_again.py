"""Clients that tell their whole history each time: it goes on in the session that holds it, of the same user, and in doubt in none."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from identity.keys import make_key
from identity.models import Scope
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.responses.conftest import Client
from tests.responses.test_completions import TOOL
from tests.responses.test_files import PICTURE, data_url, message
from tests.support.server import ServerProcess

Message = dict[str, Any]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


async def answered(client: Any, history: list[Message], **options: Any) -> tuple[list[Message], str]:
    """The history with the answer to it, and the session that it was given in."""
    raw = await client.chat.completions.with_raw_response.create(model="demo", messages=history, **options)
    said = raw.parse().choices[0].message
    told = {"role": "assistant", "content": said.content or None}
    if said.tool_calls:
        told["tool_calls"] = [call.to_dict() for call in said.tool_calls]
    return [*history, told], raw.headers["x-session-id"]


async def test_ten_requests_are_one_session(server: ServerProcess, client_of: Client, key: str) -> None:
    client = client_of(server, key)
    history: list[Message] = [{"role": "system", "content": "Be brief."}]
    sessions = set()
    for said in ("my name is Ada", "What time is it in Berlin?", "count to 3", "what is my name"):
        history, session_id = await answered(client, [*history, user(said)])
        sessions.add(session_id)
    assert len(sessions) == 1
    assert "Ada" in history[-1]["content"]
    (session,) = await in_db_thread(lambda: list(Session.objects.all()))
    assert session.user_messages == 4


async def test_over_responses_with_a_function(server: ServerProcess, client_of: Client, key: str) -> None:
    client = client_of(server, key)
    history, first = await answered(
        client, [user("the weather in Oslo")], tools=[TOOL], tool_choice="required"
    )
    call = history[-1]["tool_calls"][0]
    history.append({"role": "tool", "tool_call_id": call["id"], "content": "4 degrees"})
    history, second = await answered(client, history, tools=[TOOL])
    assert "4 degrees" in history[-1]["content"]
    items = [
        user("the weather in Oslo"),
        {
            "type": "function_call",
            "call_id": call["id"],
            "name": "get_weather",
            "arguments": call["function"]["arguments"],
        },
        {"type": "function_call_output", "call_id": call["id"], "output": "4 degrees"},
        {"role": "assistant", "content": history[-1]["content"]},
        user("count to 4"),
    ]
    third = await client.responses.create(model="demo", input=items)
    assert third.output_text == "1, 2, 3, 4."
    assert {first, second, third.conversation.id.removeprefix("conv_")} == {first}


@pytest.mark.parametrize(
    "change",
    [
        lambda told: [user("my name is Bob"), *told[1:]],
        lambda told: [told[0], {**told[1], "content": told[1]["content"] + " "}, *told[2:]],
        lambda told: [{"role": "system", "content": "Be brief."}, *told],
        lambda told: told[2:],
    ],
    ids=["another beginning", "another answer", "an instruction more", "a beginning less"],
)
async def test_a_word_that_differs_is_another_session(
    server: ServerProcess, client_of: Client, key: str, change: Any
) -> None:
    client = client_of(server, key)
    history, first = await answered(client, [user("my name is Ada")])
    history, second = await answered(client, [*history, user("count to 3")])
    assert first == second
    _, third = await answered(client, change([*history, user("what is my name")]))
    assert third != first


async def test_an_answer_asked_for_again_is_another_session(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    client = client_of(server, key)
    history, _ = await answered(client, [user("my name is Ada")])
    asked = [*history, user("count to 3")]
    _, first = await answered(client, asked)
    _, again = await answered(client, asked)
    assert again != first


async def test_nobody_goes_on_in_the_session_of_another(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    history, first = await answered(client_of(server, key), [user("my name is Ada")])
    bob = await in_db_thread(get_user_model().objects.create_user, "bob")
    other = await in_db_thread(lambda: make_key(user=bob, label="tests", scope=Scope.CHAT).value)
    for stranger in (client_of(server, other), client_of(server)):
        told, session_id = await answered(stranger, [*history, user("what is my name")])
        assert session_id != first
        assert "Ada" in told[-1]["content"]
    guest = client_of(server)
    told, one = await answered(guest, [user("my name is Eve")])
    _, two = await answered(guest, [*told, user("what is my name")])
    assert one != two


async def test_with_a_picture_it_is_another_session(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    client = client_of(server, key)
    seen = message({"type": "input_image", "image_url": data_url(PICTURE)})
    first = await client.responses.create(model="demo", input=[seen])
    told = {"role": "assistant", "content": first.output_text}
    second = await client.responses.create(model="demo", input=[seen, told, user("count to 3")])
    assert second.conversation.id != first.conversation.id
