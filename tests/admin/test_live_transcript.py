"""The transcript as it goes on, without a socket: what an open page is sent."""

import pytest
from django.test import Client

from sessions_app.admin.live import LiveTranscript
from sessions_app.log import events as ev
from sessions_app.models import Session
from tests.admin.rows import deltas, done, message, records_of, started, user_says, write_session


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("end", "words"),
    [([], "Partial: being written"), ([ev.SessionEnded(reason=ev.EndReason.LEFT)], "Partial: no final text")],
)
def test_a_text_is_said_to_be_written_only_while_its_session_goes_on(end: list[ev.Event], words: str) -> None:
    before: list[ev.Event] = [user_says("x"), started()]
    write_session(before, session_id="s1")
    live = LiveTranscript.of_page("s1", first=1, seen=2, may_decide=False)
    new = records_of("s1", [*before, *deltas("It is"), *end])[2:]
    sent = live.take(new)
    assert [words in entry["html"] for entry in sent["entries"] if "It is" in entry["html"]] == [True]


@pytest.mark.django_db
def test_nothing_stands_over_the_transcript_of_what_ended_before_the_page_was_opened(viewer: Client) -> None:
    for session_id, status in (("goes-on", "active"), ("over", "ended")):
        write_session([user_says("x")], session_id=session_id, status=status)
        html = viewer.get(f"/admin/sessions_app/session/{session_id}/change/").content.decode()
        assert f'data-status="{status}"{" hidden" if status == "ended" else ""}>' in html


@pytest.mark.django_db
def test_the_figures_of_the_head_follow() -> None:
    before: list[ev.Event] = [user_says("x"), started()]
    session = write_session(before, session_id="s1", status="active")
    live = LiveTranscript.of_page("s1", first=1, seen=2, may_decide=False)
    Session.objects.filter(pk=session.pk).update(user_messages=1, assistant_messages=1, responses=1)
    new = records_of("s1", [*before, *deltas("It is"), message("It is"), done()])[2:]
    assert "line" not in live.take(new[:1])
    assert [one["value"] for one in live.take(new[1:])["line"]] == ["2 messages", "$0.00"]


@pytest.mark.django_db
def test_a_whole_paragraph_is_sent_as_it_will_be(viewer: Client) -> None:
    before: list[ev.Event] = [user_says("x"), started(), *deltas("It ")]
    write_session(before, session_id="s1")
    live = LiveTranscript.of_page("s1", first=1, seen=3, may_decide=False)
    more = records_of("s1", [*before, *deltas("It ", "is **so**.\n", "\nAnd **th", "is")[1:]])[2:]
    live.take(more[:1])
    assert live.take(more[1:2])["append"] == [{"seq": 3, "text": "is **so**.\n"}]
    sent = live.take(more[2:3])
    assert sent["append"] == []
    (entry,) = sent["entries"]
    assert "<p>It is <strong>so</strong>.</p>" in entry["html"]
    assert '<div class="plain" data-stream="3">And **th</div>' in entry["html"]
    assert live.take(more[3:])["append"] == [{"seq": 3, "text": "is"}]


@pytest.mark.django_db
def test_a_whisper_waits_and_can_be_taken_back_until_a_model_is_told_it(
    operator: Client, viewer: Client
) -> None:
    psst = ev.OperatorWhispered(item_id="item_w", text="Offer 10 %.", author="ann")
    write_session([user_says("x"), psst], session_id="s1", status="active")
    page = "/admin/sessions_app/session/s1/change/"
    waits, button, read = "Waits for the model", 'name="act" value="withdraw"', "The model has read it"
    assert [part in operator.get(page).content.decode() for part in (waits, button)] == [True, True]
    assert [part in viewer.get(page).content.decode() for part in (waits, button)] == [True, False]
    live = LiveTranscript.of_page("s1", first=1, seen=2, may_operate=True)
    before: list[ev.Event] = [user_says("x"), psst]
    of_a_person = ev.ResponseStarted(response_id="r0", provider="", model="", shown_as="Staff")
    for news, expected in ((of_a_person, None), (started(), [False, False, True])):
        before.append(news)
        sent = live.take(records_of("s1", before)[-1:])
        html = next((one["html"] for one in sent["entries"] if "Offer 10" in one["html"]), None)
        assert (html and [part in html for part in (waits, button, read)]) == expected


@pytest.mark.django_db
def test_a_whisper_that_was_taken_back_says_so(operator: Client) -> None:
    psst = ev.OperatorWhispered(item_id="item_w", text="Offer 10 %.", author="ann")
    write_session(
        [psst, ev.WhisperWithdrawn(item_id="item_w", author="ann")], session_id="s1", status="active"
    )
    html = operator.get("/admin/sessions_app/session/s1/change/").content.decode()
    assert "The model has read it" not in html
    assert "Taken back, the model was not told" in html
    assert 'value="withdraw"' not in html
