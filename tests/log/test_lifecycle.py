"""Opening, ending and sweeping: who may open a session, what its end leaves behind, what becomes of an orphan."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from sessions_app import hooks
from sessions_app.errors import JournalFenced, SessionElsewhere, SessionNotFound
from sessions_app.log import events as ev
from sessions_app.log.leases import (
    forget_dead_processes,
    hand_back,
    lost_leases,
    release_process,
    renew_process,
    strays,
)
from sessions_app.log.lifecycle import (
    NewSession,
    Visitor,
    append_now,
    end_session,
    make_sessions,
    open_session,
    sweep_orphans,
    visible_to,
)
from sessions_app.log.replay import kept_until, read_records
from sessions_app.log.settle import UNKNOWN_OUTCOME, settlement
from sessions_app.log.state import SessionState
from sessions_app.models import ServerProcess, Session, SessionEvent

pytestmark = pytest.mark.django_db(transaction=True)

A, B = "proc_a", "proc_b"
NOBODY = Visitor()


def opened(
    session_id: str = "s1", *, visitor: Visitor | None = None, process: str = A, create: bool = True
) -> int:
    """Whoever has no name holds the session's secret here, unless a visitor is given."""
    renew_process(process_id=process)
    return open_session(
        session_id=session_id,
        visitor=visitor or Visitor(secret_of=session_id),
        process_id=process,
        model="demo",
        create=create,
    ).epoch


def types_of(session_id: str = "s1") -> list[str]:
    rows = SessionEvent.objects.filter(session_id=session_id).order_by("seq")
    return list(rows.values_list("event_type", flat=True))


def dead(process: str = A, *, for_seconds: float = 3600) -> None:
    ServerProcess.objects.filter(process_id=process).update(
        expires_at=timezone.now() - timedelta(seconds=for_seconds)
    )


def test_each_opening_has_a_higher_epoch() -> None:
    assert [opened(), opened(), opened()] == [1, 2, 3]


def test_new_sessions_are_made_together_as_each_alone_and_none_that_is_there() -> None:
    user = User.objects.create_user("ann")
    shoppers = Visitor(user_id=user.pk, guest_id="f" * 32, external_user_id="u-1").as_owner()
    opened("there", process=B)
    new = {"s1": NOBODY, "s2": Visitor(guest_id="e" * 32), "s3": shoppers, "there": NOBODY}
    asked = [
        NewSession(session_id=id_, owner=owner, model="demo", source="plain") for id_, owner in new.items()
    ]
    made = make_sessions(asked, process_id=A)

    assert made == {"s1", "s2", "s3"}
    assert make_sessions(asked, process_id=A) == made, "the answer to the first may have got lost"
    for session_id in sorted(made):
        alone = f"{session_id}-alone"
        open_session(session_id=alone, visitor=new[session_id], process_id=A, model="demo", source="plain")
        its_own = ("session_id", "start_time", "created_at", "last_event_at")
        together, by_itself = (
            Session.objects.filter(session_id__in=(session_id, alone)).order_by("session_id").values()
        )
        assert {name: value for name, value in together.items() if name not in its_own} == {
            name: value for name, value in by_itself.items() if name not in its_own
        }
    assert Session.objects.get(session_id="there").source == "", "it was left as it was"
    opened("s1")
    assert make_sessions(asked, process_id=A) == {"s2", "s3"}, "somebody was in between"


def test_a_living_process_keeps_its_session_from_others() -> None:
    opened()
    with pytest.raises(SessionElsewhere) as elsewhere:
        opened(process=B)
    assert elsewhere.value.owner == A
    release_process(process_id=A)
    assert opened(process=B) == 2
    assert lost_leases(epochs={"s1": 1}) == {"s1"}
    assert lost_leases(epochs={"s1": 2}) == set()


@pytest.mark.parametrize("create", [True, False])
def test_another_ones_session_is_not_found(create: bool) -> None:
    ada = User.objects.create(username="ada")
    bob = User.objects.create(username="bob")
    opened(visitor=Visitor(user_id=ada.pk))
    opened("s2", visitor=Visitor(guest_id="g1"))
    for visitor in (
        NOBODY,
        Visitor(user_id=bob.pk),
        Visitor(guest_id="g1"),
        Visitor(user_id=bob.pk, guest_id="g1"),
    ):
        with pytest.raises(SessionNotFound):
            opened(visitor=visitor, create=create)
    for visitor in (NOBODY, Visitor(guest_id="g2"), Visitor(user_id=bob.pk)):
        with pytest.raises(SessionNotFound):
            opened("s2", visitor=visitor, create=create)


