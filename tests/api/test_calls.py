"""What programs read and change over plain HTTP: whose it is, what stands in it, and how a refusal looks."""

from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from chat.api.errors import Code
from identity.guests import GUEST_COOKIE, issue_guest_id, resume_token, sign_guest_id
from identity.keys import make_key
from identity.models import Scope
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import append_now
from sessions_app.models import Session, SummaryState, Webhook
from sessions_app.notices.secrets import PREFIX, key_of
from sessions_app.review.told import FOR_STAFF, UNTOLD
from tests.admin.rows import deltas, done, message, started, turn, user_says, write_session

pytestmark = pytest.mark.django_db(transaction=True)

STAFF_WORD = "for the staff alone"
TALK: list[ev.Event] = [
    ev.SessionStarted(model="demo", source="realtime"),
    ev.ConnectionOpened(connection_id="conn_1", dialect="realtime"),
    user_says("What is a lease?", "item_q"),
    ev.OperatorWhispered(item_id="item_w", text=STAFF_WORD, author="grace"),
    started(),
    ev.ModelAttemptFailed(response_id="resp_1", model="gemini:flash", code="model_timeout", cause=STAFF_WORD),
    *deltas("A lease ", "ends."),
    message("A lease ends."),
    done(),
    ev.OperatorMessage(item_id="item_o", text="Be brief.", author="grace"),
]


def by_key(user: User, scope: Scope = Scope.CHAT) -> Client:
    value = make_key(user=user, label="tests", scope=scope).value
    return Client(headers={"authorization": f"Bearer {value}"}, enforce_csrf_checks=True)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def written(user: User | None = None, **fields: Any) -> str:
    return write_session(TALK, user=user, **fields).session_id


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# The log


def test_the_log_without_what_is_for_staff(ada: User) -> None:
    session_id = written(ada)
    answer = by_key(ada).get(f"/api/sessions/{session_id}/events")
    page = answer.json()
    assert [event["type"] for event in page["events"]] == [
        "session_started",
        "user_message",
        "response_started",
        "assistant_message",
        "response_done",
        "operator_message",
    ]
    assert [event["seq"] for event in page["events"]] == [1, 3, 5, 9, 10, 11]
    assert (page["after"], page["more"]) == (11, False)
    assert page["events"][1]["text"] == "What is a lease?"
    assert STAFF_WORD not in answer.content.decode()
    assert "grace" not in answer.content.decode()
    assert answer.headers["Cache-Control"].count("no-store") == 1


def test_no_name_of_the_staff_is_told(ada: User) -> None:
    """Of a conversation that one of them has taken over."""
    session_id = written(ada)
    events: list[ev.Event] = [
        ev.OperatorTookOver(item_id="t", author="grace", shown_as="A person", awaited=True),
        ev.ResponseQueued(response_id="resp_2", position=1, waits_for="grace"),
        ev.OperatorHandedBack(item_id="b", author="grace", shown_as="A person"),
    ]
    append_now(session_id=session_id, epoch=0, last_seq=11, events=events)
    answer = by_key(ada).get(f"/api/sessions/{session_id}/events", {"after": 11})
    assert [event["type"] for event in answer.json()["events"]] == [one.event_type for one in events]
    assert "grace" not in answer.content.decode()


def test_it_is_read_in_pages_from_any_place(ada: User) -> None:
    session_id = written(ada)
    client, address = by_key(ada), f"/api/sessions/{session_id}/events"
    whole = client.get(address, {"deltas": "true"}).json()["events"]
    assert [event["text"] for event in whole if event["type"] == "assistant_delta"] == ["A lease ", "ends."]
    for limit in (1, 2, 5):
        events: list[Any] = []
        page: dict[str, Any] = {"after": 0, "more": True}
        while page["more"]:
            page = client.get(f"{address}?after={page['after']}&limit={limit}&deltas=true").json()
            events += page["events"]
        assert events == whole
    assert client.get(f"{address}?after=7&deltas=true").json()["events"] == whole[-4:]
    assert client.get(address, {"after": 11}).json() == {"events": [], "after": 11, "more": False}
    assert client.get(address, {"after": 99}).json()["after"] == 11


def test_a_takeover_says_from_where_on_it_takes_words_back(ada: User) -> None:
    session_id = written(ada)
    reopened = ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER, skipped=4)
    append_now(session_id=session_id, epoch=0, last_seq=11, events=[reopened])
    (told,) = by_key(ada).get(f"/api/sessions/{session_id}/events", {"after": 11}).json()["events"]
    assert (told["seq"], told["first_seq"], told["cause"]) == (16, 12, "takeover")
    seen_and_lost = by_key(ada).get(f"/api/sessions/{session_id}/events", {"after": 14}).json()
    assert seen_and_lost["events"] == [told]


