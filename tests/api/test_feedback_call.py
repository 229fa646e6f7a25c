"""``POST /api/sessions/ID/feedback``: for whoever has no socket open."""

import asyncio
import json
import urllib.request
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.errors import ChatError, ItemNotFound, ShuttingDown, TooMuchFeedback
from chat.page import feedback
from chat.session.commands import GiveFeedback
from chat.session.feedback import MOST_WORDS
from chat.session.relay_messages import RemoteError, wire_error
from identity.guests import GUEST_COOKIE, sign_guest_id
from identity.keys import make_key, make_secret
from identity.models import Scope
from sessions_app.errors import (
    JournalFenced,
    JournalFull,
    SessionElsewhere,
    SessionNotFound,
    SessionOver,
    SessionsError,
)
from sessions_app.log import events as ev
from sessions_app.log.replay import read_records
from sessions_app.models import EraseActor, Session, SessionStatus
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session
from tests.admin.rows import call, done, message, result, started, user_says, write_session
from tests.sockets.conftest import server, shared_server, start_server
from tests.support.server import ServerProcess
from tests.support.sockets import realtime

__all__ = ["server", "shared_server", "start_server"]

pytestmark = pytest.mark.django_db(transaction=True)

G1, G2 = "a" * 32, "b" * 32
TALK: list[ev.Event] = [
    user_says("And the capital?"),
    started(),
    call(),
    result(),
    message("Rome"),
    done(),
    ev.SessionEnded(reason=ev.EndReason.LEFT),
]
DOWN = {"item_id": "item_a", "rating": "down", "reason": "wrong", "comment": "It is Paris."}


def ended(session_id: str = "s1", **fields: Any) -> Session:
    return write_session(TALK, session_id=session_id, status=SessionStatus.ENDED, **fields)


def guest(guest_id: str = G1, **options: Any) -> Client:
    client = Client(**options)
    client.cookies[GUEST_COOKIE] = sign_guest_id(guest_id)
    return client


def by_key(value: str) -> Client:
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {value}"})


def rate(client: Client, session_id: str = "s1", **changes: Any) -> Any:
    word = {name: value for name, value in {**DOWN, **changes}.items() if value is not None}
    return client.post(f"/api/sessions/{session_id}/feedback", word, content_type="application/json")


