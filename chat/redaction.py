"""Keys appear nowhere: the one place that takes our vendors' keys, and what clients come in by, out of what is said of them."""

import logging
import re
from dataclasses import fields

from chat.conf import ChatConf, conf
from sessions_app.log.rows import storable

MAX_CAUSE_CHARS = 2000
LEAST_KEY_CHARS = 8
"""A shorter key is none, but a placeholder such as ``none``; taken out, it would cut words apart."""

_KEY_FIELDS = tuple(field.name for field in fields(ChatConf) if field.name.endswith("_api_key"))


_BEGINS = r"(?:\b|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
"""A word; also behind a line break as Python's ``repr`` writes it, and a sign as an address does."""
_SHOWN = re.compile(
    rf"{_BEGINS}(?:rta|ek)_[a-z0-9]{{8}}_[A-Za-z0-9_-]{{20,}}"  # identity.keys
    rf"|{_BEGINS}eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # an access token, signed or not
    r"|(?<=resume_token=)[A-Za-z0-9_%-]+"
)
"""By their forms: they are not known to us."""


def redacted(text: str) -> str:
    """The text with ``[key]`` wherever one of the configured keys stood, or something that a client comes in by."""
    text = _SHOWN.sub("[key]", text)
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
