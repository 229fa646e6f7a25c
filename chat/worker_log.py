"""What a worker's libraries log, made readable: a lost database is told once, by us, and not as a traceback."""

import contextlib
import logging
from collections.abc import Iterator

from procrastinate.exceptions import ConnectorException

from chat.errors import ProviderError
from sessions_app.errors import DatabaseAway

_PROCRASTINATE = ("procrastinate.worker", "procrastinate.worker.worker", "procrastinate.utils")


@contextlib.contextmanager
def readable_logs() -> Iterator[None]:
    filters = [(logging.getLogger(name), _expected_errors) for name in _PROCRASTINATE]
    for logger, one in filters:
        logger.addFilter(one)
    try:
        yield
    finally:
        for logger, one in filters:
            logger.removeFilter(one)


def in_a_line(error: BaseException) -> str:
    return " ".join(str(error.__cause__ or error).split())


def _expected_errors(record: logging.LogRecord) -> bool:
    """A lost database is not told a second time; a job's failure that we foresee is one line; a bug keeps its traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (ConnectorException, DatabaseAway)):
        return False
    if isinstance(error, ProviderError):
        record.msg = f"{record.getMessage()}: {in_a_line(error)}"
        record.args, record.exc_info = (), None
    return True
