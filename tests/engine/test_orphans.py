"""Which orphans are taken over to be answered: decided from the log alone."""

from datetime import UTC, datetime

import msgspec
import pytest

from chat.engine.turns import asks_for_more
from sessions_app import events as ev

ASKED = ev.UserMessage(item_id="i1", text="hello", respond=True)
STARTED = ev.ResponseStarted(response_id="r1", provider="demo", model="demo", input_item_ids=["i1"])
LAST_TRY = msgspec.structs.replace(STARTED, attempt=3)
DELTA = ev.AssistantDelta(response_id="r1", item_id="i2", output_index=0, offset=0, text="half")
COMPLETED = ev.ResponseDone(response_id="r1", status="completed")
CUT_OFF = ev.ResponseDone(response_id="r1", status="incomplete", reason="interrupted")
STOPPED = ev.ResponseDone(response_id="r1", status="cancelled", reason="client_cancelled")
QUEUED = ev.ResponseQueued(response_id="r2", position=1, item_ids=["i1"])
TAKEN_OVER = ev.SessionReopened(model="demo", cause="takeover")


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
        (ASKED, STARTED, CUT_OFF, ev.SessionEnded(reason="left")),
        (ASKED, TAKEN_OVER, TAKEN_OVER, TAKEN_OVER),
    ],
)
def test_what_was_done_stopped_or_must_not_be_repeated_is_not(log: tuple[ev.Event, ...]) -> None:
    assert not asks_for_more(records(*log))
