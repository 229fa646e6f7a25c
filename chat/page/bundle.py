"""The page's modules as one script, and its styles as one sheet: a browser that comes for the first time makes two requests
instead of eighty.

Made by the server of the plain files under ``static/chat``, which stay what is read, served and tested one by one. A module
becomes a function that gives what it exports; those that it imports stand before it. What it takes of others
(``static/vendor``) is imported as it is. Syntax that is not known here raises `UnknownSyntax`: nothing is guessed.
"""

import gzip
import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

_ENTRY = "chat/main.js"
_VENDOR = "vendor/"
_STYLES = tuple(
    f"chat/css/{name}.css"
    for name in (
        "layout",
        "sidebar",
        "welcome",
        "transcript",
        "feedback",
        "tools",
        "prose",
        "composer",
        "files",
        "framed",
        "touch",
    )
)
"""In this order: what is below wins."""
_YEAR_S = 365 * 24 * 3600

_FROM = r"""\s*["'](?P<target>\.{1,2}/[^"']+)["'];?$"""
_STATEMENT = re.compile(
    rf"""^(?:import\s*\{{(?P<names>[^}}]*)\}}\s*from{_FROM}"""
    rf"""|import\s+(?P<default>\w+)\s+from{_FROM.replace("target", "whole")}"""
    rf"""|import{_FROM.replace("target", "alone")}"""
    rf"""|export\s*\{{(?P<given>[^}}]*)\}}\s*from{_FROM.replace("target", "origin")}"""
    rf"""|export\s*\*\s*from{_FROM.replace("target", "every")}"""
    r"""|export\s+(?P<declared>(?:async\s+)?(?:function|class|const)\s+(?P<name>\w+)))""",
    re.MULTILINE,
)
_LEFT = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
_LATER = re.compile(r"""\bimport\("(\.{1,2}/[^"']+)"\)""")


class UnknownSyntax(Exception):
    """An import or export that this cannot read, or modules that import each other in a circle."""


class Bundle(NamedTuple):
    content: bytes
    compressed: bytes
    version: str


class Scripts:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.vendors: dict[str, str] = {}
        self._state: dict[str, bool] = {}

    def add(self, name: str) -> None:
        done = self._state.get(name)
        if done is False:
            raise UnknownSyntax(f"{name} imports itself, by way of others.")
        if done:
            return
        self._state[name] = False
        source = _read(name)
        exported: list[str] = []
        body = _STATEMENT.sub(lambda found: self._statement(name, found, exported), source)
        if left := _LEFT.search(body):
            raise UnknownSyntax(f"{name}: {left[0]}")
        body = _LATER.sub(lambda found: f'import("{static(_joined(name, found[1]))}")', body)
        self.parts.append(
            f'made["{name}"] = (() => {{\n{body}\nreturn {{ {", ".join(exported)} }};\n}})();\n'
        )
        self._state[name] = True

    def _statement(self, name: str, found: re.Match[str], exported: list[str]) -> str:
        if declared := found["declared"]:
            exported.append(found["name"])
            return declared
        given = next(
            found[group] for group in ("target", "whole", "alone", "origin", "every") if found[group]
        )
        target = _joined(name, given)
        if target.startswith(_VENDOR):
            if found["default"] is None and not found["alone"]:
                raise UnknownSyntax(f"{name}: {found[0]}")
            self.vendors.setdefault(target, found["default"] or "")
            return ""
        if found["default"] is not None:
            raise UnknownSyntax(f"{name}: {found[0]}")
        self.add(target)
        if found["names"] is not None:
            return f'const {{{found["names"].replace(" as ", ": ")}}} = made["{target}"];'
        if found["every"]:
            exported.append(f'...made["{target}"]')
        elif found["given"] is not None:
            exported += [f'{one}: made["{target}"].{one}' for one in re.findall(r"\w+", found["given"])]
        return ""

    def imports(self) -> Iterator[str]:
        for target, default in self.vendors.items():
            yield f'import {default}{" from " if default else ""}"{static(target)}";\n'


def script() -> Bundle:
    return _script(_stamp())


def styles() -> Bundle:
    return _styles(_stamp())


def vendors() -> tuple[str, ...]:
    """What the script imports, to be fetched along with it."""
    return _vendors(_stamp())


def script_url() -> str:
    return reverse("chat:bundle", args=[script().version, "js"])


def styles_url() -> str:
    return reverse("chat:bundle", args=[styles().version, "css"])


@require_safe
def bundle(request: HttpRequest, version: str, kind: str) -> HttpResponse:
    """At an address that changes with what is in it; of an older release's page it is what there is now."""
    made = script() if kind == "js" else styles()
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(
        made.compressed if zipped else made.content,
        content_type=f"text/{'javascript' if kind == 'js' else 'css'}; charset=utf-8",
    )
    if zipped:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    is_current = version == made.version
    response["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable" if is_current else "no-cache"
    return response


def _stamp() -> int:
    """Changes as the files do, where they may: while one develops."""
    if not settings.DEBUG:
        return 0
    return max(path.stat().st_mtime_ns for path in _path(_ENTRY).parent.rglob("*.*s"))


@lru_cache(maxsize=2)
def _collected(_stamp: int) -> Scripts:
    scripts = Scripts()
    scripts.add(_ENTRY)
    return scripts


@lru_cache(maxsize=2)
def _script(stamp: int) -> Bundle:
    scripts = _collected(stamp)
    return _bundle("".join([*scripts.imports(), "const made = {};\n", *scripts.parts]))


@lru_cache(maxsize=2)
def _styles(_stamp: int) -> Bundle:
    return _bundle("\n".join(_read(name) for name in _STYLES))


@lru_cache(maxsize=2)
def _vendors(stamp: int) -> tuple[str, ...]:
    return tuple(static(target) for target in _collected(stamp).vendors)


def _bundle(text: str) -> Bundle:
    content = text.encode()
    return Bundle(content, gzip.compress(content, mtime=0), sha256(content).hexdigest()[:12])


def _read(name: str) -> str:
    return _path(name).read_text(encoding="utf-8")


def _path(name: str) -> Path:
    path = finders.find(name)
    if path is None:
        raise Http404(name)
    return Path(path)


def _joined(name: str, relative: str) -> str:
    parts = name.split("/")[:-1]
    for step in relative.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)
