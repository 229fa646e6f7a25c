"""Approving and refusing a tool call from a session's page; that it takes effect is tested through a server
(tests/sockets/test_approvals.py)."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from sessions_app import hooks
from sessions_app.errors import DecisionRefused
from sessions_app.log import events as ev
from tests.admin.conftest import PASSWORD, signed_in
from tests.admin.rows import done, started, write_session

ASKED = ev.ToolApprovalRequested(
    response_id="resp_1", item_id="apr_1", call_id="call_1", output_index=0, name="pay", arguments="{}"
)
PAGE = "/admin/sessions_app/session/s1/change/"
URL = "/admin/sessions_app/session/s1/approvals/apr_1/"


@pytest.fixture
def decisions() -> Iterator[list[hooks.Decision]]:
    """What reaches the hook, in place of the server's own."""
    kept, heard = list(hooks._deciders), list[hooks.Decision]()
    hooks.on_decision(heard.append)
    yield heard
    hooks._deciders[:] = kept


@pytest.fixture
def decider(db: None) -> Client:
    """Staff who may read sessions and decide."""
    user = User.objects.create_user("grace", password=PASSWORD, is_staff=True)
    wanted = Permission.objects.filter(
        codename__in=["view_session", "change_session"], content_type__app_label="sessions_app"
    )
    user.user_permissions.set(wanted)
    return signed_in(user)


def asked() -> None:
    write_session([started(), ASKED, done()], session_id="s1")


def test_a_call_that_waits_has_its_buttons_for_who_may_decide(decider: Client, viewer: Client) -> None:
    asked()
    assert URL in decider.get(PAGE).content.decode()
    seen = viewer.get(PAGE).content.decode()
    assert "waits for approval" in seen
    assert URL not in seen


def test_a_call_that_was_decided_has_none(decider: Client) -> None:
    answer = ev.ToolApproval(item_id="yes", approval_id="apr_1", approve=True, by="ann")
    write_session([started(), ASKED, done(), answer], session_id="s1")
    assert URL not in decider.get(PAGE).content.decode()


def test_a_decision_goes_to_the_hook_with_its_author_and_reason(
    decider: Client, decisions: list[hooks.Decision]
) -> None:
    asked()
    response = decider.post(URL, {"approve": "no", "reason": " too much\x00 ", "back": "after=1"})
    assert (response.status_code, response["Location"]) == (302, f"{PAGE}?after=1")
    assert decisions == [
        hooks.Decision(session_id="s1", approval_id="apr_1", approve=False, by="grace", reason="too much")
    ]


def test_who_may_only_read_decides_nothing(viewer: Client, decisions: list[hooks.Decision]) -> None:
    asked()
    assert viewer.post(URL, {"approve": "yes"}).status_code == 403
    assert decisions == []


def test_a_link_decides_nothing(decider: Client, decisions: list[hooks.Decision]) -> None:
    asked()
    assert decider.get(URL).status_code == 405
    assert decisions == []


@pytest.mark.usefixtures("decisions")
def test_what_cannot_be_carried_out_is_told(decider: Client) -> None:
    asked()

    def refuse(decision: hooks.Decision) -> None:
        raise DecisionRefused("Somebody was faster.")

    hooks.on_decision(refuse)
    page = decider.post(URL, {"approve": "yes"}, follow=True).content.decode()
    assert "Nothing was decided. Somebody was faster." in page


def test_a_process_without_sockets_says_so(decider: Client) -> None:
    asked()
    page = decider.post(URL, {"approve": "yes"}, follow=True).content.decode()
    assert "This process serves no sessions" in page
