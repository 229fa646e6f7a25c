"""One's own conversations over HTTP: named, pinned, found by their words, in the order of the last word."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from identity.guests import GUEST_COOKIE, sign_guest_id
from identity.keys import make_key, make_secret
from identity.models import Scope
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import append_now
from sessions_app.log.summaries import End, NewSummary, write_summaries
from sessions_app.models import EraseActor, Session, SessionEvent, SessionStatus
from sessions_app.privacy.erase import By, erase_session
from sessions_app.selectors import said
from tests.admin.rows import NOON, done, message, started, user_says, write_session

pytestmark = pytest.mark.django_db(transaction=True)

G1, G2 = "a" * 32, "b" * 32


def guest(guest_id: str = G1, **options: Any) -> Client:
    client = Client(**options)
    client.cookies[GUEST_COOKIE] = sign_guest_id(guest_id)
    return client


def talk(session_id: str, words: str = "Hello", answer: str = "Good day", **fields: Any) -> Session:
    events: list[ev.Event] = [user_says(words), started(), message(answer), done()]
    return write_session(events, session_id=session_id, **{"guest_id": G1, **fields})


def change(client: Client, session_id: str = "s1", **changes: Any) -> Any:
    return client.patch(f"/api/sessions/{session_id}", changes, content_type="application/json")


def listed(client: Client, query: str = "") -> list[str]:
    response = client.get(f"/api/sessions{query}")
    assert response.status_code == 200, response.content
    return [one["id"] for one in response.json()["sessions"]]


# Names


def test_its_users_name_for_it_is_shown_to_them_and_to_staff() -> None:
    talk("s1", title="A greeting")
    response = change(guest(), title="  My\n first\u202e talk ")
    assert (response.status_code, response.json()["title"], response.json()["named"]) == (
        200,
        "My first talk",
        True,
    )
    assert guest().get("/api/sessions").json()["sessions"][0] == response.json()
    assert Session.objects.get().heading == "My first talk"


def test_a_summary_that_comes_later_leaves_the_name_and_no_name_gives_its_title_back() -> None:
    talk("s1")
    change(guest(), title="Mine")
    summed_up("s1", title="A greeting")
    assert guest().get("/api/sessions/s1").json()["title"] == "Mine"
    unnamed = change(guest(), title=None).json()
    assert (unnamed["title"], unnamed["named"]) == ("A greeting", False)
    summed_up("s1", title="Another", again=True)
    assert guest().get("/api/sessions/s1").json()["title"] == "Another"


def test_without_a_summary_no_name_is_the_first_words() -> None:
    talk("s1", "What is the time?")
    change(guest(), title="Mine")
    assert change(guest(), title=" \u200b ").json()["title"] == "What is the time?"


def summed_up(session_id: str, *, title: str, again: bool = False) -> None:
    """``again``: staff asked for another."""
    if not again:
        end_it(session_id)
    ended = SessionEvent.objects.get(session_id=session_id, event_type="session_ended")
    summary = NewSummary(
        end=End(session_id, ended.seq, again=again),
        title=title,
        summary="They **met**.",
        model="fake:model-1",
        usage=ev.Usage(),
    )
    assert write_summaries([summary]) == [True]


def end_it(session_id: str) -> None:
    session = Session.objects.get(pk=session_id)
    append_now(
        session_id=session_id,
        epoch=session.lease_epoch,
        last_seq=session.last_seq,
        events=[ev.SessionEnded(reason=ev.EndReason.LEFT)],
    )
    Session.objects.filter(pk=session_id).update(status=SessionStatus.ENDED)


def test_names_of_any_script_stay_as_they_are() -> None:
    talk("s1")
    for title in ("نام من می\u200cشود", "Familie 👨\u200d👩\u200d👧", "שיחה"):
        assert change(guest(), title=title).json()["title"] == title


def test_an_erased_one_has_no_name_and_gets_none() -> None:
    talk("s1")
    change(guest(), title="Mine")
    erase_session(session_id="s1", by=By(actor=EraseActor.OWNER))
    assert change(guest(), title="Again").status_code == 404
    assert guest().get("/api/sessions/s1").status_code == 404
    session = Session.objects.get()
    assert (session.title, session.named) == ("", False)


# Who may


@pytest.mark.parametrize("owned_by", ["another guest", "a user", "nobody", "none"])
def test_another_ones_cannot_be_told_from_none(owned_by: str) -> None:
    owners: dict[str, dict[str, Any]] = {
        "another guest": {"guest_id": G2},
        "a user": {"user": User.objects.create_user("bob"), "guest_id": G1},
        "nobody": {"guest_id": ""},
    }
    if owned_by != "none":
        talk("s1", title="As it was", **owners[owned_by])
    assert change(guest(), title="Mine", pinned=True).status_code == 404
    assert guest().get("/api/sessions/s1").status_code == 404
    assert not Session.objects.filter(named=True).exists()
    assert not Session.objects.filter(pinned=True).exists()


def test_another_site_changes_nothing() -> None:
    talk("s1")
    assert change(guest(enforce_csrf_checks=True), title="Mine").status_code == 403
    assert change(Client(), title="Mine").status_code == 401
    assert not Session.objects.get().named


def test_a_key_names_its_users_and_one_that_reads_only_looks() -> None:
    shop = User.objects.create_user("shop")
    for customer in ("c1", "c2"):
        talk(f"of-{customer}", user=shop, external_user_id=customer, guest_id="")
    chats = make_key(user=shop, label="chats", scope=Scope.CHAT)
    reads = make_key(user=shop, label="reads", scope=Scope.READ)
    secret = make_secret(key=chats.row, external_user_id="c1", seconds=60, session={})
    reader, buyer = (
        Client(headers={"Authorization": f"Bearer {value}"}) for value in (reads.value, secret.value)
    )
    assert change(reader, "of-c1", title="x").status_code == 403
    assert reader.get("/api/sessions/of-c1").status_code == 200
    assert change(buyer, "of-c2", title="x").status_code == 404
    assert change(buyer, "of-c1", title="x").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"title": "x" * 201}, "invalid_event"),
        ({"title": 7}, "invalid_event"),
        ({"title": "a\x00"}, "invalid_text"),
        ({"pinned": "yes"}, "invalid_event"),
        ({"status": "ended"}, "unknown_parameter"),
        ([], "invalid_event"),
    ],
)
def test_what_makes_no_sense_is_refused(body: Any, code: str) -> None:
    before = Session.objects.filter(pk=talk("s1").pk).values().get()
    response = guest().patch("/api/sessions/s1", body, content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)
    assert Session.objects.values().get() == before


# The order


def test_the_last_word_comes_first_and_a_look_in_changes_nothing() -> None:
    talk("old")
    looked_into = talk("looked into", at=NOON + timedelta(hours=1))
    talk("new", at=NOON + timedelta(hours=2))
    assert listed(guest()) == ["new", "looked into", "old"]
    talk_on("old", at=NOON + timedelta(hours=3))
    Session.objects.filter(pk=looked_into.pk).update(last_event_at=NOON + timedelta(hours=4))
    assert listed(guest()) == ["old", "new", "looked into"]


def talk_on(session_id: str, *, at: Any) -> None:
    session = Session.objects.get(pk=session_id)
    session.events.create(
        first_seq=session.last_seq + 1,
        seq=session.last_seq + 1,
        role="user",
        event_type="user_message",
        content="And another thing",
        payload={"item_id": "item_on"},
        created_at=at,
    )


def test_what_is_pinned_stays_at_the_top_over_all_pages() -> None:
    names = [f"s{number}" for number in range(7)]
    for number, name in enumerate(names):
        talk(name, at=NOON + timedelta(minutes=number // 2))
    for name in ("s1", "s4"):
        assert change(guest(), name, pinned=True).json()["pinned"] is True
    found, cursor = [], ""
    while True:
        page = guest().get(f"/api/sessions?limit=2{cursor}").json()
        found += [one["id"] for one in page["sessions"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ["s4", "s1", "s6", "s5", "s3", "s2", "s0"]
    change(guest(), "s4", pinned=False)
    assert listed(guest())[:2] == ["s1", "s6"]


def test_a_key_reads_all_of_its_users_as_they_began() -> None:
    shop = User.objects.create_user("shop")
    for number in range(3):
        talk(f"s{number}", at=NOON + timedelta(hours=number), user=shop, guest_id="", pinned=number == 0)
    talk_on("s1", at=NOON + timedelta(hours=9))
    key = make_key(user=shop, label="reads", scope=Scope.READ)
    client = Client(headers={"Authorization": f"Bearer {key.value}"})
    assert listed(client) == ["s2", "s1", "s0"]


# Words


def test_words_are_found_in_what_was_said_and_in_what_it_is_called() -> None:
    talk("asked", "Where is my parcel?")
    talk("answered", "Hm", "Your Parcels are late")
    talk("called", title="Parcel, again")
    talk("begun", "parcel-free words")
    talk("else", "Nothing of the kind")
    talk("hers", "My parcel", guest_id=G2)
    assert set(listed(guest(), "?q=parcel")) == {"asked", "answered", "called", "begun"}
    assert listed(guest(), "?q=my+parcel") == ["asked"]
    assert listed(guest(), "?q=again") == ["called"]
    assert listed(guest(), "?q=nothing+parcel") == []
    assert listed(guest(), "?q=%25") == []
    assert listed(Client(), "?q=parcel") == []


def test_an_address_an_amount_and_an_orders_number_are_found_as_they_were_said() -> None:
    talk("mine", "Hm", "I wrote to ann@example.com: 10.50 for order 2024/118.")
    talk("else", "Hm", "I wrote to bob@example.org: 11.50 for order 2025/119.")
    for words in ("ann@example.com", "order+2024/118", "10.50"):
        assert listed(guest(), f"?q={words}") == ["mine"]


def test_what_is_found_shows_where_it_was_said_last() -> None:
    talk("asked", "Where is my **parcel**? It is a Parcel\nfrom Oslo.", "Your parcel is *late*.")
    talk("called", title="Parcel, again")
    found = guest().get("/api/sessions?q=my+parc").json()["sessions"]
    assert [one["excerpt"] for one in found] == [
        ["Where is ", "my", " ", "parcel", "? It is a ", "Parcel", " from Oslo."]
    ]
    excerpts = {one["id"]: one["excerpt"] for one in guest().get("/api/sessions?q=parcel").json()["sessions"]}
    assert excerpts == {"asked": ["Your ", "parcel", " is late."], "called": []}
    assert {tuple(one["excerpt"]) for one in guest().get("/api/sessions").json()["sessions"]} == {()}


def test_the_name_is_found_and_what_it_was_called_before_is_not() -> None:
    talk("s1", "Hm", title="Lost luggage")
    change(guest(), title="Oslo")
    assert listed(guest(), "?q=oslo") == ["s1"]
    assert listed(guest(), "?q=luggage") == []


def test_words_that_everybody_says_are_found_in_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "MAX_HITS", 3)
    for number in range(5):
        talk(f"other{number}", "common words", guest_id=G2)
    talk("mine", "common words")
    assert listed(guest(), "?q=common") == ["mine"]


def test_a_search_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(said, "hits", too_long)
    response = guest().get("/api/sessions?q=word")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "search_too_slow")


def test_words_of_one_person_are_not_looked_for_session_by_session() -> None:
    for number in range(30):
        talk(f"s{number:02}", "a common word")
    with CaptureQueriesContext(connection) as queries:
        assert len(listed(guest(), "?q=common")) == 30
    assert len(queries) < 12


# Summaries


def test_one_that_has_ended_tells_what_it_was_about() -> None:
    talk("s1")
    assert guest().get("/api/sessions/s1").json()["summary"] == ""
    summed_up("s1", title="A greeting")
    answer = guest().get("/api/sessions/s1").json()
    assert (answer["status"], answer["summary"]) == ("ended", "They **met**.")
