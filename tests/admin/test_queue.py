"""The review queue, the way through a list, and saved views."""

import re
import threading
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from sessions_app.admin import changelist, filters
from sessions_app.desk import queue
from sessions_app.desk.acts import Reviewer
from sessions_app.models import ReviewEvent, ReviewState, SavedView, Session, SessionReview, SessionStatus
from sessions_app.selectors import said
from tests.admin.desk import LIST, QUEUE, do, ended, led_to, listed, page_of, reviewer, staff
from tests.admin.rows import NOON, done, started, turn, user_says, write_session
from tests.admin.test_desk import history

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rita() -> Client:
    return reviewer("rita")


def handed_out(client: Client, view: str = "") -> str:
    """The id of the session that the queue gives; empty: none is left."""
    answer: Any = client.post(QUEUE, {"view": view})
    url = answer.url
    return urlsplit(url).path.split("/")[-3] if "/change/" in url else ""


def test_the_newest_that_ended_is_handed_out_and_is_the_reviewers(rita: Client) -> None:
    ended("older", hours_ago=2)
    ended("newest", hours_ago=1)
    write_session(turn(1), session_id="goes-on")
    write_session(session_id="empty", status=SessionStatus.ENDED)
    assert "<strong>2</strong> left" in rita.get(QUEUE).content.decode()
    assert [handed_out(rita), handed_out(rita), handed_out(rita)] == ["newest", "older", ""]
    session = Session.objects.get(pk="newest")
    assert (session.review_state, session.assignee) == (ReviewState.IN_REVIEW, User.objects.get())
    assert history("newest") == [("rita", "taken", "", "")]
    html = rita.get(QUEUE).content.decode()
    assert "Nothing is left" in html
    assert "Under way by you" in html


def test_what_was_skipped_is_taken_up_again(rita: Client) -> None:
    for number in range(2):
        ended(f"s{number}", hours_ago=number)
    assert handed_out(rita) == "s0"
    assert ">1 left<" in page_of(rita, "s0", "?queue=")
    assert " left<" not in page_of(rita, "s0")
    do(rita, "s0", "skip")
    handed_out(rita)
    assert ">0 left<" in page_of(rita, "s1", "?queue=")
    do(rita, "s1", "skip")
    assert "2 skipped by you" in rita.get(QUEUE).content.decode()
    assert "skipped by you" not in reviewer("ruth").get(QUEUE).content.decode()
    answer: Any = rita.post(QUEUE, {"view": "", "of": "skipped"})
    assert "/s0/change/" in answer.url
    assert Session.objects.get(pk="s0").review_state == ReviewState.IN_REVIEW
    assert "1 skipped by you" in rita.get(QUEUE).content.decode()


def test_a_skip_is_undone(rita: Client) -> None:
    for number in range(2):
        ended(f"s{number}", hours_ago=number)
    handed_out(rita)
    answer = do(rita, "s0", "skip", "?queue=", then="next")
    html = rita.get(answer.url).content.decode()
    assert "Skipped: others are given it." in html
    undo = re.search(
        r'action="([^"]*s0[^"]*)"[^>]*>.*?name="act" value="unskip".*?name="handed" value="s1"', html
    )
    assert undo
    rita.post(unescape(undo[1]), {"act": "unskip", "handed": "s1"})
    states = dict(Session.objects.values_list("pk", "review_state"))
    assert states == {"s0": ReviewState.IN_REVIEW, "s1": ReviewState.NEW}
    assert Session.objects.get(pk="s0").assignee == User.objects.get()
    assert handed_out(rita) == "s1"
    do(rita, "s1", "skip")
    assert handed_out(reviewer("omar")) == "s1"
    do(rita, "s1", "unskip")
    assert Session.objects.get(pk="s1").assignee == User.objects.get(username="omar")


def test_done_leads_to_the_next_of_the_queue(rita: Client) -> None:
    for number in range(3):
        ended(f"s{number}", hours_ago=number)
    handed_out(rita)
    answer = do(rita, "s0", "state", "?queue=", state="done", then="next")
    assert urlsplit(answer.url).path == f"{LIST}s1/change/"
    assert parse_qs(urlsplit(answer.url).query, keep_blank_values=True) == {"queue": [""]}
    answer = do(rita, "s1", "skip", "?queue=", then="next")
    assert urlsplit(answer.url).path == f"{LIST}s2/change/"
    answer = do(rita, "s2", "state", "?queue=", state="done", then="next")
    assert answer.url == QUEUE
    assert "Nothing is left" in rita.get(answer.url).content.decode()


