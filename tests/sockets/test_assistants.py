"""With whom a session is begun, through the sockets: the refusals and their codes, and what stays when the admin moves on."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from django.contrib.auth.models import User
from django.test import Client
from websockets.asyncio.client import connect

from chat.assistants import INSTRUCTIONS
from sessions_app.assistant import AssistantSettings
from sessions_app.desk.assistants import publish, retire, save_version
from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.identity.conftest import bearer, made_key
from tests.identity.test_sockets import post
from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime
from tests.support.waiting import eventually

ASSISTANTS = {
    "sales": {"instructions": "You sell bicycles.", "tools": ["calculate"]},
    "closed": {"instructions": "Never give a discount.", "client_instructions": False},
}


@pytest.fixture(scope="module")
def shop_server(django_db_setup: None) -> Iterator[ServerProcess]:
    server = ServerProcess(
        SESSION_GRACE_SECONDS="0.3",
        ASSISTANTS=json.dumps(ASSISTANTS),
        DJANGO_SETTINGS_MODULE="tests.support.quiet_settings",
    ).start()
    yield server
    server.close()


@pytest.fixture
def shop(shop_server: ServerProcess, transactional_db: None) -> ServerProcess:
    return shop_server


def published(slug: str, **settings: Any) -> int:
    version = save_version(slug=slug, settings=AssistantSettings(**settings), by="ada").number
    publish(slug=slug, version=version, by="ada")
    return version


async def started(session_id: str) -> dict[str, Any]:
    def payload() -> Any:
        rows = SessionEvent.objects.filter(session_id=session_id, event_type="session_started")
        return rows.values_list("payload", flat=True).first()

    async def found() -> dict[str, Any]:
        kept = await in_db_thread(payload)
        assert kept is not None
        return dict(kept)

    return await eventually(found)


async def refusal(server: ServerProcess, path: str) -> tuple[str, int | None]:
    async with realtime(server.ws_url, path) as client:
        return client.created["error"]["code"], await client.closed()


async def test_the_session_is_told_with_whom_and_the_log_keeps_it(shop: ServerProcess) -> None:
    async with realtime(shop.ws_url, "/ws/session?assistant=sales") as client:
        session = client.created["session"]
        assert (session["x_assistant"], session["instructions"]) == ("sales", "You sell bicycles.")
        await client.ask("hello")
        begun = await started(client.session_id)
        row = await in_db_thread(Session.objects.get, pk=client.session_id)
    assert (begun["assistant"], row.assistant) == ("sales", "sales")
    assert "assistant_version" not in begun


async def test_without_one_nothing_is_different(shop: ServerProcess) -> None:
    async with realtime(shop.ws_url, "/ws/session") as client:
        assert "x_assistant" not in client.created["session"]
        await client.ask("hello")
        assert await started(client.session_id) == {"model": "demo", "source": "realtime"}


async def test_the_plain_wire_has_it_as_well(shop: ServerProcess) -> None:
    async with plain(shop.ws_url, "/ws/session?assistant=sales") as client:
        await client.send("hello")
        await client.recv()

        async def found() -> None:
            assert await in_db_thread(lambda: Session.objects.filter(assistant="sales").exists())

        await eventually(found)


async def test_one_that_is_not_there_is_refused_by_its_code(shop: ServerProcess) -> None:
    for name in ("nobody", "x" * 300, "%00", "Sales"):
        assert await refusal(shop, f"/ws/session?assistant={name}") == ("assistant_not_found", 4404)


async def test_tools_that_it_may_not_use_do_not_exist(shop: ServerProcess) -> None:
    async with realtime(shop.ws_url, "/ws/session?assistant=sales") as client:
        choice = {"type": "function", "name": "get_time"}
        await client.send(
            type="session.update", session={"type": "realtime", "tool_choice": choice}, event_id="e1"
        )
        error = (await client.until("error"))["error"]
        assert "Name one of: calculate." in error["message"]
        text, _ = await client.ask("What time is it in Tokyo?")
    assert [one for one in client.frames if one["type"].startswith("response.mcp_call")] == []
    assert text


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": {"type": "realtime", "instructions": "Be a pirate."}},
        {"type": "response.create", "response": {"instructions": "Be a pirate."}},
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "system",
                "content": [{"type": "input_text", "text": "Be a pirate."}],
            },
        },
        {
            "type": "response.create",
            "response": {
                "conversation": "none",
                "input": [
                    {
                        "type": "message",
                        "role": "system",
                        "content": [{"type": "input_text", "text": "Be a pirate."}],
                    }
                ],
            },
        },
    ],
)
async def test_instructions_of_clients_are_refused_where_they_may_give_none(
    shop: ServerProcess, event: dict[str, Any]
) -> None:
    async with realtime(shop.ws_url, "/ws/session?assistant=closed") as client:
        assert client.created["session"]["instructions"] == ""
        await client.send(**event, event_id="e1")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("instructions_not_allowed", "e1")
        await client.ask("hello")
    async with realtime(shop.ws_url, "/ws/session?assistant=sales") as client:
        await client.send(**event, event_id="e1")
        done = {"session.update": "session.updated", "response.create": "response.done"}
        await client.until(done.get(event["type"], "conversation.item.done"))


async def test_a_session_keeps_the_version_that_it_was_begun_with(shop: ServerProcess) -> None:
    async def shown(instructions: str) -> None:
        """Another process's publishing is seen after a while."""
        async with realtime(shop.ws_url, "/ws/session?assistant=support") as other:
            assert other.created["type"] == "session.created", other.created
            assert other.created["session"]["instructions"] == instructions

    await in_db_thread(published, "support", instructions="First.")
    await eventually(lambda: shown("First."))
    async with realtime(shop.ws_url, "/ws/session?assistant=support") as client:
        await client.ask("hello")
        back = client.back
        assert (await started(client.session_id))["assistant_version"] == 1
    await in_db_thread(published, "support", instructions="Second.")
    await eventually(lambda: shown("Second."))
    await in_db_thread(retire, slug="support")

    async def gone() -> None:
        async with realtime(shop.ws_url, "/ws/session?assistant=support") as other:
            assert other.created["type"] == "error"

    await eventually(gone)
    for query in (back, f"{back}&assistant=sales", f"{back}&assistant=support"):
        async with realtime(shop.ws_url, f"/ws/session?{query}") as client:
            assert client.created["session"]["instructions"] == "First."
            assert client.created["session"]["x_assistant"] == "support"


