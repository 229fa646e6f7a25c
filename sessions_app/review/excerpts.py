"""What stands around words that somebody looked for, to be read in one line."""

import re

from sessions_app.review.markdown import in_a_line
from sessions_app.selectors.said import START, STOP

_FOUND = re.compile(f"{START}([^{START}{STOP}]*){STOP}")


def pieces(cut: str) -> list[str]:
    """A piece of Markdown as a search has cut it, without its signs: in turn what is around the words, and the words."""
    line = re.sub(r"\s+", " ", in_a_line(cut))
    return [piece.replace(START, "").replace(STOP, "") for piece in _FOUND.split(line)]
