"""One call for what many ask at the same time, as the journal has one commit for many sessions.

While a call is under way the next ones gather, so that nobody waits for company.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from chat.supervision import Tasks
from sessions_app.errors import DatabaseAway

Q = TypeVar("Q")
A = TypeVar("A")


class Batches(Generic[Q, A]):
    """``call`` answers a list of questions in their order. What fails in company is asked again alone, so that each gets
    its own answer, or its own error; unless the database is away, which is so for all."""

    def __init__(
        self, call: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, name: str, most: int
    ) -> None:
        self._call = call
        self._name = name
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._tasks = Tasks()
        self._going = False

    async def ask(self, question: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if not self._going:
            self._going = True
            self._tasks.spawn(self._go(), name=self._name)
        return await future

    async def _go(self) -> None:
        try:
            while True:
                await asyncio.sleep(0)  # those who ask in the same round come along
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                if not batch:
                    return
                await self._answer(batch)
        except BaseException:
            waiting, self._waiting = self._waiting, []
            _cancel(waiting)
            raise
        finally:
            self._going = False

    async def _answer(self, batch: Sequence[tuple[Q, "asyncio.Future[A]"]]) -> None:
        try:
            answers = await self._call([question for question, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            if len(batch) > 1 and not isinstance(error, DatabaseAway):
                for one in batch:
                    await self._answer([one])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        except BaseException:
            _cancel(batch)
            raise
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # else who asked was cancelled meanwhile
                future.set_result(answer)


def _cancel(batch: Sequence[tuple[Any, "asyncio.Future[Any]"]]) -> None:
    for _, future in batch:
        future.cancel()
