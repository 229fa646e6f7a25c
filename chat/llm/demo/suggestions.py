"""What the page suggests to ask as long as nobody made it a shop's own, and that the demo knows in each language of the page."""

from functools import cache
from typing import NamedTuple

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions_app.assistant import LANGUAGES

SUGGESTIONS = (
    (gettext_lazy("Explain WebSocket streaming"), gettext_lazy("How an answer reaches you word by word")),
    (gettext_lazy("What time is it in Tokyo?"), gettext_lazy("Looks it up with a tool")),
    (
        gettext_lazy("What do you know about my account?"),
        gettext_lazy("Reads your own profile, nobody else's"),
    ),
    (gettext_lazy("What is 17.5% of 2,340?"), gettext_lazy("Calculated, not guessed")),
)
"""Each with a word about it."""

STREAMING = gettext_lazy(
    "**WebSocket streaming** means that the answer is sent in pieces over one open connection, as the model produces them.\n\n"
    "1. The browser opens a WebSocket: an HTTP request that is upgraded to a connection on which both sides may speak.\n"
    "2. You send a message. The server stores it *before* it says that it has it.\n"
    "3. The model writes word by word. Each piece goes to every open tab at once, and into the log within a tenth of a second.\n"
    "4. When the answer is whole, its final text is committed, and only then is it called done.\n\n"
    "{code}\n\n"
    "Compared with asking again and again there is no waiting for the next question, and compared with waiting for the whole "
    "answer you read the first words after a moment.\n\n"
    "*From the built-in pages of the demo model. With `GEMINI_API_KEY` set, a real model answers here.*"
)


class Understood(NamedTuple):
    said: str
    """In English."""
    language: str
    """In which it was said, and is to be answered."""


def understood(said: str) -> Understood:
    """A suggestion in whatever language it was taken; anything else as it is."""
    return _known().get(said.strip(), Understood(said, "en"))


@cache
def _known() -> dict[str, Understood]:
    known: dict[str, Understood] = {}
    for language in LANGUAGES:
        for text, _about in SUGGESTIONS:
            with translation.override("en"):
                english = str(text)
            with translation.override(language):
                known.setdefault(str(text), Understood(english, language))
    return known


def time_told(zone: str, clock: str, weekday: str, time: str) -> str:
    said = _("In {zone} it is **{clock}** ({weekday}, {time}).")
    return said.format(zone=zone, clock=clock, weekday=translation.gettext(weekday), time=time)


def table_head() -> tuple[str, str]:
    return _("Field"), _("Value")


def no_account() -> str:
    """What the tool says in English, to whoever is nobody here."""
    return _(
        "Nobody is signed in here: you are a guest, without an account or a profile. Your messages of this browser "
        "are kept all the same. You can sign in to have an account."
    )
