"""What is said into an answer whose calls the client has to answer first: it waits for that, and goes with it. On the local Gemini."""

import json
from typing import Any

from tests.fakes.gemini_script import say
from tests.fakes.gemini_server import GeminiServer
from tests.responses.conftest import Client
from tests.responses.socket_sdk import checked_frame, until_over
from tests.responses.test_python import FUNCTION
from tests.sockets.shop import Ledger, StartShop, calls, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]


async def test_it_is_pending_until_the_client_has_answered(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client, ledger: Ledger
) -> None:
    gemini.then(
        calls(("look_up", {"shelf": "A"}), ("get_weather", {"city": "Oslo"}), ("read_letter", {"name": "B"})),
        say("Bring a coat."),
    )
    async with client_of(start_shop()).responses.connect() as socket:
        await socket.response.create(input="What do I need?", tools=[FUNCTION], stream_id="one")
        told = await until_over(socket, until=lambda event: event.type == "response.mcp_call.in_progress")
        first = told[0].response.id
        await socket.response.steer(
            previous_response_id=first,
            input=[{"type": "message", "role": "user", "content": "It is winter."}],
        )
        told = await until_over(socket, until=lambda event: event.type == "response.steer.pending")
        kinds = [event.type for event in told]
        assert kinds.index("response.steer.accepted") < kinds.index("response.completed") == len(kinds) - 2
        pending = told[-1]
        accepted = told[kinds.index("response.steer.accepted")]
        assert (pending.steer.to_dict(), pending.stream_id) == (accepted.steer.to_dict(), "one")
        assert pending.reason == "waiting_for_required_input"
        function, approval = (one.to_dict() for one in pending.required_input)
        assert (function["type"], function["name"]) == ("function_call_output", "get_weather")
        assert approval["type"] == "mcp_approval_response"
        await socket.response.create(
            previous_response_id=first,
            input=[{**function, "output": "4 degrees"}, {**approval, "approve": False}],
            tools=[FUNCTION],
            stream_id="one",
        )
        done = (await until_over(socket))[-1].response
        assert done.output_text == "Bring a coat."
    asked: Any = json.dumps(gemini.requests[-1]["contents"])
    assert asked.index("4 degrees") < asked.index("It is winter.")
    assert ledger.lines() == ["looked at A"]


async def test_words_into_a_running_tool_stop_it(
    start_shop: StartShop, gemini: GeminiServer, client_of: Client, ledger: Ledger
) -> None:
    gemini.then(calls(("look_up", {"shelf": "A"})), say("Then not."))
    async with client_of(start_shop()).responses.connect() as socket:
        await socket.response.create(input="What is on shelf A?")
        told = await until_over(socket, until=lambda event: event.type == "response.mcp_call.in_progress")
        await socket.response.steer(previous_response_id=told[0].response.id, input="Never mind.")
        steered = (await until_over(socket))[-1].response
        assert steered.incomplete_details.reason == "steered"
        assert [item.status for item in steered.output] == ["failed"]
        following = await until_over(socket)
        assert checked_frame(following[-1]).response.output_text == "Then not."
