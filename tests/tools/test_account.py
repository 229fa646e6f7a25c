"""Profiles: one's own for everybody, another's for staff alone."""

import asyncio
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.tools.base import ToolContext, ToolOutcome
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from sessions_app.log.events import ResponseDone, ResponseStatus, Usage
from sessions_app.selectors.users import find_users, user_profile
from tests.tools.conftest import MakeSession, asked

pytestmark = pytest.mark.django_db(transaction=True)


def make_user(username: str, **fields: Any) -> User:
    return get_user_model().objects.create_user(username, password="pw-0123", **fields)


def ask(registry: Registry, name: str, context: ToolContext, **arguments: Any) -> ToolOutcome:
    text = msgspec.json.encode(arguments).decode()
    return asyncio.run(run_tool(registry, name=name, arguments=text, context=context))


def context_of(user: User | None) -> ToolContext:
    if user is None:
        return ToolContext(session_id="s1", call_id="call_1", guest_id="g1")
    return ToolContext(session_id="s1", call_id="call_1", user_id=user.pk, is_staff=user.is_staff)


def test_my_profile_tells_the_account_and_its_sessions(shipped: Registry, make_session: MakeSession) -> None:
    ann = make_user("ann", email="ann@example.com", first_name="Ann", last_name="Ko")
    bob = make_user("bob")
    done = ResponseDone(
        response_id="r1", status=ResponseStatus.COMPLETED, usage=Usage(input_tokens=30, output_tokens=12)
    )
    make_session("a1", asked("one"), asked("two"), done, user_id=ann.pk)
    make_session("a2", user_id=ann.pk)
    make_session("b1", asked("three"), user_id=bob.pk)

    outcome = ask(shipped, "get_my_profile", context_of(ann))
    profile = msgspec.json.decode(outcome.output)
    assert outcome.outcome == "ok"
    assert profile.pop("last_session_at")
    assert profile.pop("date_joined")
    assert profile == {
        "user_id": ann.pk,
        "username": "ann",
        "name": "Ann Ko",
        "email": "ann@example.com",
        "active": True,
        "staff": False,
        "superuser": False,
        "last_login": None,
        "sessions": 2,
        "open_sessions": 2,
        "messages": 2,
        "tokens": 42,
    }


def test_a_guest_is_told_that_there_is_no_account(shipped: Registry) -> None:
    outcome = ask(shipped, "get_my_profile", ToolContext(session_id="s1", call_id="c1", guest_id="g1"))
    assert outcome.outcome == "ok"
    assert "the user is a guest" in outcome.output


def test_a_deleted_account_is_an_error(shipped: Registry) -> None:
    gone = ToolContext(session_id="s1", call_id="c1", user_id=4711)
    assert ask(shipped, "get_my_profile", gone).output == "The user's account has been deleted."


@pytest.mark.parametrize(
    "form", ["user_{0.pk}", "{0.pk}", "id:{0.pk}", "{0.username}", "ANN", "{0.email}", " Ann@Example.com "]
)
def test_staff_find_a_user_by_id_name_or_email(shipped: Registry, form: str) -> None:
    staff, ann = make_user("boss", is_staff=True), make_user("ann", email="ann@example.com")
    outcome = ask(shipped, "get_user_data", context_of(staff), user=form.format(ann))
    assert outcome.outcome == "ok", outcome.output
    assert msgspec.json.decode(outcome.output)["user_id"] == ann.pk


@pytest.mark.parametrize(
    "user", ["user_999999", "9" * 18, "nobody", "", " ", "a%", "\x00", "' OR 1=1 --", "id:ann"]
)
def test_an_unknown_user_is_an_error(shipped: Registry, user: str) -> None:
    staff = make_user("boss", is_staff=True)
    outcome = ask(shipped, "get_user_data", context_of(staff), user=user)
    assert outcome.outcome == "error"
    assert "There is no user" in outcome.output


def test_where_a_name_may_mean_several_users_all_are_told_and_the_id_decides(shipped: Registry) -> None:
    staff, ann = make_user("boss", is_staff=True), make_user("ann", email="x@example.com")
    namesake = make_user(f"user_{ann.pk}", email="X@example.com")
    for reference in (f"user_{ann.pk}", "x@example.com"):
        outcome = ask(shipped, "get_user_data", context_of(staff), user=reference)
        assert outcome.outcome == "error"
        assert f"id:{ann.pk} (username ann), id:{namesake.pk} (username user_{ann.pk})" in outcome.output
    outcome = ask(shipped, "get_user_data", context_of(staff), user=f"id:{ann.pk}")
    assert msgspec.json.decode(outcome.output)["username"] == "ann"


@pytest.mark.parametrize("who", ["user", "guest"])
def test_for_others_the_tool_does_not_exist(shipped: Registry, who: str) -> None:
    ann = make_user("ann") if who == "user" else None
    assert "get_user_data" not in [spec.name for spec in asyncio.run(shipped.specs_for(context_of(ann)))]
    outcome = ask(shipped, "get_user_data", context_of(ann), user="ann")
    assert outcome.outcome == "error"
    assert outcome.output.startswith("There is no tool 'get_user_data'")


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_who_is_staff_no_more_may_not_although_the_socket_is_older(
    shipped: Registry, change: dict[str, bool]
) -> None:
    staff = make_user("boss", is_staff=True)
    context = context_of(staff)
    make_user("ann")
    get_user_model().objects.filter(pk=staff.pk).update(**change)
    outcome = ask(shipped, "get_user_data", context, user="ann")
    assert outcome.outcome == "error"
    assert outcome.output.startswith("There is no tool 'get_user_data'")


def test_a_profile_is_one_query_and_never_reads_the_password(make_session: MakeSession) -> None:
    ann = make_user("ann")
    for number in range(5):
        make_session(f"s{number}", asked("hello"), user_id=ann.pk)
    with CaptureQueriesContext(connection) as queries:
        assert user_profile(user_id=ann.pk) == find_users(reference="ann")[0]
    assert len(queries) == 2
    assert not any("password" in query["sql"] for query in queries.captured_queries)
