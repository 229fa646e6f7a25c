"""Waiting for you: what is listed, in which words, and what can be done about it in place."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app import hooks
from sessions_app.errors import DecisionRefused
from sessions_app.log import events as ev
from sessions_app.log.attention import news_of
from sessions_app.models import EraseActor, InboxItem, Session, Settled, SummaryState
from sessions_app.privacy.erase import By, delete_session, erase_session
from sessions_app.selectors.inbox import (
    MOST_COUNTED,
    PAGE_ITEMS,
    count_by_kind,
    count_waiting,
    counts_waiting,
    read_inbox,
)
from tests.admin.conftest import PASSWORD, signed_in
from tests.admin.rows import call, done, message, records_of, result, started, user_says, write_session

PAGE = "/admin/sessions_app/inboxitem/"
COUNT = f"{PAGE}count/"
ASKED = ev.ToolApprovalRequested(
    response_id="resp_1",
    item_id="apr_1",
    call_id="call_1",
    output_index=0,
    name="pay",
    arguments='{"amount": 5}',
    asks="Pay 5 € to <Ann>?\nUrgent: no",
)


def write(events: list[ev.Event], session_id: str = "s1", **fields: Any) -> Session:
    """As the journal would: the session, its log, and what of it waits."""
    session = write_session(events, session_id=session_id, **fields)
    for news in news_of(records_of(session_id, events)):
        if news.opens:
            InboxItem.objects.create(
                session=session,
                kind=news.opens,
                ref=news.ref,
                response_id=news.response_id,
                waits_for=news.waits_for,
                seq=news.seq,
                at=news.at,
            )
    return session


def approval(**fields: Any) -> InboxItem:
    write([user_says("Pay Ann"), started(), ASKED, done()], title="Rent", **fields)
    return InboxItem.objects.get()


def act(client: Client, item: InboxItem, what: str, **more: str) -> str:
    response = client.post(f"{PAGE}{item.pk}/act/", {"act": what, **more}, follow=True)
    return str(response.content.decode()) if response.status_code == 200 else str(response.status_code)


def test_a_reviewer_puts_away_and_brings_back_and_decides_nothing(
    db: None, decisions: list[hooks.Decision]
) -> None:
    user = User.objects.create_user("rita", password=PASSWORD, is_staff=True)
    wanted = Permission.objects.filter(
        codename__in=["view_session", "review_session"], content_type__app_label="sessions_app"
    )
    user.user_permissions.set(wanted)
    reviewer = signed_in(user)
    asked = approval()
    write([user_says("x"), started(), done(status="failed")], "s2")
    failed = InboxItem.objects.get(session_id="s2")
    html = reviewer.get(PAGE).content.decode()
    assert html.count('value="dismiss"') == 2  # of the row, and of those that are chosen
    assert 'value="again"' not in html
    assert 'value="approve"' not in html
    assert "Put away." in act(reviewer, failed, "dismiss")
    assert "It waits again." in act(reviewer, failed, "back")
    assert [act(reviewer, asked, one) for one in ("approve", "refuse", "again")] == ["403"] * 3
    assert "That cannot be done" in act(reviewer, asked, "dismiss")
    assert decisions == []


@pytest.fixture
def decisions() -> Iterator[list[hooks.Decision]]:
    kept, heard = list(hooks._deciders), list[hooks.Decision]()
    hooks.on_decision(heard.append)
    yield heard
    hooks._deciders[:] = kept


@pytest.fixture
def agains() -> Iterator[list[hooks.Again]]:
    kept, heard = list(hooks._again), list[hooks.Again]()
    hooks.on_again(heard.append)
    yield heard
    hooks._again[:] = kept


def test_each_kind_is_told_in_words_with_its_way_to_the_very_answer(viewer: Client) -> None:
    user = User.objects.create(username="ada")
    write([user_says("Pay Ann"), started(), ASKED, done()], title="Rent", user=user)
    failed = done(status="failed", reason="model_timeout", message="The model did not answer in time.")
    write([user_says("x"), started(), failed], "s2", guest_id="0123456789abcdef")
    stopped = done(status="incomplete", reason="budget_exceeded", message="The budget is used up.")
    write([user_says("x"), started(), stopped], "s3")
    write([user_says("x"), ev.SummaryFailed(error="503 secret words", attempts=5)], "s4")
    html = viewer.get(PAGE).content.decode()
    for words in (
        "Pay 5 € to &lt;Ann&gt;?",
        "Urgent: no",
        "The user got no answer.",
        "The model did not answer in time.",
        "An answer was stopped, because the budget is used up.",
        "No summary could be written. It was tried 5 times.",
        "ada",
        "Guest 01234567",
    ):
        assert words in html
    assert "secret words" not in html
    assert html.index("Pay 5") < html.index("The user got no answer.")


def test_what_failed_after_a_yes_is_told_with_its_cause_and_marks_its_row(viewer: Client) -> None:
    broke = result("call_1", "The bank is closed.", name="pay", outcome=ev.Outcome.ERROR, approval_id="apr_1")
    write([user_says("Pay Ann"), started(), call("call_1", name="pay"), broke, done()], title="Rent")
    cut = done(status="incomplete", reason="interrupted", message="The server stopped while it answered.")
    write([user_says("x"), started(), cut], "s2", title="Cut")
    html = viewer.get(PAGE).content.decode()
    for words in ("Approved, but it failed: pay.", "The bank is closed.", "An answer was cut off"):
        assert words in html
    rows = viewer.get("/admin/sessions_app/session/").content.decode()
    assert rows.count("A tool failed after a yes") == 1
    assert rows.count("Answer cut off") == 1


def test_of_a_long_output_of_a_tool_the_row_has_the_beginning(viewer: Client) -> None:
    page = "<html>" + "x" * 9_990 + "the end"
    broke = result("call_1", page, name="pay", outcome=ev.Outcome.ERROR, approval_id="apr_1")
    write([user_says("Pay Ann"), started(), call("call_1", name="pay"), broke, done()], title="Rent")
    html = viewer.get(PAGE).content.decode()
    assert "&lt;html&gt;xxx" in html
    assert "the end" not in html
    assert "[600 of 10,003 characters; open it for the rest]" in html


def test_it_opens_at_the_very_answer(viewer: Client) -> None:
    def opened(item: InboxItem) -> str:
        return viewer.get(f"{PAGE}{item.pk}/open/")["Location"]

    disliked = ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.DOWN, reason="not_true", comment="<Lies>")
    answer: list[ev.Event] = [user_says("x"), started(), message("It is so."), done()]
    write([*answer, user_says("y"), started("resp_2"), done("resp_2", "failed"), disliked])
    failed, rated = InboxItem.objects.order_by("seq")
    assert opened(failed) == f"/admin/sessions_app/session/s1/change/?hit=6&inbox={failed.pk}%3A#seq-6"
    assert opened(rated) == f"/admin/sessions_app/session/s1/change/?hit=2&inbox={rated.pk}%3A#seq-2"
    html = viewer.get(PAGE).content.decode()
    assert "Not true" in html
    assert "&lt;Lies&gt;" in html
    assert 'id="seq-2"' in viewer.get(opened(rated)).content.decode()


def test_one_kind_can_be_looked_at_alone(viewer: Client) -> None:
    approval()
    write([user_says("x"), started(), done(status="failed")], "s2")
    html = viewer.get(f"{PAGE}?kind=approval").content.decode()
    assert "Pay 5" in html
    assert "got no answer" not in html
    assert "got no answer" in viewer.get(f"{PAGE}?kind=nonsense").content.decode()


def test_an_approval_is_decided_in_place(operator: Client, decisions: list[hooks.Decision]) -> None:
    item = approval()
    assert "Your yes is noted" in act(operator, item, "approve", reason=" fine\x00 ")
    assert decisions == [
        hooks.Decision(session_id="s1", approval_id="apr_1", approve=True, by="grace", reason="fine")
    ]
    assert "Refused: the assistant is told." in act(operator, item, "refuse")


def test_who_may_only_read_has_no_buttons_and_can_do_nothing(
    viewer: Client, decisions: list[hooks.Decision], agains: list[hooks.Again]
) -> None:
    item = approval()
    html = viewer.get(PAGE).content.decode()
    assert 'value="approve"' not in html
    for what in ("approve", "refuse", "dismiss", "again", "nonsense"):
        assert act(viewer, item, what) == "403"
    assert (decisions, agains) == ([], [])


def test_the_older_right_to_decide_decides_and_does_nothing_else(
    decisions: list[hooks.Decision], db: None
) -> None:
    user = User.objects.create_user("old", password=PASSWORD, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(
            codename__in=["view_session", "change_session"], content_type__app_label="sessions_app"
        )
    )
    client, item = signed_in(user), approval()
    act(client, item, "approve")
    assert len(decisions) == 1
    assert act(client, item, "dismiss") == "403"


def test_a_failed_answer_is_run_again_and_a_failed_summary_as_well(
    operator: Client, agains: list[hooks.Again]
) -> None:
    write([user_says("x"), started(), done(status="failed")])
    write([user_says("x"), ev.SummaryFailed(error="e", attempts=5)], "s2")
    answer, summary = InboxItem.objects.order_by("session_id")
    said = act(operator, answer, "again")
    assert "The model is asked again." in said
    assert "Asked again by grace: it leaves this list once it is answered." in said
    assert f'<a href="/admin/sessions_app/session/{answer.session_id}/change/">Look at the conv' in said
    assert "The summary is being written." in act(operator, summary, "again")
    assert agains == [
        hooks.Again(session_id="s1", response_id="resp_1", by="grace"),
        hooks.Again(session_id="s2", response_id="", by="grace"),
    ]


def test_why_it_cannot_be_run_again_is_told(operator: Client, agains: list[hooks.Again]) -> None:
    write([user_says("x"), started(), done(status="failed")])

    def refuse(again: hooks.Again) -> None:
        raise DecisionRefused("The conversation has gone on.")

    hooks.on_again(refuse)
    page = act(operator, InboxItem.objects.get(), "again")
    assert "Nothing was done. The conversation has gone on." in page


def test_what_is_put_away_waits_no_more_and_says_by_whom(operator: Client) -> None:
    write([user_says("x"), started(), done(status="failed")])
    item = InboxItem.objects.get()
    assert "Nothing waits" in act(operator, item, "dismiss")
    item.refresh_from_db()
    assert (item.settled_how, item.settled_by) == (Settled.DISMISSED, "grace")
    assert "Somebody was faster" in act(operator, item, "dismiss")


def test_many_are_put_away_at_once_and_brought_back(operator: Client) -> None:
    for number in range(3):
        write([user_says("x"), started(), done(status="failed")], f"s{number}")
    write([user_says("x"), started(), ASKED, done()], "s3")
    ids = list(InboxItem.objects.order_by("pk").values_list("pk", flat=True))
    many = f"{PAGE}many/"
    page = operator.post(many, {"act": "dismiss", "item": [ids[0], ids[1], ids[3], "x", 10**30]}, follow=True)
    html = page.content.decode()
    assert "2 put away." in html
    assert "Pay 5" in html
    assert count_waiting("ada") == 2
    undo = {"act": "back", "item": re.findall(r'name="item" value="(\d+)">', html)[:2]}
    assert sorted(undo["item"]) == [str(ids[0]), str(ids[1])]
    assert "2 wait again." in operator.post(many, undo, follow=True).content.decode()
    assert count_waiting("ada") == 4
    assert "Nothing was chosen." in operator.post(many, {"act": "dismiss"}, follow=True).content.decode()


def test_what_waits_in_one_conversation_is_one_row_and_is_put_away_together(operator: Client) -> None:
    events = [user_says("Pay Ann"), started(), ASKED, done(status="failed")]
    events += [user_says("x", "item_u2"), started("resp_2"), done("resp_2", status="failed")]
    write([*events, ev.SummaryFailed(error="503", attempts=2)])
    write([user_says("x"), started(), done(status="failed")], "s2")
    html = operator.get(PAGE).content.decode()
    rows = html.split('<li class="sx-card inbox-row')[1:]
    assert [row.count("data-open") for row in rows] == [1] * len(rows)
    together = [row for row in rows if "things wait here" in row]
    assert len(together) == 1
    assert len(rows) == 3  # the approval stands alone, as does the other conversation's failed answer
    waiting = InboxItem.objects.filter(session_id="s1").exclude(kind="approval")
    items = re.search(r'data-items="([\d ]+)"', together[0])
    assert items
    assert {int(one) for one in items.group(1).split()} == set(waiting.values_list("pk", flat=True))
    first = InboxItem.objects.get(pk=int(items.group(1).split()[0]))
    response = operator.post(
        f"{PAGE}{first.pk}/act/", {"act": "dismiss", "item": items.group(1)}, follow=True
    )
    told = response.content.decode()
    assert f"{len(items.group(1).split())} put away." in told
    assert not waiting.filter(settled_at__isnull=True).exists()
    assert InboxItem.objects.filter(kind="approval", settled_at__isnull=True).exists()
    operator.post(f"{PAGE}many/", {"act": "back", "item": items.group(1)})
    assert not waiting.filter(settled_at__isnull=False).exists()


def test_only_what_a_person_settled_can_be_brought_back(operator: Client) -> None:
    write([user_says("x"), started(), done(status="failed")])
    item = InboxItem.objects.get()
    InboxItem.objects.update(settled_at=item.at, settled_how=Settled.LOG)
    page = operator.get(f"{PAGE}?kind=settled").content.decode()
    assert "Answered by another try" in page
    assert "Bring back" not in page
    assert "settled by what happened" in act(operator, item, "back")
    assert count_waiting("ada") == 0


def test_the_settled_ones_say_how_and_by_whom(operator: Client) -> None:
    write([user_says("x"), started(), done(status="failed")])
    item = InboxItem.objects.get()
    act(operator, item, "dismiss")
    page = operator.get(f"{PAGE}?kind=settled").content.decode()
    assert "Put away by grace" in page
    assert "It waits again." in act(operator, item, "back")
    assert count_waiting("ada") == 1


def test_an_approval_says_what_was_said_to_it_and_by_whom(operator: Client) -> None:
    def said(by: str, approve: bool = True, missing: int = 0) -> ev.ToolApproval:
        return ev.ToolApproval(
            item_id=f"d_{by}", approval_id="apr_1", approve=approve, by=by, missing=missing
        )

    asked: list[ev.Event] = [user_says("Pay Ann"), started(), ASKED, done()]
    write([*asked, said("ann", missing=1), said("bob")], "s1")
    write([*asked, said("ann", missing=1), said("client", approve=False)], "s2")
    write(asked, "s3")
    InboxItem.objects.exclude(session_id="s3").delete()
    approval = InboxItem.objects.get()
    for session_id in ("s1", "s2"):
        InboxItem.objects.create(
            session_id=session_id, kind=approval.kind, ref="apr_1", seq=approval.seq, at=approval.at
        )
    InboxItem.objects.update(settled_at=approval.at, settled_how=Settled.LOG)
    page = operator.get(f"{PAGE}?kind=settled").content.decode()
    assert "Approved by ann and bob" in page
    assert "Refused by the user" in page
    assert "Not asked any more" in page
    one = InboxItem.objects.get(session_id="s1")
    opened = operator.get(f"/admin/sessions_app/session/s1/change/?inbox={one.pk}:settled")
    assert "Approved by ann and bob" in opened.content.decode()


def test_what_was_run_again_says_by_whom(operator: Client, agains: list[hooks.Again]) -> None:
    write([user_says("x"), started(), done(status="failed")])
    item = InboxItem.objects.get()

    def the_log_settles_it(again: hooks.Again) -> None:
        InboxItem.objects.update(settled_at=item.at, settled_how=Settled.LOG)

    hooks.on_again(the_log_settles_it)
    act(operator, item, "again")
    page = operator.get(f"{PAGE}?kind=settled").content.decode()
    assert "The answer was run again by grace" in page


def test_the_tab_of_a_kind_of_which_none_is_left_says_so(operator: Client) -> None:
    write([user_says("x"), started(), done(status="failed")])
    sent = {"act": "dismiss", "item": InboxItem.objects.get().pk}
    counts = operator.post(f"{PAGE}many/", sent, headers={"X-Desk": "1"}).json()["counts"]
    assert (counts[""], counts["failed_answer"]) == ("0", "0")


def test_a_row_shows_what_was_asked_and_answered(viewer: Client) -> None:
    disliked = ev.FeedbackGiven(item_id="item_1", rating=ev.Rating.DOWN)
    failed = done("resp_2", status="failed")
    events: list[ev.Event] = [
        user_says("How <long> is the Rhine?", "item_u1"),
        started("resp_1"),
        message("**It** is `1,233 km` long. " + "Very long. " * 50, "resp_1", "item_1"),
        done("resp_1"),
        user_says("And the Elbe?", "item_u2"),
        started("resp_2"),
        message("The Elbe", "resp_2", "item_2", "incomplete"),
        failed,
        disliked,
    ]
    write(events)
    rated, other = (one.words for one in read_inbox("ada"))
    assert (rated.question, rated.answer[:26]) == ("How <long> is the Rhine?", "**It** is `1,233 km` long.")
    assert (other.question, other.answer) == ("And the Elbe?", "The Elbe")
    html = viewer.get(PAGE).content.decode()
    assert "How &lt;long&gt; is the Rhine?" in html
    assert "<dd>It is 1,233 km long. Very long." in html
    assert "Very long. …" in html
    assert "Very long. " * 30 not in html


def test_an_approval_says_since_when_it_waits(viewer: Client) -> None:
    approval()
    html = viewer.get(PAGE).content.decode()
    assert "waits since" in html
    assert "no deadline" in html


def test_a_summary_is_queued_again_once(operator: Client) -> None:
    events: list[ev.Event] = [
        user_says("x"),
        ev.SessionEnded(reason=ev.EndReason.LEFT),
        ev.SummaryFailed(error="e", attempts=5),
    ]
    write(events, status="ended", summary_state=SummaryState.FAILED)
    item = InboxItem.objects.get()
    assert "The summary is being written." in act(operator, item, "again")
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, args FROM procrastinate_jobs")
        ((task, args),) = cursor.fetchall()
    assert task == "summarise_session"
    assert '"through_seq": 2' in str(args) or args["through_seq"] == 2
    assert Session.objects.get().summary_state == SummaryState.PENDING
    assert "Somebody was faster" in act(operator, item, "again")


def test_the_badge_stands_on_every_page_for_who_may_see_it(viewer: Client, nobody: Client) -> None:
    approval()
    for url in ("/admin/", "/admin/sessions_app/session/", PAGE):
        assert 'data-count="1"' in viewer.get(url).content.decode()
    assert "inbox-count" not in nobody.get("/admin/").content.decode()
    assert viewer.get(COUNT).json() == {"count": 1, "words": "1"}
    assert nobody.get(COUNT).status_code == 403
    assert nobody.get(PAGE).status_code == 403


def test_more_than_a_hundred_are_not_counted(viewer: Client) -> None:
    session = write([])
    InboxItem.objects.bulk_create(
        InboxItem(session=session, kind="failed_answer", ref=f"r{n}", seq=n, at=session.start_time)
        for n in range(MOST_COUNTED + 20)
    )
    assert viewer.get(COUNT).json() == {"count": 100, "words": "99+"}


def fill(kind: str, count: int, session: Session, *, days: int = 0) -> None:
    InboxItem.objects.bulk_create(
        InboxItem(
            session=session, kind=kind, ref=f"r{n}", seq=n, at=session.start_time + timedelta(days=days)
        )
        for n in range(count)
    )


def test_an_approval_stands_first_however_many_newer_ones_there_are(viewer: Client) -> None:
    approval()
    fill("failed_answer", PAGE_ITEMS + 5, Session.objects.get(), days=1)
    found = read_inbox("ada")
    assert [one.item.kind for one in found[:2]] == ["approval", "failed_answer"]
    assert len(found) == PAGE_ITEMS
    assert "Pay 5" in viewer.get(PAGE).content.decode()


def test_each_kind_is_counted_by_itself(viewer: Client) -> None:
    approval()
    fill("failed_answer", MOST_COUNTED + 20, Session.objects.get(), days=1)
    counts = count_by_kind("ada")
    assert (counts["approval"], counts["failed_answer"], counts["budget"]) == (1, MOST_COUNTED, 0)
    tabs = viewer.get(PAGE).context["tabs"]
    assert tabs == [
        ("", "All", "99+"),
        ("approval", "Approvals", "1"),
        ("failed_answer", "Failed answers", "99+"),
        ("settled", "Settled", ""),
    ]


def test_an_approval_cannot_be_put_away(operator: Client) -> None:
    item = approval()
    assert "That cannot be done with it." in act(operator, item, "dismiss")
    assert count_waiting("ada") == 1


def test_the_page_costs_the_same_queries_for_1_and_for_40(viewer: Client) -> None:
    costs = []
    for upto in (1, 40):
        for number in range(InboxItem.objects.count(), upto):
            write([user_says("x"), started(), ASKED, done()], f"s{number}")
        with CaptureQueriesContext(connection) as queries:
            viewer.get(PAGE)
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 15


def test_the_open_ones_are_found_by_their_own_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT 1 FROM inbox_items WHERE settled_at IS NULL ORDER BY at DESC, id DESC LIMIT 50"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "inbox_open" in plan
    assert "Sort" not in plan


def test_what_is_erased_or_deleted_waits_no_more(db: None) -> None:
    approval(status="ended")
    erase_session(session_id="s1", by=By(actor=EraseActor.STAFF))
    assert not InboxItem.objects.exists()
    write([started(), ASKED], "s2", status="ended")
    delete_session(session_id="s2", by=By(actor=EraseActor.STAFF))
    assert not InboxItem.objects.exists()


def held(by: str) -> ev.Event:
    return ev.OperatorTookOver(item_id="item_over", author=by, shown_as="A person", awaited=True)


def test_a_customer_waits_for_the_one_who_has_taken_over_alone(operator: Client, viewer: Client) -> None:
    write([user_says("Hm"), held("grace"), user_says("Where is it?", "item_2")], title="Parcel")
    write([user_says("And mine?"), held("alan")], "s2", title="Refund")
    write([started(), ASKED], "s3")
    page = operator.get(PAGE).content.decode()
    assert "you have taken the conversation over" in page
    assert ("Parcel" in page, "Refund" in page) == (True, False)
    rows = operator.get(PAGE).context["rows"]
    assert [(row.kind, row.question) for row in rows] == [("customer", "Where is it?"), ("approval", "")]
    assert [row.kind for row in viewer.get(PAGE).context["rows"]] == ["approval"]
    assert operator.get(COUNT).json() == {"count": 2, "words": "2"}
    assert viewer.get(COUNT).json() == {"count": 1, "words": "1"}
    assert counts_waiting(["grace", "viewer"]) == {"grace": 2, "viewer": 1}
    customer = InboxItem.objects.get(waits_for="grace")
    assert "That cannot be done with it." in act(operator, customer, "dismiss")
    operator.post(f"{PAGE}many/", {"act": "dismiss", "item": str(customer.pk)})
    assert count_waiting("grace") == 2


def test_the_rows_of_the_list_say_for_whom_a_customer_waits(operator: Client) -> None:
    write([user_says("Where is it?"), held("grace")])
    write([user_says("And mine?"), held("alan")], "s2")
    write([user_says("Hello")], "s3")
    page = operator.get("/admin/sessions_app/session/").content.decode()
    assert sorted(re.findall(r"Waits for (\w+)<", page)) == ["alan", "you"]
