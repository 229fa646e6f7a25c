"""What was done from the list is said there, with a button that takes it back: of one row, of many, and of others' sessions."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from sessions_app.models import ReviewState, Session, SessionTag
from tests.admin.desk import LIST, do, ended, reviewer, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita() -> Client:
    return reviewer("rita")


def by_key(client: Client, session_id: str, *, query: str = "review=new", **form: str) -> Any:
    """What a key of the list sends."""
    sent = {"here": f"{LIST}?{query}", **form}
    return client.post(f"{LIST}{session_id}/review/", sent, headers={"X-Desk": "list"})


def buttons(html: str) -> list[dict[str, str]]:
    """The forms that take something back."""
    forms = re.findall(r'class="inbox-undo desk-undo">(.*?)</form>', html, re.DOTALL)
    return [
        {name: unescape(value) for name, value in re.findall(r'name="(undo|here)" value="([^"]*)"', form)}
        for form in forms
    ]


def state_of(session_id: str) -> str:
    return Session.objects.get(pk=session_id).review_state


@pytest.mark.parametrize("state", ["done", "flagged"])
def test_a_key_on_a_row_says_what_it_did_and_is_taken_back(rita: Client, state: str) -> None:
    ended("s1", title="Rent")
    assert by_key(rita, "s1", act="state", state=state).status_code == 204
    html = rita.get(f"{LIST}?review=new").content.decode()
    assert f"Rent: {ReviewState(state).label}." in html
    (form,) = buttons(html)
    assert 'data-key="z"' in html
    answer: Any = rita.post(f"{LIST}many/", form)
    assert answer.url == f"{LIST}?review=new"
    assert state_of("s1") == ReviewState.NEW
    assert "Undone." in rita.get(answer.url).content.decode()


def test_that_it_is_a_colleagues_is_said(rita: Client) -> None:
    ended("s1", title="Rent", assignee=staff("bob", "view_session", "review_session"))
    by_key(rita, "s1", act="state", state="done")
    assert "It is assigned to bob." in rita.get(LIST).content.decode()
    ended("s2", title="Keys", assignee=Session.objects.get(pk="s1").assignee)
    do(rita, "s2", "state", state="done")
    assert "It is assigned to bob." in rita.get(LIST).content.decode()


def test_what_is_taken_over_from_a_colleague_goes_back_to_them(rita: Client) -> None:
    bob = staff("bob", "view_session", "review_session")
    ended("s1", assignee=bob)
    by_key(rita, "s1", act="assign", assignee="me")
    (form,) = buttons(rita.get(LIST).content.decode())
    rita.post(f"{LIST}many/", form)
    assert Session.objects.get(pk="s1").assignee == bob


def test_many_that_were_done_are_each_as_they_were(rita: Client) -> None:
    bob = staff("bob", "view_session", "review_session")
    ended("s0")
    ended("s1", review_state=ReviewState.FLAGGED, assignee=bob)
    ended("s2")
    done = {"action": "mark_done", "_selected_action": ["s0", "s1", "s2"]}
    html = rita.post(f"{LIST}?show=all", done, follow=True).content.decode()
    assert "3 sessions done. 1 of them is assigned to somebody else." in html
    (form,) = buttons(html)
    do(reviewer("omar"), "s2", "state", state="flagged")
    answer: Any = rita.post(f"{LIST}many/", form)
    assert answer.url == f"{LIST}?show=all"
    assert [state_of(one) for one in ("s0", "s1", "s2")] == ["new", "flagged", "flagged"]
    told = rita.get(answer.url).content.decode()
    assert "Undone for 2 of 3 sessions. The others were changed by somebody since." in told


def test_what_a_colleague_did_is_not_taken_back_though_it_looks_the_same(rita: Client) -> None:
    """They changed it and made it so again: it is theirs now."""
    bob = staff("bob", "view_session", "review_session")
    omar = reviewer("omar")
    for session_id in ("s0", "s1"):
        ended(session_id)
    chosen = {"_selected_action": ["s0", "s1"]}
    html = rita.post(f"{LIST}?show=all", {"action": "mark_done", **chosen}, follow=True).content.decode()
    (done,) = buttons(html)
    assigned = {"action": "assign_to", "assignee": str(bob.pk), **chosen}
    html = rita.post(f"{LIST}?show=all", assigned, follow=True).content.decode()
    (given,) = buttons(html)
    for state in ("flagged", "done"):
        do(omar, "s1", "state", state=state)
    for assignee in ("", str(bob.pk)):
        do(omar, "s1", "assign", assignee=assignee)
    rita.post(f"{LIST}many/", given)
    assert list(Session.objects.order_by("pk").values_list("assignee", flat=True)) == [None, bob.pk]
    rita.post(f"{LIST}many/", done)
    assert [state_of(one) for one in ("s0", "s1")] == ["new", "done"]
    do(rita, "s1", "state", state="new", undo="done")
    assert state_of("s1") == "done"


def test_a_tag_and_an_assignment_of_many_are_taken_back(rita: Client) -> None:
    omar = staff("omar", "review_session")
    ended("s0")
    ended("s1")
    do(rita, "s0", "tag", tag="later")
    given = {"session": ["s0", "s1"], "tag": "Later", "assignee": str(omar.pk)}
    html = rita.post(f"{LIST}many/", given, follow=True).content.decode()
    assert "1 session tagged." in html
    forms = [one for one in buttons(html) if "undo" in one]
    assert len(forms) == 2
    for form in forms:
        rita.post(f"{LIST}many/", form)
    assert list(SessionTag.objects.values_list("session_id", flat=True)) == ["s0"]
    assert not Session.objects.filter(assignee__isnull=False).exists()


@pytest.mark.parametrize("undo", ["", "{}", "[", '{"act": "x", "made": "", "was": {}}', "\x00"])
def test_nonsense_is_refused_in_words(rita: Client, undo: str) -> None:
    answer = rita.post(f"{LIST}many/", {"undo": undo, "here": "https://example.com/"}, follow=True)
    assert answer.redirect_chain == [(LIST, 302)]
    assert "That cannot be undone." in answer.content.decode()


def test_nothing_is_changed_by_a_form_of_states_that_are_none(rita: Client) -> None:
    ended("s1", review_state=ReviewState.DONE)
    change = '{"act": "state", "made": "done", "was": {"s1": "gone", "s9": "new"}}'
    rita.post(f"{LIST}many/", {"undo": change})
    assert state_of("s1") == ReviewState.DONE
