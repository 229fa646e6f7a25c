"""What a measure is: contenders that are measured in turn, again and again, and the figures of each."""

import json
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar, Self

from bench.peers.contenders import Server, server_of

Figures = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """A column of a report."""

    key: str
    title: str
    digits: int = 0


@dataclass(frozen=True)
class Contender:
    title: str
    server: str
    """For `server_of`."""
    wire: str
    against: tuple[str, ...] = ()
    """The titles of those to which it is set in relation."""


class Stage:
    """A context manager: the model, and the servers that were asked for, until the end of a measure."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._servers: dict[str, Server] = {}
        command = [sys.executable, "-m", "bench.peers.model"]
        self._model = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._stack.callback(self._model.kill)
        assert self._model.stdout
        self.model_urls: Mapping[str, str] = json.loads(self._model.stdout.readline())
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        self._model.communicate()

    @property
    def model_pid(self) -> int:
        return self._model.pid

    def server(self, name: str) -> Server:
        """Started at the first call, and the same from then on."""
        if name not in self._servers:
            self._servers[name] = self._stack.enter_context(server_of(name, self.model_urls))
        return self._servers[name]


class Measure(ABC):
    name: ClassVar[str]
    title: ClassVar[str]
    told: ClassVar[str]
    """What is done, for whoever reads the report."""
    figures: ClassVar[Sequence[Figure]]
    contenders: ClassVar[Sequence[Contender]]
    related: ClassVar[Sequence[str]] = ()
    """The keys of the figures that are set in relation."""
    quick_repeats: ClassVar[int] = 3

    @abstractmethod
    def run(self, stage: Stage, contender: Contender) -> Figures:
        """Measure it once."""
