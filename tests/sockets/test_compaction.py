"""Long and dear conversations through real sockets: what clients see of compactions (nothing) and of budgets."""

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.sockets import realtime
from tests.support.waiting import eventually

from .conftest import StartServer

PRICED = '{"demo": {"input": 0, "output": 1000}}'
LONG = "Please tell me about WebSocket streaming, and do take your time. " * 6


def compactions(session_id: str) -> list[SessionEvent]:
    rows = SessionEvent.objects.filter(session_id=session_id, event_type="history_compacted")
    return list(rows.order_by("seq"))


async def test_a_client_sees_the_same_stream_whether_turns_are_compacted_or_not(
    start_server: StartServer,
) -> None:
    server = start_server(HISTORY_TOKENS="1500", SESSION_GRACE_SECONDS="60")
    async with realtime(server.ws_url, "/ws/session/long") as client:
        await client.ask("Hello")
        seen = client.frames[-1]["event_id"]
        start = len(client.frames)
        for _ in range(12):
            _, done = await client.ask(LONG)
            assert done["response"]["status"] == "completed"
        live = [frame for frame in client.frames[start:] if frame["event_id"].startswith("event_")]
    rows = await in_db_thread(compactions, "long")
    assert rows
    assert {row.payload["model"] for row in rows} == {"demo"}
    path = f"/ws/session?session_id=long&last_event_id={seen}"
    async with realtime(server.ws_url, path) as again:
        missed = [await again.recv() for _ in live]
        assert missed == live


async def test_a_used_up_budget_is_told_and_ends_nothing(start_server: StartServer) -> None:
    server = start_server(LLM_PRICES=PRICED, BUDGET_SESSION_USD="0.02", SESSION_GRACE_SECONDS="60")
    async with realtime(server.ws_url, "/ws/session/dear") as client:
        _, done = await client.ask("Explain WebSocket streaming")
        assert done["response"]["status"] == "incomplete"
        assert done["response"]["status_details"]["x_reason"] == "budget_exceeded"
        assert "$0.02" in done["response"]["x_message"]
        assert done["response"]["output"][0]["content"][0]["text"]
        await client.say("And more?")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["x_retryable"]) == ("budget_exceeded", False)
        assert "new session" in error["message"]

    async def kept() -> None:
        session = await in_db_thread(Session.objects.get, pk="dear")
        assert 20_000 <= session.cost_microusd < 40_000
        assert session.user_messages == 2, "what was said is kept; the refusal need not wait for its commit"

    await eventually(kept)
