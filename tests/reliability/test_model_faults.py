"""The model fails in the middle of a talk: its answer ends with a code, what it said is kept, and the talk goes on."""

import pytest

from sessions_app.log.rows import storable
from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.fakes.gemini_script import Chunk, Drop, Hang, HttpError, Raw, Reply, Step, call, overloaded, text
from tests.fakes.gemini_server import GeminiServer
from tests.reliability.conftest import StartGemini
from tests.support.server import ServerProcess
from tests.support.sockets import joined, realtime

SAID = Chunk((text("Grüße, 日本語, "),)), Chunk((text("👩‍👩‍👧‍👦"),))
PARTIAL = "Grüße, 日本語, 👩‍👩‍👧‍👦"
IN_A_STREAM = b'data: {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}\r\n\r\n'
HALF_A_CHARACTER = b'data: {"candidates": [{"content": {"parts": [{"text": "\xf0\x9f\x91"}]}}]}\r\n\r\n'


def _after_words(*steps: Step) -> Reply:
    return Reply((*SAID, *steps))


FAULTS: dict[str, tuple[list[Reply | HttpError], str, str]] = {
    "hangs before its head": ([Reply((Hang(),), silent_start=True)], "model_timeout", ""),
    "hangs before its first event": ([Reply((Hang(),))], "model_timeout", ""),
    "hangs in mid-stream": ([_after_words(Hang())], "model_timeout", PARTIAL),
    "drops before its head": ([Reply((Drop(),), silent_start=True)], "model_unreachable", ""),
    "drops in mid-stream": ([_after_words(Drop())], "model_unreachable", PARTIAL),
    "sends no JSON": ([_after_words(Raw(b"data: {not json}\r\n\r\n"))], "model_bad_answer", PARTIAL),
    "sends half a character": (
        [_after_words(Raw(HALF_A_CHARACTER))],
        "model_unreachable",
        PARTIAL + "\ufffd",
    ),
    "sends bytes of no protocol": (
        [_after_words(Raw(b"\xff\xfe\x00\r\n\r\n"))],
        "model_bad_answer",
        PARTIAL,
    ),
    "sends an error in mid-stream": ([_after_words(Raw(IN_A_STREAM))], "model_overloaded", PARTIAL),
    "is overloaded": ([overloaded()], "model_overloaded", ""),
    "drops after a tool call": (
        [Reply((*SAID, Chunk((call("get_time", signed=True),)), Chunk(finish="STOP"))), Reply((Drop(),))],
        "model_unreachable",
        PARTIAL,
    ),
}


@pytest.fixture
def server(start_gemini: StartGemini) -> ServerProcess:
    return start_gemini(DJANGO_SETTINGS_MODULE="tests.reliability.settings", MODEL_ATTEMPTS="1")


async def test_each_fault_has_a_code_keeps_what_was_said_and_leaves_the_session_usable(
    gemini: GeminiServer, server: ServerProcess
) -> None:
    """One talk through all of them: the strict server also checks the history that each of them leaves behind."""
    told = {}
    async with realtime(server.ws_url, "/ws/session/faults") as client:
        for name, (answers, _, _) in FAULTS.items():
            gemini.then(*answers)
            start = len(client.frames)
            _, done = await client.ask(f"It {name}")
            response = done["response"]
            assert response["status"] == "failed", name
            assert len(response["x_message"]) > 20
            told[name] = (response["status_details"]["error"]["code"], joined(client.frames[start:]))
            _, done = await client.ask("And now?")
            assert done["response"]["status"] == "completed", name
    assert told == {name: (code, partial) for name, (_, code, partial) in FAULTS.items()}
    kept = SessionEvent.objects.filter(
        session_id="faults", event_type="assistant_message", content__startswith=PARTIAL
    )
    assert await in_db_thread(kept.count) == sum(1 for _, _, partial in FAULTS.values() if partial)


async def test_an_end_for_a_reason_that_no_log_can_hold(gemini: GeminiServer, server: ServerProcess) -> None:
    gemini.then(_after_words(Chunk(finish="ODD\x00REASON")))
    async with realtime(server.ws_url) as client:
        text, done = await client.ask("Hello")
        assert (text, done["response"]["status"]) == (PARTIAL, "incomplete")
        _, done = await client.ask("And now?")
        assert done["response"]["status"] == "completed"


def test_storable_cleans_texts_at_any_depth_and_nothing_else() -> None:
    given = {"a\x00": ["b\x00", {"c": "\ud83d"}], "n": 1.5, "none": None, "text": "日本語 👩‍👩‍👧‍👦"}
    assert storable(given) == {"a": ["b", {"c": "?"}], "n": 1.5, "none": None, "text": "日本語 👩‍👩‍👧‍👦"}
