"""How a session was reached goes with it: what waits, a person, a filtered list; and where back and next lead from there."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.admin.chips import chips_of, in_words
from sessions_app.admin.sessions import SessionAdmin
from sessions_app.log import events as ev
from sessions_app.models import InboxItem, ReviewMention, ReviewState, SavedView, Session, Settled
from sessions_app.selectors.inbox import next_item, read_inbox, read_settled
from tests.admin.conftest import signed_in
from tests.admin.desk import LIST, QUEUE, do, ended, listed, page_of, reviewer, staff
from tests.admin.rows import done, message, started, user_says
from tests.admin.test_inbox import ASKED, PAGE, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita() -> Client:
    return reviewer("rita")


@pytest.fixture
def grace() -> Client:
    """Who may review and step in."""
    return signed_in(staff("grace", "view_session", "review_session", "operate_session"))


def fails(session_id: str, **fields: Any) -> InboxItem:
    write([user_says("x"), started(), done(status="failed")], session_id, **fields)
    return InboxItem.objects.get(session_id=session_id)


def back_link(html: str) -> tuple[str, str]:
    """Where the link back leads, and its words."""
    found = re.search(r'<a href="([^"]*)" data-key="u">.*?</span>([^<]*)</a>', html)
    assert found
    return unescape(found[1]), unescape(found[2])


def follow(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


# What waits


def test_from_an_item_to_the_next_one_and_back(grace: Client) -> None:
    first, second = fails("s1"), fails("s2")
    assert [one.item.pk for one in read_inbox("ada")] == [second.pk, first.pk]
    html = follow(grace, grace.get(f"{PAGE}{second.pk}/open/?kind=failed_answer")["Location"])
    assert back_link(html) == (f"{PAGE}?kind=failed_answer", "Back to Waiting for you")
    assert "Put away" in html
    answer: Any = grace.get(f"{LIST}s2/next-session/?inbox={second.pk}:")
    assert urlsplit(answer.url).path == f"{LIST}s1/change/"
    answer = grace.get(f"{LIST}s1/previous-session/?inbox={first.pk}:")
    assert urlsplit(answer.url).path == f"{LIST}s2/change/"
    assert grace.get(f"{LIST}s1/next-session/?inbox={first.pk}:")["Location"] == PAGE


def test_the_next_item_is_that_of_the_list(grace: Client) -> None:
    for number in range(3):
        write([user_says("x"), started(), ASKED, done()], f"a{number}")
        fails(f"f{number}")
    order = [one.item for one in read_inbox("ada")]
    walked = [order[0]]
    while (found := next_item(walked[-1], name="ada")) is not None:
        walked.append(found)
    assert walked == order
    assert [next_item(item, name="ada", forward=False) for item in order] == [None, *order[:-1]]
    alone = [one.item for one in read_inbox("ada", kind="failed_answer")]
    assert [next_item(item, name="ada", kind="failed_answer") for item in alone] == [*alone[1:], None]


def test_put_away_on_its_page_leads_to_the_next(grace: Client) -> None:
    first, second = fails("s1"), fails("s2")
    answer: Any = grace.post(f"{PAGE}{second.pk}/act/", {"act": "dismiss", "then": "next"})
    assert urlsplit(answer.url).path == f"{LIST}s1/change/"
    assert "Put away." in follow(grace, answer.url)
    answer = grace.post(f"{PAGE}{first.pk}/act/", {"act": "dismiss", "then": "next"})
    assert answer.url == PAGE
    html = page_of(grace, "s1", f"?inbox={first.pk}:")
    assert "Put away by grace" in html
    answer = grace.post(f"{PAGE}{first.pk}/act/", {"act": "back", "then": "stay"})
    assert urlsplit(answer.url).path == f"{LIST}s1/change/"
    assert InboxItem.objects.get(settled_at__isnull=True) == first


def test_what_was_put_away_on_its_page_comes_back_there(grace: Client) -> None:
    _, second = fails("s1"), fails("s2")
    away = {"act": "dismiss", "then": "next", "kind": "failed_answer"}
    answer = grace.post(f"{PAGE}{second.pk}/act/", away, follow=True)
    form = re.search(
        r'<form method="post" action="([^"]*)" class="inbox-undo">(.*?)</form>', answer.content.decode()
    )
    assert form
    assert 'data-key="z"' in form[2]
    back = dict(re.findall(r'name="(act|then|kind|item)" value="([^"]*)"', form[2]))
    undone: Any = grace.post(form[1], back)
    assert urlsplit(undone.url).path == f"{LIST}s2/change/"
    assert f"inbox={second.pk}%3Afailed_answer" in undone.url
    assert InboxItem.objects.get(pk=second.pk).settled_at is None


def test_what_is_settled_is_a_walk_of_its_own(grace: Client) -> None:
    items = [fails(f"s{number}") for number in range(4)]
    for item in items[:3]:
        grace.post(f"{PAGE}many/", {"act": "dismiss", "item": item.pk})
    order = [one.item for one in read_settled()]
    assert [one.session_id for one in order] == ["s2", "s1", "s0"]
    html = follow(grace, grace.get(f"{PAGE}{order[0].pk}/open/?kind=settled")["Location"])
    assert back_link(html) == (f"{PAGE}?kind=settled", "Back to Settled")
    assert [next_item(item, name="ada", kind="settled") for item in order] == [*order[1:], None]
    assert [next_item(item, name="ada", kind="settled", forward=False) for item in order] == [
        None,
        *order[:-1],
    ]
    answer: Any = grace.get(f"{LIST}s2/next-session/?inbox={order[0].pk}:settled")
    assert urlsplit(answer.url).path == f"{LIST}s1/change/"
    assert "settled" in answer.url
    answer = grace.get(f"{LIST}s0/next-session/?inbox={order[2].pk}:settled", follow=True)
    assert answer.redirect_chain == [(f"{PAGE}?kind=settled", 302)]
    assert "That was the last of what is settled." in answer.content.decode()


def test_who_may_not_put_away_is_not_offered_it(db: None) -> None:
    viewer = signed_in(staff("vera", "view_session"))
    html = page_of(viewer, "s1", f"?inbox={fails('s1').pk}:")
    assert "Next item" in html
    assert "Put away" not in html


@pytest.mark.parametrize(
    "way", ["inbox=", "inbox=x", "inbox=999:", "inbox=" + "9" * 40, "person=x", "person="]
)
def test_a_way_that_leads_nowhere_is_no_error(rita: Client, way: str) -> None:
    ended("s1")
    page_of(rita, "s1", f"?{way}")
    assert rita.get(f"{LIST}s1/next-session/?{way}").status_code == 302
    assert do(rita, "s1", "state", f"?{way}", state="done", then="next").status_code == 302


def settled() -> dict[str, tuple[str, str]]:
    found = InboxItem.objects.order_by("pk").values_list("kind", "settled_how", "settled_by")
    return {kind: (how, by) for kind, how, by in found}


def test_done_settles_what_waits_of_the_session_but_its_approvals(rita: Client) -> None:
    disliked = ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.DOWN)
    events: list[ev.Event] = [
        user_says("x"),
        started(),
        ASKED,
        message("So."),
        done(status="failed"),
        disliked,
    ]
    write(events, "s1", status="ended")
    other = fails("s2")
    do(rita, "s1", "state", state="done")
    assert set(InboxItem.objects.filter(settled_at__isnull=True).values_list("session_id", "kind")) == {
        ("s1", "approval"),
        ("s2", "failed_answer"),
    }
    assert settled()["bad_rating"] == (Settled.REVIEWED, "rita")
    assert "rita was done with the conversation" in rita.get(f"{PAGE}?kind=settled").content.decode()
    do(rita, "s1", "state", state="in_review")
    assert InboxItem.objects.filter(settled_at__isnull=True).count() == 4
    assert other.settled_at is None


def test_done_again_settles_what_came_since(rita: Client) -> None:
    ended("s1", review_state=ReviewState.DONE)
    session = Session.objects.get()
    InboxItem.objects.create(session=session, kind="bad_rating", ref="i", seq=1, at=session.start_time)
    do(rita, "s1", "state", state="done")
    assert settled() == {"bad_rating": (Settled.REVIEWED, "rita")}


def test_done_and_next_goes_along_what_waits(rita: Client) -> None:
    first, second = fails("s1", status="ended"), fails("s2", status="ended")
    answer = do(rita, "s2", "state", f"?inbox={second.pk}:", state="done", then="next")
    assert urlsplit(answer.url).path == f"{LIST}s1/change/"
    assert parse_qs(urlsplit(answer.url).query)["inbox"] == [f"{first.pk}:"]


# A person


def test_a_persons_sessions_are_walked_along_and_lead_back(rita: Client) -> None:
    ada = User.objects.create(username="ada")
    for number in range(3):
        ended(f"s{number}", hours_ago=number, user=ada)
        ended(f"other{number}", hours_ago=number + 0.5)
    html = follow(rita, f"{LIST}?review=new")
    way = unescape(re.findall(rf'href="({LIST}person/user/[^"]*)"', html)[0])
    person = follow(rita, way)
    assert back_link(person) == (f"{LIST}?review=new", "Back to list")
    one = unescape(re.findall(rf'href="({LIST}s1/change/[^"]*)"', person)[0])
    page = follow(rita, one)
    assert back_link(page) == (way, "Back to the person")
    query = urlsplit(one).query
    answer: Any = rita.get(f"{LIST}s1/next-session/?{query}")
    assert (urlsplit(answer.url).path, urlsplit(answer.url).query) == (f"{LIST}s2/change/", query)
    answer = rita.get(f"{LIST}s1/previous-session/?{query}")
    assert urlsplit(answer.url).path == f"{LIST}s0/change/"
    assert rita.get(f"{LIST}s2/next-session/?{query}")["Location"] == way
    answer = do(rita, "s1", "state", f"?{query}", state="done", then="next")
    assert urlsplit(answer.url).path == f"{LIST}s2/change/"


def test_from_a_session_to_its_person_and_back_to_that_session(rita: Client) -> None:
    ended("s1", guest_id="g1")
    filters = urlencode({"_changelist_filters": "errors=no"})
    page = page_of(rita, "s1", f"?{filters}")
    way = unescape(re.findall(rf'href="({LIST}person/guest/[^"]*)"', page)[0])
    assert back_link(follow(rita, way)) == (f"{LIST}s1/change/?{filters}", "Back to the conversation")


def test_back_from_a_person_is_the_very_place(rita: Client) -> None:
    ended("s1", guest_id="g1")
    page = page_of(rita, "s1", "?hit=3&replay=3")
    way = unescape(re.findall(rf'href="({LIST}person/guest/[^"]*)"', page)[0])
    assert back_link(follow(rita, way)) == (f"{LIST}s1/change/?hit=3&replay=3", "Back to the conversation")


def test_a_persons_page_tells_their_story(rita: Client) -> None:
    ended("s1", guest_id="g1", title="The lost bag")
    do(rita, "s1", "tag", tag="luggage")
    do(rita, "s1", "note", note="Promised <b>a voucher</b>")
    ended("s2", guest_id="g2", title="A stranger's")
    do(rita, "s2", "note", note="Nobody's business")
    rating = ev.FeedbackGiven(item_id="item_b", rating=ev.Rating.DOWN, comment="It lied to me.")
    write(
        [user_says("x"), started(), message("Yes.", "resp_1", "item_b"), done(), rating], "s3", guest_id="g1"
    )
    Session.objects.filter(pk="s3").update(status="active", end_time=None)
    page = follow(rita, f"{LIST}person/guest/?key=g1")
    for words in (
        "luggage",
        "Promised &lt;b&gt;a voucher&lt;/b&gt;",
        "It lied to me.",
        "s3/change/?hit=3",  # the answer, not the rating of it
    ):
        assert words in page
    assert "In a conversation now" in page
    assert re.search(r'href="[^"]*/s3/change/[^"]*">watch', page)
    assert "Nobody&#x27;s business" not in page
    Session.objects.update(status="ended")
    assert "In a conversation now" not in follow(rita, f"{LIST}person/guest/?key=g1")


def test_a_way_that_grew_too_long_is_forgotten(rita: Client) -> None:
    ended("s1", guest_id="g1")
    page = page_of(rita, "s1", f"?{urlencode({'_changelist_filters': 'q=' + 'x' * 1900})}")
    (way,) = re.findall(rf'href="({LIST}person/guest/[^"]*)"', page)
    assert len(way) < 200
    assert back_link(follow(rita, unescape(way)))[1] == "Back to list"


def test_the_rows_of_a_person_say_how_each_went(rita: Client) -> None:
    ended("s1", guest_id="g1", feedback_down=2, feedback_up=1, outcome="unresolved", failed_responses=1)
    for html in (follow(rita, f"{LIST}person/guest/?key=g1"), follow(rita, LIST)):
        for words in ("rated bad", "rated good", "Unresolved", "1 failed answer", "New"):
            assert words in html


# A filtered list


def test_the_queue_hands_out_from_the_list_as_it_is_filtered(rita: Client) -> None:
    ended("fine", hours_ago=0)
    ended("bad", hours_ago=1, failed_responses=1)
    ended("worse", hours_ago=2, failed_responses=2)
    html = follow(rita, f"{LIST}?errors=yes")
    assert 'name="view" value="errors=yes"' in html
    page = follow(rita, f"{QUEUE}?view=errors%3Dyes")
    assert "With failed answers" in page
    assert "<strong>2</strong> left" in page
    answer: Any = rita.post(QUEUE, {"view": "errors=yes"})
    assert urlsplit(answer.url).path == f"{LIST}bad/change/"
    html = follow(rita, answer.url)
    assert back_link(html) == (f"{QUEUE}?view=errors%3Dyes", "Queue: With failed answers")
    query = urlsplit(answer.url).query
    answer = do(rita, "bad", "state", f"?{query}", state="done", then="next")
    assert (urlsplit(answer.url).path, urlsplit(answer.url).query) == (f"{LIST}worse/change/", query)
    answer = do(rita, "worse", "state", f"?{query}", state="done", then="next")
    assert answer.url == f"{QUEUE}?view=errors%3Dyes"
    assert Session.objects.get(pk="fine").review_state == ReviewState.NEW


def test_a_list_with_a_name_keeps_it_in_the_queue(rita: Client) -> None:
    ended("s1", review_state=ReviewState.FLAGGED)
    view = SavedView.objects.create(owner=User.objects.get(), name="Bad ones", query="errors=yes")
    assert f'name="view" value="{view.pk}"' in follow(rita, f"{LIST}?errors=yes")
    assert "Bad ones" in follow(rita, f"{QUEUE}?view={view.pk}")
    assert ">Flagged</a>" in follow(rita, f"{QUEUE}?view=review%3Dflagged")


def test_a_chip_takes_its_filter_away_and_no_other(rita: Client) -> None:
    ended("s1", failed_responses=1, outcome="unresolved")
    ended("s2", failed_responses=1)
    ended("s3", outcome="unresolved")
    query = "errors=yes&outcome__exact=unresolved&p=1"
    assert [(chip.words, chip.without) for chip in chips_of(query)] == [
        ("With failed answers", "outcome__exact=unresolved"),
        ("Unresolved", "errors=yes"),
    ]
    assert listed(rita, query) == ["s1"]
    assert sorted(listed(rita, "errors=yes")) == ["s1", "s2"]
    html = follow(rita, f"{LIST}?errors=yes&outcome__exact=unresolved")
    assert 'href="?errors=yes"' in html
    assert 'href="?outcome__exact=unresolved"' in html
    assert "Clear all" in html
    assert "Clear all" not in follow(rita, LIST)


def test_each_filter_of_the_list_has_words() -> None:
    grace = staff("grace")
    given = {
        "review": ("in_review", "In review"),
        "assignee": (str(grace.pk), "Assigned to grace"),
        "tag": ("refund", "Tag: refund"),
        "show": ("empty", "Only empty ones"),
        "status": ("ended", "Ended"),
        "model": ("gemini:flash", "Model: flash"),
        "assistant": ("shop", "Assistant: shop"),
        "summary_state": ("skipped", "Summary: nothing to summarise"),
        "start_time": ("2026-03-04", "Since 4 Mar 2026"),
        "errors": ("no", "Without failed answers"),
        "feedback": ("good", "Rated good"),
        "outcome": ("resolved", "Resolved"),
        "sentiment": ("negative", "User: negative"),
        "failure": ("model_timeout", "Failed for: model timeout"),
        "tool": ("get_time", "Tool: get_time"),
        "tool_failed": ("get_time", "Tool that failed: get_time"),
        "who": ("guest", "Guests"),
    }
    names = [one[0] if isinstance(one, tuple) else one.parameter_name for one in SessionAdmin.list_filter]
    assert sorted(given) == sorted(names)
    for name, (value, words) in given.items():
        found = [in_words(f"{name}{end}={value}") for end in ("", "__exact", "_from")]
        assert words in found, name


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("q=text:refund", "Said: “refund”"),
        ("q=Text:refund", "Said: “refund”"),
        ("q=ada", "Search: “ada”"),
        ("assignee=me", "Mine"),
        ("start_time__year=2026&start_time__month=3", "March 2026"),
        ("start_time_from=2026-03-04&start_time__gte=2026-03-04T10:30:00Z", "Since 4 Mar 2026, 10:30"),
        ("start_time_to=2026-03-05", "Until 5 Mar 2026"),
        ("start_time_from=03/04/2026", "Since 4 Mar 2026"),
        ("start_time__year=x&start_time_from=&nonsense=1&o=2", ""),
        ("start_time__gte=nonsense&start_time__year=99999&start_time_from=2026-99-99", ""),
        ("assignee=99999", "Assigned to somebody who is gone"),
        ("errors=x", ""),
    ],
)
def test_a_list_without_a_name_is_called_by_what_narrows_it(query: str, words: str) -> None:
    assert in_words(query) == words


def test_one_entry_of_the_menu_is_lit(rita: Client) -> None:
    ended("s1")
    for path, title in (
        (LIST, "Sessions"),
        (f"{LIST}s1/change/", "Sessions"),
        (QUEUE, "Review next"),
        (f"{LIST}mentions/", "Mentions"),
    ):
        html = follow(rita, path)
        lit = re.findall(r'<a href="[^"]*" class="[^"]* active">(.*?)</a>', html, re.DOTALL)
        assert [title in one for one in lit] == [True], path


# What was done, taken back


def test_done_is_taken_back_and_leads_to_its_session_again(rita: Client) -> None:
    ended("s1")
    ended("s2", hours_ago=1)
    rita.post(QUEUE, {"view": ""})
    html = rita.post(
        f"{LIST}s1/review/?queue=", {"act": "state", "state": "done", "then": "next"}, follow=True
    )
    found = re.search(
        r'<form method="post" action="([^"]*)" class="inbox-undo[^>]*>(.*?)</form>', html.content.decode()
    )
    assert found
    form = dict(re.findall(r'name="(act|undo|state)" value="([^"]*)"', found[2]))
    assert 'data-key="z"' in found[2]
    answer: Any = rita.post(unescape(found[1]), form)
    assert answer.url == f"{LIST}s1/change/?queue="
    assert Session.objects.get(pk="s1").review_state == ReviewState.IN_REVIEW
    undone = page_of(rita, "s1", "?queue=")
    assert "Undone: in review again." in undone
    assert "Done → In review" in undone
    assert 'data-key="z"' not in html


def test_nothing_is_taken_back_that_was_changed_meanwhile(rita: Client) -> None:
    ended("s1")
    do(rita, "s1", "state", state="done")
    do(reviewer("omar"), "s1", "state", state="flagged")
    do(rita, "s1", "state", state="new", undo="done")
    assert Session.objects.get(pk="s1").review_state == ReviewState.FLAGGED
    assert "It is flagged by now: nothing was undone." in page_of(rita, "s1")


def test_what_is_done_in_the_panel_is_taken_back_there(rita: Client) -> None:
    ended("s1")
    answer = rita.post(f"{LIST}s1/review/", {"act": "state", "state": "flagged"}, headers={"X-Desk": "1"})
    assert 'name="undo" value="flagged"' in answer.content.decode()
    form = {"act": "state", "state": "new", "undo": "flagged"}
    answer = rita.post(f"{LIST}s1/review/", form, headers={"X-Desk": "1"})
    assert 'name="undo"' not in answer.content.decode()
    assert Session.objects.get(pk="s1").review_state == ReviewState.NEW


# The dashboard, the replay, the mentions


def test_from_the_dashboard_back_to_its_period(rita: Client) -> None:
    ended("s1", failed_responses=1, start_time=timezone.now())
    html = unescape(follow(rita, "/admin/?window=week"))
    found = re.search(rf'href="({LIST}s1/change/[^"]*dashboard=week)"', html)
    assert found
    back = ("/admin/?window=week", "Back to the dashboard")
    assert back_link(follow(rita, found[1])) == back
    assert 'dialog class="desk-keys"' in html


def test_from_the_replay_back_to_its_place(rita: Client) -> None:
    ended("s1")
    replay = unescape(follow(rita, f"{LIST}s1/replay/?queue="))
    assert "play, pause" in replay.split("desk-keys-title")[-1]
    found = re.search(rf'href="({LIST}s1/change/[^"]*&replay=(\d+))"', replay)
    assert found
    html = follow(rita, found[1])
    assert back_link(html) == (f"{LIST}s1/replay/?queue=&at={found[2]}", "Back to the replay")
    html = follow(rita, f"{LIST}s1/replay/?queue=&at={found[2]}")
    assert back_link(html) == (f"{LIST}s1/change/?hit={found[2]}&queue=", "Back to the transcript")
    assert back_link(follow(rita, f"{LIST}s1/change/?replay=x"))[1] == "Back to list"


def test_a_mention_leads_to_its_note_and_back(rita: Client) -> None:
    ended("s1")
    do(reviewer("omar"), "s1", "note", note="Look, @rita")
    html = unescape(follow(rita, f"{LIST}mentions/"))
    found = re.search(rf'href="({LIST}s1/change/\?mentions=(\d+)#note-\2)"', html)
    assert found
    html = follow(rita, found[1].partition("#")[0])
    assert f'id="note-{found[2]}"' in html
    assert back_link(html) == (f"{LIST}mentions/", "Back to Mentions")


def test_a_mention_is_read_by_whom_it_names_when_they_open_it(rita: Client) -> None:
    ended("s1")
    do(reviewer("omar"), "s1", "note", note="Look, @rita")
    mention = ReviewMention.objects.get()
    page_of(reviewer("ida"), "s1", f"?mentions={mention.note_id}")
    page_of(rita, "s1", f"?mentions={'9' * 40}")
    assert ReviewMention.objects.get().seen_at is None
    html = page_of(rita, "s1", f"?mentions={mention.note_id}")
    assert ReviewMention.objects.get().seen_at is not None
    assert 'class="menu-count" data-count="0"' in html
    assert "New" not in follow(rita, f"{LIST}mentions/").split("desk-mentions")[1].split("</ul>")[0]
