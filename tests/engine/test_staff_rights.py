"""The rights of staff in a session are the least of those who came in."""

import pytest
from django.contrib.auth.models import User

from chat.session.context import Guest
from chat.session.opening import Join
from chat.session.session import Session
from sessions_app.ids import new_id
from sessions_app.log.lifecycle import Visitor, owner_of
from sessions_app.postgres.threads import in_db_thread

from .conftest import Process


async def joined(
    process: Process, *, is_staff: bool, session_id: str | None = None, **who: object
) -> Session:
    join = Join(visitor=Visitor(**who), is_staff=is_staff, session_id=session_id)  # type: ignore[arg-type]
    session = await process.hub.join(Guest(new_id("conn"), "realtime"), join)
    assert isinstance(session, Session)
    await session.durable()
    return session


async def staff() -> int:
    return int((await in_db_thread(User.objects.create, username="eve", is_staff=True)).pk)


def is_staff(session: Session) -> bool:
    return session.tool_context("call_1").is_staff


@pytest.mark.parametrize(("second", "after"), [(True, True), (False, False)])
async def test_they_are_gone_when_somebody_comes_without_them(
    process: Process, second: bool, after: bool
) -> None:
    user_id = await staff()
    session = await joined(process, is_staff=True, user_id=user_id)
    assert is_staff(session)
    again = await joined(process, is_staff=second, session_id=session.session_id, user_id=user_id)
    assert again is session
    assert is_staff(session) == after
    await joined(process, is_staff=True, session_id=session.session_id, user_id=user_id)
    assert is_staff(session) == after


async def test_a_shops_customer_never_has_them(process: Process) -> None:
    """Neither when the shop's own staff look in, nor when another process takes the session over."""
    user_id = await staff()
    session = await joined(process, is_staff=False, user_id=user_id, external_user_id="kim")
    await joined(process, is_staff=True, session_id=session.session_id, user_id=user_id)
    assert not is_staff(session)
    owner = await in_db_thread(owner_of, session_id=session.session_id)
    assert (owner.is_staff, owner.visitor.external_user_id) == (False, "kim")


async def test_what_a_shops_account_may_its_customers_may_not(process: Process) -> None:
    """Its permissions, and what is known of it, are no matter of theirs."""

    @process.registry.tool(allow="auth.change_user")
    def refund() -> str:
        """Give it back."""
        return ""

    shop = int((await in_db_thread(User.objects.create, username="shop", is_superuser=True)).pk)
    for name, offered in (("", ["refund"]), ("kim", [])):
        session = await joined(process, is_staff=False, user_id=shop, external_user_id=name)
        context = session.tool_context("call_1")
        assert (context.account_id, context.external_user_id) == (shop, name)
        assert context.user_id == (None if name else shop)
        assert [spec.name for spec in await process.registry.specs_for(context)] == offered
