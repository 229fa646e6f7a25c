"""OpenAI's own client against our frames, over a real socket: the docs' snippet as it stands, and what it makes of them.

The server here has no engine: it reads the client's events with `decode` and answers with the frames of the example log.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI
from websockets.asyncio.server import ServerConnection, serve

from chat.wire.realtime import client as ce
from chat.wire.realtime.dialect import session_created
from chat.wire.realtime.objects import StreamInfo
from chat.wire.realtime.server import encode
from tests.protocol import example_log
from tests.protocol.test_protocol_docs import DOCS
from tests.protocol.test_server_events import SESSION


async def _talk(socket: ServerConnection) -> None:
    frames = [encode(frame) for frame in example_log.frames()]
    done = next(index for index, frame in enumerate(frames) if '"response.done"' in frame)
    stream = StreamInfo(
        session_id="demo123",
        resumed=False,
        last_event_id="event_demo123_1",
        status="idle",
        resume_token="its-secret",
    )
    await socket.send(encode(session_created(SESSION, stream, notice="hello")))
    async for text in socket:
        match ce.decode(str(text)):
            case ce.ItemCreate():
                to_send = frames[:2]
            case ce.ResponseCreate():
                to_send = frames[2 : done + 1]
            case _:
                to_send = []
        for frame in to_send:
            await socket.send(frame)


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    async with serve(_talk, "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1"


async def test_the_docs_python_snippet_prints_the_answer() -> None:
    found = re.search(r"^```python\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    assert found is not None
    async with server() as url:
        snippet = found[1].replace("ws://localhost:8000/v1", url)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", snippet, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        stdout, stderr = await asyncio.wait_for(process.communicate(), timeout=30)

    assert (stdout.decode(), process.returncode) == ("It is 14:05 in Berlin.", 0), stderr.decode()


async def test_the_sdk_makes_its_own_types_of_our_frames_and_keeps_our_fields() -> None:
    events: list[Any] = []
    async with server() as url:
        client = AsyncOpenAI(api_key="guest", websocket_base_url=url)
        async with client.realtime.connect(model="demo") as connection:
            await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
            await connection.conversation.item.create(
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
            )
            await connection.response.create(response={"metadata": {"k": "v"}})
            async for event in connection:
                events.append(event)
                if event.type == "response.done":
                    break

    names = [type(event).__name__ for event in events]
    assert names[0] == "SessionCreatedEvent"
    assert names[-1] == "ResponseDoneEvent"
    assert "ResponseTextDeltaEvent" in names
    assert "ResponseMcpCallCompleted" in names
    assert events[0].x_stream["last_event_id"] == "event_demo123_1"
    call, message = events[-1].response.output
    assert (type(call).__name__, call.x_outcome) == ("RealtimeMcpToolCall", "ok")
    assert message.content[0].text == "It is 14:05 in Berlin."
    assert events[-1].response.usage.input_token_details.cached_tokens == 128
