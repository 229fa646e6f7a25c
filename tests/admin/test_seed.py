"""The demo sessions are such as the journal writes."""

import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from chat.session.turns import asks_for_more
from sessions_app.log.events import Record, ToolApprovalRequested
from sessions_app.log.journal_sql import Counters
from sessions_app.log.replay import read_history, read_records
from sessions_app.models import AttentionKind, InboxItem, Session, SessionEvent, SessionStatus


def records_of(session: Session) -> list[Record]:
    """Raises ReplayGap where seqs do not follow one another."""
    records: list[Record] = []
    while page := read_records(session_id=session.pk, after=records[-1].seq if records else 0):
        records += page
    return records


@pytest.mark.django_db
def test_logs_are_gap_free_and_the_counters_are_theirs() -> None:
    call_command("seed_demo_sessions", count=12, live=2, seed=1, force=True, verbosity=0, long=60)
    assert Session.objects.count() == 15
    for session in Session.objects.all():
        records = records_of(session)
        assert session.last_seq == records[-1].seq == len(records)
        counters = Counters.of(records)
        assert {name: getattr(session, name) for name in Counters.__slots__} == {
            name: getattr(counters, name) for name in Counters.__slots__
        }
        assert [record.at for record in records] == sorted(record.at for record in records)
    assert Session.objects.filter(status=SessionStatus.ACTIVE).count() == 2
    assert Session.objects.filter(user_messages__gte=30).count() == 1


@pytest.mark.django_db
def test_no_server_answers_in_those_that_stay_open() -> None:
    call_command("seed_demo_sessions", count=0, live=3, seed=3, force=True, verbosity=0)
    live = list(Session.objects.filter(status=SessionStatus.ACTIVE))
    assert len(live) == 3
    for session in live:
        assert not asks_for_more(read_history(session_id=session.pk))


@pytest.mark.django_db
def test_some_of_the_live_ones_wait_for_a_yes() -> None:
    call_command("seed_demo_sessions", count=0, live=4, seed=3, force=True, verbosity=0)
    items = InboxItem.objects.filter(kind=AttentionKind.APPROVAL, settled_at__isnull=True)
    assert len(items) == 2
    for item in items.select_related("session"):
        assert item.session.status == SessionStatus.ACTIVE
        asked, done = (record.event for record in records_of(item.session)[-2:])
        assert isinstance(asked, ToolApprovalRequested)
        assert (asked.item_id, done.event_type) == (item.ref, "response_done")
        assert "Pay" in asked.asks


@pytest.mark.django_db
def test_it_refuses_where_debug_is_off() -> None:
    with pytest.raises(CommandError, match="--force"):
        call_command("seed_demo_sessions", count=1)
    assert not Session.objects.exists()


def test_they_can_be_looked_at(admin: Client) -> None:
    call_command("seed_demo_sessions", count=12, live=1, seed=2, force=True)
    listed = admin.get("/admin/sessions_app/session/").content.decode()
    links = set(re.findall(r'href="(/admin/sessions_app/session/[^"]+/change/)', listed))
    assert len(links) == 13
    for link in links:
        assert admin.get(link).status_code == 200
    assert SessionEvent.objects.filter(event_type="assistant_delta").exists()


@pytest.mark.django_db(transaction=True)
def test_copies_are_whole_sessions_of_many_people() -> None:
    call_command("seed_demo_sessions", count=6, copies=40, days=30, seed=4, force=True)
    assert Session.objects.count() == 46
    assert len(set(Session.objects.values_list("start_time", flat=True))) == 46
    assert len(set(Session.objects.exclude(user=None).values_list("user", flat=True))) > 4
    for session in Session.objects.all():
        records = records_of(session)
        assert session.last_seq == records[-1].seq == len(records)
        assert records[0].at == session.start_time
        assert records[-1].at == session.last_event_at
        assert session.last_event_at < timezone.now()
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", session.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename IN ('sessions', 'session_events')")
        assert cursor.fetchone()[0] >= len(Session._meta.indexes) + len(SessionEvent._meta.indexes) + 3
