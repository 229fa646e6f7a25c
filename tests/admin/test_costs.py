"""What sessions cost, as staff see it: unknown is said, and never zero."""

import re

import pytest
from django.test import Client

from sessions_app.log import events as ev
from sessions_app.review import humanize
from tests.admin.rows import done, message, started, turn, user_says, write_session
from tests.admin.test_session_page import html_of, visible

pytestmark = pytest.mark.django_db
USAGE = ev.Usage(input_tokens=300, output_tokens=40)


@pytest.mark.parametrize(
    ("microusd", "words"),
    [
        (None, "unknown"),
        (0, "$0.00"),
        (1, "$0.000001"),
        (339, "$0.000339"),
        (1_200, "$0.0012"),
        (123_456, "$0.123"),
        (12_345_678, "$12.35"),
        (1_234_567_890_000, "$1,234,567.89"),
    ],
)
def test_money_is_shown_with_the_digits_that_matter(microusd: int | None, words: str) -> None:
    assert humanize.usd(microusd) == words


def test_the_list_tells_costs(admin: Client) -> None:
    for session_id, cost in (("known", 1_200), ("mystery", None)):
        paid = done(cost_microusd=cost, usage=USAGE)
        write_session([user_says("x"), started(), message("y"), paid], session_id=session_id)
    write_session(session_id="silent")
    html = admin.get("/admin/sessions_app/session/").content.decode()
    cells = re.findall(
        r'<span class="cell-line" title="([^". ]+[^" ]*)\. US dollars[^"]*">([^<]*)</span>', html
    )
    assert sorted(cells) == [("$0.0012", "$0.001"), ("unknown", "unknown")]


def test_the_page_of_a_session_tells_costs(viewer: Client) -> None:
    compacted = ev.HistoryCompacted(
        item_id="item_s", summary="They talked.", through_seq=4, items=7, model="demo", cost_microusd=200
    )
    session = write_session(
        [user_says("x"), started(), message("y"), done(cost_microusd=1_000, usage=USAGE), compacted, *turn(2)]
    )
    text = visible(html_of(viewer, session))
    assert "Cost $0.0012 and 1 call at an unknown price" in text
    assert "$0.001" in text
    assert "cost unknown" in text
    assert "The model now sees a summary of 7 earlier items \N{MIDDLE DOT} demo" in text


def test_an_estimate_is_called_one(viewer: Client) -> None:
    stopped = done(status="cancelled", cost_microusd=5_000, cost_estimated=True)
    session = write_session([user_says("x"), started(), message("y", status="incomplete"), stopped])
    assert "about $0.005" in visible(html_of(viewer, session))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            ev.HistoryCompacted(item_id="i", summary="s", through_seq=1, items=1, error="HTTP 529"),
            "The model no longer sees 1 earlier item: no summary could be made (HTTP 529)",
        ),
        (
            ev.HistoryCompacted(
                item_id="i", summary="s", through_seq=1, cause=ev.CompactionCause.ITEM_DELETED
            ),
            "The summary of earlier turns was shortened: it held an item that was removed",
        ),
    ],
)
def test_a_compaction_stands_in_the_transcript(viewer: Client, event: ev.Event, words: str) -> None:
    assert words in visible(html_of(viewer, write_session([*turn(1), event])))
