"""One log, every wire: whoever is cut off anywhere, as often as one likes, and comes back has in the end the texts of the log, each
whole and in their order; also where the process died that gave them."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from sessions_app.ids import uuid7
from sessions_app.log import events as ev
from sessions_app.log.lookup import Place
from sessions_app.models import Session
from sessions_app.postgres.threads import in_db_thread
from sessions_app.review.reader import chosen_items
from tests.protocol.logs import numbered
from tests.responses import every_wire as wires
from tests.responses.every_wire import (
    LOST,
    Reader,
    ResponseReader,
    Room,
    Story,
    chain,
    read,
    stories,
    words_of,
)
from tests.responses.test_projector import again

pytestmark = pytest.mark.usefixtures("transactional_db")

examples = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.wire.responses.follow._POLL_S", 0.0)
    monkeypatch.setattr("chat.wire.responses.follow._STORED_POLL_S", 0.0)


@pytest.mark.parametrize("wire", [wires.RealtimeReader, wires.JoinedReader, wires.EventsReader])
@examples
@given(story=stories())
async def test_a_session(wire: type[Reader], story: Story) -> None:
    room = Room(story)
    await room.grow(story.stored)
    reader = wire(room)
    note(repr(story))
    await read(reader)
    assert reader.words() == story.kept()


@examples
@given(story=stories())
async def test_the_plain_wire(story: Story) -> None:
    """Who comes back there hears what is said from then on, so nobody does; and what a process had shown is not taken back."""
    room = Room(story)
    await room.grow(story.stored)
    reader = wires.PlainReader(room)
    await reader.come(None)
    texts = [text for name, text in words_of(story.records[: story.dies_at])]
    assert "".join(text for _, text in reader.words()).replace(LOST, "") == "".join(texts)


def first_places(story: Story, *, outside: bool = True) -> list[Place]:
    """Of the responses that a client may have asked for: those that no process tried in another's place. ``outside``: also of those
    that are no part of the conversation."""
    found: dict[str, Place] = {}
    for record in story.records:
        event = record.event
        again = isinstance(event, ev.ResponseStarted) and event.attempt > 1
        if isinstance(event, ev.ResponseQueued | ev.ResponseStarted) and not again:
            if event.options.get("conversation") == "none" and not outside:
                continue
            found.setdefault(event.response_id, Place(record.session_id, event.response_id, record.seq))
    return list(found.values())


def conversation(story: Story) -> list[Place]:
    return first_places(story, outside=False)


async def reader_of(wire: type[ResponseReader], story: Story, place: Place) -> Any:
    room = Room(story)
    known = next(number for number, one in enumerate(story.records, start=1) if one.seq == place.seq)
    await room.grow(max(known, story.stored))
    return wire(room, place)


@pytest.mark.parametrize("wire", [wires.ResponsesReader, wires.LaneReader])
@examples
@given(story=stories().filter(first_places), data=st.data())
async def test_a_response(wire: type[ResponseReader], story: Story, data: st.DataObject) -> None:
    reader = await reader_of(wire, story, data.draw(st.sampled_from(first_places(story))))
    note(repr(story))
    await read(reader)
    assert reader.words() == reader.expected()


@pytest.mark.parametrize("wire", [wires.AguiReader, wires.OlderAguiReader])
@examples
@given(story=stories().filter(conversation), data=st.data())
async def test_a_run(wire: type[wires.AguiReader], story: Story, data: st.DataObject) -> None:
    """Taken back is what a try said that another one took the place of."""
    reader = await reader_of(wire, story, data.draw(st.sampled_from(conversation(story))))
    note(repr(story))
    await read(reader)
    gone = tried_in_vain(story) | await left_out(story)
    assert reader.words() == [one for one in story.kept() if one[0] not in gone]


@examples
@given(story=stories().filter(conversation), data=st.data())
async def test_a_chat(story: Story, data: st.DataObject) -> None:
    reader = await reader_of(wires.UiReader, story, data.draw(st.sampled_from(conversation(story))))
    note(repr(story))
    await read(reader)
    gone = await left_out(story) | unfinished(story)
    said = [one for part in messages(story) for one in words_of(part) if one[0] not in gone]
    assert reader.words() == [("", text) for _, text in said]


@pytest.mark.parametrize(
    "wire", [wires.ResponsesReader, wires.AguiReader, wires.OlderAguiReader, wires.UiReader]
)
async def test_a_text_that_was_lost_from_its_first_word_on_is_ended(wire: type[ResponseReader]) -> None:
    """Who reads in another process sees both, and no client waits for what nobody goes on with."""
    session_id = uuid7()
    died: list[ev.Event] = [
        ev.SessionStarted(model="demo"),
        ev.ResponseStarted(response_id="resp_1", provider="demo", model="demo"),
    ]
    done = ev.ResponseDone(
        response_id="resp_1", status=ev.ResponseStatus.INCOMPLETE, reason=ev.Reason.INTERRUPTED
    )
    reopened = ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER, skipped=3)
    log = numbered([*died, reopened, done, *again("resp_2", "resp_1")], session_id=session_id)
    later = [msgspec.structs.replace(one, seq=one.seq + 3) for one in log[2:]]
    delta = ev.AssistantDelta(response_id="resp_1", item_id="item_lost", output_index=0, offset=0, text=LOST)
    lost = [ev.Record(session_id, 3, log[0].at, delta)]
    story = Story(records=[*log[:2], *later], dies_at=2, lost=lost, stored=2, batch=1, cuts=[], back=[])
    reader = await reader_of(wire, story, Place(session_id, "resp_1", 2))
    await reader.come(None)
    assert reader.ended == ["item_lost", "item_resp_2"]
    assert reader.words()[-1][1] == "Good day"


def messages(story: Story) -> list[list[ev.Record]]:
    """Of the assistant's: what goes on after a person's yes stands in the message that asked for it."""
    first: dict[str, str] = {}
    found: dict[str, list[ev.Record]] = {}
    for record in story.records:
        event = record.event
        response_id = getattr(event, "response_id", None) or ""
        if isinstance(event, ev.ResponseStarted):
            before = first.get(event.continues or "", "")
            tried = first.get(event.retry_of or "", "") if event.attempt > 1 else ""
            first[response_id] = before or tried or response_id
        if isinstance(event, ev.AssistantDelta | ev.AssistantMessage) and response_id:
            found.setdefault(first[response_id], []).append(record)
    order = list(dict.fromkeys(first.values()))
    return [found[one] for one in order if one in found]


def started(story: Story) -> list[ev.ResponseStarted]:
    return [one.event for one in story.records if isinstance(one.event, ev.ResponseStarted)]


def tried_in_vain(story: Story) -> set[str]:
    """What was said by a try whose process died, and that was tried again."""
    return items_of(story, {str(one.retry_of) for one in started(story) if one.attempt > 1})


async def left_out(story: Story) -> set[str]:
    """What is no part of the conversation as it goes on now: said outside of it, deleted, or set aside for another version."""
    session = await in_db_thread(lambda: Session.objects.get(pk=story.session_id))
    chosen = await in_db_thread(chosen_items, session)
    outside = {one.response_id for one in started(story) if one.options.get("conversation")}
    asked_again = {str(one.retry_of) for one in started(story) if one.retry_of and one.attempt == 1}
    deleted = {one.event.item_id for one in story.records if isinstance(one.event, ev.ItemDeleted)}
    whole = {one.event.item_id for one in story.records if isinstance(one.event, ev.AssistantMessage)}
    aside = items_of(story, asked_again) if chosen is None else whole - chosen
    return items_of(story, outside) | deleted | aside


def unfinished(story: Story) -> set[str]:
    """The text that is being given while another answer waits already: the chat reads on in the last one alone."""
    events = [one.event for one in story.records]
    begun = [one for one in events if isinstance(one, ev.ResponseQueued | ev.ResponseStarted)]
    inside = [one.response_id for one in begun if not one.options.get("conversation")]
    whole = {one.event.item_id for one in story.records if isinstance(one.event, ev.AssistantMessage)}
    others = {one for one in inside if one not in chain(story.records, inside[-1])}
    return items_of(story, others) - whole


def items_of(story: Story, response_ids: set[str]) -> set[str]:
    said = [one for one in story.records if getattr(one.event, "response_id", "") in response_ids]
    return {item_id for item_id, _ in words_of(said)}
