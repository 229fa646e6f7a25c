"""What the vendors' servers on this machine have in common: planned answers, and what they were asked."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Generic, Self, TypeVar

from tests.fakes.http_server import Exchange, HttpServer

JSON = dict[str, Any]
Answer = TypeVar("Answer")


class ApiServer(ABC, Generic[Answer]):
    """A context manager. ``requests`` are the bodies that passed the rules, ``refusals`` the messages of the others."""

    def __init__(self, *, key: str, port: int = 0) -> None:
        self._key = key
        self._answers: deque[Answer] = deque()
        self.http = HttpServer(self._handle, port=port)
        self.requests: list[JSON] = []
        self.refusals: list[str] = []
        self._got_request = threading.Event()

    def __enter__(self) -> Self:
        self.http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.__exit__()

    @property
    def url(self) -> str:
        """The base URL, as the SDK wants it."""
        return self.http.url

    @property
    def hits(self) -> int:
        """Requests of any kind, also those that were refused."""
        return len(self.http.requests)

    def then(self, *answers: Answer) -> None:
        """Queue answers: one for each request to come that passes the rules."""
        self._answers.extend(answers)

    async def got_request(self) -> None:
        """Waits until one has passed the rules."""
        assert await asyncio.to_thread(self._got_request.wait, 10)

    async def hung_up_within(self, seconds: float) -> bool:
        return await self.http.hung_up_within(seconds)

    @abstractmethod
    async def _handle(self, exchange: Exchange) -> None:
        """Answer one request."""

    def _take(self, body: JSON) -> Answer | None:
        """The request has passed the rules; the planned answer to it, None when nothing is planned."""
        self.requests.append(body)
        self._got_request.set()
        return self._answers.popleft() if self._answers else None
