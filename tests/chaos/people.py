"""What the clients do: sessions of a few questions, with pauses, short absences, stops, and readers beside them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import uuid4

from tests.chaos.client import Client
from tests.chaos.turn import Turn
from tests.chaos.view import Frame

_QUESTIONS = (
    ["count"] * 5 + ["leave"] * 2 + ["calculate", "mark", "stop", "flood", "drop", "hang", "crash", "garbage"]
)
_GRACE_S = 1.0
"""The session's grace in these runs (see `tests.chaos.fleet`)."""


class Person:
    """One after the other has sessions, until told to stop; all clients that it ever was are in ``clients``."""

    def __init__(self, url: str, *, number: int, seed: int) -> None:
        self._url = url
        self._rng = random.Random(f"person {number} {seed}")
        self._stopping = asyncio.Event()
        self.clients: list[Client] = []

    def stop(self) -> None:
        """Finish the question under way, then leave."""
        self._stopping.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            await self._session()

    async def _session(self) -> None:
        chosen = f"chaos-{uuid4().hex[:12]}" if self._rng.random() < 0.5 else None
        client = self._client(chosen_id=chosen)
        await client.come()
        follower: Client | None = None
        for _ in range(self._rng.randint(1, 6)):
            await self._question(client)
            if follower is None and self._rng.random() < 0.2:
                follower = await self._follower(client)
            if self._stopping.is_set():
                break
            await self._pause(client)
        for one in filter(None, (client, follower)):
            await one.leave()

    def _client(self, *, chosen_id: str | None = None, joins: Client | None = None) -> Client:
        client = Client(
            self._url, chosen_id=chosen_id, joins=joins, rng=random.Random(self._rng.random()), ping_s=1.0
        )
        self.clients.append(client)
        return client

    async def _follower(self, leader: Client) -> Client:
        """A second reader, who says nothing and comes in wherever the session is."""
        follower = self._client(joins=leader)
        await follower.come()
        return follower

    async def _question(self, client: Client) -> None:
        kind = self._rng.choice(_QUESTIONS)
        number = self._rng.randint(20, 60)
        turn = _turn(kind, number)
        if kind == "stop":
            client.on_frame = _stopper(client, turn, after=self._rng.randint(1, 20))
        asking: list[Awaitable[object]] = [client.ask(turn)]
        if kind in ("calculate", "leave"):  # two at once: one of them waits its turn
            asking.append(client.ask(Turn("What time is it in Tokyo?")))
        if kind == "leave":
            asking.append(self._leave_in_mid_answer(client, turn))
        await asyncio.gather(*asking)

    async def _leave_in_mid_answer(self, client: Client, turn: Turn) -> None:
        """For longer than the grace; the questions stay."""
        while not ((turn.acknowledged and turn.response_id) or turn.end or turn.refusal):
            turn.changed.clear()
            await turn.changed.wait()
        await client.leave()
        await asyncio.sleep(self._rng.uniform(1.5, 4) * _GRACE_S)
        await client.come()

    async def _pause(self, client: Client) -> None:
        """Most stay; some go for a moment, some for so long that the session ends."""
        away = self._rng.random()
        if away < 0.6:
            await asyncio.sleep(self._rng.uniform(0.0, 0.8))
            return
        await client.leave()
        await asyncio.sleep(
            self._rng.uniform(0.1, 0.7) if away < 0.85 else self._rng.uniform(1.5, 3) * _GRACE_S
        )
        await client.come()


def _turn(kind: str, number: int) -> Turn:
    match kind:
        case "count" | "leave":
            return Turn(f"count to {number}", expected=_counted(number))
        case "calculate":
            return Turn(f"What is ({number} + 30) * 7?")
        case "stop":
            return Turn("count to 400", fault="stop")
        case _:
            return Turn(f"[{kind}] count to {number}", fault=kind)


def _counted(number: int) -> str:
    return ", ".join(str(one) for one in range(1, number + 1)) + "."


def _stopper(client: Client, turn: Turn, *, after: int) -> Callable[[Frame], None]:
    """Sends a ``response.cancel`` when so many pieces of the turn's answer have come."""
    pieces = 0

    def on_frame(frame: Frame) -> None:
        nonlocal pieces
        if frame["type"] == "response.output_text.delta" and frame["response_id"] == turn.response_id:
            pieces += 1
            if pieces == after:
                cancel = client.send(type="response.cancel", response_id=turn.response_id)
                turn.background = asyncio.ensure_future(cancel)

    return on_frame
