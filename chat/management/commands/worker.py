"""``manage.py worker``: run the jobs."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand

from chat.conf import conf
from chat.jobs.worker import Worker, can_listen

logger = logging.getLogger(__name__)

_LAST_SECONDS = 3.0
"""What a stopping worker gets beyond its jobs' time; then it hangs, on a dead database, and is ended by force."""


class Command(BaseCommand):
    help = "Runs the jobs: summaries of ended sessions, and the upkeep. Stops on SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=int, help="jobs at once (CHAT_WORKER_CONCURRENCY)")
        parser.add_argument("--no-listen-notify", action="store_true", help="find jobs by polling alone")
        parser.add_argument("--once", action="store_true", help="run what is due now, then end")

    def handle(self, **options: Any) -> None:
        # psycopg's async side needs a selector loop, which is not the default everywhere
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(_work(options))


async def _work(options: dict[str, Any]) -> None:
    worker = Worker(
        concurrency=options["concurrency"] or conf().worker_concurrency,
        listen=can_listen() and not options["no_listen_notify"],
        once=options["once"],
    )
    _on_stop_signals(worker.stop)
    await worker.run()


def _on_stop_signals(stop: Callable[[], None]) -> None:
    def stop_in_time() -> None:
        stop()
        _force_exit_after(conf().worker_stop_seconds + _LAST_SECONDS)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows ends a process without asking
            loop.add_signal_handler(number, stop_in_time)


def _force_exit_after(seconds: float) -> None:
    """A job that is cut off by it goes to another worker, once this one counts as dead."""

    def end() -> None:
        logger.error("did not stop in time, ending now")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
