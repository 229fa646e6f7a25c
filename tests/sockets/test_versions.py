"""A message said anew, an answer asked for again: versions, of which the model sees the chosen one and the log keeps all."""

import json
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from sessions_app.log.replay import read_history
from sessions_app.log.state import SessionState
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from sessions_app.review.downloads import form_named
from sessions_app.selectors.recent import one_session
from tests.fakes.gemini_script import Chunk, Reply, text
from tests.fakes.gemini_server import GeminiServer
from tests.support.sockets import Frame, Realtime, realtime
from tests.support.waiting import eventually

from .conftest import StartServer
from .shop import Ledger, StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]


def says(words: str) -> Reply:
    return Reply((Chunk((text(words),)), Chunk(finish="STOP")))


def seen(gemini: GeminiServer) -> list[str]:
    """The texts that the model was sent last."""
    contents = gemini.requests[-1]["contents"]
    return [part["text"] for content in contents for part in content["parts"] if "text" in part]


async def put(client: Realtime, words: str, item_id: str, **event: Any) -> Frame:
    item = {
        "type": "message",
        "id": item_id,
        "role": "user",
        "content": [{"type": "input_text", "text": words}],
    }
    await client.send(type="conversation.item.create", item=item, **event)
    return (await client.until("conversation.item.done"))["item"]  # type: ignore[no-any-return]


async def answer(client: Realtime, **response: Any) -> Frame:
    await client.send(type="response.create", response=response)
    return (await client.until("response.done"))["response"]  # type: ignore[no-any-return]


async def choose(client: Realtime, item_id: str) -> Frame:
    await client.send(type="x_version.choose", item_id=item_id)
    return await client.until("x_version.chosen")


async def refused(client: Realtime, **event: Any) -> tuple[str, str]:
    await client.send(**event)
    error = (await client.until("error"))["error"]
    return error["code"], error["param"]


async def test_a_message_is_said_anew_and_one_can_go_back(
    start_shop: StartShop, gemini: GeminiServer
) -> None:
    server = start_shop()
    gemini.then(says("In Berlin."), says("Rain."), says("Sun."), says("Tomorrow rain."), says("Bye."))
    async with realtime(server.ws_url) as client:
        await put(client, "Where am I?", "u1")
        await answer(client)
        await put(client, "The weather?", "u2")
        rain = await answer(client)
        edited = await put(client, "The weather in Rome?", "u3", x_replaces="u2")
        assert edited["x_replaces"] == "u2"
        await answer(client)
        assert seen(gemini) == ["Where am I?", "In Berlin.", "The weather in Rome?"]
        chosen = await choose(client, rain["output"][0]["id"])
        assert (chosen["version"], chosen["instead_of"]) == ("u2", "u3")
        await put(client, "And tomorrow?", "u4")
        await answer(client)
        assert seen(gemini) == ["Where am I?", "In Berlin.", "The weather?", "Rain.", "And tomorrow?"]
        await choose(client, "u3")
        await put(client, "Thanks", "u5")
        await answer(client)
        assert seen(gemini) == ["Where am I?", "In Berlin.", "The weather in Rome?", "Sun.", "Thanks"]
        session = await in_db_thread(lambda: Session.objects.get(pk=client.session_id))
    chat = json.loads("".join(await in_db_thread(lambda: list(form_named("jsonl").one(session)))))
    assert [one["content"] for one in chat["messages"]] == [
        "Where am I?", "In Berlin.", "The weather in Rome?", "Sun.", "Thanks", "Bye.",
    ]  # fmt: skip


async def test_a_session_is_called_by_what_its_first_message_became(
    start_shop: StartShop, gemini: GeminiServer
) -> None:
    def titles() -> list[str]:
        listed = one_session(Session.objects.all())
        assert listed is not None
        return [Session.objects.get().heading, listed.title]

    server = start_shop()
    gemini.then(*(says("Yes.") for _ in range(5)))
    async with realtime(server.ws_url) as client:
        for item_id, text, replaced, called in (
            ("u1", "Whree am I?", {}, "Whree am I?"),
            ("u2", "Where am I?", {"x_replaces": "u1"}, "Where am I?"),
            ("u3", "The weather?", {}, "Where am I?"),
            ("u4", "The weather in Rome?", {"x_replaces": "u3"}, "Where am I?"),
            ("u5", "Where are you?", {"x_replaces": "u2"}, "Where are you?"),
        ):
            await put(client, text, item_id, **replaced)
            await answer(client)
            assert set(await in_db_thread(titles)) == {called}