@pytest.mark.parametrize("create", [True, False])
def test_a_session_that_is_nobodys_is_entered_by_its_secret_alone(create: bool) -> None:
    ada = User.objects.create(username="ada")
    opened(visitor=NOBODY)
    for visitor in (NOBODY, Visitor(guest_id="g1"), Visitor(user_id=ada.pk), Visitor(secret_of="s2")):
        with pytest.raises(SessionNotFound):
            opened(visitor=visitor, create=create)
    assert opened(visitor=Visitor(secret_of="s1"), create=create) == 2
    Session.objects.update(user=ada)
    with pytest.raises(SessionNotFound):
        opened(visitor=Visitor(secret_of="s1"), create=create)


@pytest.mark.parametrize("create", [True, False])
def test_a_shops_users_have_their_own_sessions_and_the_shop_has_all(create: bool) -> None:
    shop = User.objects.create(username="shop")
    kim, lee = (Visitor(user_id=shop.pk, external_user_id=name) for name in ("kim", "lee"))
    opened(visitor=kim)
    opened("s2", visitor=Visitor(user_id=shop.pk))
    for session_id, visitor in (("s1", lee), ("s2", kim), ("s2", lee)):
        with pytest.raises(SessionNotFound):
            opened(session_id, visitor=visitor, create=create)
    assert opened(visitor=kim) == 2
    assert opened(visitor=Visitor(user_id=shop.pk)) == 3
    assert Session.objects.get(pk="s1").external_user_id == "kim"


def test_sql_django_and_memory_agree_on_whose_a_session_is() -> None:
    ada, bob = (User.objects.create(username=name).pk for name in ("ada", "bob"))
    owners = [
        NOBODY,
        Visitor(guest_id="g1"),
        Visitor(user_id=ada),
        Visitor(user_id=ada, external_user_id="kim"),
    ]
    visitors = [
        Visitor(user_id=user, guest_id=guest, external_user_id=external, secret_of=secret)
        for user in (None, ada, bob)
        for guest in ("", "g1", "g2")
        for external in (("", "kim", "lee") if user else ("",))
        for secret in ("", "s0", "s1", "s2", "s3")
    ]
    for number, owner in enumerate(owners):
        opened(f"s{number}", visitor=owner)
    for number, owner in enumerate(owners):
        for visitor in visitors:
            told = visitor.owns(owner, f"s{number}")
            assert Session.objects.filter(visible_to(visitor), pk=f"s{number}").exists() == told, (
                owner,
                visitor,
            )
            try:
                opened(f"s{number}", visitor=visitor, create=False)
            except SessionNotFound:
                assert not told, (owner, visitor)
            else:
                assert told, (owner, visitor)


def test_a_guest_who_signed_in_keeps_the_guests_sessions() -> None:
    ada = User.objects.create(username="ada")
    opened(visitor=Visitor(guest_id="g1"))
    assert opened(visitor=Visitor(user_id=ada.pk, guest_id="g1")) == 2


def test_a_session_that_does_not_exist_is_not_made_on_resume() -> None:
    with pytest.raises(SessionNotFound):
        opened("none", create=False)
    assert not Session.objects.exists()


def test_the_end_and_what_the_hooks_do_are_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = opened()

    def failing(session_id: str, last_seq: int) -> None:
        raise RuntimeError("the job cannot be queued")

    monkeypatch.setattr(hooks, "_session_ended", [failing])
    with pytest.raises(RuntimeError):
        end_session(session_id="s1", epoch=epoch, last_seq=0, reason="left")
    session = Session.objects.get()
    assert (session.status, session.end_time, session.last_seq) == ("active", None, 0)
    assert types_of() == []
    calls: list[tuple[str, int]] = []
    monkeypatch.setattr(hooks, "_session_ended", [lambda *call: calls.append(call)])
    end_session(session_id="s1", epoch=epoch, last_seq=0, reason="left")
    assert calls == [("s1", 1)]
    assert types_of() == ["session_ended"]


def test_a_stale_holder_cannot_end_a_session() -> None:
    stale = opened()
    opened()
    with pytest.raises(JournalFenced):
        end_session(session_id="s1", epoch=stale, last_seq=0, reason="left")
    assert Session.objects.get().status == "active"


def in_flight(epoch: int) -> int:
    """A response with a streamed text and a tool call that never came back; the log's last seq."""
    return append_now(
        session_id="s1",
        epoch=epoch,
        last_seq=0,
        events=[
            ev.UserMessage(item_id="i1", text="hello", respond=True),
            ev.ResponseStarted(response_id="r1", provider="demo", model="demo", input_item_ids=["i1"]),
            ev.AssistantDelta(response_id="r1", item_id="i2", output_index=0, offset=0, text="half "),
            ev.AssistantDelta(response_id="r1", item_id="i2", output_index=0, offset=5, text="an ans"),
            ev.ToolCall(
                response_id="r1",
                item_id="i3",
                call_id="c1",
                output_index=1,
                name="pay",
                arguments="{}",
                side_effects=True,
            ),
        ],
    )


