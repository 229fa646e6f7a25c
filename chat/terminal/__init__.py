"""The terminal as a client of a server, here or elsewhere. It knows the wire (docs/protocol.md) and nothing of the server's insides."""

from chat.terminal.line import Line, LineError, address_of
from chat.terminal.places import Places
from chat.terminal.screen import Screen
from chat.terminal.sitting import Question, Sitting
from chat.terminal.talk import Talk

__all__ = ["Line", "LineError", "Places", "Question", "Screen", "Sitting", "Talk", "address_of"]
