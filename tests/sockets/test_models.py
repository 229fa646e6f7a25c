"""Choosing a model and failing over, through the sockets: a vendor that fails, and the demo behind it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_app.models import Session, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_script import Chunk, Drop, HttpError, overloaded, quota, reply, say, text
from tests.fakes.gemini_server import API_KEY, GeminiServer
from tests.support.server import ServerProcess
from tests.support.sockets import plain, realtime
from tests.support.waiting import eventually

from .conftest import StartServer

FLASH = "gemini:gemini-3-flash"
OVERLOADED = {"model": FLASH, "code": "model_overloaded"}

StartGemini = Callable[..., ServerProcess]


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server


@pytest.fixture
def start_gemini(start_server: StartServer, gemini: GeminiServer) -> StartGemini:
    def start(**env: str) -> ServerProcess:
        return start_server(
            **{
                "LLM_MODEL": FLASH,
                "LLM_FALLBACKS": "demo",
                "GEMINI_API_KEY": API_KEY,
                "GOOGLE_GEMINI_BASE_URL": gemini.url,
                "MODEL_RETRY_SECONDS": "0.01",
                **env,
            }
        )

    return start


async def events(session_id: str, event_type: str) -> list[dict[str, Any]]:
    rows = await in_db_thread(
        lambda: list(
            SessionEvent.objects.filter(session_id=session_id, event_type=event_type).order_by("seq")
        )
    )
    return [{**row.payload, "content": row.content} for row in rows]


# Failing over


async def test_an_overload_is_asked_again_and_then_answered_by_the_fallback(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(overloaded(), overloaded(), overloaded())
    async with realtime(start_gemini().ws_url) as client:
        answer, done = await client.ask("count to 3")
        response = done["response"]
        assert (response["status"], response["x_model"]) == ("completed", "demo")
        assert response["x_failed_attempts"] == [OVERLOADED] * 3
        assert answer == response["output"][0]["content"][0]["text"] != ""
        assert gemini.hits == 3
        failed = await events(client.session_id, "model_attempt_failed")
        assert [(one["model"], one["code"], one.get("attempt", 1), one["next_model"]) for one in failed] == [
            (FLASH, "model_overloaded", 1, FLASH),
            (FLASH, "model_overloaded", 2, FLASH),
            (FLASH, "model_overloaded", 3, "demo"),
        ]
        assert all("overloaded. Please try again later" in one["content"] for one in failed)
        (stored,) = await events(client.session_id, "response_done")
        assert stored["model"] == "demo"
    assert "Please try again later" not in str(client.frames)


async def test_a_retry_that_succeeds_stays_with_the_model(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(overloaded(), say("Here I am"))
    async with realtime(start_gemini().ws_url) as client:
        answer, done = await client.ask("Hello")
    assert (answer, done["response"]["x_model"]) == ("Here I am", FLASH)
    assert done["response"]["x_failed_attempts"] == [OVERLOADED]


async def test_an_answer_that_broke_off_is_not_said_twice(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(reply(Chunk((text("Half an"),)), Drop()))
    async with realtime(start_gemini().ws_url) as client:
        answer, done = await client.ask("Hello")
    response = done["response"]
    assert (answer, response["status"], response["x_model"]) == ("Half an", "failed", FLASH)
    assert response["status_details"]["error"]["code"] == "model_unreachable"
    assert response["output"][0]["status"] == "incomplete"
    assert gemini.hits == 1


@pytest.mark.parametrize(
    ("refusal", "code", "looks"),
    [
        (
            HttpError(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
            "model_bad_credentials",
            1,
        ),
        # the API has two versions, with models of their own
        (HttpError(404, "NOT_FOUND", "models/gemini-0 is not found."), "model_not_found", 2),
    ],
)
async def test_a_bad_key_and_an_unknown_model_are_answered_by_the_fallback(
    gemini: GeminiServer, start_gemini: StartGemini, refusal: HttpError, code: str, looks: int
) -> None:
    gemini.then(*[refusal] * looks)
    async with realtime(start_gemini().ws_url) as client:
        _, done = await client.ask("count to 3")
    assert done["response"]["status"] == "completed"
    assert done["response"]["x_failed_attempts"] == [{"model": FLASH, "code": code}]
    assert gemini.hits == looks


async def test_what_the_vendor_refuses_no_other_model_is_asked(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(reply(Chunk(block="PROHIBITED_CONTENT")))
    async with realtime(start_gemini().ws_url) as client:
        _, done = await client.ask("count to 3")
    error = done["response"]["status_details"]["error"]
    assert (error["code"], error["x_retryable"]) == ("model_refused", False)
    assert done["response"]["x_model"] == FLASH


async def test_a_model_that_wants_to_be_left_alone_is_left_alone_by_all_sessions(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(quota("30s"))
    server = start_gemini()
    for _ in range(3):
        async with realtime(server.ws_url) as client:
            _, done = await client.ask("count to 3")
        assert done["response"]["x_model"] == "demo"
        assert done["response"]["x_failed_attempts"] == [{"model": FLASH, "code": "model_quota_exceeded"}]
    assert gemini.hits == 1


async def test_without_a_fallback_the_client_is_told_when_to_come_back(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(quota("41s"))
    async with realtime(start_gemini(LLM_FALLBACKS="").ws_url) as client:
        _, done = await client.ask("Hello")
    error = done["response"]["status_details"]["error"]
    assert (error["code"], error["x_retryable"], error["x_retry_after_s"]) == (
        "model_quota_exceeded",
        True,
        41.0,
    )


async def test_a_stop_while_it_waits_to_ask_again(gemini: GeminiServer, start_gemini: StartGemini) -> None:
    gemini.then(overloaded())
    server = start_gemini(MODEL_RETRY_SECONDS="60", MODEL_RETRY_TOTAL_SECONDS="600")
    async with realtime(server.ws_url) as client:
        await client.say("Hello")
        await client.until("response.created")
        await gemini.got_request()
        await client.send(type="response.cancel")
        done = await client.until("response.done")
    assert done["response"]["status"] == "cancelled"
    assert gemini.hits == 1


# Choosing


async def test_a_new_session_has_the_model_that_it_was_opened_with(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    server = start_gemini(LLM_MODELS="gemini:gemini-3.8-flash")
    async with realtime(server.ws_url, "/v1/realtime?model=gemini-3.8-flash") as client:
        assert client.created["session"]["model"] == "gemini:gemini-3.8-flash"
        _, done = await client.ask("Hello")
        assert done["response"]["x_model"] == "gemini:gemini-3.8-flash"
        row = await in_db_thread(lambda: Session.objects.get(pk=client.session_id))
        assert row.model == "gemini:gemini-3.8-flash"
    async with realtime(server.ws_url, "/ws/session/named?model=demo") as client:
        assert client.created["session"]["model"] == "demo"
    async with realtime(server.ws_url, "/ws/session/named?model=gemini-3.8-flash") as client:
        assert client.created["session"]["model"] == "demo"  # it keeps its own


@pytest.mark.parametrize("path", ["/v1/realtime", "/ws/session/new-one"])
async def test_a_model_that_is_not_offered_is_refused(server: ServerProcess, path: str) -> None:
    async with realtime(server.ws_url, f"{path}?model=gpt-6.1-terra") as client:
        error = client.created["error"]
        assert (error["code"], error["param"], error["x_retryable"]) == ("model_not_allowed", "model", False)
        assert "Choose one of: demo" in error["message"]
        assert await client.closed() == 4400
    assert not await in_db_thread(lambda: Session.objects.filter(pk="new-one").exists())


async def test_a_session_that_exists_opens_whatever_model_is_asked_for(server: ServerProcess) -> None:
    """Also one that has ended, so that it is opened from its row."""
    async with realtime(server.ws_url, "/ws/session/old") as client:
        await client.ask("count to 3")
    async with realtime(server.ws_url, "/ws/session/old?model=gone") as client:
        assert client.created["session"]["model"] == "demo"

    async def ended() -> None:
        assert (await in_db_thread(lambda: Session.objects.get(pk="old"))).status == "ended"

    await eventually(ended)
    async with realtime(server.ws_url, "/ws/session/old?model=gone") as client:
        assert client.created["session"]["model"] == "demo"


@pytest.mark.parametrize("name", ["gpt-realtime", "gpt-realtime-2", "gpt-4o-realtime-preview"])
async def test_what_sdks_send_by_habit_stands_for_the_servers_own(server: ServerProcess, name: str) -> None:
    async with realtime(server.ws_url, f"/v1/realtime?model={name}") as client:
        assert client.created["session"]["model"] == "demo"
        await client.send(type="session.update", session={"type": "realtime", "model": name})
        assert (await client.until("session.updated"))["session"]["model"] == "demo"


async def test_the_plain_dialect_is_refused_in_its_own_words(server: ServerProcess) -> None:
    async with plain(server.ws_url, "/ws/session?model=gpt-5") as client:
        assert client.session_id.startswith("[error] model_not_allowed: ")
        assert await client.closed() == 4400


async def test_the_model_can_be_changed_for_the_turns_that_follow_and_any_process_knows(
    gemini: GeminiServer, start_gemini: StartGemini
) -> None:
    gemini.then(say("From Gemini"), say("From Gemini again"))
    server = start_gemini(LLM_MODELS="gemini:gemini-3.8-flash")
    async with realtime(server.ws_url, "/ws/session/changing?model=demo") as client:
        _, done = await client.ask("count to 3")
        assert done["response"]["x_model"] == "demo"
        await client.send(type="session.update", session={"type": "realtime", "model": "gemini-3.8-flash"})
        updated = await client.until("session.updated")
        assert updated["session"]["model"] == "gemini:gemini-3.8-flash"
        answer, done = await client.ask("And now?")
        assert (answer, done["response"]["x_model"]) == ("From Gemini", "gemini:gemini-3.8-flash")
    (change,) = await events("changing", "session_updated")
    assert change["config"] == {"model": "gemini:gemini-3.8-flash"}
    server.stop()
    other = start_gemini(LLM_MODELS="gemini:gemini-3.8-flash")
    async with realtime(other.ws_url, "/ws/session/changing") as client:
        assert client.created["session"]["model"] == "gemini:gemini-3.8-flash"
        answer, _ = await client.ask("Still you?")
    assert answer == "From Gemini again"


async def test_a_change_to_a_model_that_is_not_offered_changes_nothing(server: ServerProcess) -> None:
    async with realtime(server.ws_url) as client:
        session = {"type": "realtime", "model": "openai:gpt-5", "instructions": "Be brief."}
        await client.send(type="session.update", session=session, event_id="mine")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == (
            "model_not_allowed",
            "session.model",
            "mine",
        )
        _, done = await client.ask("count to 3")
        assert done["response"]["status"] == "completed"
    assert await events(client.session_id, "session_updated") == []


async def test_the_model_is_changed_through_another_process(
    gemini: GeminiServer, start_gemini: StartGemini, redis_url: str
) -> None:
    gemini.then(say("From Gemini"))
    env = {"LLM_MODEL": "demo", "LLM_MODELS": FLASH, "REDIS_URL": redis_url}
    one, two = start_gemini(**env), start_gemini(**env)
    async with (
        realtime(one.ws_url, "/ws/session/shared"),
        realtime(two.ws_url, "/ws/session/shared") as there,
    ):
        await there.send(type="session.update", session={"type": "realtime", "model": "gpt-5"})
        assert (await there.until("error"))["error"]["code"] == "model_not_allowed"
        await there.send(type="session.update", session={"type": "realtime", "model": FLASH})
        assert (await there.until("session.updated"))["session"]["model"] == FLASH
        answer, done = await there.ask("Who are you?")
    assert (answer, done["response"]["x_model"]) == ("From Gemini", FLASH)