def test_an_orphan_is_settled_and_ended() -> None:
    in_flight(opened())
    dead()
    assert sweep_orphans() == 1
    session = Session.objects.get()
    assert (session.status, session.end_reason, session.lease_owner) == ("ended", "orphaned", "")
    assert types_of()[-4:] == ["tool_result", "assistant_message", "response_done", "session_ended"]
    message = SessionEvent.objects.get(event_type="assistant_message")
    assert (message.content, message.payload["status"]) == ("half an ans", "incomplete")
    result = SessionEvent.objects.get(event_type="tool_result")
    assert (result.content, result.payload["outcome"]) == (UNKNOWN_OUTCOME, "unknown")
    seqs = list(SessionEvent.objects.order_by("seq").values_list("first_seq", "seq"))
    assert [first for first, _ in seqs] == [1, *(seq + 1 for _, seq in seqs[:-1])]
    assert sweep_orphans() == 0


def test_an_answer_cut_off_at_a_fallback_names_the_fallback() -> None:
    """The process died after the first model had failed."""
    failed = ev.ModelAttemptFailed(
        response_id="resp_1", model="gemini:a", code="model_timeout", next_model="demo"
    )
    started = ev.ResponseStarted(response_id="resp_1", provider="gemini", model="a")
    logs: list[tuple[list[ev.Event], str]] = [([started], "gemini:a"), ([started, failed], "demo")]
    for events, model in logs:
        records = [ev.Record("s", seq, timezone.now(), event) for seq, event in enumerate(events, start=1)]
        (done,) = settlement(SessionState(records))
        assert isinstance(done, ev.ResponseDone)
        assert done.model == model


def test_the_sweeper_leaves_living_and_just_gone_processes_alone() -> None:
    opened()
    assert sweep_orphans() == 0
    dead(for_seconds=1)  # within the grace: its clients are coming back
    assert sweep_orphans() == 0


def test_the_dead_writer_of_a_swept_session_is_fenced() -> None:
    epoch = opened()
    dead()
    sweep_orphans()
    with pytest.raises(JournalFenced):
        append_now(
            session_id="s1", epoch=epoch, last_seq=1, events=[ev.UserMessage(item_id="i9", text="late")]
        )


def test_the_rows_of_long_dead_processes_are_forgotten() -> None:
    opened()
    opened("s2", process=B)
    dead(A)
    assert forget_dead_processes(older_than=timedelta(minutes=10)) == 1
    assert set(ServerProcess.objects.filter(process_id__in=[A, B]).values_list("process_id", flat=True)) == {
        B
    }


def test_a_clock_that_is_days_ahead_forgets_no_living_process(monkeypatch: pytest.MonkeyPatch) -> None:
    opened()
    ahead = timezone.now() + timedelta(days=3)
    monkeypatch.setattr("django.utils.timezone.now", lambda: ahead)
    assert forget_dead_processes(older_than=timedelta(minutes=10)) == 0


def test_one_session_that_cannot_be_ended_does_not_stop_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    for session_id in ("s1", "s2", "s3"):
        opened(session_id)

    def refuse(session_id: str, last_seq: int) -> None:
        if session_id == "s1":
            raise ValueError("this one not")

    monkeypatch.setattr(hooks, "_session_ended", [refuse])
    dead()
    assert sweep_orphans() == 2
    assert list(Session.objects.filter(status="active").values_list("session_id", flat=True)) == ["s1"]


def test_one_session_that_takes_the_database_too_long_does_not_stop_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for session_id in ("s1", "s2", "s3"):
        opened(session_id)

    def refuse(session_id: str, last_seq: int) -> None:
        if session_id == "s1":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 10")
                cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(hooks, "_session_ended", [refuse])
    dead()
    assert sweep_orphans() == 2
    assert list(Session.objects.filter(status="active").values_list("session_id", flat=True)) == ["s1"]


def test_a_session_held_by_name_only_is_handed_back_and_swept() -> None:
    epoch = opened()
    opened("s2")
    assert strays(process_id=A) == {"s1": 1, "s2": 1}
    assert hand_back(process_id=A, epochs={"s1": epoch, "s2": 99}) == 1
    assert sweep_orphans() == 1
    assert list(Session.objects.filter(status="active").values_list("session_id", flat=True)) == ["s2"]


def test_a_reader_that_has_seen_what_a_takeover_found_lost_does_not_read_on() -> None:
    """It followed the log of the dead process from afar; reading on, it would keep what is not there any more."""
    epoch = opened("s1")
    last_seq = append_now(
        session_id="s1",
        epoch=epoch,
        last_seq=0,
        events=[
            ev.SessionStarted(model="demo"),
            ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER, skipped=100),
            ev.UserMessage(item_id="next", text="go on"),
        ],
    )
    assert [record.seq for record in read_records(session_id="s1", after=1)] == [102, last_seq]
    for seen in (2, 50, 101):
        with pytest.raises(SessionElsewhere):
            read_records(session_id="s1", after=seen)
        assert kept_until(session_id="s1", seq=seen) == 1
    assert kept_until(session_id="s1", seq=102) == 102, "who has the takeover itself lacks nothing"
