"""Which orphans are taken over to be answered, which is decided from the log alone, when, and how many at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
import pytest
from django.utils import timezone
from pytest_django import Settings

from chat.session.hub import Hub
from chat.session.orphans import Orphans
from chat.session.turns import asks_for_more
from sessions_app.log import events as ev
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import append_now
from sessions_app.models import ServerProcess, Session
from sessions_app.postgres.threads import in_db_thread

ASKED = ev.UserMessage(item_id="i1", text="hello", respond=True)
STARTED = ev.ResponseStarted(response_id="r1", provider="demo", model="demo", input_item_ids=["i1"])
LAST_TRY = msgspec.structs.replace(STARTED, attempt=3)
DELTA = ev.AssistantDelta(response_id="r1", item_id="i2", output_index=0, offset=0, text="half")
COMPLETED = ev.ResponseDone(response_id="r1", status=ev.ResponseStatus.COMPLETED)
CUT_OFF = ev.ResponseDone(response_id="r1", status=ev.ResponseStatus.INCOMPLETE, reason="interrupted")
STOPPED = ev.ResponseDone(response_id="r1", status=ev.ResponseStatus.CANCELLED, reason="client_cancelled")
QUEUED = ev.ResponseQueued(response_id="r2", position=1, item_ids=["i1"])
TAKEN_OVER = ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER)


def call(*, side_effects: bool) -> ev.ToolCall:
    return ev.ToolCall(
        response_id="r1",
        item_id="i3",
        call_id="c1",
        output_index=1,
        name="pay",
        arguments="{}",
        side_effects=side_effects,
    )


def records(*events: ev.Event) -> list[ev.Record]:
    return [ev.Record("s", seq, datetime.now(UTC), event) for seq, event in enumerate(events, start=1)]


@pytest.mark.parametrize(
    "log",
    [
        (ASKED,),
        (ASKED, STARTED, DELTA),
        (ASKED, STARTED, CUT_OFF),
        (ASKED, STARTED, QUEUED, COMPLETED),
        (ASKED, STARTED, call(side_effects=False)),
        (ASKED, STARTED, call(side_effects=True), QUEUED),
        (ASKED, TAKEN_OVER, TAKEN_OVER),
    ],
)
def test_what_was_asked_and_not_answered_is_still_to_be_done(log: tuple[ev.Event, ...]) -> None:
    assert asks_for_more(records(*log))


@pytest.mark.parametrize(
    "log",
    [
        (),
        (ev.UserMessage(item_id="i1", text="a note"),),
        (ASKED, STARTED, COMPLETED),
        (ASKED, STARTED, STOPPED),
        (ASKED, STARTED, call(side_effects=True)),
        (ASKED, LAST_TRY, CUT_OFF),
        (ASKED, STARTED, CUT_OFF, ev.SessionEnded(reason=ev.EndReason.LEFT)),
        (ASKED, TAKEN_OVER, TAKEN_OVER, TAKEN_OVER),
    ],
)
def test_what_was_done_stopped_or_must_not_be_repeated_is_not(log: tuple[ev.Event, ...]) -> None:
    assert not asks_for_more(records(*log))


class Adopted:
    answering = True


class Adopting:
    """The hub, as far as `Orphans` knows it."""

    closing = False

    def __init__(self) -> None:
        self.adopted: dict[str, Adopted] = {}

    async def adopt(self, session_id: str) -> Adopted:
        assert session_id not in self.adopted
        await in_db_thread(Session.objects.filter(pk=session_id).update, lease_owner="me")
        self.adopted[session_id] = Adopted()
        return self.adopted[session_id]


def sessions_of_the_dead(asked: int) -> None:
    for index in range(asked):
        Session.objects.create(session_id=f"asked{index}", lease_owner="dead", lease_epoch=1)
        append_now(session_id=f"asked{index}", epoch=1, last_seq=0, events=[ASKED])
    Session.objects.create(session_id="idle", lease_owner="", lease_epoch=1)


def lease_of(process_id: str, *, runs_out_in_s: float) -> None:
    renew_process(process_id=process_id)
    expires_at = timezone.now() + timedelta(seconds=runs_out_in_s)
    ServerProcess.objects.filter(process_id=process_id).update(expires_at=expires_at)


async def test_so_many_at_once_and_the_next_when_one_is_done(
    transactional_db: None, settings: Settings
) -> None:
    settings.CHAT_SWEEP_PAUSE_SECONDS = 0.0
    settings.CHAT_ORPHANS_AT_ONCE = 2
    await in_db_thread(sessions_of_the_dead, 3)
    await in_db_thread(renew_process, process_id="me")
    hub = Adopting()
    orphans = Orphans(cast("Hub", hub), process_id="me")
    for _ in range(2):
        await orphans.look()
        assert len(hub.adopted) == 2
    next(iter(hub.adopted.values())).answering = False
    await orphans.look()
    assert sorted(hub.adopted) == ["asked0", "asked1", "asked2"]


async def test_nobody_is_called_dead_before_the_living_had_time_to_renew_their_leases(
    transactional_db: None, settings: Settings
) -> None:
    settings.CHAT_SWEEP_PAUSE_SECONDS = 0.3
    await in_db_thread(sessions_of_the_dead, 1)
    hub = Adopting()
    orphans = Orphans(cast("Hub", hub), process_id="me")
    for runs_out_in_s in (60, -1, 60):  # the database was away in between
        await in_db_thread(lease_of, "me", runs_out_in_s=runs_out_in_s)
        await orphans.look()
        assert hub.adopted == {}
    await asyncio.sleep(0.3)
    await orphans.look()
    assert list(hub.adopted) == ["asked0"]