def told(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def words(session_id: str = "s1") -> list[ev.FeedbackGiven]:
    found = read_records(session_id=session_id, after=0)
    return [record.event for record in found if isinstance(record.event, ev.FeedbackGiven)]


def counted(session_id: str = "s1") -> tuple[int, int]:
    session = Session.objects.get(pk=session_id)
    return session.feedback_up, session.feedback_down


def test_an_answer_of_an_ended_session_is_rated_and_the_session_stays_ended() -> None:
    ended(guest_id=G1)
    response = rate(guest())
    assert (response.status_code, response.json()) == (200, DOWN)
    assert [(one.rating, one.reason, one.comment) for one in words()] == [("down", "wrong", "It is Paris.")]
    assert counted() == (0, 1)
    session = Session.objects.get()
    assert (session.status, session.last_seq) == (SessionStatus.ENDED, len(TALK) + 1)


def test_the_last_word_counts_and_the_same_again_is_none() -> None:
    ended(guest_id=G1)
    for rating in ("down", "down", "up", "up", "none", "none"):
        assert rate(guest(), rating=rating, reason=None, comment=None).status_code == 200
    assert [(one.rating, one.replaces) for one in words()] == [
        ("down", "none"),
        ("up", "down"),
        ("none", "up"),
    ]
    assert counted() == (0, 0)


@pytest.mark.parametrize("owned_by", ["another guest", "a user", "nobody", "none"])
def test_another_ones_session_cannot_be_told_from_none(owned_by: str) -> None:
    owners: dict[str, dict[str, Any]] = {
        "another guest": {"guest_id": G2},
        "a user": {"user": User.objects.create_user("bob")},
        "nobody": {},
    }
    if owned_by != "none":
        ended(**owners[owned_by])
    assert told(rate(guest())) == (404, "session_not_found")
    if owned_by != "none":
        assert words() == []


def test_one_that_was_erased_is_gone() -> None:
    ended(guest_id=G1)
    erase_session(session_id="s1", by=By(actor=EraseActor.OWNER))
    assert told(rate(guest())) == (404, "session_not_found")


def test_nobody_in_particular_rates_nothing_and_neither_does_another_site() -> None:
    ada = User.objects.create_user("ada")
    ended(user=ada)
    assert told(rate(Client())) == (401, "invalid_credentials")
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert rate(client).status_code == 403
    assert client.get("/api/sessions/s1/feedback").status_code == 405
    assert words() == []


def test_a_key_rates_for_its_users_and_one_that_reads_does_not() -> None:
    shop = User.objects.create_user("shop")
    for customer in ("c1", "c2"):
        ended(f"of-{customer}", user=shop, external_user_id=customer)
    chats = make_key(user=shop, label="chats", scope=Scope.CHAT)
    reads = make_key(user=shop, label="reads", scope=Scope.READ)
    secret = make_secret(key=chats.row, external_user_id="c1", seconds=60, session={})
    assert told(rate(by_key(reads.value), "of-c1")) == (403, "read_only_key")
    assert told(rate(by_key(secret.value), "of-c2")) == (404, "session_not_found")
    assert rate(by_key(secret.value), "of-c1").status_code == 200
    assert rate(by_key(chats.value), "of-c2").status_code == 200
    assert (counted("of-c1"), counted("of-c2")) == ((0, 1), (0, 1))


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"item_id": "nothing"}, 404, "item_not_found"),
        ({"item_id": "item_u"}, 400, "not_an_answer"),
        ({"item_id": "item_call_1"}, 400, "not_an_answer"),
        ({"item_id": None}, 400, "missing_required_parameter"),
        ({"rating": "great"}, 400, "invalid_event"),
        ({"reason": "never heard"}, 400, "unknown_feedback_reason"),
        ({"comment": "x" * 2001}, 400, "message_too_large"),
        ({"comment": "a\x00"}, 400, "invalid_text"),
        ({"mood": "fine"}, 400, "unknown_parameter"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_code(changes: dict[str, Any], status: int, code: str) -> None:
    ended(guest_id=G1)
    assert told(rate(guest(), **changes)) == (status, code)
    assert words() == []


def test_an_answer_is_not_rated_without_end() -> None:
    ended(guest_id=G1)
    for number in range(MOST_WORDS):
        assert rate(guest(), rating="up" if number % 2 else "down").status_code == 200
    assert told(rate(guest(), rating="down")) == (400, "too_much_feedback")
    assert rate(guest(), rating="none").status_code == 200
    assert counted() == (0, 0)


@pytest.mark.parametrize("body", [b"", b"down", b"[]", b"\xff", b'{"item_id": ' + b'"x"' * 90_000])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    ended(guest_id=G1)
    response = guest().post("/api/sessions/s1/feedback", body, content_type="application/json")
    assert response.status_code == 400


async def test_a_session_that_goes_on_is_told_where_it_lives(server: ServerProcess) -> None:
    def key() -> str:
        return make_key(user=User.objects.create_user("ada"), label="chats", scope=Scope.CHAT).value

    headers = {"Authorization": f"Bearer {await in_db_thread(key)}"}
    async with realtime(server.ws_url, additional_headers=headers) as client:
        _, answered = await client.ask("count to 3")
        item_id = answered["response"]["output"][-1]["id"]
        address = f"{server.url}/api/sessions/{client.session_id}/feedback"
        body = {**DOWN, "item_id": item_id}
        status = await asyncio.to_thread(post, address, body, headers)
        given = await client.until("x_feedback.given")
        assert (status, given["rating"], given["comment"]) == (200, "down", "It is Paris.")
        assert await in_db_thread(counted, client.session_id) == (0, 1)
        assert await in_db_thread(connections, client.session_id) == 1


def connections(session_id: str) -> int:
    found = read_records(session_id=session_id, after=0)
    return sum(isinstance(one.event, ev.ConnectionOpened | ev.ConnectionClosed) for one in found)


def refused_by_another_process(error: ChatError | SessionsError) -> RemoteError:
    return RemoteError(wire_error(error))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (JournalFull(), 503, "storage_unavailable"),
        (JournalFenced(), 503, "session_moved"),
        (SessionNotFound(), 404, "session_not_found"),
        (SessionOver(), 503, "session_moved"),
        (ShuttingDown(), 503, "server_restarting"),
        (refused_by_another_process(JournalFull()), 503, "storage_unavailable"),
        (refused_by_another_process(SessionElsewhere()), 503, "session_moved"),
        (refused_by_another_process(SessionOver()), 503, "session_moved"),
        (refused_by_another_process(SessionNotFound()), 404, "session_not_found"),
        (refused_by_another_process(ItemNotFound()), 404, "item_not_found"),
        (refused_by_another_process(TooMuchFeedback()), 400, "too_much_feedback"),
    ],
)
def test_what_goes_wrong_in_a_live_session_has_its_own_code(
    error: ChatError | SessionsError, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(session_id: str, command: GiveFeedback) -> None:
        raise error

    write_session(TALK[:-1], session_id="s1", guest_id=G1)
    monkeypatch.setattr(feedback, "_tell_the_live_one", tell)
    assert told(rate(guest())) == (status, code)


def test_one_that_ends_meanwhile_is_rated_as_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(session_id: str, command: GiveFeedback) -> None:
        Session.objects.update(status=SessionStatus.ENDED)
        raise SessionOver

    write_session(TALK[:-1], session_id="s1", guest_id=G1)
    monkeypatch.setattr(feedback, "_tell_the_live_one", tell)
    assert rate(guest()).status_code == 200
    assert counted() == (0, 1)


def post(address: str, body: dict[str, Any], headers: dict[str, str]) -> int:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {**headers, "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return int(response.status)