def test_every_event_and_field_is_told_or_kept_from_clients_on_purpose() -> None:
    """A new one has to be decided upon: it is told, unless it stands in one of the two lists."""
    known = {field for cls in ev.EVENT_TYPES.values() for field in cls.__struct_fields__}
    assert known >= FOR_STAFF
    assert set(ev.EVENT_TYPES.values()) >= UNTOLD
    for cls in (ev.OperatorWhispered, ev.ModelAttemptFailed, ev.HistoryCompacted, ev.SummaryFailed):
        assert cls in UNTOLD


# What was said, and what came of it


def test_what_was_said_as_messages_and_as_markdown(ada: User) -> None:
    session_id = written(ada)
    client, address = by_key(ada), f"/api/sessions/{session_id}/transcript"
    answer = client.get(address)
    assert [(one["role"], one["text"]) for one in answer.json()["messages"]] == [
        ("user", "What is a lease?"),
        ("assistant", "A lease ends."),
        ("system", "Be brief."),
    ]
    assert answer.json()["messages"][1]["status"] == "completed"
    markdown = client.get(address, {"form": "md"})
    text = markdown.getvalue().decode()
    assert markdown.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert "What is a lease?" in text
    assert "A lease ends." in text
    for one in (answer.content.decode(), text):
        assert STAFF_WORD not in one
        assert "grace" not in one
    assert code_of(client.get(address, {"form": "pdf"})) == (400, "invalid_event")


def test_what_a_person_answered_is_no_models_and_has_no_name(ada: User) -> None:
    by_grace = ev.AssistantMessage(
        response_id="resp_p",
        item_id="item_p",
        output_index=0,
        text="A person here.",
        status=ev.TextStatus.COMPLETED,
        author="grace",
    )
    asked = ev.ResponseStarted(response_id="resp_p", provider="", model="", shown_as="Anna")
    session_id = write_session([user_says("Help!"), asked, by_grace, done("resp_p")], user=ada).session_id
    answer = by_key(ada).get(f"/api/sessions/{session_id}/transcript", {"form": "md"})
    text = answer.getvalue().decode()
    assert "### staff (a person)" in text
    assert "Assistant" not in text
    assert "grace" not in text


def test_the_chosen_version_is_what_was_said(ada: User) -> None:
    said: list[ev.Event] = [
        user_says("What is a lease?", "item_q"),
        asking("resp_1", "item_q"),
        message("A lease ends."),
        done(),
    ]
    edited = ev.UserMessage(item_id="item_q2", text="What is an epoch?", replaces="item_q")
    again: list[ev.Event] = [
        edited,
        asking("resp_2", "item_q2"),
        message("It counts.", "resp_2", "item_b"),
        done("resp_2"),
    ]
    session_id = write_session([*said, *again], user=ada).session_id
    messages = by_key(ada).get(f"/api/sessions/{session_id}/transcript").json()["messages"]
    assert [one["text"] for one in messages] == ["What is an epoch?", "It counts."]


def test_an_answer_that_was_gone_back_to_is_what_was_said(ada: User) -> None:
    log: list[ev.Event] = [
        user_says("What is a lease?", "item_q"),
        asking("resp_1", "item_q"),
        message("A lease ends."),
        done(),
        ev.ResponseStarted(response_id="resp_2", provider="demo", model="demo", retry_of="resp_1"),
        message("It is rent.", "resp_2", "item_b"),
        done("resp_2"),
        ev.VersionChosen(version="resp_1", instead_of="resp_2"),
    ]
    session_id = write_session(log, user=ada).session_id
    messages = by_key(ada).get(f"/api/sessions/{session_id}/transcript").json()["messages"]
    assert [one["text"] for one in messages] == ["What is a lease?", "A lease ends."]


def test_what_was_taken_back_long_after_is_not_told(ada: User) -> None:
    """A log is read in pages; what a later one takes back stands in an earlier one."""
    log: list[ev.Event] = [
        user_says("My number is 4711.", "item_secret"),
        *(event for number in range(100) for event in turn(number)),
        ev.ItemDeleted(item_id="item_secret"),
    ]
    address = f"/api/sessions/{write_session(log, user=ada).session_id}/transcript"
    client = by_key(ada)
    assert client.get(address).json()["messages"][0]["text"] == "question 0 "
    assert "4711" not in client.get(address, {"form": "md"}).getvalue().decode()


