"""What the desk asks of a large table reads a handful of rows: every filter, the queue, and the steps through a list."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from sessions_app.desk import queue
from sessions_app.desk.acts import Reviewer
from sessions_app.models import ReviewEvent, Session
from tests.log.test_plans import looked_at, plans_of

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = 30_000
BOUND = 60
"""More than a page has: of a list of one page all is fetched."""
FEW = 400
"""Rows that one statement may look at, where the rows asked for lie behind thousands of others."""
MOST_TAGGED = 2 * 400 + FEW
"""The sessions of the rarer tag and their marks, which are put in order."""
LIST = "/admin/sessions_app/session/"

# The old half is reviewed and assigned, the newest eight thousand are empty: whoever walks the newest walks far.
_SEED = """
INSERT INTO sessions (session_id, start_time, status, first_words, review_state, assignee_id, guest_id, external_user_id,
    source, end_reason, model, title, summary, summary_state, end_time)
SELECT 's' || lpad(n::text, 6, '0'), now() - n * interval '1 minute', CASE WHEN n %% 50 = 0 THEN 'active' ELSE 'ended' END,
    CASE WHEN n <= 8000 THEN '' ELSE 'first words ' || n END,
    CASE WHEN n <= 15000 THEN 'new' WHEN n %% 400 = 7 THEN 'flagged' WHEN n %% 400 = 9 THEN 'in_review' ELSE 'done' END,
    CASE WHEN n %% 2000 = 9 THEN %(rita)s::int WHEN n > 15000 THEN %(omar)s::int END, 'g' || n %% 100, '', '', '', 'demo', '', '',
    'none', now()
FROM generate_series(1, %(sessions)s) AS n
"""
_TAGS = """
INSERT INTO review_tags (name) VALUES ('rare'), ('common');
INSERT INTO session_tags (session_id, tag_id, start_time)
SELECT s.session_id, t.id, s.start_time FROM sessions s, review_tags t
WHERE t.name = 'common' AND s.session_id > 's015000' OR t.name = 'rare' AND s.session_id LIKE '%29__3';
"""


@pytest.fixture
def many(db: None) -> User:
    rita = User.objects.create_superuser("rita")
    omar = User.objects.create_superuser("omar")
    with connection.cursor() as cursor:
        cursor.execute(_SEED, {"rita": rita.pk, "omar": omar.pk, "sessions": SESSIONS})
        cursor.execute(_TAGS)
        cursor.execute("ANALYZE sessions, session_tags, review_tags")
    return rita


def far(plan: dict[str, Any], most: int) -> bool:
    return looked_at(plan) > most


LISTS: tuple[dict[str, str], ...] = (
    {},
    {"review": "flagged"},
    {"review": "in_review"},
    {"review": "new", "status__exact": "ended"},
    {"assignee": "me"},
    {"tag": "rare"},
    {"show": "all"},
)


def test_no_list_of_the_desk_walks_the_table(many: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting is bounded, at some thousands of rows of an index: it is made small here, and the page looked at."""
    monkeypatch.setattr("sessions_app.admin.changelist.BOUND", BOUND)
    client = Client()
    client.force_login(many)
    walks = [
        f"{query}: {looked_at(plan):.0f} rows for {statement}"
        for query in LISTS
        for statement, plan in plans_of(partial(client.get, f"{LIST}?{urlencode(query)}"))
        if far(plan, MOST_TAGGED if "tag" in query else FEW)
    ]
    assert walks == []


def test_the_newest_of_a_common_tag_are_bounded(many: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions_app.admin.changelist.BOUND", BOUND)
    monkeypatch.setattr("sessions_app.admin.filters.MAX_TAGGED", 500)
    client = Client()
    client.force_login(many)
    walks = [
        f"{looked_at(plan):.0f} rows for {statement}"
        for statement, plan in plans_of(lambda: client.get(f"{LIST}?tag=common"))
        if far(plan, 500 + FEW)
    ]
    assert walks == []


def test_the_queue_and_the_steps_through_a_list_look_at_a_handful(many: User) -> None:
    me = Reviewer(many.pk, "rita")
    sessions = Session.objects.order_by("-start_time", "-session_id")
    client = Client()
    client.force_login(many)
    asked: dict[str, tuple[Callable[[], Any], int]] = {
        "the queue's next": (lambda: queue.take_next(sessions, reviewer=me), FEW),
        "what is left": (lambda: queue.count_left(sessions, reviewer=me), 2 * queue.MOST_COUNTED + FEW),
        "a step": (
            lambda: client.get(f"{LIST}s020009/next-session/?_changelist_filters=review%3Dflagged"),
            FEW,
        ),
        "a step back": (
            lambda: client.get(f"{LIST}s020009/previous-session/?_changelist_filters=assignee%3Dme"),
            FEW,
        ),
        "a person": (lambda: client.get(f"{LIST}person/guest/g7/"), 2 * SESSIONS // 100 + FEW),
    }
    walks = [
        f"{what}: {looked_at(plan):.0f} rows for {statement}"
        for what, (ask, most) in asked.items()
        for statement, plan in plans_of(ask)
        if far(plan, most)
    ]
    assert walks == []
    assert ReviewEvent.objects.get().session_id == "s008001"
