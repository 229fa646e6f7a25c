"""Whatever stands in an admin page's address or form: a page, 400, 403 or 404, and never a fault of ours (500)."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from .rows import user_says, write_session

NASTY: dict[str, str | bytes] = {
    "nul": "a\x00b",
    "many digits": "9" * 20,
    "too many digits": "9" * 5000,
    "no day": "2026-13-45",
    "no utf-8": b"\xff\xfe\xed\xa0\x80",
    "regex": "((((('",
}
LOOKUPS = ("", "__in", "__year")
QUERY = (
    "p",
    "o",
    "q",
    "e",
    "all",
    "_popup",
    "_to_field",
    "_changelist_filters",
    "after",
    "before",
    "deltas",
    "next",
    "model",
    "errors",
    "who",
    "start_time__year",
    "start_time__month",
    "start_time_from",
    "start_time_to",
    "term",
    "app_label",
    "model_name",
    "field_name",
)
FORM = (
    "action",
    "_selected_action",
    "index",
    "username",
    "name",
    "permissions",
    "user_permissions",
    "date_joined_0",
    "back",
    "next",
)
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def pages() -> Iterator[str]:
    """The address of every admin page, with ``*`` for each parameter."""
    mounted = next(one for one in get_resolver().url_patterns if getattr(one, "app_name", "") == "admin")
    assert isinstance(mounted, URLResolver)
    yield from _pages(mounted, "/admin/")


def _pages(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        address = prefix + PARAMETER.sub("*", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _pages(pattern, address)
        elif isinstance(pattern, URLPattern) and "(?P" not in address:
            yield address


@pytest.fixture
def known(admin: Client) -> dict[str, str]:
    """An id of each kind, so that the pages behind it are reached."""
    write_session([user_says("Hello")], session_id="known")
    group = Group.objects.create(name="known")
    return {
        "sessions_app/session": "known",
        "auth/user": str(User.objects.get().pk),
        "auth/group": str(group.pk),
    }


def test_every_address_of_the_admin_is_known_to_this_test() -> None:
    found = list(pages())
    assert len(found) > 30
    assert "/admin/sessions_app/session/*/events/" in found


def check(client: Client, method: str, url: str, data: dict[str, Any] | None = None) -> list[str]:
    """What is wrong with the answer, if anything. What it did is taken back."""
    try:
        with transaction.atomic():
            response: Any = getattr(client, method)(url, data)
            if response.streaming:
                b"".join(response.streaming_content)
            transaction.set_rollback(True)
    except Exception as error:  # noqa: BLE001 - each is a finding
        return [f"{method} {url[:200]!r} {data!r:.200}: {error!r:.200}"]
    return [] if response.status_code < 500 else [f"{method} {url[:200]!r}: {response.status_code}"]


def quoted(value: str | bytes) -> str:
    return quote(value, safe="")


@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY)
def test_in_the_path(admin: Client, known: dict[str, str], value: str | bytes) -> None:
    wrong: list[str] = []
    for page in pages():
        if "*" in page:
            wrong += check(admin, "get", page.replace("*", quoted(value)))
            wrong += check(admin, "post", page.replace("*", quoted(value)))
    assert wrong == []


@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("model", django_admin.site._registry, ids=lambda model: model._meta.label_lower)
def test_in_the_query_of_a_list(
    admin: Client, known: dict[str, str], model: type[Model], value: str | bytes
) -> None:
    wrong: list[str] = []
    page = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    names = {f"{field.name}{lookup}" for field in model._meta.get_fields() for lookup in LOOKUPS}
    for name in sorted(names | set(QUERY)):
        wrong += check(admin, "get", f"{page}?{name}={quoted(value)}")
    assert wrong == []


@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY)
def test_in_the_query_of_another_page(admin: Client, known: dict[str, str], value: str | bytes) -> None:
    wrong: list[str] = []
    for page in pages():
        there = page.replace("*", known.get("/".join(page.split("/")[2:4]), "1"))
        wrong += check(admin, "get", f"{there}?{'&'.join(f'{name}={quoted(value)}' for name in QUERY)}")
        wrong += check(admin, "get", f"{there}?{quoted(value)}={quoted(value)}")
    assert wrong == []


@pytest.mark.parametrize("value", [one for one in NASTY.values() if isinstance(one, str)])
def test_in_a_form(admin: Client, known: dict[str, str], value: str) -> None:
    wrong: list[str] = []
    for page in pages():
        there = page.replace("*", known.get("/".join(page.split("/")[2:4]), "1"))
        wrong += check(admin, "post", there, dict.fromkeys(FORM, value))
        wrong += check(admin, "post", there, {"action": "delete_selected", "_selected_action": value})
    assert wrong == []


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/admin/sessions_app/session/%00/change/", 400),
        ("/admin/sessions_app/session/?status__exact=%00", 400),
        ("/admin/sessions_app/session/?%00=1", 400),
        ("/admin/sessions_app/session/?start_time__year=99999999999999999999", 400),
        ("/admin/auth/user/99999999999999999999/change/", 302),
        ("/admin/sessions_app/session/99999999999999999999/change/", 404),
        ("/s/%00", 400),
    ],
)
def test_the_answer(admin: Client, url: str, status: int) -> None:
    assert admin.get(url).status_code == status
