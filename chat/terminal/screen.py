"""What is written where: the answer to stdout and nothing else, all about it to stderr; so that a pipe gets the answer."""

import io
import os
import re
import sys
from pathlib import Path
from typing import TextIO

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal obeys. A model's words, or a tool's, are shown and never obeyed."""
_DIM, _BOLD, _RED, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[31m", "\x1b[0m"
_MOST_LINE = 300


def _nowhere() -> TextIO:
    """For a stream that whoever started us has closed, as ``>&-`` does: Python has None in its place."""
    return Path(os.devnull).open("w", encoding="utf-8")


class Screen:
    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout or _nowhere()
        self._err = err or sys.stderr or _nowhere()
        if isinstance(self._out, io.TextIOWrapper):
            # A letter that its encoding lacks must not end the conversation.
            self._out.reconfigure(errors="replace")
        self._in_line = False
        self.muted = False
        """Nothing of it is shown."""
        self._at_prompt = False
        colours = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._colours = colours and self._err.isatty()
        self._shown = self._out.isatty()

    def answer(self, text: str) -> None:
        """A piece of what the model says. A pipe gets it byte for byte."""
        if self.muted:
            return
        self._leave_prompt()
        self._out.write(_CONTROLS.sub("", text) if self._shown else text)
        self._out.flush()
        if text:
            self._in_line = not text.endswith("\n")

    def end_answer(self) -> None:
        if self._in_line:
            self._out.write("\n")
            self._out.flush()
        self._in_line = False

    def note(self, text: str) -> None:
        self._line(text, _DIM)

    def ask(self, text: str) -> None:
        self._line(text, _BOLD)

    def trouble(self, text: str) -> None:
        self._line(text, _RED)

    def prompt(self, text: str) -> None:
        """Where the next line is typed."""
        self.end_answer()
        self._err.write(self._styled(text, _BOLD))
        self._err.flush()
        self._at_prompt = True

    def typed(self) -> None:
        """Whoever typed has left the line of the prompt."""
        self._at_prompt = False

    def _leave_prompt(self) -> None:
        """What comes unasked stands on a line of its own."""
        if self._at_prompt:
            self._err.write("\n")
            self._err.flush()
        self._at_prompt = False

    def _line(self, text: str, style: str) -> None:
        if self.muted:
            return
        if self._shown:  # else what is piped stays whole
            self.end_answer()
        self._leave_prompt()
        self._err.write(self._styled(_CONTROLS.sub("", text), style) + "\n")
        self._err.flush()

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._colours else text


def short(text: str) -> str:
    """One line of what may be long."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_LINE else f"{line[:_MOST_LINE]}…"
