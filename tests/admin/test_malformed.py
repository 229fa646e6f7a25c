"""Whatever stands in an admin page's address or form: a page, 400, 403 or 404, and never a fault of ours (500)."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from .rows import user_says, write_session

NASTY = {
    "nul": "\x00",
    "nul inside": "a\x00b",
    "many digits": "9" * 20,
    "more digits": "9" * 400,
    "int64 and one": str(2**63),
    "int32 and one": str(2**31),
    "negative": "-" + "9" * 20,
    "no number": "1e400",
    "not a number": "NaN",
    "other digits": "\N{SUPERSCRIPT TWO}",
    "arabic digits": "\N{ARABIC-INDIC DIGIT THREE}" * 3,
    "no day": "2026-13-45",
    "year 0": "0000-00-00",
    "late": "99999-01-01",
    "last day": "9999-12-31",
    "first day": "0001-01-01",
    "late time": "9999-12-31T23:59:59+23:59",
    "no uuid": "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
    "json": '{"a": [1]}',
    "list": "1,,2,\x00",
    "quotes": "';--\"",
    "no utf-8": b"\xff\xfe\xed\xa0\x80",
    "escape": "_00_2F_ZZ",
    "long": "x" * 3000,
    "empty": "",
    "blank": " ",
    "slash": "../../etc",
    "newline": "a\r\nb",
    "regex": "(((((",
}
LOOKUPS = (
    "exact",
    "in",
    "gt",
    "gte",
    "lt",
    "isnull",
    "range",
    "year",
    "month",
    "day",
    "date",
    "startswith",
    "regex",
    "nope",
)
ADMINS_OWN = (
    "p",
    "o",
    "q",
    "e",
    "all",
    "_popup",
    "_to_field",
    "_changelist_filters",
    "_facets",
    "after",
    "before",
    "deltas",
    "next",
    "app_label",
    "model_name",
    "field_name",
    "term",
    "days",
    "period",
    "model",
    "errors",
    "who",
)


def admin_patterns(
    resolver: URLResolver | None = None, prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The address of each admin page, with its parameters as ``%(name)s``."""
    resolver = resolver or next(
        one for one in get_resolver().url_patterns if isinstance(one, URLResolver) and one.app_name == "admin"
    )
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from admin_patterns(pattern, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and "final_catch_all_view" not in str(pattern.callback):
            for form, names in get_resolver_forms(pattern):
                yield f"/admin/{prefix}{form}", names


def get_resolver_forms(pattern: URLPattern) -> Iterator[tuple[str, dict[str, Any]]]:
    import re

    route = str(pattern.pattern)
    names = re.findall(r"<(?:\w+:)?(\w+)>", route)
    yield re.sub(r"<(?:\w+:)?(\w+)>", r"%(\1)s", route), dict.fromkeys(names)


@pytest.fixture
def known(admin: Client) -> dict[str, str]:
    """One of each kind, so that the pages behind their ids are reached."""
    write_session([user_says("Hello")], session_id="known")
    group = Group.objects.create(name="known")
    return {
        "sessions_app/session": "known",
        "auth/user": str(User.objects.get().pk),
        "auth/group": str(group.pk),
    }


def quoted(value: str | bytes) -> str:
    return quote(value, safe="")


def check(client: Client, method: str, url: str, data: dict[str, Any] | None = None) -> str | None:
    """What is wrong, if anything."""
    try:
        response = getattr(client, method)(url, data, **({} if method == "post" else {}))
        if getattr(response, "streaming", False):
            b"".join(response.streaming_content)
    except Exception as error:
        return f"{method} {url[:150]!r} {list((data or {}).items())[:1]!r:.80}: {type(error).__name__}: {error!s:.150}"
    if response.status_code >= 500:
        return f"{method} {url[:150]!r}: {response.status_code}"
    return None


def test_probe(admin: Client, known: dict[str, str]) -> None:
    print()
    pages = list(admin_patterns())
    for p in pages:
        print(p)
    wrong = []
    lists = []
    for url, names in pages:
        for value in NASTY.values():
            if names:
                wrong.append(check(admin, "get", url % dict.fromkeys(names, quoted(value))))
                wrong.append(check(admin, "post", url % dict.fromkeys(names, quoted(value))))
        parts = url.removeprefix("/admin/").split("/")
        home = known.get("/".join(parts[:2]), "1")
        there = url % dict.fromkeys(names, home)
        for name in ADMINS_OWN:
            for value in NASTY.values():
                wrong.append(check(admin, "get", f"{there}?{name}={quoted(value)}"))
                wrong.append(check(admin, "get", f"{there}?{quoted(value)}={name}"))
        for name in (
            "action",
            "_selected_action",
            "select_across",
            "index",
            "username",
            "name",
            "id",
            "approve",
            "reason",
            "back",
            "password1",
            "usable_password",
            "next",
            "_popup",
            "last_login_0",
            "permissions",
            "user_permissions",
            "date_joined_0",
        ):
            for value in NASTY.values():
                if isinstance(value, bytes):
                    continue
                wrong.append(
                    check(
                        admin,
                        "post",
                        there,
                        {
                            "action": "retry" if "proc" in there else "delete_selected",
                            "_selected_action": ["1"],
                            "username": "x",
                            name: value,
                        },
                    )
                )
    for model, model_admin in django_admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for field in model._meta.get_fields():
            for lookup in ("", *(f"__{one}" for one in LOOKUPS)):
                for value in NASTY.values():
                    wrong.append(check(admin, "get", f"{base}?{field.name}{lookup}={quoted(value)}"))
    found = sorted({one for one in wrong if one})
    import collections, re as r2

    kinds = collections.Counter(one.rsplit("': ", 1)[-1][:90] for one in found)
    open("/tmp/front_wrong.txt", "w").write("\n".join(found))
    print(len(wrong), len(found))
    print(kinds)
