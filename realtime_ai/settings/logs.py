"""Log lines for people: time, level, where, what; all on stderr."""

from typing import Any


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
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
        "loggers": {
            **dict.fromkeys(("realtime_ai", "chat", "identity", "sessions_app"), ours),
            "mcp": {"level": "CRITICAL"},  # tracebacks with payloads; chat.tools.mcp says the same in a line
            "client": {"level": "CRITICAL"},  # the same SDK's
            "psycopg.pool": {
                "level": "ERROR"
            },  # each attempt of an outage; sessions_app.postgres.outage tells of it once
            "django": {"level": "INFO", "handlers": []},  # Django's own handlers would say everything twice
        },
    }
