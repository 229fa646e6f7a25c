"""Tools that need a person's yes: the question, the answer, and that nothing runs in between."""

import asyncio
import json

import httpx2
import pytest
from django.contrib.auth.models import User

from sessions_app.models import InboxItem, Session
from sessions_app.postgres.threads import in_db_thread
from tests.admin.conftest import signed_in
from tests.fakes.gemini_server import GeminiServer
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, joined, realtime
from tests.support.waiting import eventually

from .shop import Ledger, StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]

PAY = ("pay", {"amount": 5, "to": "Ann"})
READ = ("read_letter", {"name": "A"})


def answers(gemini: GeminiServer) -> list[Frame]:
    """The function responses of the model's last request."""
    return [part["functionResponse"] for part in gemini.requests[-1]["contents"][-1]["parts"]]


async def asked(client: Realtime, text: str = "Pay Ann") -> list[Frame]:
    _, done = await client.ask(text)
    assert done["response"]["status"] == "completed"
    return [item for item in done["response"]["output"] if item["type"] == "mcp_approval_request"]


async def decide(client: Realtime, request: Frame, *, approve: bool, **item: str) -> None:
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve}
    await client.send(type="conversation.item.create", item={**answer, **item})


async def test_a_yes_runs_the_tool_once_and_the_answer_goes_on(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(PAY))
    server = start_shop()
    async with realtime(server.ws_url, "/ws/session/bank") as client:
        (request,) = await asked(client)
        assert (request["name"], json.loads(request["arguments"])) == PAY
        assert ledger.lines() == []
        await decide(client, request, approve=True)
        assert (await client.until("response.created"))["response"]["x_continues"]
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        made = done["response"]["output"][0]
        assert (made["type"], made["approval_request_id"]) == ("mcp_call", request["id"])
        assert made["output"] == "Paid 5 to Ann."
        assert len(ledger.lines()) == 1
        assert "Paid 5 to Ann." in str(answers(gemini)[0]["response"])
        await decide(client, request, approve=True)
        assert (await client.until("error"))["error"]["code"] == "already_decided"
    assert len(ledger.lines()) == 1


async def test_where_two_people_have_to_say_yes_the_first_one_changes_nothing(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(("move", {"amount": 5000, "to": "Ann"})))
    server = start_shop()
    async with realtime(server.ws_url, "/ws/session/bank") as client:
        (request,) = await asked(client)
        assert (request["x_asks"], request["x_approvals"]) == ("Move 5000 € to Ann?", 2)
        await decide(client, request, approve=True)
        said = (await client.until("conversation.item.done"))["item"]
        assert (said["approve"], said["x_author"], said["x_pending"]) == (True, "client", 1)
        await decide(client, request, approve=True)
        assert (await client.until("error"))["error"]["code"] == "already_decided"
        assert ledger.lines() == []
        await as_staff(server, request, approve=True)
        done = await client.until("response.done")
        assert done["response"]["output"][0]["output"] == "Moved 5000 to Ann."
    assert ledger.lines() == ["moved 5000 to Ann"]


async def test_who_says_yes_in_a_conversation_of_their_own_is_one_person(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(("move", {"amount": 5000, "to": "Ann"})))
    server = start_shop()
    cookie = await in_db_thread(lambda: signed_in(grace()).cookies["sessionid"].value)
    headers = {"Origin": server.url, "Cookie": f"sessionid={cookie}"}
    async with realtime(server.ws_url, additional_headers=headers) as client:
        (request,) = await asked(client)
        await as_staff(server, request, approve=True)
        item = await in_db_thread(InboxItem.objects.get)
        assert (item.agreed, item.settled_at) == ([], None)
        await decide(client, request, approve=True)
        await client.until("conversation.item.done")
        await as_staff(server, request, approve=True)
        item = await in_db_thread(InboxItem.objects.get)
        assert (item.agreed, item.settled_at) == (["client"], None)
        assert ledger.lines() == []
        await as_staff(server, request, approve=False)
        await client.until("response.done")
    assert ledger.lines() == []


