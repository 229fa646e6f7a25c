"""Our API keys appear nowhere: the one place that takes them out of what vendors and their SDKs say."""

import logging
from dataclasses import fields

from chat.conf import ChatConf, conf
from sessions_app.log.rows import storable

MAX_CAUSE_CHARS = 2000
LEAST_KEY_CHARS = 8
"""A shorter key is none, but a placeholder such as ``none``; taken out, it would cut words apart."""

_KEY_FIELDS = tuple(field.name for field in fields(ChatConf) if field.name.endswith("_api_key"))


def redacted(text: str) -> str:
    """The text with ``[key]`` wherever one of the configured keys stood."""
    for name in _KEY_FIELDS:
        key = getattr(conf(), name)
        if key and len(key) >= LEAST_KEY_CHARS:
            text = text.replace(key, "[key]")
    return text


def safe_cause(text: str) -> str:
    """What staff are shown of an error: without keys, without what PostgreSQL cannot store, not longer than it helps."""
    return str(storable(redacted(text)))[:MAX_CAUSE_CHARS]


class RedactingFormatter(logging.Formatter):
    """Takes the keys out of whole lines: message, arguments and traceback, whoever logs."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))
