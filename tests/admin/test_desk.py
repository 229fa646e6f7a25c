"""Reviewing a session: what the panel does, what it leaves behind, and who may."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import formats, timezone

from sessions_app.admin import erasing, filters, many
from sessions_app.admin.sessions import SessionAdmin
from sessions_app.desk import acts
from sessions_app.models import (
    EraseActor,
    ReviewEvent,
    ReviewNote,
    ReviewState,
    SavedView,
    Session,
    SessionReview,
    SessionTag,
)
from sessions_app.privacy.erase import By, delete_session, erase_session
from tests.admin.conftest import signed_in
from tests.admin.desk import LIST, do, ended, listed, page_of, reviewer, staff
from tests.admin.rows import turn, write_session
from tests.privacy.words import MARK, rows_with, session_full_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rita() -> Client:
    return reviewer("rita")


def history(session_id: str = "s1") -> list[tuple[str, str, str, str]]:
    events = ReviewEvent.objects.filter(session_id=session_id).order_by("id")
    return list(events.values_list("staff_name", "act", "old", "new"))


def test_a_state_is_set_and_every_change_of_it_has_a_name(rita: Client) -> None:
    ended("s1")
    for state in ("in_review", "flagged", "flagged", "done"):
        assert do(rita, "s1", "state", state=state).status_code == 302
    assert Session.objects.get().review_state == ReviewState.DONE
    assert history() == [
        ("rita", "state", "New", "In review"),
        ("rita", "state", "In review", "Flagged"),
        ("rita", "state", "Flagged", "Done"),
    ]
    html = page_of(rita, "s1")
    assert "In review → Flagged" in html
    assert html.index("Flagged → Done") < html.index("New → In review")


def test_a_session_is_assigned_to_who_may_review_and_to_nobody_else(rita: Client) -> None:
    ended("s1")
    omar, vera = staff("omar", "review_session"), staff("vera", "view_session")
    do(rita, "s1", "assign", assignee=str(omar.pk))
    assert Session.objects.get().assignee == omar
    assert "cannot review" in rita.get(do(rita, "s1", "assign", assignee=str(vera.pk)).url).content.decode()
    assert Session.objects.get().assignee == omar
    do(rita, "s1", "assign", assignee="me")
    do(rita, "s1", "assign", assignee="")
    assert Session.objects.get().assignee is None
    assert [event[2:] for event in history()] == [("nobody", "omar"), ("omar", "rita"), ("rita", "nobody")]


def test_tags_come_and_go_and_capitals_make_no_second_one(rita: Client) -> None:
    ended("s1")
    ended("s2", hours_ago=1)
    for session_id, name in (("s1", "Refund"), ("s1", "refund "), ("s2", "REFUND"), ("s1", "vip")):
        do(rita, session_id, "tag", tag=name)
    assert set(SessionTag.objects.values_list("session_id", "tag__name")) == {
        ("s1", "refund"),
        ("s2", "refund"),
        ("s1", "vip"),
    }
    assert listed(rita, "tag=refund") == ["s1", "s2"]
    do(rita, "s1", "untag", tag="refund")
    assert listed(rita, "tag=refund") == ["s2"]
    assert [event[1] for event in history()] == ["tagged", "tagged", "untagged"]
    html = page_of(rita, "s1")
    assert "took a tag away: refund" in html
    assert "added a tag: vip" in html
    assert listed(rita, "tag=no-such-tag") == []


def test_a_tag_of_very_many_lists_the_newest_and_says_so(
    rita: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MAX_TAGGED", 1)
    for number in range(2):
        ended(f"s{number}", hours_ago=number)
        do(rita, f"s{number}", "tag", tag="vip")
    assert listed(rita, "tag=vip") == ["s0"]
    assert "More than 1 sessions have this tag" in rita.get(f"{LIST}?tag=vip").content.decode()


def test_a_score_has_a_reason_and_is_given_anew(rita: Client) -> None:
    ended("s1")
    do(rita, "s1", "score", score="2", reason="Promised  what\nwe cannot do")
    do(rita, "s1", "score", score="4", reason="On second thought")
    review = SessionReview.objects.get()
    assert (review.score, review.score_reason) == (4, "On second thought")
    assert [event[1:] for event in history()] == [("scored", "", "2 of 5"), ("scored", "2", "4 of 5")]
    html = page_of(reviewer("omar"), "s1")
    assert "On second thought" in html
    assert 'value="4" checked' in html


def test_a_note_is_found_by_whom_it_names(rita: Client) -> None:
    ended("s1", title="Lost luggage")
    omar, vera = staff("omar", "view_session", "review_session"), staff("vera", "view_session")
    do(rita, "s1", "note", note="@Omar, look: <b>it lies</b>. cc @vera @nobody rita@omar.example")
    html = page_of(rita, "s1")
    assert "<b>@Omar</b>, look: &lt;b&gt;it lies&lt;/b&gt;" in html
    client = Client()
    client.force_login(omar)
    assert '<span class="menu-count" data-count="1">1</span>' in client.get(LIST).content.decode()
    mentions = client.get(f"{LIST}mentions/").content.decode()
    assert "Lost luggage" in mentions
    assert "&lt;b&gt;it lies&lt;/b&gt;" in mentions
    note = ReviewNote.objects.get()
    client.post(f"{LIST}mentions/", {"note": str(note.pk)})
    assert '<span class="menu-count" data-count="0">0</span>' in client.get(LIST).content.decode()
    assert list(note.mentions.values_list("user__username", flat=True)) == ["omar"]
    assert vera.pk not in note.mentions.values_list("user_id", flat=True)


@pytest.mark.parametrize(
    ("act", "form", "words"),
    [
        ("state", {"state": "lost"}, "no such state"),
        ("score", {"score": "6"}, "from 1 to 5"),
        ("score", {"score": "٣"}, "from 1 to 5"),
        ("tag", {"tag": " , "}, "needs a name"),
        ("note", {"note": "\x00 "}, "needs a text"),
        ("assign", {"assignee": "99999999999999999999"}, "cannot review"),
        ("assign", {"assignee": f"{'1' * 18}x"}, "cannot review"),
        ("fly", {}, "no such act"),
        ("", {}, "no such act"),
    ],
)
def test_nonsense_is_refused_in_words_and_changes_nothing(
    rita: Client, act: str, form: dict[str, str], words: str
) -> None:
    ended("s1")
    answer = do(rita, "s1", act, **form)
    assert answer.status_code == 302
    assert words in rita.get(answer.url).content.decode()
    assert history() == []


def test_a_session_takes_so_many_tags_and_no_more(rita: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "MAX_TAGS", 1)
    ended("s1")
    do(rita, "s1", "tag", tag="one")
    assert "1 tags at most" in rita.get(do(rita, "s1", "tag", tag="two").url).content.decode()
    assert SessionTag.objects.count() == 1


def test_the_script_gets_the_panel_alone_and_is_told_what_was_refused(rita: Client) -> None:
    ended("s1")
    answer = rita.post(f"{LIST}s1/review/", {"act": "tag", "tag": "vip"}, headers={"X-Desk": "1"})
    html = answer.content.decode()
    assert (answer.status_code, "vip" in html, "<html" in html) == (200, True, False)
    answer = rita.post(f"{LIST}s1/review/", {"act": "score", "score": "9"}, headers={"X-Desk": "1"})
    assert (answer.status_code, "from 1 to 5" in answer.content.decode()) == (409, True)


def test_the_history_is_append_only_and_outlives_an_account() -> None:
    ended("s1")
    rita = staff("rita", "review_session")
    acts.set_state(session_id="s1", state=ReviewState.DONE, by=acts.Reviewer(rita.pk, "rita"))
    for change in ({"new": "New"}, {"staff_name": "omar"}, {"staff": staff("omar")}):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            ReviewEvent.objects.update(**change)
    User.objects.all().delete()
    event = ReviewEvent.objects.get()
    assert (event.staff, event.staff_name) == (None, "rita")


def test_what_reviewers_wrote_goes_with_the_words_and_what_they_did_stays(rita: Client) -> None:
    session_full_of(MARK)
    do(rita, "s1", "note", note=f"She said {MARK}")
    do(rita, "s1", "tag", tag=f"{MARK} a")
    do(rita, "s1", "untag", tag=f"{MARK} a")
    do(rita, "s1", "tag", tag=f"{MARK} b")
    do(rita, "s1", "score", score="1", reason=f"{MARK}!")
    do(rita, "s1", "state", state="done")
    erase_session(session_id="s1", by=By(actor=EraseActor.COMMAND))
    assert rows_with(MARK) == []
    assert [event[1] for event in history()] == ["noted", "tagged", "untagged", "tagged", "scored", "state"]
    assert SessionReview.objects.get().score == 1
    assert "erased" in rita.get(do(rita, "s1", "note", note="again").url).content.decode()
    assert not ReviewNote.objects.exists()


def test_a_deleted_session_takes_its_reviews_along(rita: Client) -> None:
    ended("s1")
    do(rita, "s1", "note", note="A note")
    do(rita, "s1", "score", score="3")
    do(rita, "s1", "tag", tag="vip")
    assert delete_session(session_id="s1", by=By(actor=EraseActor.RETENTION))
    for table in ("review_events", "review_notes", "session_reviews", "session_tags"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,), table


def test_who_may_only_read_sees_the_review_and_changes_nothing(rita: Client) -> None:
    ended("s1")
    do(rita, "s1", "note", note="Seen by all staff")
    vera = Client()
    vera.force_login(staff("vera", "view_session"))
    html = page_of(vera, "s1")
    assert "Seen by all staff" in html
    assert "review/" not in html
    assert do(vera, "s1", "state", state="done").status_code == 403
    assert Session.objects.get().review_state == ReviewState.NEW
    for answer in (
        vera.get(f"{LIST}queue/"),
        vera.post(f"{LIST}queue/"),
        vera.get(f"{LIST}mentions/"),
        vera.post(f"{LIST}views/", {"name": "x"}),
        vera.post(f"{LIST}many/", {"session": "s1", "tag": "x"}),
    ):
        assert answer.status_code == 403
    assert "mark_done" not in vera.get(LIST).content.decode()


def test_who_may_not_read_sessions_reviews_none() -> None:
    ended("s1")
    blind = signed_in(staff("blind", "review_session"))
    for path, form in (
        ("queue/", {"view": ""}),
        ("mentions/", {"note": "1"}),
        ("views/", {"name": "x"}),
        ("many/", {"session": "s1", "tag": "x"}),
        ("s1/review/", {"act": "state", "state": "done"}),
    ):
        assert blind.post(f"{LIST}{path}", form).status_code == 403
    assert blind.get(f"{LIST}queue/").status_code == 403
    assert Session.objects.get().review_state == ReviewState.NEW


def test_nonsense_for_the_mentions_is_passed_over(rita: Client) -> None:
    form = {"note": [f"{'1' * 18}x", "9" * 30, "-1", ""]}
    assert rita.post(f"{LIST}mentions/", form).status_code == 302


@pytest.mark.parametrize("words", ["ü" * 900, "x" * 2_100])
def test_filters_that_are_too_long_to_be_kept_are_refused_in_words(rita: Client, words: str) -> None:
    answer = rita.post("/admin/sessions_app/session/views/", {"name": "Long", "query": f"q={words}"})
    assert answer.status_code == 302
    assert "too long to be kept" in rita.get("/admin/sessions_app/session/").content.decode()
    assert not SavedView.objects.exists()


def test_a_view_is_removed_after_a_question_that_says_for_whom(rita: Client) -> None:
    for name, words in (("shared", "it goes for your colleagues, too"), ("own", "is yours alone")):
        form = {"name": name, "query": f"q={name}", **({"shared": "yes"} if name == "shared" else {})}
        html = rita.post(f"{LIST}views/", form, follow=True).content.decode()
        asks = html[html.index("Remove this view") :]
        assert "<summary" in html[: html.index("Remove this view")][-80:]
        assert words in asks[: asks.index("Remove it")]


def test_it_is_told_to_whom_many_were_assigned(rita: Client) -> None:
    ended("s1")
    rita_id = User.objects.get(username="rita").pk
    for assignee, name in ((str(rita_id), "rita"), ("", "nobody")):
        form = {"session": "s1", "assignee": assignee}
        said = rita.post(f"{LIST}many/", form, follow=True).content.decode()
        assert f"1 session assigned to {name}." in said


# Many at once


def test_many_are_marked_and_assigned_from_the_list(rita: Client) -> None:
    for number in range(3):
        ended(f"s{number}", hours_ago=number)
    chosen = {"_selected_action": ["s0", "s2"]}
    answer = rita.post(LIST, {"action": "mark_done", **chosen}, follow=True)
    assert "2 sessions done." in answer.content.decode()
    assert listed(rita, "review=done") == ["s0", "s2"]
    rita.post(LIST, {"action": "assign_to_me", **chosen})
    assert listed(rita, "assignee=me") == ["s0", "s2"]
    assert ReviewEvent.objects.count() == 4


def test_many_are_flagged_and_that_is_taken_back(rita: Client) -> None:
    for number in range(3):
        ended(f"s{number}", hours_ago=number)
    chosen = {"_selected_action": ["s0"], "select_across": "1"}
    said = rita.post(LIST, {"action": "mark_flagged", **chosen}, follow=True).content.decode()
    assert "3 sessions flagged." in said
    assert listed(rita, "review=flagged") == ["s0", "s1", "s2"]
    (change,) = re.findall(r'name="undo" value="([^"]*)"', said)
    rita.post(f"{LIST}many/", {"undo": unescape(change), "here": LIST})
    assert listed(rita, "review=new") == ["s0", "s1", "s2"]


def test_whose_it_is_is_shown_though_they_review_no_more(rita: Client) -> None:
    """A choice without them stood at "Nobody", which is somebody else's to do, and one press made it so."""
    ended("s0")
    otto = staff("otto", "view_session", "review_session")
    do(rita, "s0", "assign", assignee=str(otto.pk))
    User.objects.filter(pk=otto.pk).update(is_active=False)
    html = page_of(rita, "s0")
    (chosen,) = re.findall(r'<option value="(\d*)"[^>]* selected>([^<]*)', html)
    assert chosen == (str(otto.pk), "otto (reviews no more)")
    assert f'data-name="{otto.username}"' not in html  # no note can name them
    said = do(rita, "s0", "assign", assignee=chosen[0])
    assert "cannot review" in rita.get(said.url).content.decode()
    assert Session.objects.get(pk="s0").assignee == otto


