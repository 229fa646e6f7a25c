"""Our keys are taken out of what is logged and of what staff are told."""

import io
import logging
import logging.config

import pytest
from pytest_django import Settings

from chat.errors import ModelCredentials
from chat.redaction import MAX_CAUSE_CHARS, redacted, safe_cause
from realtime_ai.settings.logs import logging_settings

KEYS = {
    "CHAT_GEMINI_API_KEY": "gemini-secret-1",
    "CHAT_OPENAI_API_KEY": "sk-openai-secret-2",
    "CHAT_ANTHROPIC_API_KEY": "sk-ant-secret-3",
    "CHAT_GROQ_API_KEY": "gsk_secret_4",
    "CHAT_COMPATIBLE_API_KEY": "their-secret-5",
}


@pytest.fixture(autouse=True)
def keys(settings: Settings) -> None:
    for name, key in KEYS.items():
        setattr(settings, name, key)


def test_every_configured_key_is_taken_out() -> None:
    text = redacted(" and ".join(KEYS.values()))
    assert text == " and ".join(["[key]"] * len(KEYS))


def test_a_placeholder_is_no_key(settings: Settings) -> None:
    settings.CHAT_COMPATIBLE_API_KEY = "none"
    assert redacted("none of it") == "none of it"


@pytest.mark.parametrize("key", KEYS.values())
def test_a_cause_holds_no_key_whoever_makes_the_error(key: str) -> None:
    error = ModelCredentials(cause=f"401: Incorrect API key provided: {key}.")
    assert error.cause == "401: Incorrect API key provided: [key]."


def test_a_cause_can_be_stored_and_is_bounded() -> None:
    assert safe_cause("a\x00b\ud800c") == "ab?c"
    assert len(safe_cause("x" * 100_000)) == MAX_CAUSE_CHARS


def test_a_key_across_the_cut_leaves_no_part_of_itself() -> None:
    key = KEYS["CHAT_OPENAI_API_KEY"]
    assert key[:5] not in safe_cause("x" * (MAX_CAUSE_CHARS - 5) + key)


def test_log_lines_hold_no_key_in_message_argument_or_traceback() -> None:
    key = KEYS["CHAT_GROQ_API_KEY"]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter())
    logger = logging.getLogger("some.library")
    logger.addHandler(handler)
    try:
        _fail(key)
    except ValueError:
        logger.exception(f"{key} and %s", key)  # noqa: G004  # a library may do so
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue().count("[key]") >= 3
    assert key not in stream.getvalue()


def _fail(key: str) -> None:
    raise ValueError(f"no such key {key}")


def _formatter() -> logging.Formatter:
    """As the settings make it."""
    config = logging_settings("INFO")
    made: logging.Formatter = logging.config.DictConfigurator(config).configure_formatter(
        config["formatters"]["line"]
    )
    return made


@pytest.mark.parametrize(
    "shown",
    [
        "rta_4f8kq21x_" + "Ab_-" * 10 + "xyz",
        "ek_4f8kq21x_" + "Ab_-" * 10 + "xyz",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln_-0",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
    ],
)
def test_what_clients_come_in_by_is_taken_out_whoever_they_are(shown: str) -> None:
    for text in (
        f"Bearer {shown}",
        f"openai-insecure-api-key.{shown}, realtime",
        f"?x={shown}&y=1",
        f"?header=Bearer%20{shown}&y=1",
        f"said {chr(10) + shown!r}",
    ):
        assert redacted(text) == text.replace(shown, "[key]")


def test_a_resume_token_is_taken_out_of_an_address() -> None:
    assert redacted("/v1/realtime?session_id=s1&resume_token=k-P_x%41 HTTP/1.1") == (
        "/v1/realtime?session_id=s1&resume_token=[key] HTTP/1.1"
    )


def test_what_is_no_key_stays() -> None:
    for text in (
        "week_12_of_the_year",
        "rta_short",
        "eyJ is how base64 of JSON begins",
        "a.b.c",
        "resume_token",
    ):
        assert redacted(text) == text