def asking(response_id: str, item_id: str) -> ev.ResponseStarted:
    return ev.ResponseStarted(
        response_id=response_id, provider="demo", model="demo", input_item_ids=[item_id]
    )


def test_the_summary(ada: User) -> None:
    told = ev.SummaryWritten(
        summary="A *lease*.", title="Leases", model="demo", follow_ups=["Read 0004"], quality=2
    )
    log: list[ev.Event] = [*TALK, told]
    session_id = write_session(
        log,
        user=ada,
        summary="A *lease*.",
        title="Leases",
        summary_state=SummaryState.WRITTEN,
        summary_seq=11,
    ).session_id
    summary = by_key(ada).get(f"/api/sessions/{session_id}/summary").json()
    assert summary == {
        "state": "written",
        "title": "Leases",
        "summary": "A *lease*.",
        "intent": "",
        "topics": [],
        "outcome": "",
        "language": "",
        "open_questions": [],
        "follow_ups": ["Read 0004"],
    }
    none = by_key(ada).get(f"/api/sessions/{written(ada)}/summary").json()
    assert (none["state"], none["summary"]) == ("none", "")


def test_one_that_has_ended_stays_so(ada: User) -> None:
    session_id = written(ada, status="ended")
    answer = by_key(ada).post(f"/api/sessions/{session_id}/end")
    assert answer.json() == {"id": session_id, "status": "ended"}


def test_the_models(ada: User) -> None:
    assert by_key(ada).get("/api/models").json()["models"][0]["id"] == "demo"
    assert code_of(Client().get("/api/models")) == (401, "invalid_credentials")


# Whose it is

CALLS = [("get", "/events"), ("get", "/transcript"), ("get", "/summary"), ("post", "/end")]


@pytest.mark.parametrize(("method", "call"), CALLS)
def test_anothers_is_as_none_at_all(ada: User, method: str, call: str) -> None:
    theirs, nobodys = written(User.objects.create_user("bob")), written()
    for session_id in (theirs, nobodys, "none", "a%00b", "..", "x" * 200):
        answer = getattr(by_key(ada), method)(f"/api/sessions/{session_id}{call}")
        assert answer.status_code in (404, 400), session_id
        assert answer.json()["error"]["code"] in ("session_not_found", "invalid_text"), session_id
        assert getattr(Client(), method)(f"/api/sessions/{session_id}{call}").status_code in (401, 400)


@pytest.mark.parametrize(("method", "call"), CALLS)
def test_who_holds_its_secret_reads_what_is_nobodys(ada: User, method: str, call: str) -> None:
    nobodys, adas = written(status="ended"), written(ada, status="ended")
    for session_id, status in ((nobodys, 200), (adas, 404)):
        address = f"/api/sessions/{session_id}{call}?resume_token={resume_token(session_id)}"
        assert getattr(Client(), method)(address).status_code == status
    assert getattr(Client(), method)(f"/api/sessions/{nobodys}{call}?resume_token=x").status_code == 404


def test_a_guest_by_their_cookie() -> None:
    guest_id = issue_guest_id()
    session_id = written(guest_id=guest_id)
    client = Client(enforce_csrf_checks=True)
    client.cookies[GUEST_COOKIE] = sign_guest_id(guest_id)
    assert client.get(f"/api/sessions/{session_id}/events").status_code == 200
    assert code_of(client.post(f"/api/sessions/{session_id}/end")) == (403, "csrf_failed")
    client.cookies[GUEST_COOKIE] = sign_guest_id(issue_guest_id())
    assert client.get(f"/api/sessions/{session_id}/events").status_code == 404


def test_a_key_that_reads_changes_nothing(ada: User) -> None:
    session_id = written(ada)
    client = by_key(ada, Scope.READ)
    assert client.get(f"/api/sessions/{session_id}/events").status_code == 200
    assert code_of(client.post(f"/api/sessions/{session_id}/end")) == (403, "read_only_key")
    assert Session.objects.get().status == "active"


# Webhooks

HOOK = {"name": "Ours", "url": "https://hooks.example.com/ours", "topics": ["session.ended"]}


