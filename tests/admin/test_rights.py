"""Who may do what in the admin: the groups of the migration, and each page against each of them.

The pages are found in the URL conf: one that is added without a rule here fails.
"""

from collections.abc import Iterator
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from sessions_app.models import InboxItem, SavedView
from tests.admin.conftest import signed_in
from tests.admin.desk import ended

pytestmark = pytest.mark.django_db

GROUPS = ("Viewer", "Reviewer", "Operator")
ANY_STAFF, READ, REVIEW, OPERATE, DECIDE, ERASE, OTHER = (
    "any staff",
    "read",
    "review",
    "operate",
    "decide",
    "erase",
    "a right of its own",
)
MAY = {
    ANY_STAFF: {"nobody", *GROUPS},
    READ: set(GROUPS),
    REVIEW: {"Reviewer", "Operator"},
    OPERATE: {"Operator"},
    DECIDE: {"Operator"},
    ERASE: set(),
    OTHER: set(),
}
S = "sessions_app_session"
RULES: dict[str, tuple[str, str]] = {
    # name of the page: (the right it takes, the method that does what it is for)
    "index": (ANY_STAFF, "get"),
    f"{S}_changelist": (READ, "get"),
    f"{S}_change": (READ, "get"),
    f"{S}_events": (READ, "get"),
    f"{S}_download": (READ, "get"),
    f"{S}_export": (READ, "get"),
    f"{S}_replay": (READ, "get"),
    f"{S}_replay_steps": (READ, "get"),
    f"{S}_file": (READ, "get"),
    f"{S}_steer": (OPERATE, "post"),
    f"{S}_summary": (OPERATE, "post"),
    f"{S}_person": (READ, "get"),
    f"{S}_walk": (READ, "get"),
    f"{S}_queue": (REVIEW, "get"),
    f"{S}_mentions": (REVIEW, "get"),
    f"{S}_many": (REVIEW, "post"),
    f"{S}_save_view": (REVIEW, "post"),
    f"{S}_remove_view": (REVIEW, "post"),
    f"{S}_rename_view": (REVIEW, "post"),
    f"{S}_review": (REVIEW, "post"),
    f"{S}_decide": (DECIDE, "post"),
    f"{S}_erase": (ERASE, "post"),
    f"{S}_history": (READ, "get"),
    "sessions_app_inboxitem_changelist": (READ, "get"),
    "sessions_app_inboxitem_count": (READ, "get"),
    "sessions_app_inboxitem_open": (READ, "get"),
    "sessions_app_inboxitem_act": (OPERATE, "post"),
    "sessions_app_inboxitem_many": (REVIEW, "post"),
    "sessions_app_mailsubscription_changelist": (READ, "get"),
    "sessions_app_webhook_test": (OTHER, "post"),
    "sessions_app_webhook_renew": (OTHER, "post"),
    "sessions_app_assistant_publish": (OTHER, "post"),
    "sessions_app_assistant_retire": (OTHER, "post"),
}
NOBODYS = {f"{S}_add", f"{S}_delete"}
"""Refused to everybody: a log is not written by hand."""
DJANGOS = {
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "autocomplete",
    "jsi18n",
    "view_on_site",
    "search",
    "toggle_sidebar",
    "app_list",
}
"""The admin's own, with rules of Django's."""
OF_MODELS = ("auth_", "identity_", "mfa_", "procrastinate_", "sessions_app_", "account_", "sites_")
"""A model's own pages (list, add, change, history, delete) take that model's permissions, which no group has."""
PAGES_OF_A_MODEL = ("_changelist", "_add", "_change", "_history", "_delete", "_password_change")


def admin_names() -> set[str]:
    return set(_names(get_resolver().url_patterns, ""))


def _names(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns, path)
        elif path.startswith("admin/"):
            yield pattern.name or path


def rule_of(name: str) -> str:
    if name in RULES:
        return RULES[name][0]
    if name in NOBODYS:
        return OTHER
    if name.startswith(OF_MODELS) and name.endswith(PAGES_OF_A_MODEL):
        return OTHER
    return ""


def make_groups() -> None:
    """As the migration does: a test whose transactions were real has emptied the tables since."""
    import_module("sessions_app.migrations.0010_desk").make_groups(apps, None)


@pytest.fixture
def people() -> dict[str, Client]:
    make_groups()
    clients = {"nobody": signed_in(User.objects.create_user("nobody", is_staff=True))}
    for name in GROUPS:
        user = User.objects.create_user(name.lower(), is_staff=True)
        user.groups.add(Group.objects.get(name=name))
        clients[name] = signed_in(user)
    return clients


