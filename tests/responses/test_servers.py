"""A stream, whole, and one that cannot be brought to its end: behind uvicorn, and behind daphne, which ``manage.py runserver`` is."""

import httpx2
import openai
import pytest

from tests.responses.conftest import Client
from tests.responses.sdk import checked, text_of
from tests.sockets.conftest import StartServer
from tests.sockets.test_daphne import DAPHNE


@pytest.mark.parametrize("module", ["realtime_ai.server", DAPHNE])
async def test_a_stream_that_cannot_be_ended_is_cut_and_never_ends_cleanly(
    start_server: StartServer, client_of: Client, key: str, module: str
) -> None:
    server = start_server(module=module, DEMO_DELAY_MS="10")
    client = client_of(server, key)
    whole = await client.responses.create(model="demo", input="count to 20", stream=True)
    assert text_of([checked(event) async for event in whole]).endswith("19, 20.")
    stream = await client.responses.create(model="demo", input="count to 2000", stream=True, background=True)
    seen = []
    with pytest.raises((openai.APIError, httpx2.TransportError)):  # noqa: PT012 - what is read until then counts
        async for event in stream:
            seen.append(event)
            if len(seen) == 10:
                await client.conversations.delete(seen[0].response.conversation.id)
    assert seen[-1].type == "response.output_text.delta"
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(seen[0].response.id)