def test_what_left_the_list_meanwhile_is_left_alone_and_that_is_said(rita: Client) -> None:
    """A colleague was faster with one of those that are ticked, or with all of them."""
    for number in range(3):
        ended(f"s{number}", hours_ago=number)
    otto = reviewer("otto")
    do(otto, "s1", "state", state="flagged")
    chosen = {"_selected_action": ["s0", "s1", "s2"]}
    to_review = f"{LIST}?review=new"
    said = rita.post(to_review, {"action": "tag_or_assign", **chosen}, follow=True).content.decode()
    assert "1 that you chose is not in this list any more: nothing was done with it." in said
    said = rita.post(to_review, {"action": "mark_done", **chosen}, follow=True).content.decode()
    assert "2 sessions done. 1 that you chose is not in this list any more" in said
    assert listed(rita, "review=flagged") == ["s1"]
    said = rita.post(to_review, {"action": "mark_done", **chosen}, follow=True).content.decode()
    assert (
        "0 sessions done. 3 that you chose are not in this list any more: nothing was done with them." in said
    )
    gone = rita.post(to_review, {"action": "tag_or_assign", **chosen}, follow=True)
    assert gone.redirect_chain
    assert "3 that you chose are not in this list any more" in gone.content.decode()


def test_all_that_match_may_be_chosen_while_they_are_few(
    rita: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionAdmin, "list_per_page", 2)
    for number in range(5):
        ended(f"s{number}")
    assert "Select all 5" in rita.get(LIST).content.decode()
    monkeypatch.setattr(many, "AT_ONCE", 4)
    assert "Select all 5" not in rita.get(LIST).content.decode()


