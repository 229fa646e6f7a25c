"""One session over both wires: what was begun over the one is read, and gone on with, over the other."""

from typing import Any

from tests.responses.conftest import Client
from tests.responses.sdk import checked, checked_response, text_of
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, joined, realtime


def as_owner(key: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {key}"}}


async def test_what_was_said_over_a_socket_is_read_and_gone_on_with_over_http(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    client = client_of(server, key)
    async with realtime(server.ws_url, **as_owner(key)) as socket:
        await socket.ask("my name is Ada")
        text, done = await socket.ask("count to 9")
        there = await client.responses.retrieve(done["response"]["id"], stream=True)
        assert text_of([checked(event) async for event in there]) == text
        response = checked_response(await client.responses.retrieve(done["response"]["id"]))
        assert response.output[0].id == done["response"]["output"][0]["id"]
        answer = await client.responses.create(
            model="demo", input="what is my name", previous_response_id=response.id
        )
        assert "Ada" in answer.output_text
        frames: list[Frame] = []
        while not frames or frames[-1]["type"] != "response.done":
            frames.append(await socket.recv())
        assert joined(frames) == answer.output_text
        assert frames[-1]["response"]["id"] == answer.id


async def test_what_was_said_over_http_is_gone_on_with_over_a_socket(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    client = client_of(server, key)
    first = await client.responses.create(model="demo", input="my name is Grace")
    session_id = first.conversation.id.removeprefix("conv_")
    async with realtime(server.ws_url, f"/v1/realtime?session_id={session_id}", **as_owner(key)) as socket:
        text, _ = await socket.ask("what is my name")
        assert "Grace" in text
    items = await client.conversations.items.list(first.conversation.id, order="asc")
    assert [item.role for item in items.data] == ["user", "assistant", "user", "assistant"]
    assert items.data[-1].content[0].text == text
