"""The two ways to use the terminal: one question from a script, and a person who sits there."""

import asyncio
import contextlib
import signal

from chat.supervision import heard
from chat.terminal.keyboard import INTERRUPT, Keyboard
from chat.terminal.line import Line, LineError
from chat.terminal.screen import Screen
from chat.terminal.talk import Talk

_FOLLOWS_SECONDS = 10.0
"""How long one waits for the answer that takes the place of a cut one."""
_INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, by the shells' convention."""

_HELP = """/retry  have the last question answered again
/model NAME  talk to another model from now on
/session  tell the session's id
/quit  end; the session stays, and --resume goes on with it
Ctrl-C stops the answer; without one it ends, as Ctrl-D does."""


class Question:
    """One message and its answer."""

    def __init__(self, line: Line, talk: Talk, text: str) -> None:
        self._line = line
        self._talk = talk
        self._text = text
        self._stopped = False

    async def run(self) -> int:
        """The exit code. Raises `LineError`."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task
        loop.add_signal_handler(signal.SIGINT, self._on_interrupt, task)
        try:
            await self._ask()
        except TimeoutError:
            return 1  # no other answer followed the one that was cut
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        return _INTERRUPTED if self._stopped else int(self._talk.failed)

    async def _ask(self) -> None:
        """Raises TimeoutError where no other answer follows the one that was cut."""
        loop = asyncio.get_running_loop()
        asked = False
        async with asyncio.timeout(None) as limit, contextlib.aclosing(self._line.frames()) as frames:
            async for frame in frames:
                await self._talk.hear(frame)
                if self._talk.is_ready and not asked:
                    asked = True
                    await self._talk.say(self._text)
                elif asked and self._talk.is_over:
                    return
                limit.reschedule(loop.time() + _FOLLOWS_SECONDS if self._talk.follows else None)

    def _on_interrupt(self, task: asyncio.Task[int]) -> None:
        """The first stops the answer, which then ends the run; another does not wait for that."""
        if self._stopped or not self._talk.is_answering:
            task.cancel()
        self._stopped = True
        self._stopping = heard(self._talk.stop(), name="stopping the answer")


class Sitting:
    """A person at the terminal."""

    def __init__(self, line: Line, talk: Talk, screen: Screen) -> None:
        self._line = line
        self._talk = talk
        self._screen = screen
        self._is_prompted = False
        self._error: LineError | None = None

    async def run(self) -> int:
        """The exit code. Raises `LineError`."""
        async with asyncio.TaskGroup() as group:
            with Keyboard().open() as keyboard:
                listening = group.create_task(self._listen(keyboard))
                await self._obey(keyboard)
            listening.cancel()
        self._screen.end_answer()
        if self._error:
            raise self._error
        if self._line.place:
            self._screen.note("To go on: manage.py chat --resume")
        return 0

    async def _listen(self, keyboard: Keyboard) -> None:
        try:
            async with contextlib.aclosing(self._line.frames()) as frames:
                async for frame in frames:
                    self._is_prompted = self._is_prompted and not _shows(frame)
                    await self._talk.hear(frame)
                    self._prompt()
        except LineError as error:
            self._error = error
            keyboard.end()

    def _prompt(self) -> None:
        if self._is_prompted or not self._talk.is_ready or self._talk.is_answering or self._talk.follows:
            return
        self._screen.prompt("  yes or no? " if self._talk.question else "> ")
        self._is_prompted = True

    async def _obey(self, keyboard: Keyboard) -> None:
        async for typed in keyboard.lines():
            self._is_prompted = False
            self._screen.typed()
            if typed == INTERRUPT:
                if not self._talk.is_answering:
                    return
                await self._talk.stop()
                continue
            if not await self._typed(typed.strip()):
                return
            self._prompt()

    async def _typed(self, text: str) -> bool:
        """False: it is over."""
        command, _, rest = text.partition(" ")
        match command:
            case "":
                pass
            case "/quit" | "/exit":
                return False
            case "/help" | "/?":
                self._screen.note(_HELP)
            case "/session":
                self._screen.note(self._line.place.get("session_id", "none yet"))
            case "/retry":
                await self._talk.retry()
            case "/model" if rest:
                await self._talk.choose_model(rest.strip())
            case _ if command.startswith("/"):
                self._screen.trouble(f"There is no {command}. /help tells what there is.")
            case _ if question := self._talk.question:
                await self._decide(question, text)
            case _:
                await self._talk.say(text)
        return True

    async def _decide(self, question: str, text: str) -> None:
        answer = text.lower()
        if answer not in ("y", "yes", "n", "no"):
            self._screen.trouble("y or n, please; then say what you want to.")
            return
        await self._talk.decide(question, answer.startswith("y"))


def _shows(frame: dict[str, object] | None) -> bool:
    """Something of it stands on the screen, so that a prompt has to come again."""
    return frame is None or frame["type"] not in ("x_history.done", "rate_limits.updated")
