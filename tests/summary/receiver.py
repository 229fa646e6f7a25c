"""Somebody else's server, which webhooks are posted to."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from chat.jobs.worker import Worker
from sessions_app.models import Topic, Webhook
from sessions_app.notices.secrets import sealed

SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"


@dataclass
class Receiver:
    """Somebody else's server."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    """Then 204 for ever."""
    words: bytes = b""
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.taken]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.CHAT_WEBHOOK_PRIVATE_ADDRESSES = True
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.taken.append((headers, body))
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(found.words)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(found.words)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def webhook(url: str, *topics: Topic, **fields: Any) -> Webhook:
    given = {"name": "crm", "topics": list(topics or Topic), "secret": sealed(SECRET), **fields}
    return Webhook.objects.create(url=url, **given)


def run_jobs() -> None:
    asyncio.run(Worker(concurrency=2, listen=False, once=True).run())
