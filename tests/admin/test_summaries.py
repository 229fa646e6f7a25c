"""The summary on a session's page: what it finds, every version, and another one for whoever may ask."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from sessions_app import hooks
from sessions_app.admin.live import LiveTranscript
from sessions_app.log import events as ev
from sessions_app.log.rows import encode_rows
from sessions_app.models import Session, SessionEvent, SessionStatus, SummaryState
from tests.admin.rows import NOON, turn, write_session
from tests.admin.test_session_page import ATTACK, html_of, url, visible

pytestmark = pytest.mark.django_db(transaction=True)

FOUND = ev.SummaryWritten(
    title="Lamp broken",
    summary="**The lamp** did not come on.",
    model="gemini:flash",
    topics=["lamps", "delivery"],
    intent="To get a new lamp.",
    outcome=ev.Resolution.UNRESOLVED,
    open_questions=["When does it come?"],
    follow_ups=[f"Send a lamp. {ATTACK}"],
    sentiment=ev.Sentiment.NEGATIVE,
    language="en",
    quality=2,
    quality_reason="It promised what it cannot do.",
    chunks=3,
    cost_microusd=12_000,
)


def reviewed(*versions: ev.SummaryWritten, **fields: Any) -> Session:
    events = [*turn(1), ev.SessionEnded(reason=ev.EndReason.LEFT), *versions]
    given: dict[str, Any] = {
        "status": SessionStatus.ENDED,
        "end_time": NOON,
        "title": versions[-1].title if versions else "",
        "summary": versions[-1].summary if versions else "",
        "summary_state": SummaryState.WRITTEN,
        "summary_seq": len(turn(1)) + 1,
    }
    return write_session(events, **{**given, **fields})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[hooks.Again]:
    """What staff wanted; carried out by nobody."""
    wanted: list[hooks.Again] = []
    monkeypatch.setattr(hooks, "_again", [wanted.append])
    monkeypatch.setattr(hooks, "_model_sources", [lambda: ["demo", "gemini:pro"]])
    return wanted


def test_what_a_summary_finds_stands_with_it(viewer: Client) -> None:
    html = html_of(viewer, reviewed(FOUND))
    text = visible(html)
    for words in (
        "Unresolved",
        "User negative",
        "Help 2 of 5",
        "lamps",
        "Wanted To get a new lamp.",
        "Still open When does it come?",
        "To do Send a lamp.",
        "Why this mark It promised what it cannot do.",
        "gemini:flash \N{MIDDLE DOT} read in 3 parts \N{MIDDLE DOT} $0.01",
    ):
        assert words in text
    assert "<strong>The lamp</strong>" in html
    assert ATTACK not in html


def test_every_version_can_be_read_the_newest_first(viewer: Client) -> None:
    older = ev.SummaryWritten(title="Old one", summary="Before.", model="demo")
    mine = ev.SummaryWritten(title="Mine", summary="Asked for.", model="demo", author="grace")
    text = visible(html_of(viewer, reviewed(older, mine, FOUND)))
    assert "2 earlier versions" in text
    order = ["The lamp", "2 earlier versions", "Mine", "asked for by grace", "Old one"]
    assert [text.index(one) for one in order] == sorted(text.index(one) for one in order)


def test_an_operator_has_it_written_again_by_another_model(
    operator: Client, asked: list[hooks.Again]
) -> None:
    session = reviewed(FOUND)
    assert '<option value="gemini:pro">with gemini:pro</option>' in html_of(operator, session)
    response = operator.post(url(session, "summary/"), {"model": "gemini:pro", "back": "after=3"})
    assert response["Location"].endswith("/change/?after=3")
    assert asked == [hooks.Again(session_id=session.pk, by="grace", anew=True, model="gemini:pro")]


def test_after_that_the_same_page_is_shown(operator: Client, asked: list[hooks.Again]) -> None:
    session = reviewed(FOUND, session_id="order_2211")
    assert operator.get(operator.post(f"{url(session, 'summary/')}")["Location"]).status_code == 200


def test_who_only_reads_cannot(viewer: Client, nobody: Client, asked: list[hooks.Again]) -> None:
    session = reviewed(FOUND)
    assert "Write again" not in html_of(viewer, session)
    assert viewer.post(url(session, "summary/")).status_code == 403
    assert nobody.post(url(session, "summary/")).status_code in (403, 404)
    assert asked == []


@pytest.mark.parametrize(
    "fields",
    [{"status": SessionStatus.ACTIVE}, {"erased_at": NOON}, {"summary_state": SummaryState.PENDING}],
    ids=str,
)
def test_where_none_can_be_written_there_is_no_button(
    operator: Client, asked: list[hooks.Again], fields: dict[str, Any]
) -> None:
    assert "Write again" not in html_of(operator, reviewed(FOUND, **fields))


def test_what_cannot_be_done_is_said(operator: Client) -> None:
    """By the chat itself: the model is none of this server's; then there is nothing to sum up."""
    session = reviewed(FOUND)
    refused = operator.post(url(session, "summary/"), {"model": "nobodys:model"}, follow=True)
    assert "This server has no model" in refused.content.decode()
    Session.objects.update(summary_state=SummaryState.SKIPPED)
    refused = operator.post(url(session, "summary/"), follow=True)
    assert "There is nothing to sum up" in refused.content.decode()