def test_erasing_stands_apart_from_what_can_be_undone(db: None) -> None:
    ended("s1")
    page = signed_in(User.objects.create_superuser("root")).get(LIST).content.decode()
    (apart,) = re.findall(r"<optgroup[^>]*>(.*?)</optgroup>", page, re.DOTALL)
    assert re.findall(r'value="(\w+)"', apart) == ["erase"]
    assert 'value="tag_or_assign"' in page.replace(apart, "")


def test_the_list_tells_and_sorts_by_the_reviewers_score(rita: Client) -> None:
    for number, score in enumerate((2, 5, 0)):
        ended(f"s{number}", hours_ago=number)
        if score:
            do(rita, f"s{number}", "score", score=str(score), reason="x")
    page = rita.get(LIST).content.decode()
    assert re.findall(r"field-score[^>]*>(?:<span[^>]*>)?([\d-])", page) == ["2", "5", "-"]
    column = SessionAdmin.list_display.index("score") + 1
    assert listed(rita, f"o=-{column}") == ["s1", "s0", "s2"]


def test_the_question_before_tagging_many_names_who_and_when(rita: Client) -> None:
    ended("s1", guest_id="c0ffee5599aa")
    asked = rita.post(LIST, {"action": "tag_or_assign", "_selected_action": ["s1"]}).content.decode()
    day = formats.date_format(timezone.localtime(Session.objects.get().start_time), "j M Y, H:i")
    assert f"Guest c0ffee55 &middot; {day}" in asked