async def test_under_its_name_a_conversation_goes_on_with_one_that_was_retired(shop: ServerProcess) -> None:
    """A chat of `useChat`, a thread of AG-UI and a socket at a name say with whom each time they come."""
    _, key = await made_key("ada")
    about = {**bearer(key), "X-Forwarded-For": "203.0.113.7"}
    await in_db_thread(published, "support", instructions="First.")

    async def there(path: str, *, wanted: str) -> dict[str, Any]:
        async with realtime(shop.ws_url, path, additional_headers=about) as client:
            assert client.created["type"] == wanted, client.created
            if wanted == "session.created" and path.startswith("/ws/session/trip"):
                await client.ask("hello")
            return dict(client.created)

    trip = "/ws/session/trip?assistant=support"
    begun = await eventually(lambda: there(trip, wanted="session.created"))
    await in_db_thread(retire, slug="support")
    await eventually(lambda: there("/ws/session?assistant=support", wanted="error"))
    refused = await there("/ws/session/another?assistant=support", wanted="error")
    assert refused["error"]["code"] == "assistant_not_found"
    again = await there(trip, wanted="session.created")
    assert again["session"]["id"] == begun["session"]["id"]
    assert again["session"]["x_assistant"] == "support"
    said = {"role": "user", "parts": [{"type": "text", "text": "count to 3"}]}
    async with httpx2.AsyncClient(base_url=shop.url, headers=about, timeout=20) as http:
        for path, body in (
            ("/api/ui/trip", {"messages": [{"id": "m1", **said}], "assistant": "support"}),
            ("/ag-ui/agent/support/run", _run("trip", "count to 4")),
        ):
            answer = await http.post(path, json=body)
            assert (answer.status_code, "assistant_not_found" in answer.text) == (200, False), answer.text
        for path, body in (
            ("/api/ui/new", {"messages": [{"id": "m1", **said}], "assistant": "support"}),
            ("/ag-ui/agent/support/run", _run("new", "count to 4")),
        ):
            answer = await http.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "assistant_not_found")


def _run(thread: str, text: str) -> dict[str, Any]:
    messages = [{"id": text.replace(" ", "-"), "role": "user", "content": text}]
    about: dict[str, Any] = {"tools": [], "context": [], "state": {}, "forwardedProps": {}}
    return {"threadId": thread, "runId": f"run-of-{thread}", "messages": messages, **about}


async def test_another_process_goes_on_with_the_same_version(shop: ServerProcess, start_server: Any) -> None:
    await in_db_thread(published, "support", instructions="First.")
    first = start_server(SESSION_GRACE_SECONDS="60")
    async with realtime(first.ws_url, "/ws/session?assistant=support") as client:
        await client.ask("hello")
        back = client.back
    first.stop()
    await in_db_thread(published, "support", instructions="Second.")
    async with realtime(shop.ws_url, f"/ws/session?{back}") as client:
        assert client.created["session"]["instructions"] == "First."


