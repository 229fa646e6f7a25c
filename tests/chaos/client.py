"""A client that does what docs/protocol.md tells clients to do: it resumes, sends again, waits, and gives up on nothing."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from tests.chaos.turn import Turn
from tests.chaos.view import Frame, View

_SEND_AGAIN_S = 0.5
_MAX_PAUSE_S = 1.0
_PROMISED_S = 20.0
"""Generous: what the server has to give again by itself begins within a lease and a little more."""
_AT_ONCE = {1012}
_NEVER = {1000, 1011, 4400, 4401, 4403}
"""Codes for which nothing here gives a reason."""


class Client:
    """One socket at a time on one session.

    ``chosen_id``: the session's name is the client's own. ``joins``: it is that client's, and exists. With neither
    the server gives one, and a session that was lost before anything in it was acknowledged is begun anew.
    """

    def __init__(
        self,
        url: str,
        *,
        chosen_id: str | None = None,
        joins: "Client | None" = None,
        rng: random.Random | None = None,
        ping_s: float | None = 1.0,
        open_s: float = 5.0,
        patience_s: float = 3.0,
    ) -> None:
        self._url = url
        self._chosen_id = chosen_id
        self._joins = joins
        self._resume_token: str = joins._resume_token if joins else ""
        self._rng = rng or random.Random()
        self._ping_s, self._open_s, self._patience_s = ping_s, open_s, patience_s
        self._connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.view = View(joins.session_id if joins else chosen_id or "")
        self.turns: list[Turn] = []
        self.wrong: list[str] = []
        self.closes: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.asked_again: Counter[str] = Counter()
        self.sessions_begun_anew = 0
        self.on_frame: Callable[[Frame], None] = lambda _frame: None

    @property
    def session_id(self) -> str:
        return self.view.session_id

    @property
    def open_turns(self) -> list[Turn]:
        return [turn for turn in self.turns if not turn.finished]

    # Coming and going

    async def come(self) -> None:
        """Returns once greeted."""
        self._task = asyncio.create_task(self._stay(), name=f"client {self.session_id}")
        await self._ready.wait()

    async def leave(self) -> None:
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                raise error

    async def _stay(self) -> None:
        failures = 0
        while True:
            code = await self._visit()
            self.closes[code] += 1
            failures = 0 if self._ready.is_set() else failures + 1
            self._ready.clear()
            if code in _NEVER:
                self.wrong.append(f"closed with {code}: {dict(self.errors)}")
            if not (code in _AT_ONCE and failures == 0):
                pause_s = min(_MAX_PAUSE_S, 0.05 * 2**failures)
                await asyncio.sleep(self._rng.uniform(0.5, 1.0) * pause_s)

    async def _visit(self) -> int:
        """One connection, from its opening to its end; the code that it was closed with."""
        try:
            async with connect(
                self._address(),
                subprotocols=[Subprotocol("realtime")],
                compression=None,
                max_size=None,
                open_timeout=self._open_s,
                close_timeout=1,
                ping_interval=self._ping_s,
                ping_timeout=4,
            ) as connection:
                await self._listen(connection)
                return connection.close_code or 1006
        except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, EOFError):
            return 1006
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        finally:
            self._connection = None

    def _address(self) -> str:
        place = f"last_event_id={quote(self.view.last_event_id)}" if self.view.start else ""
        if self._chosen_id:
            return f"{self._url}/ws/session/{quote(self._chosen_id)}?{place}"
        if self.session_id:
            back = f"session_id={quote(self.session_id)}&resume_token={self._resume_token}"
            return f"{self._url}/v1/realtime?{back}&{place}"
        return f"{self._url}/v1/realtime"

    async def _listen(self, connection: ClientConnection) -> None:
        asked_for = self.view.last_event_id if self.view.start else None
        async for text in connection:
            frame: Frame = json.loads(text)
            if frame["type"] == "session.created":
                self._greeted(frame, asked_for)
                self._connection = connection
                self._ready.set()
                await self._send_open_turns()
            elif frame["type"] == "error":
                self._error(frame["error"])
            else:
                self._frame(frame)

    def _greeted(self, created: Frame, asked_for: str | None) -> None:
        self.view.session_id = self.view.session_id or created["session"]["id"]
        self._resume_token = created["x_stream"]["resume_token"]
        truncations = self.view.truncations
        self.view.greeted(created, asked_for=asked_for)
        if self.view.truncations > truncations:
            for turn in self.open_turns:
                turn.see_again(self.view.frames.values())

    def _frame(self, frame: Frame) -> None:
        self.view.take(frame)
        for turn in self.open_turns:
            turn.see(frame)
        self.on_frame(frame)

    def _error(self, error: Frame) -> None:
        code: str = error["code"]
        self.errors[code] += 1
        if code == "session_not_found":
            self._begin_anew()
        elif not error["x_retryable"]:
            mine = [turn for turn in self.open_turns if error["event_id"] in (turn.message_id, *turn.asks)]
            for turn in mine:
                turn.refusal = code
                turn.changed.set()
            if code != "response_cancel_not_active":
                self.wrong.append(f"error {code}: {error['message']}")

    def _begin_anew(self) -> None:
        """The session was never stored. That is allowed as long as nothing in it had been promised."""
        if self.view.frames or any(turn.acknowledged for turn in self.turns):
            self.wrong.append(f"session {self.session_id} is gone, with what it had acknowledged")
        if self._chosen_id is None and self._joins is None:
            self.sessions_begun_anew += 1
            self.view = View("")

    # Asking

    async def ask(self, turn: Turn) -> Turn:
        """Returns when the question has its end, however often the server broke off meanwhile."""
        for other in self.open_turns:
            other.overtaken = True
        self.turns.append(turn)
        await self._send_open_turns()
        await self._until_ended(turn)
        while (turn.broken_off or turn.may_be_asked_again) and not turn.refusal:
            if not await self._tried_again(turn):
                if turn.broken_off:
                    break
                self.asked_again[f"{turn.fault} {turn.reason}".strip()] += 1
                turn.ask_again()
                await self._send_open_turns()
            await self._until_ended(turn)
        turn.finished = True
        return turn

    async def _until_ended(self, turn: Turn) -> None:
        """Sends again what was refused for a while; a server that is away is greeted again by `_stay`."""
        while turn.end is None and not turn.refusal:
            turn.changed.clear()
            try:
                async with asyncio.timeout(_SEND_AGAIN_S):
                    await turn.changed.wait()
            except TimeoutError:
                if turn.unsent():
                    await self._send_open_turns()

    async def _tried_again(self, turn: Turn) -> bool:
        """Whether the server takes the question up by itself."""
        ended = turn.end
        await self._ready.wait()
        comes = turn.broken_off and not turn.given_up
        try:
            async with asyncio.timeout(max(self._patience_s, _PROMISED_S) if comes else self._patience_s):
                while turn.end is ended:
                    turn.changed.clear()
                    await turn.changed.wait()
        except TimeoutError:
            return False
        return True

    async def send(self, **frame: object) -> None:
        """Now or never."""
        if self._connection:
            with contextlib.suppress(ConnectionClosed, OSError):
                await self._connection.send(json.dumps(frame))

    async def _send_open_turns(self) -> None:
        for turn in self.open_turns:
            for frame in turn.unsent():
                await self.send(**frame)