async def test_an_answer_is_asked_for_again_and_every_version_survives_its_process(
    start_shop: StartShop, gemini: GeminiServer
) -> None:
    server = start_shop(SESSION_LEASE_SECONDS="1")
    gemini.then(says("One."), says("Two."), says("Three."), says("Fine."))
    async with realtime(server.ws_url) as client:
        await put(client, "A number?", "u1")
        versions = [await answer(client)]
        for _ in range(2):
            versions.append(await answer(client, x_retry_of=versions[-1]["id"]))
            assert seen(gemini) == ["A number?"]
            assert versions[-1]["x_retry_of"] == versions[-2]["id"]
        await choose(client, versions[0]["output"][0]["id"])
    server.kill()
    server.start()

    async def come_back() -> Realtime:
        async with realtime(server.ws_url, f"/v1/realtime?{client.back}") as again:
            assert again.created["type"] == "session.created", again.created
            await choose(again, versions[1]["output"][0]["id"])
            await again.ask("Good?")
            return again

    await eventually(come_back)
    assert seen(gemini) == ["A number?", "Two.", "Good?"]
    state = await in_db_thread(lambda: SessionState(read_history(session_id=client.session_id)))
    [fork] = state.versions.forks
    assert (fork.chosen, set(fork.aside)) == (versions[1]["id"], {versions[0]["id"], versions[2]["id"]})


async def test_what_had_an_effect_is_not_forgotten_with_its_version(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    server = start_shop()
    gemini.then(calls(("pay", {"amount": 5, "to": "Ann"})), says("It is paid."), says("Done."))
    async with realtime(server.ws_url) as client:
        await put(client, "Pay Ann 5", "u1")
        asked = (await answer(client))["output"][0]
        again = {"x_retry_of": client.frames[-1]["response"]["id"]}
        assert (await refused(client, type="response.create", response=again))[0] == "approval_waits"
        decided = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}
        await client.send(type="conversation.item.create", item=decided)
        paid = (await client.until("response.done"))["response"]
        await answer(client, x_retry_of=paid["id"])
    assert len(ledger.lines()) == 1
    sent = json.dumps(gemini.requests[-1]["contents"])
    assert "Paid 5 to Ann." in sent
    assert "It is paid." not in sent


async def test_what_is_no_version_is_refused_and_nothing_changes(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="20")
    async with realtime(server.ws_url) as client:
        await put(client, "hello", "u1")
        first = await answer(client)
        said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        create = {"type": "conversation.item.create"}
        assert await refused(client, **create, item=said, x_replaces="nope") == (
            "item_not_found",
            "x_replaces",
        )
        answered = first["output"][0]["id"]
        assert await refused(client, **create, item=said, x_replaces=answered) == (
            "item_not_found",
            "x_replaces",
        )
        both = {"x_replaces": "u1", "previous_item_id": "root"}
        assert await refused(client, **create, item=said, **both) == ("invalid_event", "previous_item_id")
        system = {**said, "role": "system"}
        assert await refused(client, **create, item=system, x_replaces="u1") == (
            "invalid_event",
            "x_replaces",
        )
        assert (await refused(client, type="x_version.choose", item_id="nope"))[0] == "item_not_found"
        await put(client, "count to 40", "u2")
        await client.send(type="response.create")
        await client.until("response.output_text.delta")
        running = "conversation_already_has_active_response"
        assert (await refused(client, **create, item=said, x_replaces="u1"))[0] == running
        assert (await refused(client, type="x_version.choose", item_id="u1"))[0] == running
        await client.send(type="response.cancel")
        await client.until("response.done")
        assert (await refused(client, type="response.create", response={"x_retry_of": first["id"]}))[0] == (
            "nothing_to_retry"
        )
        _, replies = await client.ask("count to 2")
        assert replies["response"]["status"] == "completed"


async def test_staff_see_every_version(start_server: StartServer) -> None:
    server = start_server(DEMO_DELAY_MS="0")
    async with realtime(server.ws_url) as client:
        await put(client, "The first wording", "u1")
        await answer(client)
        await put(client, "The second wording", "u2", x_replaces="u1")
        await answer(client)
        await choose(client, "u1")

    def page() -> str:
        staff = Client()
        staff.force_login(User.objects.create_superuser("lead"))
        return staff.get(f"/admin/sessions_app/session/{client.session_id}/change/").content.decode()

    html = await in_db_thread(page)
    for shown in ("The first wording", "The second wording", "Edited by the customer", "Edited below"):
        assert shown in html
    assert "went back to another version" in html
