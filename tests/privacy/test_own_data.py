"""What visitors do with what is theirs, over HTTP: nobody else's, not by another site, and not without asking."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.page import own_data
from identity.guests import GUEST_COOKIE, sign_guest_id
from identity.keys import make_key, make_secret
from identity.models import Scope
from sessions_app.log import events as ev
from sessions_app.models import Erasure, Session
from tests.admin.rows import write_session

from .words import MARK, rows_with, session_full_of

pytestmark = pytest.mark.django_db(transaction=True)

ALL = "/api/my-conversations"
G1, G2 = "a" * 32, "b" * 32


def guest(guest_id: str) -> Client:
    client = Client()
    client.cookies[GUEST_COOKIE] = sign_guest_id(guest_id)
    return client


def user(name: str) -> tuple[Client, User]:
    account = User.objects.create_user(name)
    client = Client()
    client.force_login(account)
    return client, account


def lines_of(response: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.getvalue().decode().splitlines()]


def test_an_owner_erases_one_and_may_say_so_twice() -> None:
    client, ada = user("ada")
    session_full_of(MARK, "s1", user=ada)
    assert [client.delete("/api/sessions/s1").status_code for _ in range(2)] == [204, 204]
    assert rows_with(MARK) == []
    record = Erasure.objects.get()
    assert (record.actor, record.staff) == ("owner", None)


def test_a_guest_erases_what_their_cookie_owns() -> None:
    session_full_of(MARK, "s1", guest_id=G1)
    assert guest(G2).delete("/api/sessions/s1").status_code == 404
    assert rows_with(MARK)
    assert guest(G1).delete("/api/sessions/s1").status_code == 204
    assert rows_with(MARK) == []


@pytest.mark.parametrize("owned_by", ["bob", "nobody", "guest", "none"])
def test_another_ones_cannot_be_told_from_none(owned_by: str) -> None:
    client, _ = user("ada")
    owners: dict[str, dict[str, Any]] = {
        "bob": {"user": User.objects.create_user("bob")},
        "nobody": {},
        "guest": {"guest_id": G1},
    }
    fields = owners.get(owned_by, {})
    if owned_by != "none":
        session_full_of(MARK, "s1", **fields)
    response = client.delete("/api/sessions/s1")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "session_not_found"
    assert not Erasure.objects.exists()


def test_nobody_in_particular_has_nothing() -> None:
    session_full_of(MARK, "s1")
    for method, path in (("delete", "/api/sessions/s1"), ("delete", ALL), ("get", ALL)):
        assert getattr(Client(), method)(path).status_code == 401
    assert not Erasure.objects.exists()


def test_guests_that_are_not_let_in_have_nothing_either(settings: Any) -> None:
    settings.CHAT_GUESTS_ALLOWED = False
    assert guest(G1).delete(ALL).status_code == 401


def test_another_site_cannot_erase() -> None:
    _, ada = user("ada")
    session_full_of(MARK, "s1", user=ada)
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.delete("/api/sessions/s1").status_code == 403
    assert client.delete(ALL).status_code == 403
    for path in ("/api/sessions/s1", ALL):
        assert client.post(path).status_code in (403, 405)
    assert client.get("/api/sessions/s1").status_code == 200
    assert rows_with(MARK)


def test_all_of_them_go_in_as_many_requests_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_data, "ERASED_PER_REQUEST", 2)
    client, ada = user("ada")
    for n in range(3):
        session_full_of(MARK, f"s{n}", user=ada)
    write_session(session_id="other", title="Not hers")
    answers = [client.delete(ALL).json() for _ in range(3)]
    assert answers == [
        {"erased": 2, "failed": 0, "left": 1},
        {"erased": 1, "failed": 0, "left": 0},
        {"erased": 0, "failed": 0, "left": 0},
    ]
    assert Session.objects.get(pk="other").title == "Not hers"


def test_the_download_is_all_that_is_theirs_and_nothing_of_others() -> None:
    client, ada = user("ada")
    ada.email = "ada@example.com"
    ada.save()
    session_full_of("mine", "s1", user=ada)
    session_full_of("older", "s2", user=ada)
    session_full_of("anothers", "s3")
    client.delete("/api/sessions/s2")
    response = client.get(ALL)
    assert response["Content-Disposition"] == 'attachment; filename="conversations.ndjson"'
    lines = lines_of(response)
    assert (lines[0]["type"], lines[0]["username"], lines[0]["email"]) == ("person", "ada", "ada@example.com")
    sessions = {line["session_id"]: line for line in lines if line["type"] == "session"}
    assert sorted(sessions) == ["s1", "s2"]
    assert (sessions["s1"]["title"], sessions["s2"]["title"]) == ("About mine", "")
    assert sessions["s2"]["erased_at"]
    said = [line["content"] for line in lines if line["type"] == "event" and line["event"] == "user_message"]
    assert said == ["mine text"]
    assert "password" not in json.dumps(lines)
    assert "anothers" not in json.dumps(lines)


def test_what_is_for_staff_alone_is_not_in_the_download() -> None:
    client, ada = user("ada")
    session_full_of("mine", "s1", user=ada)
    events = [line for line in lines_of(client.get(ALL)) if line["type"] == "event"]
    assert len(events) > 15
    for event in events:
        assert not {"cause", "extra", "parts", "error"} & event["payload"].keys()
        if event["event"] in ("model_attempt_failed", "summary_failed"):
            assert event["content"] is None


def test_the_download_tells_no_more_of_an_event_than_the_log_over_http() -> None:
    """A mark that a summary gives the assistant, and why, are for those who look after it."""
    client, ada = user("ada")
    events: list[ev.Event] = [
        ev.ResponseQueued(response_id="resp_1", position=1, request_key="d1gest"),
        ev.ResponseDone(
            response_id="resp_1",
            status=ev.ResponseStatus.FAILED,
            cause="HTTP 500",
            context_tokens=7,
            context_bytes=9,
        ),
        ev.SummaryWritten(
            summary="She asked.",
            title="A question",
            model="demo:demo",
            author="grace",
            sentiment=ev.Sentiment.NEGATIVE,
            quality=1,
            quality_reason="It was rude.",
        ),
    ]
    write_session(events, session_id="s1", user=ada)
    told = client.get("/api/sessions/s1/events").json()["events"]
    lines = [line for line in lines_of(client.get(ALL)) if line["type"] == "event"]
    for line, event in zip(lines, told, strict=True):
        assert line["payload"].keys() - event.keys() <= {"sentiment"}  # which is about her
    assert "rude" not in json.dumps(lines)


def test_no_name_of_the_staff_is_in_the_download() -> None:
    """Who asks learns that a person decided, and not which."""
    client, ada = user("ada")
    told = {"shown_as": "A person"}
    events: list[ev.Event] = [
        ev.OperatorTookOver(item_id="t", author="grace", awaited=True, **told),
        ev.ResponseQueued(response_id="resp_1", position=1, waits_for="grace"),
        ev.OperatorHandedBack(item_id="b", author="grace", **told),
        ev.ToolApproval(item_id="d1", approval_id="q1", approve=True, by="grace"),
        ev.ToolApproval(item_id="d2", approval_id="q2", approve=False, by="client"),
    ]
    write_session(events, session_id="s1", user=ada)
    answer = client.get(ALL)
    lines = [line for line in lines_of(answer) if line["type"] == "event"]
    assert [line["event"] for line in lines] == [event.event_type for event in events]
    assert "grace" not in json.dumps(lines)
    assert [line["payload"]["by"] for line in lines[3:]] == ["staff", "client"]


def by_key(value: str) -> Client:
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {value}"})


def test_a_key_erases_what_is_its_users_and_one_that_reads_takes_it_along_only() -> None:
    _, ada = user("ada")
    session_full_of(MARK, "s1", user=ada)
    reading = by_key(make_key(user=ada, label="reads", scope=Scope.READ).value)
    assert len(lines_of(reading.get(ALL))) > 5
    refused = reading.delete("/api/sessions/s1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "read_only_key")
    assert rows_with(MARK)
    assert (
        by_key(make_key(user=ada, label="chats", scope=Scope.CHAT).value)
        .delete(f"{ALL}?everybody=1")
        .json()["erased"]
        == 1
    )
    assert rows_with(MARK) == []
    assert by_key("sk_rt_made_up").delete(ALL).status_code == 401


def test_a_shops_customer_erases_their_own_and_no_other_customers() -> None:
    _, shop = user("shop")
    for customer in ("c1", "c2"):
        session_full_of(MARK, f"of-{customer}", user=shop, external_user_id=customer)
    key = make_key(user=shop, label="shop", scope=Scope.CHAT).row
    client = by_key(make_secret(key=key, external_user_id="c1", seconds=60, session={}).value)
    assert client.delete("/api/sessions/of-c2").status_code == 404
    assert client.delete(ALL).json() == {"erased": 1, "failed": 0, "left": 0}
    assert Session.objects.get(pk="of-c2").erased_at is None


def test_a_cookie_beside_a_guests_key_is_a_cookie() -> None:
    _, ada = user("ada")
    session_full_of(MARK, "s1", user=ada)
    client = by_key("guest")
    client.force_login(ada)
    assert client.delete("/api/sessions/s1").status_code == 403
    assert rows_with(MARK)


def test_a_shops_key_says_whose_conversations_it_erases() -> None:
    _, shop = user("shop")
    for customer in ("c1", "c2", "c3"):
        session_full_of(MARK, f"of-{customer}", user=shop, external_user_id=customer)
    client = by_key(make_key(user=shop, label="shop", scope=Scope.CHAT).value)
    refused = client.delete(ALL)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "whose_missing")
    assert client.delete(f"{ALL}?external_user_id=c1").json() == {"erased": 1, "failed": 0, "left": 0}
    assert client.delete("/api/sessions/of-c2").status_code == 204
    assert Session.objects.get(pk="of-c3").erased_at is None
