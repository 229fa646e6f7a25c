"""The scripts that the page is going to import, so that a browser fetches them at once and not one import after the other."""

import re
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.templatetags.static import static

_IMPORT = re.compile(r"""^(?:import|export)\s[^;"']*?["'](\.{1,2}/[^"']+)["'];?$""", re.MULTILINE)
_ENTRY = "chat/main.js"


@cache
def imported() -> tuple[str, ...]:
    """Their addresses, in the order in which they are met. What is imported when it is needed is not among them."""
    met = [_ENTRY]
    for name in met:  # grows
        path = finders.find(name)
        source = Path(path).read_text(encoding="utf-8") if path else ""
        met += [one for one in dict.fromkeys(_targets(name, source)) if one not in met]
    return tuple(static(name) for name in met[1:])


def _targets(name: str, source: str) -> list[str]:
    return [_joined(name.rpartition("/")[0], given) for given in _IMPORT.findall(source)]


def _joined(folder: str, relative: str) -> str:
    parts = folder.split("/")
    for step in relative.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)