def undo_of(html: str) -> tuple[str, dict[str, str]]:
    """The form beside what was done: its address and what it sends."""
    found = re.search(r'<form method="post" action="([^"]*)" class="inbox-undo[^>]*>(.*?)</form>', html)
    assert found
    return unescape(found[1]), dict(re.findall(r'name="(act|undo|state|handed)" value="([^"]*)"', found[2]))


def test_undo_hands_back_what_was_handed_out_instead(rita: Client) -> None:
    for number in range(2):
        ended(f"s{number}", hours_ago=number)
    rita.post(QUEUE)
    done = {"act": "state", "state": "done", "then": "next"}
    address, form = undo_of(rita.post(f"{LIST}s0/review/?queue=", done, follow=True).content.decode())
    rita.post(address, form)
    assert dict(Session.objects.values_list("pk", "review_state")) == {"s0": "in_review", "s1": "new"}
    assert Session.objects.get(pk="s1").assignee is None
    answer: Any = rita.post(f"{LIST}s0/review/?queue=", done)
    assert answer.url == f"{LIST}s1/change/?queue="


def test_undo_takes_nothing_back_that_was_begun(rita: Client) -> None:
    for number in range(2):
        ended(f"s{number}", hours_ago=number)
    rita.post(QUEUE)
    done = {"act": "state", "state": "done", "then": "next"}
    address, form = undo_of(rita.post(f"{LIST}s0/review/?queue=", done, follow=True).content.decode())
    do(rita, "s1", "note", note="Mine")
    rita.post(address, {**form, "handed": "s1"})
    assert Session.objects.get(pk="s1").review_state == "in_review"
    rita.post(address, {**form, "undo": "in_review", "state": "done", "handed": "gone"})
    assert Session.objects.get(pk="s1").review_state == "in_review"


def test_it_opens_at_what_went_wrong(rita: Client) -> None:
    failed = [*turn(1), user_says("x", "u2"), started("resp_2"), done("resp_2", status="failed")]
    session = write_session(failed, session_id="s1", status="ended", end_time=NOON)
    answer: Any = rita.post(QUEUE)
    assert answer.url == f"{LIST}s1/change/?hit={session.last_seq}&queue="


def test_from_a_list_without_any_left_all_are_reviewed_at_once(rita: Client) -> None:
    ended("s1")
    html = rita.get(f"{QUEUE}?view=tag%3Dnone%26review%3Dflagged").content.decode()
    assert re.search(r'name="view" value=""><button[^>]*data-key="Enter">Review all conversations', html)
    link = re.search(r'<a href="([^"]*)" data-key="u">', html)
    assert link
    assert parse_qs(urlsplit(unescape(link[1])).query) == {"tag": ["none"], "review": ["flagged"]}


def test_a_flag_is_kept_on_the_way_to_the_next_of_the_queue(rita: Client) -> None:
    for number in range(2):
        ended(f"s{number}", hours_ago=number)
    assert handed_out(rita) == "s0"
    assert "Next, it stays flagged" not in page_of(rita, "s0", "?queue=")
    do(rita, "s0", "state", "?queue=", state="flagged")
    html = page_of(rita, "s0", "?queue=")
    assert "Next, it stays flagged" in html
    assert 'value="skip"' not in html  # whose key goes on, too
    assert handed_out(rita) == "s1"
    assert Session.objects.get(pk="s0").review_state == ReviewState.FLAGGED


def test_who_skips_is_not_asked_again_and_others_are(rita: Client) -> None:
    ended("s1")
    assert handed_out(rita) == "s1"
    do(rita, "s1", "skip")
    session = Session.objects.get()
    assert (session.review_state, session.assignee) == (ReviewState.NEW, None)
    assert handed_out(rita) == ""
    assert "Nothing is left" in rita.get(QUEUE).content.decode()
    omar = reviewer("omar")
    assert handed_out(omar) == "s1"
    assert "somebody else" in rita.get(do(rita, "s1", "skip").url).content.decode()
    assert Session.objects.get().assignee == User.objects.get(username="omar")