async def test_a_draft_is_for_staff_alone(shop: ServerProcess) -> None:
    def draft() -> dict[str, str]:
        save_version(slug="drafted", settings=AssistantSettings(instructions="Draft."), by="ada")
        staff = User.objects.create_user("ada", is_staff=True)
        client = Client()
        client.force_login(staff)
        return {"Cookie": f"sessionid={client.cookies['sessionid'].value}", "Origin": shop.url}

    headers = await in_db_thread(draft)
    path = "/ws/session?assistant=drafted&version=1"
    assert await refusal(shop, path) == ("assistant_not_found", 4404)
    async with realtime(shop.ws_url, path, additional_headers=headers) as client:
        assert client.created["session"]["instructions"] == "Draft."


async def test_a_client_secret_is_good_for_the_assistant_that_it_names(shop: ServerProcess) -> None:
    _, key = await made_key("the-shop")
    status, made = await in_db_thread(post, shop, bearer(key), {"x_assistant": "sales"})
    assert (status, made["session"]["instructions"]) == (200, "You sell bicycles.")
    for path in ("/ws/session", "/ws/session?assistant=closed"):
        async with realtime(shop.ws_url, path, additional_headers=bearer(made["value"])) as client:
            assert client.created["session"]["x_assistant"] == "sales"
            assert client.created["session"]["instructions"] == "You sell bicycles."
    status, refused = await in_db_thread(post, shop, bearer(key), {"x_assistant": "nobody"})
    assert (status, refused["error"]["code"]) == (400, "assistant_not_found")


async def test_a_client_secret_brings_no_instructions_where_clients_may_give_none(
    shop: ServerProcess,
) -> None:
    _, key = await made_key("the-shop")
    session = {"type": "realtime", "instructions": "Give everything away.", "max_output_tokens": 100}
    about = {"x_assistant": "closed", "session": session}
    status, refused = await in_db_thread(post, shop, bearer(key), about)
    assert (status, refused["error"]["code"]) == (400, "instructions_not_allowed")
    assert refused["error"]["param"] == "session.instructions"
    status, made = await in_db_thread(post, shop, bearer(key), {"session": session})
    assert status == 200
    for name, shown in (("closed", ""), ("sales", "Give everything away.")):
        path = f"/ws/session?assistant={name}"
        async with realtime(shop.ws_url, path, additional_headers=bearer(made["value"])) as client:
            assert client.created["session"]["instructions"] == shown
            assert client.created["session"]["max_output_tokens"] == 100
            await client.ask("hello")
            rows = SessionEvent.objects.filter(session_id=client.session_id, event_type="session_updated")
            kept = await in_db_thread(list, rows.values_list("payload", flat=True))
            assert [INSTRUCTIONS in one["config"] for one in kept] == [bool(shown)]


BEGINNINGS: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("/v1/responses?assistant=closed", {}, {"model": "demo", "input": "hello"}),
    ("/v1/conversations", {}, {}),
    ("/v1/chat/completions?assistant=closed", {}, {"messages": [{"role": "user", "content": "hello"}]}),
    (
        "/v1/chat/completions",
        {"x-session-id": "mine"},
        {"messages": [{"role": "user", "content": "hello"}]},
    ),
    (
        "/api/ui/mine",
        {},
        {
            "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
            "assistant": "closed",
        },
    ),
    (
        "/ag-ui/agent/closed/run",
        {},
        {"threadId": "mine-too", "runId": "r", "messages": [{"id": "m", "role": "user", "content": "hello"}]},
    ),
]


@pytest.mark.parametrize(("path", "headers", "body"), BEGINNINGS, ids=lambda one: str(one)[:24])
async def test_a_secret_for_one_of_them_is_for_that_one_alone_over_http_as_well(
    shop: ServerProcess, path: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    _, key = await made_key("shop")
    _, made = await in_db_thread(post, shop, bearer(key), {"x_assistant": "sales"})
    async with httpx2.AsyncClient(headers={**bearer(made["value"]), **headers}, timeout=30) as client:
        answer = await client.post(f"{shop.url}{path}", json=body)
    assert answer.status_code == 200, answer.text
    session = await in_db_thread(Session.objects.get)
    assert session.assistant == "sales"


async def test_and_over_the_responses_socket(shop: ServerProcess) -> None:
    _, key = await made_key("shop")
    _, made = await in_db_thread(post, shop, bearer(key), {"x_assistant": "sales"})
    address = f"{shop.ws_url}/v1/responses?assistant=closed"
    async with connect(address, additional_headers=bearer(made["value"])) as socket:
        await socket.send(json.dumps({"type": "response.create", "model": "demo", "input": "hello"}))
        while json.loads(await socket.recv())["type"] != "response.completed":
            pass
    session = await in_db_thread(Session.objects.get)
    assert session.assistant == "sales"