async def test_anybodys_no_ends_it_though_somebody_has_said_yes(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(("move", {"amount": 5000, "to": "Ann"})))
    server = start_shop()
    async with realtime(server.ws_url, "/ws/session/bank") as client:
        (request,) = await asked(client)
        await decide(client, request, approve=True)
        await as_staff(server, request, approve=False)
        await client.until("response.done")
    assert ledger.lines() == []


def grace() -> User:
    found = User.objects.filter(username="grace").first()
    return found or User.objects.create_superuser("grace", password="x")


async def as_staff(server: ServerProcess, request: Frame, *, approve: bool) -> None:
    """In the inbox of the admin, as a member of staff of their own."""

    def post() -> int:
        user = grace()
        item = InboxItem.objects.get(ref=request["id"])
        cookies = {name: morsel.value for name, morsel in signed_in(user).cookies.items()}
        url = f"{server.url}/admin/sessions_app/inboxitem/"
        with httpx2.Client(cookies=cookies) as browser:
            browser.get(url)
            form = {
                "act": "approve" if approve else "refuse",
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            }
            return browser.post(f"{url}{item.pk}/act/", data=form, headers={"Referer": url}).status_code

    assert await in_db_thread(post) == 302


async def test_a_no_is_told_to_the_model_with_its_reason(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(PAY))
    server = start_shop()
    async with realtime(server.ws_url) as client:
        (request,) = await asked(client)
        await decide(client, request, approve=False, reason="too much")
        done = await client.until("response.done")
        assert [item["type"] for item in done["response"]["output"]] == ["message"]
        assert "refused" in str(answers(gemini)[0]["response"])
        assert "too much" in str(answers(gemini)[0]["response"])
    assert ledger.lines() == []


async def test_calls_of_one_round_wait_for_all_their_answers(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(PAY, ("calculate", {"expression": "6*7"}), READ))
    server = start_shop()
    async with realtime(server.ws_url) as client:
        first, second = await asked(client)
        await decide(client, first, approve=True)
        await client.until("conversation.item.done")
        assert ledger.lines() == []
        await decide(client, second, approve=False)
        done = await client.until("response.done")
        assert [item["type"] for item in done["response"]["output"]] == ["mcp_call", "message"]
    assert [one["name"] for one in answers(gemini)] == ["pay", "calculate", "read_letter"]
    assert "42" in str(answers(gemini)[1])


async def test_the_talk_may_go_on_before_the_answer(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(PAY))
    server = start_shop()
    async with realtime(server.ws_url) as client:
        (request,) = await asked(client)
        _, done = await client.ask("What time is it in Asia/Tokyo?")
        assert done["response"]["status"] == "completed"
        waiting = [
            part["functionResponse"]
            for content in gemini.requests[1]["contents"]
            for part in content["parts"]
            if "functionResponse" in part
        ]
        assert "waits for a person" in str(waiting[0])
        await decide(client, request, approve=True)
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed", done
        assert done["response"]["output"][0]["output"] == "Paid 5 to Ann."
    assert len(ledger.lines()) == 1


async def test_a_question_survives_the_end_of_the_session_and_a_restart(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(PAY))
    server = start_shop(SESSION_GRACE_SECONDS="0.1")
    async with realtime(server.ws_url, "/ws/session/bank") as client:
        (request,) = await asked(client)
    server.stop()
    other = start_shop()
    async with realtime(other.ws_url, "/ws/session/bank?last_event_id=event_bank_0") as client:
        replayed = await client.until("response.done")
        assert replayed["response"]["output"][0] == request
        await decide(client, request, approve=True)
        done = await client.until("response.done")
        assert done["response"]["output"][0]["output"] == "Paid 5 to Ann."
        assert joined(client.frames)
    assert len(ledger.lines()) == 1


async def test_the_answer_of_another_tab_is_seen_here(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(READ))
    server = start_shop()
    async with (
        realtime(server.ws_url, "/ws/session/bank") as here,
        realtime(server.ws_url, "/ws/session/bank") as there,
    ):
        (request,) = await asked(here)
        await there.until("response.done")
        await decide(there, request, approve=True, id="item_yes")
        for client in (here, there):
            said = await client.until("conversation.item.done")
            assert (said["item"]["id"], said["item"]["approve"]) == ("item_yes", True)
            await client.until("response.done")
        assert here.frames[-1] == there.frames[-1]