def test_what_somebody_took_and_left_goes_to_the_next(rita: Client) -> None:
    ended("s1")
    ended("s2", hours_ago=1)
    handed_out(rita)
    handed_out(rita)
    late = timezone.now() - queue.HELD_FOR - timedelta(minutes=1)
    SessionReview.objects.update(claimed_at=late)
    do(rita, "s2", "note", note="Still at it")  # which is a sign of life
    omar = reviewer("omar")
    assert [handed_out(omar), handed_out(omar)] == ["s1", ""]
    assert [event[:2] for event in history("s1")] == [
        ("rita", "taken"),
        ("The queue", "given_back"),
        ("omar", "taken"),
    ]
    assert Session.objects.get(pk="s2").assignee == User.objects.get(username="rita")


def test_what_was_finished_is_not_taken_back(rita: Client) -> None:
    ended("s1")
    handed_out(rita)
    do(rita, "s1", "state", state="flagged")
    SessionReview.objects.update(claimed_at=timezone.now() - timedelta(days=1))
    assert handed_out(reviewer("omar")) == ""
    assert Session.objects.get().review_state == ReviewState.FLAGGED


def test_what_was_given_to_a_colleague_by_name_stays_theirs(rita: Client) -> None:
    """An assignee has no deadline; the one of who took it from the queue is over."""
    ended("s1")
    handed_out(rita)
    olga = staff("olga", "view_session", "review_session")
    do(rita, "s1", "assign", assignee=str(olga.pk))
    SessionReview.objects.filter(claimed_at__isnull=False).update(
        claimed_at=timezone.now() - queue.HELD_FOR - timedelta(minutes=1)
    )
    assert handed_out(reviewer("omar")) == ""
    session = Session.objects.get()
    assert (session.review_state, session.assignee) == (ReviewState.IN_REVIEW, olga)


def test_what_was_undone_and_left_goes_to_the_next_as_well(rita: Client) -> None:
    ended("s1")
    handed_out(rita)
    do(rita, "s1", "state", state="done")
    do(rita, "s1", "state", state="in_review", undo="done")
    assert handed_out(reviewer("omar")) == ""
    SessionReview.objects.filter(claimed_at__isnull=False).update(
        claimed_at=timezone.now() - queue.HELD_FOR - timedelta(minutes=1)
    )
    assert handed_out(reviewer("olga")) == "s1"


def test_two_reviewers_never_get_the_same(rita: Client) -> None:
    """One holds its transaction open while the other asks: the row is passed over, not waited for."""
    for number in range(2):
        ended(f"s{number}", hours_ago=number)
    omar = staff("omar", "review_session")
    taken: list[str] = []

    def take() -> None:
        session = queue.take_next(Session.objects.order_by("-start_time"), reviewer=Reviewer(omar.pk, "omar"))
        taken.append(session.pk if session else "")
        connection.close()

    with transaction.atomic():
        first = queue.waiting(Session.objects.order_by("-start_time")).select_for_update()[0]
        thread = threading.Thread(target=take)
        thread.start()
        thread.join(30)
        assert taken == ["s1"]
    assert first.pk == "s0"
    assert handed_out(rita) == "s0"


