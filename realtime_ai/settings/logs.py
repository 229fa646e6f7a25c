"""Log lines for people: time, level, where, what; all on stderr."""

import logging
from typing import Any


class NotMeant(logging.Filter):
    """Without the exceptions by which an application tells its server to cut a connection off."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and getattr(record.exc_info[1], "is_meant", False))


def logging_settings(level: str) -> dict[str, Any]:
    """Django's ``LOGGING``. ``level`` is that of our own packages; libraries speak from WARNING on."""
    ours = {"level": level}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "class": "chat.redaction.RedactingFormatter",
                "format": "{asctime} {levelname:<7} {name}: {message}",
                "style": "{",
                "datefmt": "%H:%M:%S",
            },
        },
        "filters": {"not_meant": {"()": "realtime_ai.settings.logs.NotMeant"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
        "loggers": {
            **dict.fromkeys(("realtime_ai", "chat", "identity", "sessions_app"), ours),
            "uvicorn.error": {"filters": ["not_meant"]},
            "daphne.server": {"filters": ["not_meant"]},
            "mcp": {"level": "CRITICAL"},  # tracebacks with payloads; chat.tools.mcp says the same in a line
            "client": {"level": "CRITICAL"},  # the same SDK's
            "psycopg.pool": {
                "level": "ERROR"
            },  # each attempt of an outage; sessions_app.postgres.outage tells of it once
            "django": {"level": "INFO", "handlers": []},  # Django's own handlers would say everything twice
        },
    }