async def test_an_answer_to_no_question_is_an_error(start_shop: StartShop) -> None:
    server = start_shop()
    async with realtime(server.ws_url) as client:
        await decide(client, {"id": "item_none"}, approve=True)
        error = (await client.until("error"))["error"]
        assert (error["code"], error["param"]) == ("item_not_found", "item.approval_request_id")


def staff(name: str = "grace") -> str:
    """The session cookie of somebody who may do everything."""
    user = User.objects.create_superuser(name)
    return str(signed_in(user).cookies["sessionid"].value)


def post(server: ServerProcess, path: str, session: str, **fields: str) -> tuple[int, str]:
    """A form of the admin, sent as a browser would; the status and the page that it leads to."""
    token = "t" * 32
    cookies = {"sessionid": session, "csrftoken": token}
    with httpx2.Client(base_url=server.url, cookies=cookies, follow_redirects=True, timeout=20) as browser:
        response = browser.post(path, data={"csrfmiddlewaretoken": token, **fields})
        return response.status_code, response.text


@pytest.mark.parametrize("name", ["grace", "client"])
async def test_staff_decide_in_the_admin_and_the_open_tab_sees_it(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, name: str
) -> None:
    """Also who is called as the log calls the client: a customer is not told that they have allowed it themselves."""
    gemini.then(calls(PAY))
    server = start_shop()
    grace = await in_db_thread(staff, name)
    async with realtime(server.ws_url, "/ws/session/bank") as client:
        (request,) = await asked(client)
        path = f"/admin/sessions_app/session/bank/approvals/{request['id']}/"
        status, page = await asyncio.to_thread(post, server, path, grace, approve="yes", reason="fine")
        assert (status, "Approved: the tool runs now." in page) == (200, True)
        said = await client.until("conversation.item.done")
        assert (said["item"]["approve"], said["item"]["x_author"]) == (True, "staff")
        done = await client.until("response.done")
        assert done["response"]["output"][0]["output"] == "Paid 5 to Ann."
        status, page = await asyncio.to_thread(post, server, path, grace, approve="no")
        assert "Nothing was decided. This approval request has been answered already." in page
    assert len(ledger.lines()) == 1


async def test_what_fails_after_a_yes_waits_for_the_staff(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger
) -> None:
    gemini.then(calls(PAY))
    server = start_shop()
    async with realtime(server.ws_url, "/ws/session/bank") as client:
        (request,) = await asked(client)
        ledger.path.unlink()
        ledger.path.mkdir()  # nothing can be written there
        await decide(client, request, approve=True)
        await client.until("response.done")
    item = await in_db_thread(lambda: InboxItem.objects.get(settled_at__isnull=True))
    assert (item.kind, item.session_id) == ("failed_tool", "bank")


async def test_staff_decide_for_a_session_that_has_ended_or_lives_elsewhere(
    start_shop: StartShop, gemini: GeminiServer, ledger: Ledger, redis_url: str
) -> None:
    gemini.then(calls(PAY))
    env = {"REDIS_URL": redis_url, "SESSION_GRACE_SECONDS": "0.2"}
    one, two = start_shop(**env), start_shop(**env)
    grace = await in_db_thread(staff)

    def decide_at(server: ServerProcess, request: Frame) -> None:
        path = f"/admin/sessions_app/session/bank/approvals/{request['id']}/"
        assert "Approved" in post(server, path, grace, approve="yes")[1]

    async with realtime(one.ws_url, "/ws/session/bank") as client:
        (request,) = await asked(client)
        await asyncio.to_thread(decide_at, two, request)
        await client.until("response.done")
        gemini.then(calls(READ))
        (request,) = await asked(client, "Read it")

    async def ended() -> None:
        assert (await in_db_thread(lambda: Session.objects.get(pk="bank"))).status == "ended"

    await eventually(ended)
    await asyncio.to_thread(decide_at, two, request)

    async def both_ran() -> None:
        assert [line.split()[0] for line in ledger.lines()] == ["paid", "read"]

    await eventually(both_ran)
    await eventually(ended)