def test_many_reviewers_share_a_queue_without_a_double() -> None:
    for number in range(24):
        ended(f"s{number:02}", hours_ago=number)
    people = [staff(f"r{number}", "review_session") for number in range(4)]
    taken: list[str] = []

    def work(user: User) -> None:
        me = Reviewer(user.pk, user.username)
        while session := queue.take_next(Session.objects.order_by("-start_time"), reviewer=me):
            taken.append(session.pk)
        connection.close()

    threads = [threading.Thread(target=work, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == [f"s{number:02}" for number in range(24)]
    assert ReviewEvent.objects.filter(act="taken").count() == 24


def test_the_count_of_a_long_queue_is_bounded(rita: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_COUNTED", 2)
    for number in range(4):
        ended(f"s{number}", hours_ago=number)
    assert "<strong>More than 2</strong> left" in rita.get(QUEUE).content.decode()


def test_a_saved_view_is_a_queue_of_its_own(rita: Client) -> None:
    ended("s1")
    ended("s2", hours_ago=1, model="openai:gpt")
    view = SavedView.objects.create(
        owner=User.objects.get(username="rita"), name="GPT", query="model=openai%3Agpt"
    )
    assert "<strong>1</strong> left" in rita.get(f"{QUEUE}?view={view.pk}").content.decode()
    assert handed_out(rita, str(view.pk)) == "s2"
    answer = do(rita, "s2", "state", f"?queue={view.pk}", state="done", then="next")
    assert answer.url == f"{QUEUE}?view={view.pk}"
    # Another's view that is not shared is no view of mine: the default queue stands in for it.
    assert handed_out(reviewer("omar"), str(view.pk)) == "s1"


# The way through a list


def test_previous_and_next_stay_within_the_filtered_list(rita: Client) -> None:
    for number in range(5):
        ended(f"s{number}", hours_ago=number, model="demo" if number % 2 == 0 else "other")
    way = "?_changelist_filters=model%3Ddemo%26p%3D1"
    html = page_of(rita, "s2", way)
    assert f'href="{LIST}?model=demo&amp;p=1"' in html
    assert led_to(rita, f"{LIST}s2/next-session/{way}") == f"{LIST}s4/change/{way}"
    assert led_to(rita, f"{LIST}s2/previous-session/{way}") == f"{LIST}s0/change/{way}"
    end = led_to(rita, f"{LIST}s4/next-session/{way}")
    assert end == f"{LIST}?model=demo&p=1"
    assert "the last session of this list" in rita.get(end).content.decode()
    assert "the first session" in rita.get(led_to(rita, f"{LIST}s0/previous-session/{way}")).content.decode()
    assert rita.get(f"{LIST}s2/sideways-session/{way}").status_code == 404


def test_every_view_of_a_session_keeps_the_way_back(rita: Client) -> None:
    ended("s0", hours_ago=1)
    way = "?_changelist_filters=model%3Ddemo"
    kept = f"{way}&amp;"
    events = rita.get(f"{LIST}s0/events/{way}").content.decode()
    assert f'href="{kept}deltas=1"' in events
    with_deltas = rita.get(f"{LIST}s0/events/{way}&deltas=1&after=2").content.decode()
    assert f'href="{way}">Hide' in with_deltas
    assert f'href="{kept}deltas=1"' in with_deltas
    assert f'{LIST}s0/change/{kept}hit=2&amp;replay=2"' in rita.get(f"{LIST}s0/replay/{way}").content.decode()


def test_done_and_next_works_where_the_list_loses_what_is_done(rita: Client) -> None:
    for number in range(3):
        ended(f"s{number}", hours_ago=number)
    way = "?_changelist_filters=review%3Dnew"
    answer = do(rita, "s1", "state", way, state="done", then="next")
    assert answer.url == f"{LIST}s2/change/{way}"
    assert listed(rita, "review=new") == ["s0", "s2"]


def test_done_and_next_works_in_another_order_too(rita: Client) -> None:
    for number, title in enumerate(("middle", "least", "most")):
        write_session([*turn(1)] * (number % 3 + 1), session_id=title, status="ended")
    way = "?_changelist_filters=review%3Dnew%26o%3D-7"
    first, second, third = listed(rita, "review=new&o=-7")
    assert do(rita, first, "state", way, state="done", then="next").url == f"{LIST}{second}/change/{way}"
    assert do(rita, second, "state", way, state="done", then="next").url == f"{LIST}{third}/change/{way}"
    assert do(rita, third, "state", way, state="done", then="next").url == f"{LIST}?review=new&o=-7"


@pytest.mark.parametrize(("order", "following"), [("-6", "s2"), ("-10", "s2"), ("6", "s0"), ("3", "s0")])
def test_what_left_a_list_in_another_order_is_walked_on_from(
    rita: Client, order: str, following: str
) -> None:
    """It was flagged, and the list is of those that are new: the ones after it are still to come."""
    for number, count in enumerate((9, 7, 5, 3)):
        ended(f"s{number}", hours_ago=number, user_messages=count)
        SessionReview.objects.create(session_id=f"s{number}", score=5 - number)
    query = urlencode({"_changelist_filters": f"review=new&o={order}"})
    do(rita, "s1", "state", f"?{query}", state="flagged")
    before = {"s0": "s2", "s2": "s0"}[following]
    for where, wanted in (("next", following), ("previous", before)):
        assert f"/{wanted}/change/" in led_to(rita, f"{LIST}s1/{where}-session/?{query}")


@pytest.mark.parametrize("list_of", ["q=text:question", "q=common", "tag=refund", "show=all&o=-6"])
def test_what_a_list_says_of_itself_is_not_said_again_on_each_page_of_it(
    rita: Client, monkeypatch: pytest.MonkeyPatch, list_of: str
) -> None:
    """That it has the newest alone, or is too long to be sorted, stands above the list."""
    for number in range(4):
        ended(f"s{number}", hours_ago=number, title="common words")
        do(rita, f"s{number}", "tag", tag="refund")
    monkeypatch.setattr(said, "MAX_HITS", 2)
    monkeypatch.setattr(said, "MAX_SESSIONS", 2)
    monkeypatch.setattr(filters, "MAX_TAGGED", 2)
    monkeypatch.setattr(changelist, "BOUND", 2)
    above = re.compile("More than 2|Narrow the list to 2")
    assert above.search(rita.get(f"{LIST}?{list_of}").content.decode())
    shown = rita.get(f"{LIST}s0/next-session/?{urlencode({'_changelist_filters': list_of})}", follow=True)
    assert shown.context["session"].pk == "s1"
    assert not above.search(shown.content.decode())


def test_ids_with_an_underscore_are_led_to(rita: Client) -> None:
    for number in range(3):
        ended(f"order_221{number}", hours_ago=number)
    for url in (
        led_to(rita, f"{LIST}order_5F2211/next-session/"),
        rita.post(QUEUE, {"view": ""})["Location"],
    ):
        assert rita.get(url).status_code == 200
    assert rita.get(do(rita, "order_5F2211", "note", note="x").url).status_code == 200


def test_neighbours_of_a_list_in_another_order(rita: Client) -> None:
    write_session(turn(1), session_id="few", status="ended")
    write_session([*turn(1), *turn(2), *turn(3)], session_id="many", status="ended")
    write_session([*turn(1), *turn(2)], session_id="some", status="ended")
    order = listed(rita, "o=-7")
    assert order == ["many", "some", "few"]
    way = "?_changelist_filters=o%3D-7"
    assert led_to(rita, f"{LIST}many/next-session/{way}") == f"{LIST}some/change/{way}"
    assert led_to(rita, f"{LIST}few/previous-session/{way}") == f"{LIST}some/change/{way}"
    assert led_to(rita, f"{LIST}few/next-session/{way}") == f"{LIST}?o=-7"


@pytest.mark.parametrize("filters", ["start_time__month=x", "nonsense=1", "%00", "p=9999", "tag=%00"])
def test_nonsense_for_a_list_is_no_error(rita: Client, filters: str) -> None:
    ended("s0")
    ended("s1", hours_ago=1)
    answer = rita.get(f"{LIST}s0/next-session/", {"_changelist_filters": filters})
    assert answer.status_code == 302


# Views


def test_empty_sessions_are_left_out_until_somebody_wants_them(rita: Client) -> None:
    ended("spoken")
    write_session(session_id="empty-one")
    assert listed(rita) == ["spoken"]
    assert set(listed(rita, "show=all")) == {"spoken", "empty-one"}
    assert listed(rita, "show=empty") == ["empty-one"]
    assert listed(rita, "q=empty-one") == ["empty-one"]
    assert 'href="/admin/sessions_app/session/?show=all"' in rita.get(LIST).content.decode()


def test_a_queue_of_what_was_said_leads_to_the_words(rita: Client) -> None:
    for session_id in ("s1", "s2"):
        filler = [event for number in range(2) for event in turn(number)]
        write_session(
            [*filler, user_says("a platypus, please", "item_hit")],
            session_id=session_id,
            status=SessionStatus.ENDED,
        )
    query = urlencode({"q": "text:platypus"})
    handed = rita.post(QUEUE, {"view": query})["Location"]
    assert "hit=17" in handed
    assert "words=platypus" in handed
    assert 'data-hit="17" data-words="platypus"' in rita.get(handed).content.decode()
    way = urlencode({"_changelist_filters": query})
    walked = rita.get(f"{LIST}s2/next-session/?{way}")["Location"]
    assert walked.startswith(f"{LIST}s1/change/?hit=17&words=platypus")


def test_a_view_is_renamed_and_shared_by_who_made_it(rita: Client) -> None:
    for name in ("Ours", "Other"):
        rita.post(f"{LIST}views/", {"name": name, "query": f"review=flagged&tag={name}", "shared": "yes"})
    view = SavedView.objects.get(name="Ours")
    url = f"{LIST}views/{view.pk}/name/"
    assert f'action="{url}"' in rita.get(f"{LIST}?{view.query}", follow=True).content.decode()
    omar = reviewer("omar")
    assert "Only who made" in omar.post(url, {"name": "Mine"}, follow=True).content.decode()
    assert "already" in rita.post(url, {"name": "Other"}, follow=True).content.decode()
    assert "needs a name" in rita.post(url, {"name": " "}, follow=True).content.decode()
    assert SavedView.objects.get(pk=view.pk).name == "Ours"
    assert "Ours" in omar.get(LIST).content.decode()
    html = rita.post(url, {"name": "Ours"}, follow=True).content.decode()
    assert "it is yours alone" in html
    assert "Ours" not in omar.get(LIST).content.decode()
    html = rita.post(url, {"name": " Team  flags ", "shared": "yes"}, follow=True).content.decode()
    assert "your colleagues have it, too" in html
    assert 'aria-current="page" title="Shared with the team">Team flags' in html
    assert SavedView.objects.get(pk=view.pk).query == view.query


def test_ones_own_views_are_shown_however_many_the_team_has(
    rita: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions_app.admin.saved_views.MAX_VIEWS", 3)
    omar = reviewer("omar")
    for name in ("a", "b", "c"):
        omar.post(f"{LIST}views/", {"name": name, "query": f"tag={name}", "shared": "yes"})
    rita.post(f"{LIST}views/", {"name": "z, mine", "query": "tag=z"})
    tabs = rita.get(LIST).context["desk"].tabs
    assert [tab.title for tab in tabs if tab.view_id] == ["a", "b", "z, mine"]


def test_a_list_without_rows_says_why_and_how_to_clear_it(rita: Client) -> None:
    ended("s1")
    html = rita.get(f"{LIST}?review=flagged").content.decode()
    assert "No conversation matches these filters" in html
    assert re.search(r'<a href="\?"[^>]*>Clear the filters</a>', html)
    assert "No conversation matches this search" in rita.get(f"{LIST}?q=nothing").content.decode()
    Session.objects.all().delete()
    assert "No conversations yet" in rita.get(LIST).content.decode()


def test_a_view_is_saved_shared_and_removed(rita: Client) -> None:
    omar = reviewer("omar")
    html = rita.get(f"{LIST}?review=flagged&p=2&model=demo", follow=True).content.decode()
    assert 'name="query" value="model=demo&amp;review=flagged"' in html
    for name, shared in (("Ours", "yes"), ("My own", "")):
        rita.post(f"{LIST}views/", {"name": name, "query": "p=2&review=flagged&model=demo", "shared": shared})
    assert "Ours" in omar.get(LIST).content.decode()
    assert "My own" not in omar.get(LIST).content.decode()
    current = rita.get(f"{LIST}?model=demo&review=flagged").content.decode()
    assert 'aria-current="page" title="Shared with the team">Ours' in current
    view = SavedView.objects.get(name="Ours")
    assert view.query == "model=demo&review=flagged"
    omar.post(f"{LIST}views/{view.pk}/")
    assert SavedView.objects.filter(pk=view.pk).exists()
    rita.post(f"{LIST}views/", {"name": "Ours", "query": "review=done"})
    assert list(SavedView.objects.filter(name="Ours").values_list("query", "shared")) == [
        ("review=done", False)
    ]
    rita.post(f"{LIST}views/{view.pk}/")
    assert not SavedView.objects.filter(pk=view.pk).exists()
    assert "needs a name" in rita.post(f"{LIST}views/", {"name": " "}, follow=True).content.decode()