def test_one_that_takes_no_more_tags_does_not_keep_the_others(
    rita: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acts, "MAX_TAGS", 1)
    for number in range(4):
        ended(f"s{number}")
    do(rita, "s0", "tag", tag="full")
    do(rita, "s2", "tag", tag="later")
    form = {"session": [f"s{number}" for number in range(4)], "tag": "later"}
    html = rita.post(f"{LIST}many/", form, follow=True).content.decode()
    assert sorted(listed(rita, "tag=later")) == ["s1", "s2", "s3"]
    assert "2 sessions tagged." in html
    assert "A session takes 1 tags at most. 1 of them has so many." in html


def test_many_are_tagged_after_a_question(rita: Client) -> None:
    for number in range(3):
        ended(f"s{number}", hours_ago=number)
    omar = staff("omar", "review_session")
    chosen = {"_selected_action": ["s0", "s1"]}
    asked = rita.post(f"{LIST}?review=new", {"action": "tag_or_assign", **chosen}).content.decode()
    assert "2 sessions" in asked
    form = {"session": ["s0", "s1", "gone"], "tag": "Later", "assignee": str(omar.pk), "back": "review=new"}
    answer: Any = rita.post(f"{LIST}many/", form)
    assert answer.url == f"{LIST}?review=new"
    assert listed(rita, "tag=later") == ["s0", "s1"]
    assert listed(rita, f"assignee={omar.pk}") == ["s0", "s1"]
    assert listed(rita, "assignee=nobody") == ["s2"]
    rita.post(f"{LIST}many/", {"session": ["s0"], "assignee": "keep"})
    assert listed(rita, f"assignee={omar.pk}") == ["s0", "s1"]