def test_another_summary_is_a_job_and_only_one(operator: Client) -> None:
    from tests.summary.support import jobs

    session = reviewed(FOUND)
    for _ in range(2):
        operator.post(url(session, "summary/"), {"model": "demo"})
    (job,) = jobs(args__session_id=session.pk)
    assert job["args"] == {
        "session_id": session.pk,
        "through_seq": session.summary_seq,
        "again": True,
        "asked_seq": session.last_seq,
        "model": "demo",
        "author": "grace",
    }


def test_one_that_is_asked_for_while_another_is_written_is_refused_aloud(operator: Client) -> None:
    from tests.summary.support import jobs

    session = reviewed(FOUND)
    address = url(session, "summary/")
    operator.post(address, {"model": "demo"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE task_name = 'summarise_session'")
    said = operator.post(address, {"model": "demo"}, follow=True).content.decode()
    assert "a summary is being written already" in said
    assert len(jobs(args__session_id=session.pk)) == 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE status = 'doing'")
    operator.post(address, {"model": "demo"})
    assert len(jobs(args__session_id=session.pk)) == 2


def test_who_cannot_be_asked_is_named_before_and_nobody_else_is_asked_in_its_place(operator: Client) -> None:
    from tests.summary.support import jobs

    session = reviewed(FOUND, model="anthropic:claude-x")
    text = visible(html_of(operator, session))
    assert "anthropic:claude-x wrote it before and cannot be asked now: ANTHROPIC_API_KEY is not set." in text
    assert "with anthropic:claude-x" not in text
    for model in ("", "anthropic:claude-x"):
        said = operator.post(url(session, "summary/"), {"model": model}, follow=True).content.decode()
        assert "anthropic:claude-x cannot be asked: ANTHROPIC_API_KEY is not set." in said
    assert jobs(args__session_id=session.pk) == []
    json = operator.post(url(session, "summary/"), {"model": "demo"}, headers={"Accept": "application/json"})
    assert json.json()["words"].startswith("Another summary is being written.")


def test_a_page_that_is_open_is_given_the_new_version(db: None) -> None:
    session = reviewed(FOUND)
    live = LiveTranscript.of_page(session.pk, first=1, seen=session.last_seq, may_decide=False)
    newer = ev.SummaryWritten(title="Lamp mended", summary="A *new* lamp came.", model="demo", author="grace")
    Session.objects.filter(pk=session.pk).update(title=newer.title, summary=newer.summary)
    record = ev.Record(session.pk, session.last_seq + 1, NOON, newer)
    SessionEvent.objects.bulk_create(map(SessionEvent.of, encode_rows([record])))
    told = live.take([record])
    assert told["heading"] == "Lamp mended"
    assert "A <em>new</em> lamp came." in told["summary"]
    assert "asked for by grace" in told["summary"]
    assert "1 earlier version" in told["summary"]
