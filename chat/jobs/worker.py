"""The worker: runs jobs until it is told to stop, and outlives every absence of its database."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition

from chat.conf import conf
from chat.errors import ProviderError
from chat.jobs.queue import FewRoundTrips
from chat.llm.catalog import close_providers
from sessions_app.errors import DatabaseAway
from sessions_app.postgres.address import pools_transactions
from sessions_app.postgres.link import AsyncLink, check_jobs_database
from sessions_app.postgres.outage import outage

logger = logging.getLogger(__name__)


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


_POOL_MAX = 3
"""Looking for jobs, heartbeat and results share these; LISTEN and the jobs' own queries come on top."""
_POOL_TIMEOUT_S = 3.0
_LISTENING_POLLS_SLOWER = 5
_RETRY_S = (0.5, 1.0, 2.0, 5.0)
_LONG_S = 60.0
_REMIND_EVERY = 12
"""While the database is away, every so many tries are worth a line: about one a minute."""


def can_listen() -> bool:
    """Whether LISTEN hears anything: never through a transaction pooler, which gives each statement another server."""
    wanted = conf().worker_listen
    return not pools_transactions(settings.DATABASES["default"]) if wanted is None else wanted


class Worker:
    """``once``: do what is due now, then return."""

    def __init__(self, *, concurrency: int, listen: bool, once: bool = False) -> None:
        self._concurrency = concurrency
        self._listen = listen and not once
        self._once = once
        self._stopping = asyncio.Event()
        self._failures = 0

    def stop(self) -> None:
        if not self._stopping.is_set():
            logger.info("stopping: running jobs have %g s", conf().worker_stop_seconds)
            self._stopping.set()

    async def run(self) -> None:
        """Returns when told to stop; waits for as long as the database is away."""
        asyncio.get_running_loop().set_exception_handler(_on_lost_task)
        with readable_logs():
            while not self._stopping.is_set():
                started = time.monotonic()
                if await self._work() and self._once:
                    break
                if time.monotonic() - started > _LONG_S:  # it worked well for a while: a new trouble
                    self._failures = 0
                await self._pause(_RETRY_S[min(self._failures, len(_RETRY_S) - 1)])
                self._failures += 1
        await close_providers()
        logger.info("stopped")

    async def _work(self) -> bool:
        """Run jobs until told to stop or until that fails; False when it failed. Never raises."""
        try:
            await asyncio.to_thread(check_jobs_database)
            outage.wrote()
            await self._run_jobs()
        except DatabaseAway as error:
            if self._failures % _REMIND_EVERY == 0:
                logger.warning("the database is away, trying again: %s", in_a_line(error))
            return False
        except ConnectorException as error:
            logger.warning("lost the database, starting again: %s", in_a_line(error))
            return False
        except Exception:
            logger.exception("the worker failed, starting it again")
            return False
        return True

    async def _run_jobs(self) -> None:
        """Returns when told to stop, when ``once`` is done, and when one of procrastinate's own tasks failed."""
        connector = PsycopgConnector(
            kwargs=connector_params(),
            connection_class=AsyncLink,
            min_size=1,
            max_size=_POOL_MAX,
            timeout=_POOL_TIMEOUT_S,
            name="jobs",
        )
        with app.replace_connector(connector) as real, self._few_round_trips(real, connector) as manager:
            async with app.open_async():
                how = "LISTEN" if self._listen else "polling"
                logger.info("ready: %d jobs at once, %s", self._concurrency, how)
                jobs = asyncio.create_task(app.run_worker_async(**self._options()), name="jobs")
                stopping = asyncio.create_task(self._stopping.wait(), name="stop")
                await asyncio.wait({jobs, stopping}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                if self._stopping.is_set():
                    jobs.cancel()  # procrastinate's way to a graceful stop
                try:
                    with contextlib.suppress(asyncio.CancelledError):
                        await jobs
                finally:
                    await manager.give_back()

    @contextlib.contextmanager
    def _few_round_trips(self, real: App, connector: PsycopgConnector) -> Iterator[FewRoundTrips]:
        """``real``: what `procrastinate.contrib.django.app` stands for."""
        before, manager = real.job_manager, FewRoundTrips(connector, hands=self._concurrency)
        real.job_manager = manager
        try:
            yield manager
        finally:
            real.job_manager = before

    def _options(self) -> dict[str, Any]:
        limits = conf()
        slower = _LISTENING_POLLS_SLOWER if self._listen else 1
        return {
            "concurrency": self._concurrency,
            "wait": not self._once,
            "listen_notify": self._listen,
            "fetch_job_polling_interval": limits.worker_poll_seconds * slower,
            "shutdown_graceful_timeout": None if self._once else limits.worker_stop_seconds,
            "update_heartbeat_interval": limits.worker_heartbeat_seconds,
            "stalled_worker_timeout": limits.worker_stalled_seconds,
            "delete_jobs": DeleteJobCondition.SUCCESSFUL,
            "install_signal_handlers": False,
        }

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _on_lost_task(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """procrastinate drops the task of a job whose result the database did not take; that is told elsewhere."""
    if not isinstance(context.get("exception"), ConnectorException):
        loop.default_exception_handler(context)
