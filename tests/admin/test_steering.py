"""What staff do in a conversation, from its page; that it takes effect is tested through servers (tests/sockets/test_live_page.py)."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from chat.staff import _command
from sessions_app import hooks
from sessions_app.admin.steering import MAX_CHARS
from sessions_app.errors import DecisionRefused
from sessions_app.hooks import Act, Step
from sessions_app.log import events as ev
from sessions_app.models import Session
from tests.admin.rows import user_says, write_session

URL = "/admin/sessions_app/session/s1/steer/"
PAGE = "/admin/sessions_app/session/s1/change/"
JSON = {"accept": "application/json"}


@pytest.fixture
def steps() -> Iterator[list[Step]]:
    """What reaches the hook, in place of the server's own."""
    kept, heard = list(hooks._steppers), list[Step]()
    hooks.on_step(heard.append)
    yield heard
    hooks._steppers[:] = kept


@pytest.fixture(autouse=True)
def session(db: None) -> None:
    write_session([user_says("Hi")], session_id="s1")


def test_each_act_goes_to_the_hook_with_its_author(operator: Client, steps: list[Step]) -> None:
    for act in Act:
        answer = operator.post(URL, {"act": act, "text": " Be\x00 kind. ", "item": "item_w"}, headers=JSON)
        assert (answer.status_code, bool(answer.json()["words"])) == (200, True)
    assert steps == [
        Step(session_id="s1", act=act, by="grace", text="Be kind.", item_id="item_w") for act in Act
    ]


def test_what_is_sent_again_is_known_by_its_form(operator: Client, steps: list[Step]) -> None:
    nonces = [
        re.findall(r'name="nonce" value="([0-9a-f]{32})"', operator.get(PAGE).content.decode()) for _ in "12"
    ]
    (first,), (second,) = nonces
    assert first != second
    for nonce in (first, first, "x" * 32, ""):
        operator.post(URL, {"act": "speak", "text": "Hi", "nonce": nonce}, headers=JSON)
    assert [step.nonce for step in steps] == [first, first, "", ""]
    assert [getattr(_command(step), "client_event_id", "") for step in steps[1:3]] == [f"speak_{first}", None]


def test_without_a_script_the_page_comes_anew_where_it_was(operator: Client, steps: list[Step]) -> None:
    answer = operator.post(URL, {"act": "stop", "back": "after=1"})
    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}?after=1")


def test_who_may_only_read_does_nothing(viewer: Client, steps: list[Step]) -> None:
    assert viewer.post(URL, {"act": "take_over"}).status_code == 403
    assert "lv-acts" not in viewer.get(PAGE).content.decode()
    assert steps == []


def test_what_makes_no_sense_does_nothing(operator: Client, steps: list[Step]) -> None:
    assert operator.get(URL).status_code == 405
    assert operator.post(URL, {"act": "shout"}).status_code == 400
    for text in ("", "  ", "x" * (MAX_CHARS + 1)):
        assert operator.post(URL, {"act": "whisper", "text": text}, headers=JSON).status_code == 409
    assert operator.post(URL.replace("s1", "none"), {"act": "stop"}).status_code == 404
    assert steps == []


def test_why_it_was_refused_is_told(operator: Client) -> None:
    kept = list(hooks._steppers)

    @hooks.on_step
    def refuse(_: Step) -> None:
        raise DecisionRefused("Somebody else has it.")

    try:
        answer = operator.post(URL, {"act": "take_over"}, headers=JSON)
    finally:
        hooks._steppers[:] = kept
    assert (answer.status_code, answer.json()) == (409, {"words": "Somebody else has it."})


def test_a_page_of_another_site_does_nothing(operator: Client, steps: list[Step]) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert strict.post(URL, {"act": "stop"}).status_code == 403
    assert steps == []


def history(client: Client) -> list[str]:
    found = re.findall(r"<li>\s*<p>(.*?)<time", client.get(PAGE).content.decode(), re.DOTALL)
    return [" ".join(re.sub("<[^>]*>", "", one).split()) for one in found]


def test_a_takeover_is_in_the_history_and_assigns_what_nobody_has(
    operator: Client, steps: list[Step]
) -> None:
    grace = User.objects.get(username="grace")
    operator.post(URL, {"act": "take_over"}, headers=JSON)
    assert history(operator) == ["grace took the conversation over"]  # who may not review is assigned nothing
    grace.user_permissions.add(Permission.objects.get(codename="review_session"))
    operator.post(URL, {"act": "hand_back"}, headers=JSON)
    operator.post(URL, {"act": "take_over"}, headers=JSON)
    assert Session.objects.get().assignee == grace
    assert history(operator)[:3] == [
        "grace assigned it to grace",
        "grace took the conversation over",
        "grace handed the conversation back",
    ]


def test_a_colleagues_session_stays_theirs(operator: Client, steps: list[Step]) -> None:
    User.objects.get(username="grace").user_permissions.add(Permission.objects.get(codename="review_session"))
    alan = User.objects.create_user("alan", is_staff=True)
    Session.objects.update(assignee=alan)
    operator.post(URL, {"act": "take_over"}, headers=JSON)
    assert Session.objects.get().assignee == alan


def test_who_has_it_already_takes_nothing_over(operator: Client, steps: list[Step]) -> None:
    Session.objects.all().delete()
    write_session(
        [ev.OperatorTookOver(item_id="item_o", author="grace", shown_as="A person")], session_id="s1"
    )
    operator.post(URL, {"act": "take_over"}, headers=JSON)
    assert history(operator) == []
