"""The vendor's own Python client, driven against the server as it is."""

from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.support.server import ServerProcess

_ANY_EVENT: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)


async def test_the_python_sdk_talks_to_the_server(server: ServerProcess) -> None:
    client = AsyncOpenAI(api_key="guest", websocket_base_url=f"{server.ws_url}/v1")
    text, types = "", []
    async with client, client.realtime.connect(model="demo") as connection:
        await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "What is 6*7? Then count to 5."}],
            }
        )
        await connection.response.create()
        async for event in connection:
            _ANY_EVENT.validate_python(event.to_dict())
            types.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.done":
                assert event.response.status == "completed"
                assert event.response.usage is not None
                break
    assert "42" in text
    assert types[0] == "session.created"
    assert "session.updated" in types
    assert "response.mcp_call.completed" in types