def test_every_page_of_the_admin_has_a_rule() -> None:
    unruled = {
        name for name in admin_names() - DJANGOS if not rule_of(name) and not name.startswith("admin/")
    }
    assert unruled == set(), "a new page: say in RULES who may open it"
    assert set(RULES) - admin_names() == set()


def path_of(name: str) -> str:
    """Its address, for a session, a person, an inbox item that are there."""
    session, base = "s1", "/admin/sessions_app/"
    view = SavedView.objects.values_list("pk", flat=True).first()
    item = InboxItem.objects.values_list("pk", flat=True).first()
    return {
        "index": "/admin/",
        f"{S}_changelist": f"{base}session/",
        f"{S}_change": f"{base}session/{session}/change/",
        f"{S}_history": f"{base}session/{session}/history/",
        f"{S}_events": f"{base}session/{session}/events/",
        f"{S}_download": f"{base}session/{session}/transcript.md",
        f"{S}_export": f"{base}session/export/",
        f"{S}_replay": f"{base}session/{session}/replay/",
        f"{S}_replay_steps": f"{base}session/{session}/replay.json",
        f"{S}_file": f"{base}session/{session}/files/file_{'0' * 24}",
        f"{S}_steer": f"{base}session/{session}/steer/",
        f"{S}_summary": f"{base}session/{session}/summary/",
        f"{S}_person": f"{base}session/person/guest/?key=g1",
        f"{S}_walk": f"{base}session/{session}/next-session/",
        f"{S}_queue": f"{base}session/queue/",
        f"{S}_mentions": f"{base}session/mentions/",
        f"{S}_many": f"{base}session/many/",
        f"{S}_save_view": f"{base}session/views/",
        f"{S}_remove_view": f"{base}session/views/{view}/",
        f"{S}_rename_view": f"{base}session/views/{view}/name/",
        f"{S}_review": f"{base}session/{session}/review/",
        f"{S}_decide": f"{base}session/{session}/approvals/none/",
        f"{S}_erase": f"{base}session/erase/",
        "sessions_app_inboxitem_changelist": f"{base}inboxitem/",
        "sessions_app_inboxitem_count": f"{base}inboxitem/count/",
        "sessions_app_inboxitem_open": f"{base}inboxitem/{item}/open/",
        "sessions_app_inboxitem_act": f"{base}inboxitem/{item}/act/",
        "sessions_app_inboxitem_many": f"{base}inboxitem/many/",
        "sessions_app_mailsubscription_changelist": f"{base}mailsubscription/",
        "sessions_app_webhook_test": f"{base}webhook/1/test/",
        "sessions_app_webhook_renew": f"{base}webhook/1/secret/",
        "sessions_app_assistant_publish": f"{base}assistant/shop/publish/",
        "sessions_app_assistant_retire": f"{base}assistant/shop/retire/",
    }[name]


@pytest.mark.parametrize("name", sorted(RULES))
def test_each_page_lets_in_who_may_and_nobody_else(people: dict[str, Client], name: str) -> None:
    session = ended("s1", guest_id="g1")
    SavedView.objects.create(owner=User.objects.get(username="reviewer"), name="View")
    InboxItem.objects.create(
        session=session, kind="failed_answer", ref="resp_1", seq=1, at=session.start_time
    )
    right, method = RULES[name]
    let_in = {
        who for who, client in people.items() if getattr(client, method)(path_of(name)).status_code != 403
    }
    assert let_in == MAY[right]


def test_nobody_gets_in_without_being_staff() -> None:
    ended("s1", guest_id="g1")
    make_groups()
    user = User.objects.create_user("ada")
    user.groups.set(Group.objects.all())
    client = signed_in(user)
    for name in RULES:
        answer = client.get(path_of(name))
        assert (answer.status_code, answer.headers.get("Location", "").split("?")[0]) == (
            302,
            "/admin/login/",
        )


def test_the_groups_have_the_rights_of_their_names() -> None:
    make_groups()
    make_groups()  # an admin's own additions stay, nothing is doubled
    rights = {
        group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()
    }
    assert rights == {
        "Viewer": {"view_session"},
        "Reviewer": {"view_session", "review_session"},
        "Operator": {"view_session", "review_session", "operate_session", "change_session"},
    }
    named = Permission.objects.filter(content_type__app_label="sessions_app", content_type__model="session")
    assert named.filter(codename__in=("review_session", "operate_session")).count() == 2
