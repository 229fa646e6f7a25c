"""A person's page, and the places where searched words were said."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.admin.hits import marked
from sessions_app.admin.search import words_of
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import ACCOUNT_DELETED
from sessions_app.models import ReviewState, Session
from tests.admin.conftest import signed_in
from tests.admin.desk import LIST, do, ended, page_of, reviewer, staff
from tests.admin.rows import NOON, message, started, turn, user_says, write_session

pytestmark = pytest.mark.django_db

PERSON = f"{LIST}person"


@pytest.fixture
def rita() -> Client:
    return reviewer("rita")


def at(path: str, **query: str) -> str:
    """Where the page of ``kind/key`` is."""
    kind, _, key = path.partition("/")
    return f"{PERSON}/{kind}/?{urlencode({'key': key, **query})}"


def person(client: Client, path: str, **query: str) -> str:
    response = client.get(at(path, **query))
    assert response.status_code == 200, response
    return response.content.decode()


@pytest.mark.parametrize(
    ("costs", "words"),
    [([(0, 2)], "unknown"), ([(1_500_000, 0), (500_000, 1)], "$2.00 + unknown"), ([(2_000_000, 0)], "$2.00")],
)
def test_what_a_person_cost_is_told_as_it_is_of_each_session(
    rita: Client, costs: list[tuple[int, int]], words: str
) -> None:
    """Where no price is known it did not cost nothing."""
    for number, (cost, unpriced) in enumerate(costs):
        ended(f"s{number}", guest_id="guest77", cost_microusd=cost, unpriced=unpriced)
    assert f"<dt>Cost</dt><dd>{words}</dd>" in person(rita, "guest/guest77")


def test_from_a_session_to_its_person_and_back(rita: Client) -> None:
    ada = User.objects.create_user("ada", email="ada@example.com", first_name="Ada", last_name="Lovelace")
    ended("s1", user=ada, title="Lost luggage")
    ended("s2", user=ada, hours_ago=1, words="about zebras", review_state=ReviewState.FLAGGED)
    ended("other", title="Somebody else's")
    do(rita, "s1", "score", score="3")
    do(rita, "s2", "score", score="4")
    for html, way in ((unescape(page_of(rita, "s1")), {"of": "s1"}), (rita.get(LIST).content.decode(), {})):
        assert f'href="{at(f"user/{ada.pk}", **way)}"' in html
    html = person(rita, f"user/{ada.pk}")
    for shown in ("ada", "Ada Lovelace", "Lost luggage", "about zebras", "3.5 of 5"):
        assert shown in html
    assert f'href="{LIST}s1/change/?{urlencode({"person": f"user?key={ada.pk}"})}"' in html
    assert "Somebody else" not in html
    assert "ada@example.com" not in html  # which takes the right to see users
    assert "ada@example.com" in person(signed_in(User.objects.create_superuser("root")), f"user/{ada.pk}")


def test_figures_lead_to_what_they_count_and_messages_are_counted_one_way(rita: Client) -> None:
    ada = User.objects.create_user("ada")
    ended("s1", user=ada, title="Fine one", user_messages=4, assistant_messages=4)
    ended("s2", user=ada, title="Bad one", failed_responses=1, review_state=ReviewState.FLAGGED)
    html = person(rita, f"user/{ada.pk}")
    assert "8 messages" in html
    counted = sum(one.user_messages + one.assistant_messages for one in Session.objects.all())
    assert counted >= 8
    assert f"<dt>Messages</dt><dd>{counted}</dd>" in html
    for only in ("failed", "flagged"):
        assert f'href="?key={ada.pk}&amp;only={only}"' in html
        narrowed = person(rita, f"user/{ada.pk}", only=only)
        assert "Bad one" in narrowed
        assert "Fine one" not in narrowed
        assert f'<a href="?key={ada.pk}">2</a>' in narrowed
    assert "Fine one" in person(rita, f"user/{ada.pk}", only="nonsense")


def test_a_guest_and_a_shops_own_user_have_a_page_each(rita: Client) -> None:
    shop = User.objects.create(username="shop")
    ended("g1", guest_id="c0ffee5599aa", title="A guest's")
    ended("e1", user=shop, external_user_id="customer/7", title="Of customer seven")
    ended("e2", user=shop, external_user_id="customer/8", title="Of customer eight")
    html = person(rita, "guest/c0ffee5599aa")
    assert "Guest c0ffee55" in html
    assert "A guest&#x27;s" in html or "A guest's" in html
    one = person(rita, f"external/{shop.pk}:customer/7")
    assert "Of customer seven" in one
    assert "Of customer eight" not in one
    whole = person(rita, f"user/{shop.pk}")
    assert f'href="{at(f"external/{shop.pk}:customer/8", person=f"user?key={shop.pk}")}"' in unescape(whole)
    assert f'href="{at(f"external/{shop.pk}:customer/7", of="e1")}"' in unescape(page_of(rita, "e1"))


def test_nobody_known_has_no_page(rita: Client) -> None:
    ended("nobodys")
    ended("deleted", external_user_id=ACCOUNT_DELETED)
    assert PERSON not in page_of(rita, "nobodys")
    assert PERSON not in page_of(rita, "deleted")
    for path in ("user/999999", "user/x", "guest/nobody", "external/1:x", "shop/1", "user/" + "9" * 40):
        assert rita.get(at(path)).status_code == 404
    assert signed_in(staff("blind")).get(at("user/1")).status_code == 403
    assert rita.get(f"{PERSON}/user/").status_code == 404


@pytest.mark.parametrize("key", ["a\nb", "a/../b", "..", "?x=1&key=2", "é \t#%2F", "/"])
def test_whatever_a_shop_calls_its_users_each_has_a_page(rita: Client, key: str) -> None:
    shop = User.objects.create(username="shop")
    for number in range(31):
        ended(f"s{number:02}", user=shop, external_user_id=key, hours_ago=number)
    link = re.search(f'href="({PERSON}/external/[^"]*)"', rita.get(LIST).content.decode())
    assert link
    first = rita.get(unescape(link[1])).content.decode()
    assert "s29/change" in first
    older = re.search('rel="next" href="([^"]*)"', first)
    assert older
    assert "s30/change" in rita.get(f"{PERSON}/external/{unescape(older[1])}").content.decode()
    assert unescape(link[1]) in unescape(person(rita, f"user/{shop.pk}"))


def test_many_sessions_of_a_person_are_paged(rita: Client) -> None:
    for number in range(35):
        ended(f"s{number:02}", guest_id="g1", hours_ago=number)
    first = person(rita, "guest/g1")
    assert "s00/change" in first
    assert "s34/change" not in first
    assert "s34/change" in person(rita, "guest/g1", page="2")
    assert person(rita, "guest/g1", page="x")


def test_a_bad_rating_stands_beside_what_was_asked_and_answered(rita: Client) -> None:
    ada = User.objects.create_user("ada")
    bad = [
        ev.FeedbackGiven(item_id=item, rating=ev.Rating.DOWN, comment=comment)
        for item, comment in (("item_1", "Wrong shop."), ("item_2", ""))
    ]
    events = [*turn(1, words="about zebras"), *turn(2, words="about yaks"), *bad]
    write_session(events, session_id="s1", user=ada, status="ended", end_time=NOON, feedback_down=2)
    html = unescape(person(rita, f"user/{ada.pk}"))
    rated = html.split('aria-label="What they rated bad"')[1].split("</section>")[0]
    assert "2 answers" in rated
    first = rated.split("<li>")[2]
    way = urlencode({"hit": "7", "person": f"user?key={ada.pk}"})
    assert "Wrong shop." in first
    assert "<dd>question 1 about zebras</dd>" in first
    assert f'<a href="{LIST}s1/change/?{way}">answer 1 about zebras</a>' in first
    assert "answer 2 about yaks" in rated.split("<li>")[1]
    page = page_of(rita, "s1", f"?{way}")
    assert 'data-hit="7"' in page
    assert "Of these with a bad rating" in html
    assert f'<time datetime="{NOON.isoformat()}"' in html.split("Last seen")[1]
    assert "Person: ada" in html


# Search


def test_what_was_said_is_found_with_its_words_around_it(rita: Client) -> None:
    filler = [event for number in range(100) for event in turn(number, words="nothing")]
    hit = user_says('I paid for a platypus & "it" never came', "item_hit")
    write_session(
        [*filler, hit, started("resp_last"), message("Sorry.", "resp_last", "item_last")], title="T"
    )
    html = rita.get(LIST, {"q": "text:platypus never"}).content.decode()
    assert "a <mark>platypus</mark> &amp; &quot;it&quot; <mark>never</mark> came" in html
    assert f"hit={len(filler) + 1}&amp;words=platypus+never" in html
    session = Session.objects.get()
    page = page_of(rita, session.pk, f"?hit={len(filler) + 1}&words=platypus+never")
    assert f'data-hit="{len(filler) + 1}" data-words="platypus never"' in page
    assert f'id="seq-{len(filler) + 1}"' in page
    assert "question 99 " in page  # some of what went before
    assert "question 1 " not in page


def test_words_of_a_summary_are_shown_in_it(rita: Client) -> None:
    long = "Nothing of interest. " * 40 + 'She wants her *refund* & "now". ' + "Nothing more. " * 40
    write_session(turn(1), title="A call", summary=long, summary_state="written")
    html = rita.get(LIST, {"q": "refund"}).content.decode()
    assert "<mark>refund</mark> &amp; &quot;now&quot;" in html
    assert "Look in what was said" in html


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("text:refund", ["refund"]),
        ("Text: refund", ["refund"]),
        ('text:"cancel my order" -invoice or credit', ["cancel", "my", "order", "credit"]),
        ('refund -"not this one" now', ["refund", "now"]),
        ("", []),
        ("text:日本語", ["日本語"]),
    ],
)
def test_the_words_to_mark(term: str, words: list[str]) -> None:
    assert words_of(term) == words


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a \ue000b\ue001 c", "a <mark>b</mark> c"),
        ("\ue000<x>\ue001", "<mark>&lt;x&gt;</mark>"),
        ("\ue000a \ue000b\ue001 \ue001", "a <mark>b</mark> "),
        ("\ue001", ""),
    ],
)
def test_marks_are_always_whole(text: str, html: str) -> None:
    assert marked(text) == html


@pytest.mark.parametrize(
    "query", ["hit=0", "hit=99999999", "hit=x&words=a", "hit=3&words=%22%3E", "hit=" + "9" * 50]
)
def test_a_hit_that_is_nowhere_is_no_error(rita: Client, query: str) -> None:
    ended("s1")
    html = page_of(rita, "s1", f"?{query}")
    assert "question 1" in html


def test_a_hit_in_a_very_long_answer_is_on_its_page(rita: Client) -> None:
    events: list[Any] = [user_says("Go"), started()]
    events += [message(f"part {number}", item_id=f"item_{number}") for number in range(300)]
    session = write_session(events, title="Long")
    for seq in (3, 160, 290):
        assert f'id="seq-{seq}"' in page_of(rita, session.pk, f"?hit={seq}")


def test_what_goes_on_is_not_to_be_reviewed_yet(rita: Client) -> None:
    ended("over", guest_id="c0ffee5599aa")
    write_session(turn(1), session_id="goes-on", guest_id="c0ffee5599aa")
    asked = '<dt>To review</dt><dd><a href="?key=c0ffee5599aa&amp;only=review">1</a></dd>'
    assert asked in person(rita, "guest/c0ffee5599aa")
