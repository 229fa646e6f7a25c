"""The URL of a store, with a password in it: dashboards give one to put a password into, and most do not fit in as they are."""

import re

from sessions_app.setting import Kind, url

_ENCODE = "python3 -c 'import sys, urllib.parse as u; print(u.quote(sys.argv[1], safe=\"\"))' 'THE PASSWORD'"


def store_url(*schemes: str) -> Kind:
    """A URL of one of ``schemes``, whose user and password are percent-encoded."""
    plain = url(*schemes)

    def parse(text: str) -> str:
        if problem := _password_problem(text):
            raise ValueError(problem)
        for one in _of_each_host(text):
            plain.parse(one)
        return text

    return Kind(plain.wanted, parse)


def _of_each_host(url: str) -> list[str]:
    """libpq tries several hosts, one after the other: ``postgresql://user:password@a:5432,b:5432/database``."""
    found = re.fullmatch(r"(postgres(?:ql)?://(?:[^/?#]*@)?)([^/?#]*)(.*)", url, re.IGNORECASE)
    return [found[1] + host + found[3] for host in found[2].split(",")] if found else [url]


def _password_problem(url: str) -> str | None:
    """What the URL has to be instead, if something is wrong with its user and password."""
    scheme, _, rest = url.partition("://")
    if not rest or re.search(r"[^a-z0-9+]", scheme, re.IGNORECASE):
        return None
    if re.search(r"\[?\bYOUR[-_ ]PASSWORD\b\]?|\[PASSWORD\]", rest, re.IGNORECASE):
        return (
            "a URL with its password, which still has to be put in place of [YOUR-PASSWORD], brackets and all"
        )
    sign = _stray_sign(rest)
    if sign is None:
        return None
    return (
        f"a URL without an unencoded {sign!r} in its user and password. Write %{ord(sign):02X} for it; this encodes a "
        f"whole password: {_ENCODE}"
    )


def _stray_sign(rest: str) -> str | None:
    """The sign at which what should be a password ends too early; ``rest`` is what follows ``://``."""
    end = re.search(r"[/?#]", rest)
    authority = rest[: end.start()] if end else rest
    if "#" in rest:
        return "#"  # no store's URL has a fragment
    before_query, _, query = rest.partition("?")
    if end and "@" in before_query[end.start() :]:
        return "/"
    if "@" in (query if end and end[0] == "?" else query.partition("=")[0]):
        return "?"
    user_and_password = authority.rpartition("@")[0]
    return next((sign for sign in "[]" if sign in user_and_password), None)