def test_of_all_that_match_no_more_are_read_than_may_be_changed(
    rita: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "AT_ONCE", 2)
    monkeypatch.setattr(erasing, "MOST_AT_ONCE", 2)
    for number in range(5):
        ended(f"s{number}")
    root = signed_in(User.objects.create_superuser("root"))
    for action in ("mark_done", "assign_to_me", "tag_or_assign", "erase"):
        form = {"action": action, "_selected_action": ["s0"], "select_across": "1"}
        with CaptureQueriesContext(connection) as queries:
            answer = root.post(LIST, form)
        assert any("LIMIT 3" in query["sql"] for query in queries), action
        words = str([str(said) for said in get_messages(answer.wsgi_request)])
        assert "At most 2" in words
    monkeypatch.setattr(SessionAdmin, "list_per_page", 2)
    assert "Select all 5" not in root.get(LIST).content.decode()
    assert not Session.objects.exclude(review_state=ReviewState.NEW).exists()


# Titles


def test_a_session_is_called_by_its_first_words_and_never_by_its_id(rita: Client) -> None:
    write_session(turn(1, words="about " + "platypus " * 40), session_id="0199aaaa-bbbb")
    row = rita.get(LIST).content.decode().split('id="result_list"')[1].split("</table>")[0]
    assert "question 1 about platypus" in row
    assert ">0199aaaa-bbbb<" not in row
    html = page_of(rita, "0199aaaa-bbbb")
    assert "<h2>question 1 about platypus" in html
    assert html.index("0199aaaa-bbbb</code>") > html.index("<summary>Details</summary>")
    assert len(Session.objects.get().first_words) <= 120
