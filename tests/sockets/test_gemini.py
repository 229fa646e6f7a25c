"""The whole application on Gemini: the real SDK against a local server that is as strict as the vendor's."""

import time
from collections.abc import Callable, Iterator

import pytest

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_script import Chunk, HttpError, Reply, Sleep, call, text
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.support.server import ServerProcess
from tests.support.sockets import joined, realtime
from tests.support.waiting import eventually

from .conftest import StartServer

StartGemini = Callable[..., ServerProcess]


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server
    assert server.refusals == []


@pytest.fixture
def start_gemini(start_server: StartServer, gemini: GeminiServer) -> StartGemini:
    def start(**env: str) -> ServerProcess:
        return start_server(
            LLM_MODEL="gemini:gemini-3-flash",
            GEMINI_API_KEY=API_KEY,
            GOOGLE_GEMINI_BASE_URL=gemini.url,
            **env,
        )

    return start


async def test_a_turn_with_a_tool_and_a_reopened_session(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    """The second process rebuilds the history from the log alone; the strict server checks every signature in it."""
    server = start_gemini(SESSION_GRACE_SECONDS="0.2")
    async with realtime(server.ws_url, "/ws/session/talk") as client:
        assert client.created["session"]["model"] == "gemini:gemini-3-flash"
        assert "x_notice" not in client.created
        answer, done = await client.ask("What time is it in Asia/Tokyo?")
        assert "get_time" in answer
        assert [item["type"] for item in done["response"]["output"]] == ["mcp_call", "message"]
        assert done["response"]["usage"]["total_tokens"] > 0
        await client.ask("Thank you")
    server.stop()
    other = start_gemini()
    async with realtime(other.ws_url, "/ws/session/talk") as client:
        answer, done = await client.ask("And the time in Europe/Paris?")
        assert done["response"]["status"] == "completed", done
    history = gemini.requests[-1]["contents"]
    assert [content["role"] for content in history] == ["user", "model"] * (len(history) // 2) + ["user"]
    signed = [part for content in history for part in content["parts"] if "thoughtSignature" in part]
    assert len([part for part in signed if "functionCall" in part]) == 2
    assert len([part for part in signed if part.get("text") == ""]) >= 2


async def test_parallel_calls_are_answered_together_in_order(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(
        Reply(
            (
                Chunk(
                    (
                        call("get_time", {"zone": "Asia/Tokyo"}, signed=True),
                        call("calculate", {"expression": "6*7"}),
                        call("get_time", {"zone": "Nowhere/Atall"}),
                    )
                ),
                Chunk(finish="STOP"),
            )
        )
    )
    server = start_gemini()
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("Do three things")
    kinds = [item["type"] for item in done["response"]["output"]]
    assert kinds == ["mcp_call", "mcp_call", "mcp_call", "message"]
    assert [bool(item.get("error")) for item in done["response"]["output"][:3]] == [False, False, True]
    results = gemini.requests[1]["contents"][-1]["parts"]
    assert [part["functionResponse"]["name"] for part in results] == ["get_time", "calculate", "get_time"]


async def test_a_stop_closes_the_models_connection(gemini: GeminiServer, start_gemini: StartGemini) -> None:
    gemini.then(Reply((Chunk((text("It was "),)), Sleep(60), Chunk(finish="STOP"))))
    server = start_gemini()
    async with realtime(server.ws_url) as client:
        await client.say("Tell me a long story")
        await client.until("response.output_text.delta")
        started = time.monotonic()
        await client.send(type="response.cancel")
        done = await client.until("response.done")
        assert time.monotonic() - started < 5
        assert done["response"]["status"] == "cancelled"
        assert joined(client.frames) == "It was "
        assert await gemini.hung_up_within(5)


async def test_leaving_and_the_answer_still_comes_to_its_end(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(Reply((Chunk((text("One, "),)), Sleep(1.0), Chunk((text("two."),), finish="STOP"))))
    server = start_gemini(SESSION_GRACE_SECONDS="0.1")
    async with realtime(server.ws_url) as client:
        await client.say("Count")
        await client.until("response.output_text.delta")
        session_id = client.session_id

    async def stored() -> None:
        session = await in_db_thread(lambda: Session.objects.get(pk=session_id))
        assert session.status == "ended"

    await eventually(stored)
    message = await in_db_thread(
        lambda: SessionEvent.objects.get(session_id=session_id, event_type="assistant_message")
    )
    assert message.content == "One, two."


@pytest.mark.parametrize(
    ("refusal", "code", "retryable"),
    [
        (HttpError(400, "INVALID_ARGUMENT", f"API key not valid: {API_KEY}"), "model_bad_", False),
        (HttpError(429, "RESOURCE_EXHAUSTED", "Quota exceeded"), "model_quota_exceeded", True),
    ],
)
async def test_a_failing_model_is_said_well_and_the_key_appears_nowhere(
    gemini: GeminiServer, start_gemini: StartGemini, refusal: HttpError, code: str, retryable: bool
) -> None:
    gemini.then(*[refusal] * (3 if retryable else 1))
    server = start_gemini(MODEL_RETRY_SECONDS="0.01")
    async with realtime(server.ws_url) as client:
        _, done = await client.ask("Hello")
        response = done["response"]
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["code"].startswith(code)
        assert response["status_details"]["error"]["x_retryable"] is retryable
        assert len(response["x_message"]) > 20
        _, done = await client.ask("Hello again")
        assert done["response"]["status"] == "completed"
        events = await in_db_thread(
            lambda: list(
                SessionEvent.objects.filter(session_id=client.session_id).values_list("content", "payload")
            )
        )
    assert API_KEY not in str(events)
    assert API_KEY not in str(client.frames)


async def test_what_the_vendor_cuts_off_is_marked(gemini: GeminiServer, start_gemini: StartGemini) -> None:
    gemini.then(
        Reply((Chunk((text("Half an"),), finish="MAX_TOKENS"),)),
        Reply((Chunk((text("Not so"),)), Chunk(finish="SAFETY"))),
        Reply((Chunk(block="PROHIBITED_CONTENT"),)),
    )
    server = start_gemini()
    async with realtime(server.ws_url) as client:
        details = []
        for question in ("One", "Two", "Three"):
            _, done = await client.ask(question)
            details.append((done["response"]["status"], done["response"]["status_details"]["x_reason"]))
    assert details == [
        ("incomplete", "max_output_tokens"),
        ("incomplete", "content_filter"),
        ("failed", "model_refused"),
    ]
