"""A history for vendors that want the user and the model to take turns, and the user to have the first and the last."""

from collections.abc import Callable

from chat.messages import JSON
from chat.providers.fillers import BEGINNING, CONTINUE, NOTHING_SAID


class Alternation:
    """Messages ``{"role": ..., key: [part, ...]}``; what follows in the same role is joined to the message before it."""

    def __init__(self, key: str, *, text: Callable[[str], JSON]) -> None:
        """``text`` makes the vendor's part of a text."""
        self._key = key
        self._text = text
        self._messages: list[JSON] = []

    def add(self, role: str, parts: list[JSON]) -> None:
        if not parts:
            return
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1][self._key].extend(parts)
        else:
            self._messages.append({"role": role, self._key: parts})

    def closed(self) -> list[JSON]:
        """With the user's words at both ends; where the history has none, a neutral sentence stands for them."""
        if not self._messages:
            self._say(NOTHING_SAID)
        if self._messages[0]["role"] != "user":
            self._messages.insert(0, {"role": "user", self._key: [self._text(BEGINNING)]})
        if self._messages[-1]["role"] != "user":
            self._say(CONTINUE)
        return self._messages

    def _say(self, text: str) -> None:
        self.add("user", [self._text(text)])
