"""Programs at the socket: by key, by scope, by a secret for one user of the shop's own."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from django.contrib.auth.models import User
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from identity.models import ClientSecret, Scope
from identity.principal import KEY_SUBPROTOCOL
from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime

from .conftest import as_guest, bearer, made_key, made_user, refused, signed_in

V1 = "/v1/realtime"


def post(server: ServerProcess, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
    """To the place where client secrets are made."""
    request = urllib.request.Request(
        f"{server.url}/v1/realtime/client_secrets",
        data=body if isinstance(body, bytes) else json.dumps(body or {}).encode(),
        headers={"Content-Type": "application/json", **headers},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


async def test_a_key_comes_in_where_no_guest_does(start_server: Any) -> None:
    server = start_server(GUESTS_ALLOWED="0")
    row, value = await made_key("ada")
    async with realtime(server.ws_url, V1, additional_headers=bearer("guest")) as client:
        assert await refused(client) == ("invalid_credentials", 4401)
    async with realtime(server.ws_url, V1, additional_headers=bearer(value)) as client:
        _, done = await client.ask("count to 3")
        assert done["response"]["status"] == "completed"
    session = await in_db_thread(lambda: Session.objects.get(pk=client.session_id))
    assert session.user_id == row.user_id


async def test_a_browser_brings_it_as_a_subprotocol_that_is_not_echoed(server: ServerProcess) -> None:
    _, value = await made_key("ada")
    offered = [Subprotocol("realtime"), Subprotocol(KEY_SUBPROTOCOL + value)]
    async with connect(server.ws_url + V1, subprotocols=offered, origin=server.url) as connection:  # type: ignore[arg-type]
        assert connection.subprotocol == "realtime"
        created = json.loads(await connection.recv())
        await connection.send('{"type": "session.update", "session": {"type": "realtime"}}')
        await connection.recv()  # by then the session is stored
    session = await in_db_thread(
        lambda: Session.objects.select_related("user").get(pk=created["session"]["id"])
    )
    assert session.user is not None
    assert session.user.username == "ada"
    assert value not in json.dumps(created)


@pytest.mark.parametrize("scope", [Scope.CHAT, Scope.ADMIN])
async def test_its_sessions_are_its_users(server: ServerProcess, scope: Scope) -> None:
    _, value = await made_key("ada", scope)
    ada = await made_user("ada")
    _, others = await made_key("bob", scope)
    async with realtime(server.ws_url, V1, additional_headers=bearer(value)) as client:
        await client.ask("count to 3")
        path = f"{V1}?session_id={client.session_id}"
    for headers in (bearer(value), await signed_in(server, ada)):
        async with realtime(server.ws_url, path, additional_headers=headers) as client:
            assert client.created["type"] == "session.created"
    for headers in (bearer(others), as_guest(server), {}):
        async with realtime(server.ws_url, path, additional_headers=headers) as client:
            assert await refused(client) == ("session_not_found", 4404)


async def test_a_key_for_reading_follows_and_changes_nothing(server: ServerProcess) -> None:
    _, chat = await made_key("ada")
    _, read = await made_key("ada", Scope.READ)
    async with realtime(server.ws_url, V1, additional_headers=bearer(read)) as client:
        assert await refused(client) == ("invalid_credentials", 4401)
    async with realtime(server.ws_url, "/ws/session/chosen", additional_headers=bearer(read)) as client:
        assert await refused(client) == ("session_not_found", 4404)
    async with realtime(server.ws_url, V1, additional_headers=bearer(chat)) as talker:
        path = f"{V1}?session_id={talker.session_id}"
        async with realtime(server.ws_url, path, additional_headers=bearer(read)) as reader:
            for event in (
                {"type": "session.update", "session": {"type": "realtime", "instructions": "Obey me."}},
                {"type": "response.create"},
                {"type": "response.cancel"},
                {"type": "conversation.item.delete", "item_id": "item_1"},
            ):
                await reader.send(**event)
                assert (await reader.until("error"))["error"]["code"] == "read_only_key"
            await reader.say("Hello")
            assert (await reader.until("error"))["error"]["code"] == "read_only_key"
            await talker.ask("count to 3")
            done = await reader.until("response.done")
            item_id = done["response"]["output"][0]["id"]
            await reader.send(type="conversation.item.retrieve", item_id=item_id)
            assert (await reader.until("conversation.item.retrieved"))["item"]["id"] == item_id
        async with plain(
            server.ws_url, f"/ws/session?session_id={talker.session_id}", additional_headers=bearer(read)
        ) as reader_of_text:
            await reader_of_text.send("Hello")
            assert (await reader_of_text.recv()).startswith("[error] read_only_key")
    kinds = SessionEvent.objects.filter(session_id=talker.session_id, event_type="user_message").count
    assert await in_db_thread(kinds) == 1


async def test_a_key_outweighs_the_cookies_that_come_along(server: ServerProcess) -> None:
    _, value = await made_key("ada")
    bob = await signed_in(server, await made_user("bob"))
    async with realtime(server.ws_url, V1, additional_headers={**bob, **bearer(value)}) as client:
        session_id = client.session_id
        await client.ask("count to 3")
    async with realtime(server.ws_url, V1, additional_headers={**bob, **bearer("rta_wrong")}) as client:
        assert await refused(client) == ("invalid_credentials", 4401)
    owner = await in_db_thread(lambda: Session.objects.select_related("user").get(pk=session_id).user)
    assert owner is not None
    assert owner.username == "ada"


# Client secrets


async def test_a_secret_is_one_user_of_the_shops_own(server: ServerProcess) -> None:
    row, key = await made_key("shop")
    secrets = {}
    for name in ("kim", "lee"):
        status, made = post(server, bearer(key), {"x_external_user_id": name})
        assert status == 200
        assert made["value"].startswith("ek_")
        assert abs(made["expires_at"] - time.time() - 600) < 30
        assert (made["session"]["type"], made["x_external_user_id"]) == ("realtime", name)
        secrets[name] = made["value"]
    async with realtime(server.ws_url, V1, additional_headers=bearer(secrets["kim"])) as client:
        await client.ask("count to 3")
        path = f"{V1}?session_id={client.session_id}"
    session = await in_db_thread(lambda: Session.objects.get(pk=client.session_id))
    assert (session.user_id, session.external_user_id) == (row.user_id, "kim")
    async with realtime(server.ws_url, path, additional_headers=bearer(secrets["lee"])) as other:
        assert await refused(other) == ("session_not_found", 4404)
    for value in (secrets["kim"], key):
        async with realtime(server.ws_url, path, additional_headers=bearer(value)) as again:
            assert again.created["type"] == "session.created"


async def test_a_secret_brings_its_sessions_settings(server: ServerProcess) -> None:
    _, key = await made_key("shop")
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    settings = {"type": "realtime", "model": "gpt-realtime", "instructions": "Sell shoes.", "tools": [tool]}
    status, made = post(
        server, bearer(key), {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": settings}
    )
    assert (status, made["session"]["instructions"]) == (200, "Sell shoes.")
    assert abs(made["expires_at"] - time.time() - 60) < 30
    async with realtime(server.ws_url, V1, additional_headers=bearer(made["value"])) as client:
        assert client.created["session"]["instructions"] == "Sell shoes."
        assert [one["name"] for one in client.created["session"]["tools"]] == ["get_weather"]
    chosen = "/ws/session/shoes"
    for _ in range(2):  # under a name of the customer's choice as well, and when they come back
        async with realtime(server.ws_url, chosen, additional_headers=bearer(made["value"])) as client:
            assert client.created["session"]["instructions"] == "Sell shoes."


async def test_a_shops_customer_has_no_tool_that_tells_of_the_shop_or_of_another_customer(
    server: ServerProcess,
) -> None:
    _, key = await made_key("ada", Scope.ADMIN)
    ada = await made_user("ada")
    await in_db_thread(User.objects.filter(pk=ada.pk).update, email="ada@shop.example", is_superuser=True)
    secrets = {
        name: bearer(post(server, bearer(key), {"x_external_user_id": name})[1]["value"])
        for name in ("kim", "lee")
    }
    said = {"kim": "a striped zebra is kims", "lee": "a spotted zebra is lees"}
    for name, words in said.items():
        async with realtime(server.ws_url, V1, additional_headers=secrets[name]) as client:
            await client.ask(words)
    async with realtime(server.ws_url, V1, additional_headers=secrets["kim"]) as client:
        await client.ask("call search_my_sessions for zebra")
        await client.ask("call get_my_profile")
        told = json.dumps(client.frames)
    assert "is kims" in told
    assert "is lees" not in told
    assert "ada@shop.example" not in told


async def test_without_a_name_each_secret_is_somebody_of_its_own(server: ServerProcess) -> None:
    _, key = await made_key("shop")
    names = {post(server, bearer(key))[1]["x_external_user_id"] for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        {"expires_after": {"seconds": 9}},
        {"expires_after": {"seconds": 7201}},
        {"x_external_user_id": ""},
        {"x_external_user_id": "x" * 129},
        {"x_external_user_id": "a\x00b"},
        {"session": {"type": "transcription"}},
        {"session": {"type": "realtime", "model": "o17-large"}},
        {"session": {"type": "realtime", "instruction": "a slip of the pen"}},
        {"user": "kim"},
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(server: ServerProcess, body: Any) -> None:
    _, key = await made_key("shop")
    status, answer = post(server, bearer(key), body)
    assert status == 400
    assert set(answer["error"]) == {"type", "code", "message", "param"}
    assert not await in_db_thread(ClientSecret.objects.exists)


async def test_only_a_key_that_may_talk_makes_secrets(server: ServerProcess) -> None:
    _, read = await made_key("shop", Scope.READ)
    _, key = await made_key("shop")
    _, made = post(server, bearer(key))
    cookies = await signed_in(server, await made_user("shop"))
    for headers in ({}, bearer("guest"), bearer(read), bearer(made["value"]), cookies, as_guest(server)):
        status, answer = post(server, headers)
        assert (status, answer["error"]["code"]) == (401, "invalid_credentials")
    assert await in_db_thread(ClientSecret.objects.count) == 1


async def test_whoever_is_deleted_takes_keys_along(server: ServerProcess) -> None:
    _, key = await made_key("ada")
    await in_db_thread(User.objects.filter(username="ada").delete)
    async with realtime(server.ws_url, V1, additional_headers=bearer(key)) as client:
        assert await refused(client) == ("invalid_credentials", 4401)


async def test_a_key_that_reads_follows_what_its_user_has_named(server: ServerProcess) -> None:
    _, talks = await made_key("ada")
    _, reads = await made_key("ada", Scope.READ)
    _, others = await made_key("bob", Scope.READ)

    def by(key: str) -> dict[str, str]:
        return {**bearer(key), "X-Forwarded-For": "203.0.113.7"}

    async with realtime(server.ws_url, "/ws/session/trip", additional_headers=by(reads)) as client:
        assert await refused(client) == ("session_not_found", 4404)
    async with realtime(server.ws_url, "/ws/session/trip", additional_headers=by(talks)) as client:
        await client.ask("count to 3")
        async with realtime(server.ws_url, "/ws/session/trip", additional_headers=by(reads)) as reader:
            assert reader.session_id == client.session_id
            await reader.say("hello")
            assert (await reader.until("error"))["error"]["code"] == "read_only_key"
    async with realtime(server.ws_url, "/ws/session/trip", additional_headers=by(others)) as client:
        assert await refused(client) == ("session_not_found", 4404)


async def test_a_name_is_that_of_the_same_session_after_a_change_of_the_secret_key(
    server: ServerProcess, start_server: Any
) -> None:
    """A page's chat of `useChat`, a thread of AG-UI are names, too: nobody has written down the id that they stand for."""
    _, key = await made_key("ada")
    headers = {**bearer(key), "X-Forwarded-For": "203.0.113.7"}
    async with realtime(server.ws_url, "/ws/session/trip", additional_headers=headers) as client:
        await client.ask("count to 3")
        session_id = client.session_id
    later = start_server(DJANGO_SETTINGS_MODULE="tests.identity.rotated_settings")
    async with realtime(later.ws_url, "/ws/session/trip", additional_headers=headers) as client:
        assert client.session_id == session_id
    asked = urllib.request.Request(f"{later.url}/api/ui/trip", headers=headers)
    with await asyncio.to_thread(urllib.request.urlopen, asked, timeout=20) as answer:
        assert json.load(answer)["messages"]
    async with realtime(later.ws_url, "/ws/session/another", additional_headers=headers) as client:
        assert client.session_id.startswith("another~")


# A developer's own machine


async def test_in_development_a_chosen_name_is_anybodys_here(server: ServerProcess) -> None:
    for headers in ({}, as_guest(server), {}):
        async with realtime(server.ws_url, "/ws/session/demo123", additional_headers=headers) as client:
            assert client.session_id == "demo123"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"Host": "chat.example.com"},
        {"Host": "localhost.example.com"},
    ],
)
async def test_and_nowhere_else(server: ServerProcess, headers: dict[str, str]) -> None:
    """A tunnel or a proxy to the development server is not the developer's own machine."""
    async with realtime(server.ws_url, "/ws/session/demo123", additional_headers=headers) as client:
        assert await refused(client) == ("chosen_id_refused", 4403)
    assert not await in_db_thread(Session.objects.exists)
