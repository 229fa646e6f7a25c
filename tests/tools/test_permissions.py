"""Who may use a tool: asked when the model is told of it, and again when it is about to run."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.db import connection

from chat.tools.base import ToolContext
from chat.tools.registry import Registry
from chat.tools.runner import run_tool
from sessions_app.postgres.threads import in_db_thread
from tests.tools.conftest import NOBODY

MEMBER = ToolContext(session_id="s1", call_id="call_1", guest_id="member")


def echo() -> str:
    """Echo."""
    return "heard"


async def offered(registry: Registry, context: ToolContext) -> list[str]:
    return [spec.name for spec in await registry.specs_for(context)]


async def answer(registry: Registry, context: ToolContext) -> str:
    return (await run_tool(registry, name="echo", arguments="{}", context=context)).output


def is_member(context: ToolContext) -> bool:
    return context.guest_id == "member"


async def is_member_async(context: ToolContext) -> bool:
    return is_member(context)


@dataclass
class OfGuests:
    """Compared by what it holds, so it is no key of a dictionary."""

    names: list[str]

    def __call__(self, context: ToolContext) -> bool:
        return context.guest_id in self.names


@pytest.mark.parametrize(
    "rule",
    [is_member, is_member_async, partial(is_member_async), attrgetter("guest_id"), OfGuests(["member"])],
)
async def test_a_rule_says_for_whom_the_tool_exists(
    registry: Registry, rule: Callable[[ToolContext], bool]
) -> None:
    registry.tool(allow=rule)(echo)
    assert await offered(registry, MEMBER) == ["echo"]
    assert await answer(registry, MEMBER) == "heard"
    assert await offered(registry, NOBODY) == []
    assert await answer(registry, NOBODY) == "There is no tool 'echo'. The tools are: none."


async def test_a_permission_that_was_taken_away_after_the_model_was_told_counts(registry: Registry) -> None:
    allowed = [True]
    registry.tool(allow=lambda context: allowed[0])(echo)
    assert await offered(registry, NOBODY) == ["echo"]
    allowed[0] = False
    assert await answer(registry, NOBODY) == "There is no tool 'echo'. The tools are: none."


def _fails(context: ToolContext) -> bool:
    raise RuntimeError("no idea")


def _ends_the_process(context: ToolContext) -> bool:
    raise SystemExit(1)


@pytest.mark.parametrize("rule", [_fails, _ends_the_process])
async def test_a_rule_that_fails_refuses_and_is_told_of_in_the_log(
    registry: Registry, rule: Callable[[ToolContext], bool], caplog: pytest.LogCaptureFixture
) -> None:
    registry.tool(allow=rule)(echo)
    registry.tool(name="other")(echo)
    assert await offered(registry, NOBODY) == ["other"]
    assert (await answer(registry, NOBODY)).startswith("There is no tool 'echo'")
    assert "tool echo: who may use it could not be found out, so it is refused" in caplog.text


async def test_a_rule_that_hangs_refuses(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.tools.permissions.RULE_SECONDS", 0.05)
    release = threading.Event()
    registry.tool(allow=lambda context: release.wait(60))(echo)
    assert await offered(registry, NOBODY) == []
    release.set()


@pytest.fixture
def ann(transactional_db: None) -> User:
    return get_user_model().objects.create_user("ann", is_staff=True)


def context_of(user: User) -> ToolContext:
    return ToolContext(session_id="s1", call_id="call_1", user_id=user.pk, is_staff=user.is_staff)


async def test_a_django_permission_is_looked_up_each_time(registry: Registry, ann: User) -> None:
    registry.tool(allow="auth.change_user")(echo)
    assert await offered(registry, NOBODY) == []
    assert await offered(registry, context_of(ann)) == []
    permission = await in_db_thread(Permission.objects.get, codename="change_user")
    await in_db_thread(ann.user_permissions.add, permission)
    assert await offered(registry, context_of(ann)) == ["echo"]
    assert await answer(registry, context_of(ann)) == "heard"
    await in_db_thread(lambda: User.objects.filter(pk=ann.pk).update(is_active=False))
    assert await offered(registry, context_of(ann)) == []
    assert (await answer(registry, context_of(ann))).startswith("There is no tool")


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
async def test_staff_is_asked_anew_before_the_tool_runs(
    registry: Registry, ann: User, change: dict[str, bool]
) -> None:
    registry.tool(staff_only=True)(echo)
    assert await answer(registry, context_of(ann)) == "heard"
    await in_db_thread(lambda: User.objects.filter(pk=ann.pk).update(**change))
    assert await offered(registry, context_of(ann)) == ["echo"], "as of the connection"
    assert (await answer(registry, context_of(ann))).startswith("There is no tool")


@pytest.mark.django_db(transaction=True)
async def test_a_rule_may_ask_the_database(registry: Registry, ann: User) -> None:
    def has_name(context: ToolContext) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT username FROM auth_user WHERE id = %s", [context.user_id])
            return bool(cursor.fetchone()[0] == "ann")

    registry.tool(allow=has_name)(echo)
    assert await answer(registry, context_of(ann)) == "heard"


async def test_an_async_rule_that_blocks_does_not_block_the_server(registry: Registry) -> None:
    """It is released by what runs in the server's loop meanwhile."""
    release = threading.Event()

    async def blocks(context: ToolContext) -> bool:
        return release.wait(4)

    registry.tool(allow=blocks)(echo)
    asking = asyncio.create_task(offered(registry, NOBODY))
    await asyncio.sleep(0.05)
    release.set()
    assert await asking == ["echo"]
