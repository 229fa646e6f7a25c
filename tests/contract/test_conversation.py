"""A whole conversation with each vendor: the real server in a process of its own, a socket, the real SDK, a strict vendor."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.contract.demo_vendor import DemoVendor
from tests.contract.vendor import Call, Ending, Fail, Failure, Refuse, Reply, Script, Thinking, Vendor
from tests.contract.vendors import VENDORS
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, joined, realtime

StartServer = Callable[..., ServerProcess]

COUNT = Reply(thinking=(Thinking(),), text=("1, ", "2, ", "3."))
TIME = Call("get_time", {"zone": "Asia/Tokyo"})
ROUNDS = 3
LONG = tuple(f"{number}, " for number in range(1, 500))


@pytest.fixture
def start_server(vendor: Vendor, transactional_db: None) -> Iterator[StartServer]:
    """Starts servers that ask the vendor; all are stopped at the end."""
    started: list[ServerProcess] = []

    def start(**env: str) -> ServerProcess:
        ours = {"LLM_MODEL": vendor.spec, "MODEL_ATTEMPTS": "1", **vendor.env(vendor.url)}
        server = ServerProcess(**{**ours, **env})
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


def kinds(done: dict[str, Any]) -> list[str]:
    return [item["type"] for item in done["response"]["output"]]


@pytest.mark.parametrize(
    "vendor", [*VENDORS, DemoVendor], indirect=True, ids=lambda vendor: vendor.title or vendor.name
)
async def test_text_tools_a_long_answer_and_another_process(
    vendor: Vendor, start_server: StartServer
) -> None:
    """The second process knows the conversation from the log alone; the strict server checks all that comes back."""
    server = start_server()
    async with realtime(server.ws_url, "/ws/session/talk") as client:
        vendor.then(COUNT)
        answer, done = await client.ask("Count to 3")
        assert answer == "1, 2, 3."
        assert done["response"]["status"] == "completed", done
        assert done["response"]["x_model"] == vendor.spec
        assert done["response"]["usage"]["total_tokens"] > 0
        vendor.then(Reply(thinking=(Thinking(),), calls=(TIME,)), Reply(text=("It is some time in Tokyo.",)))
        answer, done = await client.ask("What time is it in Tokyo?")
        assert "Tokyo" in answer
        assert kinds(done)[0] == "mcp_call"
        assert "error" not in done["response"]["output"][0] or not done["response"]["output"][0]["error"]
        vendor.then(Reply(text=LONG))
        answer, done = await client.ask("Count to 499")
        assert answer.startswith("1, 2, 3, ")
        assert answer.rstrip(".").rstrip(", ").endswith("499")
        assert answer == done["response"]["output"][0]["content"][0]["text"]
    server.stop()
    other = start_server()
    async with realtime(other.ws_url, "/ws/session/talk") as client:
        vendor.then(Reply(calls=(TIME,)), Reply(text=("Still Tokyo.",)))
        answer, done = await client.ask("And what time is it in Tokyo now?")
        assert done["response"]["status"] == "completed", done
        assert "Tokyo" in answer
    if vendor.scripted:
        kept = [entry.text for entry in vendor.sent[-1].of("user", "assistant")]
        assert "Count to 3" in kept[0]
        assert "".join(LONG) in "".join(kept)
        assert len(vendor.sent[-1].of("call")) == len(vendor.sent[-1].of("result")) == 2


async def parallel_tools_one_of_which_fails(vendor: Vendor, server: ServerProcess) -> None:
    vendor.then(
        Reply(
            text=("One moment. ",),
            calls=(
                TIME,
                Call("calculate", {"expression": "6*7"}),
                Call("get_time", {"zone": "Nowhere/Atall"}),
            ),
        ),
        Reply(text=("Two of three.",)),
    )
    async with realtime(server.ws_url) as client:
        answer, done = await client.ask("Do three things")
    assert "Two of three." in answer
    assert kinds(done) == ["message", "mcp_call", "mcp_call", "mcp_call", "message"]
    calls = done["response"]["output"][1:4]
    assert [bool(call.get("error")) for call in calls] == [False, False, True]
    results = vendor.sent[-1].of("result", "error")
    assert [entry.link for entry in vendor.sent[-1].of("call")] == [entry.link for entry in results]
    assert "42" in results[1].text


async def a_model_that_never_stops_calling_tools_is_stopped(vendor: Vendor, server: ServerProcess) -> None:
    """The last round is told to answer without tools; a model that calls one all the same ends the answer."""
    before = len(vendor.sent)
    vendor.then(*[Reply(thinking=(Thinking(),), calls=(TIME,))] * (ROUNDS + 1), Reply(text=("Enough.",)))
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("What time is it?")
        assert done["response"]["status"] == "incomplete"
        assert done["response"]["status_details"]["x_reason"] == "max_tool_rounds"
        assert [sent.tool_choice for sent in vendor.sent[before:]] == ["auto"] * ROUNDS + ["none"]
        answer, done = await client.ask("Thank you")
        assert (answer, done["response"]["status"]) == ("Enough.", "completed")


async def failures_end_one_answer_and_not_the_conversation(vendor: Vendor, server: ServerProcess) -> None:
    refused = ("incomplete", "content_filter") if vendor.refuses_in_words else ("failed", "model_refused")
    scripts: dict[Script, tuple[str, str]] = {
        Fail(Failure.SERVER_ERROR): ("failed", "model_overloaded"),
        Fail(Failure.QUOTA): ("failed", "model_quota_exceeded"),
        Fail(Failure.BAD_KEY, message=f"The key {vendor.key} was reported as leaked."): (
            "failed",
            "model_bad_credentials",
        ),
        Fail(Failure.TOO_LONG): ("failed", "model_context_too_long"),
        Reply(text=("Half an",), ending=Ending.DROPPED): ("failed", "model_unreachable"),
        Refuse(): refused,
    }
    vendor.then(*scripts, Reply(text=("Here I am.",)))
    async with realtime(server.ws_url) as client:
        ended = []
        for number in range(len(scripts)):
            _, done = await client.ask(f"Question {number}")
            details = done["response"]["status_details"]
            ended.append((done["response"]["status"], details["x_reason"]))
            assert len(done["response"].get("x_message", "x" * 30)) > 20
        assert ended == list(scripts.values())
        answer, done = await client.ask("Are you there?")
        assert (answer, done["response"]["status"]) == ("Here I am.", "completed")
        events = await in_db_thread(
            lambda: list(
                SessionEvent.objects.filter(session_id=client.session_id).values_list("content", "payload")
            )
        )
    assert "was reported as leaked" in str(events)
    assert vendor.key not in str(events)
    assert vendor.key not in str(client.frames)


async def a_stop_closes_the_vendors_connection(vendor: Vendor, server: ServerProcess) -> None:
    vendor.then(Reply(text=("It was ",), ending=Ending.SILENT), Reply(text=("All right.",)))
    async with realtime(server.ws_url) as client:
        await client.say("Tell me a long story")
        await client.until("response.output_text.delta")
        await client.send(type="response.cancel")
        done = await client.until("response.done")
        assert done["response"]["status"] == "cancelled"
        assert joined(client.frames) == "It was "
        assert await vendor.hung_up_within(10)
        answer, _ = await client.ask("Never mind")
        assert answer == "All right."


async def test_stops_tools_and_failures(vendor: Vendor, start_server: StartServer) -> None:
    """Each in a session of its own; one server for all, since starting it takes longer than they do."""
    server = start_server(MAX_TOOL_ROUNDS=str(ROUNDS))
    await a_stop_closes_the_vendors_connection(vendor, server)
    await parallel_tools_one_of_which_fails(vendor, server)
    await a_model_that_never_stops_calling_tools_is_stopped(vendor, server)
    await failures_end_one_answer_and_not_the_conversation(vendor, server)


CLIENT_TOOL = {
    "type": "function",
    "name": "2fa_check",
    "description": "Check a code.",
    "parameters": {"anyOf": [{"properties": {"codes": {"type": "array"}}}], "description": "The codes."},
}


async def a_call_of_a_tool_that_nobody_offered_is_told_to_be_none(vendor: Vendor, client: Realtime) -> None:
    vendor.then(Reply(calls=(Call("find.item now!"), Call(""))), Reply(text=("I cannot look there.",)))
    answer, done = await client.ask("Where is it?")
    assert (answer, done["response"]["status"]) == ("I cannot look there.", "completed")
    told = [entry.text for entry in vendor.sent[-1].of("result", "error")]
    assert "There is no tool 'find.item now!'" in told[0]
    assert "There is no tool ''" in told[1]


async def a_clients_tool_may_be_named_and_described_as_no_vendor_takes_it(
    vendor: Vendor, client: Realtime
) -> None:
    await client.send(type="session.update", session={"type": "realtime", "tools": [CLIENT_TOOL]})
    updated = await client.until("session.updated")
    assert updated["session"]["tools"][0]["name"] == "2fa_check"
    vendor.then(Reply(calls=(Call("_2fa_check", {"codes": []}),)), Reply(text=("It is valid.",)))
    _, done = await client.ask("Is it valid?")
    [call] = done["response"]["output"]
    assert (call["type"], call["name"]) == ("function_call", "2fa_check")
    output = {
        "type": "function_call_output",
        "call_id": call["call_id"],
        "output": '{"who": {"$ref": "people"}}',
    }
    await client.send(type="conversation.item.create", item=output)
    await client.send(type="response.create")
    done = await client.until("response.done")
    assert done["response"]["status"] == "completed", done
    assert "people" in vendor.sent[-1].of("result")[-1].text


async def an_answer_without_a_word_is_asked_for_again(vendor: Vendor, client: Realtime) -> None:
    empty = {"model": vendor.spec, "code": "model_empty_answer"}
    vendor.then(Reply(thinking=(Thinking(),)), Reply(text=("Here I am.",)))
    answer, done = await client.ask("Hello?")
    assert (answer, done["response"]["status"]) == ("Here I am.", "completed")
    assert done["response"]["x_failed_attempts"] == [empty]
    vendor.then(Reply(), Reply(text=(" \n",)))
    _, done = await client.ask("Hello?")
    response = done["response"]
    assert (response["status"], response["output"]) == ("failed", [])
    error = response["status_details"]["error"]
    assert (error["code"], error["x_retryable"]) == ("model_empty_answer", True)
    assert response["usage"]["total_tokens"] > 0, "the vendor counts it"


async def other_models_take_over(vendor: Vendor, client: Realtime) -> None:
    for model in ("demo", vendor.spec):
        await client.send(type="session.update", session={"type": "realtime", "model": model})
        await client.until("session.updated")
        vendor.then(*[Reply(text=("Still here.",))] * (model == vendor.spec))
        _, done = await client.ask("Are you there?")
        assert (done["response"]["status"], done["response"]["x_model"]) == ("completed", model), done


async def test_whatever_a_model_says_the_session_goes_on(vendor: Vendor, start_server: StartServer) -> None:
    server = start_server(MODEL_ATTEMPTS="2", MODEL_RETRY_SECONDS="0.01", LLM_MODELS=f"demo,{vendor.spec}")
    async with realtime(server.ws_url) as client:
        await a_call_of_a_tool_that_nobody_offered_is_told_to_be_none(vendor, client)
        await a_clients_tool_may_be_named_and_described_as_no_vendor_takes_it(vendor, client)
        await an_answer_without_a_word_is_asked_for_again(vendor, client)
        await other_models_take_over(vendor, client)
    assert vendor.refusals == []


async def test_what_one_model_said_the_next_one_takes(vendor: Vendor, start_server: StartServer) -> None:
    """Each vendor's broken call, replayed to the fallback by another vendor, which is as strict."""
    place = VENDORS.index(type(vendor)) + 1
    others = [other for other in (*VENDORS[place:], *VENDORS[:place]) if other.name != vendor.name]
    fallback = others[0]()
    fallback.start()
    try:
        env = {"LLM_FALLBACKS": fallback.spec, **fallback.env(fallback.url)}
        async with realtime(start_server(**env).ws_url) as client:
            vendor.then(Reply(calls=(Call("get_time<|end|>"),)), Reply(text=("Sorry.",)), Reply())
            fallback.then(Reply(text=("I take over.",)))
            assert (await client.ask("What time is it?"))[0] == "Sorry."
            answer, done = await client.ask("Well?")
            assert (answer, done["response"]["x_model"]) == ("I take over.", fallback.spec), done
        assert fallback.refusals == []
    finally:
        fallback.stop()
