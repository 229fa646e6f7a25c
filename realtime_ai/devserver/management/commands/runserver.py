"""``manage.py runserver``: the worker runs beside the server, and a stop drains, with the autoreloader, too."""

import contextlib
import os
import signal
import socket
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.utils import autoreload
from whitenoise.runserver_nostatic.management.commands.runserver import Command as RunserverCommand

from chat.conf import conf
from realtime_ai.devserver.beside import serve_reloading, worker_beside

_BEYOND_DRAIN_S = 5.0
_SERVER_THREAD = "django-main-thread"
"""As the autoreloader names it."""


class Command(RunserverCommand):  # type: ignore[misc]  # WhiteNoise has no types
    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--no-worker",
            action="store_false",
            dest="worker",
            help="start no worker beside the server (RUNSERVER_WORKER=0)",
        )

    def run(self, **options: Any) -> None:
        if os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true":
            try:
                super().run(**options)
            finally:
                _drain()
            return
        self._find_port_free()
        with worker_beside(options["worker"] and settings.RUNSERVER_WORKER, self.stdout.write) as worker:
            if options["use_reloader"]:
                sys.exit(serve_reloading(worker))
            super().run(**options)

    def _find_port_free(self) -> None:
        """daphne says that it cannot listen and stops, and the autoreloader would wait for a change of the code, for ever."""
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.addr, int(self.port)))
        except OSError as error:
            raise CommandError(
                f"{self.addr}, port {self.port}: {error.strerror}. Stop what listens there, or name another one: "
                "manage.py runserver 8001."
            ) from None


def _drain() -> None:
    """In the autoreloader's child, whose server runs in a thread that would end with this one: stop it, and wait for its end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threads = {thread.name: thread for thread in threading.enumerate()}
    from twisted.internet import error
    from twisted.internet import reactor as the_reactor

    reactor: Any = the_reactor  # its type is that of a module

    def stop() -> None:
        with contextlib.suppress(error.ReactorNotRunning):
            reactor.stop()

    if _SERVER_THREAD in threads and reactor.running:
        reactor.callFromThread(stop)
        threads[_SERVER_THREAD].join(conf().drain_seconds + _BEYOND_DRAIN_S)
