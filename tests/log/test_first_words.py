"""The beginning of what a user said first, on the session's row: written with that message, once, and for old sessions by the
migration."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from sessions_app.desk.queue import look_up_first_words, waiting
from sessions_app.log import events as ev
from sessions_app.log.journal_sql import FIRST_WORDS_CHARS, first_words
from sessions_app.log.lifecycle import Visitor, append_now, open_session
from sessions_app.models import Session, SessionStatus
from tests.admin.rows import records_of, turn, user_says, write_session

pytestmark = pytest.mark.django_db(transaction=True)


def say(*texts: str, last_seq: int = 0) -> int:
    events = [user_says(text, f"item_{last_seq}_{number}") for number, text in enumerate(texts)]
    return append_now(session_id="s1", epoch=1, last_seq=last_seq, events=events)


def test_they_are_those_of_the_first_message_for_good() -> None:
    opened = open_session(session_id="s1", visitor=Visitor(), process_id="proc_test", model="demo")
    started = append_now(
        session_id="s1", epoch=1, last_seq=opened.last_seq, events=[ev.SessionStarted(model="demo")]
    )
    assert Session.objects.get().first_words == ""
    last_seq = say("Where is\n\n my   luggage?", "It is blue.", last_seq=started)
    assert Session.objects.get().first_words == "Where is my luggage?"
    say("Something else", last_seq=last_seq)
    assert Session.objects.get().first_words == "Where is my luggage?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello", "Hello"),
        ("  two\twords ", "two words"),
        ("", "…"),
        (" \n ", "…"),
        ("x" * 5_000, "x" * FIRST_WORDS_CHARS),
        ("word " * 100, ("word " * 24)[:-1] + "…"),
    ],
)
def test_they_are_one_short_line_and_never_nothing(text: str, words: str) -> None:
    found = first_words(records_of("s1", [user_says(text)]))
    assert found == words
    assert len(found) <= FIRST_WORDS_CHARS


def test_what_the_assistant_says_alone_gives_none() -> None:
    assert first_words(records_of("s1", turn(1)[1:])) == ""


def test_what_an_old_process_left_out_is_looked_up_once_the_session_has_ended() -> None:
    missed = write_session(turn(1, words="of  old"), session_id="missed", first_words="")
    write_session(turn(1), session_id="live", first_words="", status=SessionStatus.ACTIVE, end_time=None)
    write_session(turn(1), session_id="kept", first_words="Its own")
    write_session(turn(1), session_id="erased", first_words="", erased_at=timezone.now())
    Session.objects.exclude(session_id="live").update(status=SessionStatus.ENDED, end_time=timezone.now())
    assert not waiting(Session.objects.filter(pk=missed.pk)).exists()
    assert (look_up_first_words(), look_up_first_words()) == (1, 0)
    words = dict(Session.objects.values_list("session_id", "first_words"))
    assert words == {"missed": "question 1 of old", "live": "", "kept": "Its own", "erased": ""}
    assert waiting(Session.objects.filter(pk=missed.pk)).exists()


def test_old_sessions_get_theirs_from_the_migration() -> None:
    write_session(turn(1, words="of  old"), session_id="old", first_words="")
    write_session([user_says("")], session_id="wordless", first_words="")
    write_session(session_id="empty")
    write_session(turn(1), session_id="kept", first_words="Its own")
    migration = import_module("sessions_app.migrations.0010_desk")
    migration.look_up_first_words(apps, SimpleNamespace(connection=connection))
    assert dict(Session.objects.values_list("session_id", "first_words")) == {
        "old": "question 1 of old",
        "wordless": "…",
        "empty": "",
        "kept": "Its own",
    }