def staff(*rights: str) -> User:
    user = User.objects.create_user("grace", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


def test_webhooks_are_made_listed_and_deleted_by_who_may() -> None:
    client = by_key(staff("view_webhook", "add_webhook", "delete_webhook"), Scope.ADMIN)
    made = client.post("/api/webhooks", HOOK, content_type="application/json")
    assert made.status_code == 201
    hook = made.json()
    secret = hook.pop("secret")
    assert secret.startswith(PREFIX)
    row = Webhook.objects.get()
    assert key_of(row.secret)
    listed = client.get("/api/webhooks").json()["webhooks"]
    assert [{**one, "created_at": hook["created_at"]} for one in listed] == [hook]
    assert {name: hook[name] for name in HOOK} == HOOK
    assert client.delete(f"/api/webhooks/{row.pk}").status_code == 204
    assert code_of(client.delete(f"/api/webhooks/{row.pk}")) == (404, "not_found")
    assert client.delete("/api/webhooks/" + "9" * 30).status_code == 404


def test_nobody_else_hears_of_them(ada: User) -> None:
    row = Webhook.objects.create(name="x", url="https://a.example", secret="x")
    may = staff("view_webhook", "delete_webhook")
    for client in (by_key(ada), by_key(ada, Scope.ADMIN), by_key(may), by_key(staff_without(), Scope.ADMIN)):
        assert code_of(client.get("/api/webhooks")) == (403, "forbidden")
        assert code_of(client.delete(f"/api/webhooks/{row.pk}")) == (403, "forbidden")
    may_not_add = by_key(may, Scope.ADMIN)
    assert may_not_add.get("/api/webhooks").status_code == 200
    made = may_not_add.post("/api/webhooks", HOOK, content_type="application/json")
    assert code_of(made) == (403, "forbidden")
    assert Webhook.objects.count() == 1


def staff_without() -> User:
    return User.objects.create_user("hal", is_staff=True)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"url": "http://10.0.0.1/"}, "url", "invalid_event"),
        ({"topics": ["x"]}, "topics.0", "invalid_event"),
        ({"name": ""}, "name", "invalid_event"),
        ({"name": "a\x00"}, "name", "invalid_event"),
        ({"more": 1}, "more", "invalid_event"),
        ({"name": None}, "name", "invalid_event"),
    ],
)
def test_a_webhook_that_makes_no_sense(change: dict[str, Any], param: str, code: str) -> None:
    client = by_key(staff("add_webhook"), Scope.ADMIN)
    answer = client.post("/api/webhooks", HOOK | change, content_type="application/json")
    assert code_of(answer) == (400, code)
    assert answer.json()["error"]["param"] == param


# The one shape


def test_a_refusal_has_one_shape_wherever_it_comes_from(ada: User) -> None:
    session_id = written(ada)
    client = by_key(ada)
    wanted = {
        client.get(f"/api/sessions/{session_id}/events?after=x"): (400, "invalid_event"),
        client.get(f"/api/sessions/{session_id}/events?limit=0"): (400, "invalid_event"),
        client.get("/api/sessions?cursor=x"): (400, "invalid_cursor"),
        client.get("/api/nothing"): (404, "not_found"),
        client.get("/api/"): (404, "not_found"),
        client.put(f"/api/sessions/{session_id}"): (405, Code.METHOD_NOT_ALLOWED),
        client.get("/api/sessions/x/events?resume_token=%00"): (400, "invalid_text"),
        client.post("/api/webhooks", "{", content_type="application/json"): (400, "invalid_json"),
        client.post("/api/webhooks", "{}", content_type="application/json"): (
            400,
            "missing_required_parameter",
        ),
        client.delete("/api/my-conversations"): (400, Code.WHOSE_MISSING),
    }
    for answer, told in wanted.items():
        assert code_of(answer) == told
        error = answer.json()["error"]
        assert error["message"].strip().endswith((".", "?"))
        assert set(error) <= {"code", "message", "type", "param"}
        assert answer.headers["Content-Type"].partition(";")[0] == "application/json"


def test_another_method_says_which_there_are(ada: User) -> None:
    refused = by_key(ada).put("/api/sessions/x")
    assert set(refused.headers["Allow"].split(", ")) == {"DELETE", "GET", "PATCH"}


def test_head_is_get_without_its_body(ada: User) -> None:
    session_id = written(ada)
    answer = by_key(ada).head(f"/api/sessions/{session_id}/events")
    assert (answer.status_code, answer.content) == (HTTPStatus.OK, b"")


def test_the_schema_and_the_page_of_it_are_there_for_everybody() -> None:
    assert Client().get("/api/openapi.json").json()["openapi"].startswith("3.1")
    page = Client().get("/api/docs")
    text = page.content.decode()
    assert "/api/sessions/{session_id}/events" in text
    assert "<code>first_seq</code>" in text
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert "style=" not in text
