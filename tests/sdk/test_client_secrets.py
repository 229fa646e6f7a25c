"""A shop's server makes a client secret with OpenAI's Python SDK, its browser chats by it with the npm SDK."""

from pathlib import Path
from typing import Any

import openai
import pytest
from django.contrib.auth.models import User
from openai import AsyncOpenAI

from identity.keys import make_key
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.tls import self_signed

from .front import Front
from .node_packages import report_of
from .talk import talk


async def made_key() -> str:
    def make() -> str:
        return make_key(user=User.objects.create(username="shop"), label="shop").value

    return await in_db_thread(make)


@pytest.mark.parametrize("client", ["6 websocket", "7 websocket", "7 ws"])
async def test_the_browsers_way(node: list[str], server: ServerProcess, tmp_path: Path, client: str) -> None:
    """`OpenAIRealtimeWebSocket` brings it as the subprotocol, `OpenAIRealtimeWS` in the header."""
    async with AsyncOpenAI(api_key=await made_key(), base_url=f"{server.url}/v1") as shop:
        secret = await shop.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 120},
            session={"type": "realtime", "model": "gpt-realtime"},
            extra_body={"x_external_user_id": "kim"},
        )
    assert secret.value.startswith("ek_")
    assert secret.session.type == "realtime"
    context, certificate = self_signed(tmp_path)
    async with Front(server.port, tls=context).serving() as front:
        url = f"https://127.0.0.1:{front.port}/v1"
        given: dict[str, Any] = {"client": client, "baseURL": url, "apiKey": secret.value}
        told = await report_of(node, "turns.mjs", certificate, **given)
    assert told["text"]["status"] == "completed"
    session = await in_db_thread(lambda: Session.objects.select_related("user").get())
    assert (session.user and session.user.username, session.external_user_id) == ("shop", "kim")


async def test_a_key_and_a_wrong_one_with_the_python_sdk(server: ServerProcess) -> None:
    key = await made_key()
    async with talk(server.ws_url, api_key=key) as client:
        await client.say("count to 3")
        await client.connection.response.create()
        assert (await client.until("response.done")).response.status == "completed"
    assert await in_db_thread(lambda: Session.objects.get().user_id) is not None
    for wrong in ("guest", "rta_wrong"):
        async with AsyncOpenAI(api_key=wrong, base_url=f"{server.url}/v1") as stranger:
            with pytest.raises(openai.AuthenticationError, match="API key"):
                await stranger.realtime.client_secrets.create()
    async with AsyncOpenAI(api_key=key, base_url=f"{server.url}/v1") as shop:
        with pytest.raises(openai.BadRequestError) as refused:
            await shop.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 1})
    assert refused.value.param == "expires_after.seconds"
