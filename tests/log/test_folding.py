"""Finished answers lose the text of their deltas, and nobody who reads them sees it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from django.db import OperationalError
from pytest_django import Settings

from sessions_app.log import events as ev
from sessions_app.log import folding, replay
from sessions_app.log.folding import Answer, Folding, fold, with_texts
from sessions_app.log.live import LiveLog
from sessions_app.log.replay import read_history, read_records
from sessions_app.log.rows import COLUMNS, Row, decode_row
from sessions_app.log.state import SessionState
from sessions_app.models import EraseActor, SessionEvent
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session
from tests.support.waiting import eventually

from .conftest import OpenLog

PIECES = ["Once ", "upon ", "", "a ", "tíme 🕰️ ", "there ", "was\n", '"quote" \\ ', "漢字", "."]


OpenNoted = Callable[[], Awaitable[tuple[LiveLog, list[Answer]]]]


@pytest.fixture
async def open_noted(open_log: OpenLog) -> OpenNoted:
    """A log, and what is finished in it."""

    async def open_one() -> tuple[LiveLog, list[Answer]]:
        log, noted = await open_log(), list[Answer]()
        log._on_finished = noted.append
        return log, noted

    return open_one


def started(response_id: str = "resp_1") -> ev.ResponseStarted:
    return ev.ResponseStarted(response_id=response_id, provider="demo", model="demo")


async def stream(log: LiveLog, pieces: Sequence[str], item_id: str, *, rows_of: int = 3) -> str:
    """In rows of a few deltas; somebody connects in the middle of one."""
    text = ""
    for index, piece in enumerate(pieces):
        log.append(
            ev.AssistantDelta(
                response_id="resp_1", item_id=item_id, output_index=0, offset=len(text), text=piece
            )
        )
        text += piece
        if index == len(pieces) // 2:
            log.append(ev.ConnectionOpened(connection_id="conn", dialect="plain"))
        if index % rows_of == 0:
            await log.durable()
    return text


def message(text: str, item_id: str) -> ev.AssistantMessage:
    return ev.AssistantMessage(response_id="resp_1", item_id=item_id, output_index=0, text=text)


async def answer(log: LiveLog, *items: str, pieces: Sequence[str] = PIECES) -> None:
    log.append(started())
    for item_id in items:
        log.append(message(await stream(log, pieces, item_id), item_id))
    log.append(ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED))
    await log.durable()


async def delta_rows(log: LiveLog) -> list[SessionEvent]:
    rows = SessionEvent.objects.filter(session_id=log.session_id, event_type="assistant_delta")
    return await in_db_thread(lambda: list(rows.order_by("seq")))


def from_everywhere(log: LiveLog) -> list[list[ev.Record]]:
    return [read_records(session_id=log.session_id, after=seq) for seq in range(log.last_seq)]


async def test_a_reader_gets_the_same_records_from_every_place(open_noted: OpenNoted) -> None:
    log, noted = await open_noted()
    await answer(log, "item_a", "item_b")
    plain, rows = await in_db_thread(from_everywhere, log), await delta_rows(log)
    assert [one.item_id for one in noted] == ["item_a", "item_b"]
    await in_db_thread(fold, noted)
    assert await in_db_thread(from_everywhere, log) == plain
    folded = await delta_rows(log)
    assert len(folded) == 4 < len(rows)  # two runs an item: somebody connected within
    assert {row.content for row in folded} == {None}
    await in_db_thread(fold, noted)
    assert await delta_rows(log) == folded


async def test_a_long_answer_stays_in_parts_that_a_page_can_be_cut_between(
    open_noted: OpenNoted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "PART_BYTES", 4_000)
    log, noted = await open_noted()
    await answer(log, "item_a", pieces=["word " * 100] * 40)
    plain = await in_db_thread(lambda: read_records(session_id=log.session_id, after=0))
    monkeypatch.setattr(replay, "PAGE_BYTES", 3_000)
    await in_db_thread(fold, noted)
    folded = await delta_rows(log)
    assert 5 <= len(folded) <= 12
    assert sum(row.payload["length"] for row in folded) == 40 * 500
    paged = await in_db_thread(from_everywhere, log)
    assert all(page == plain[after : after + len(page)] for after, page in enumerate(paged))
    assert (
        max(sum(len(getattr(one.event, "text", "")) for one in page[:-1]) for page in paged) < 3_000 + 4_000
    )


async def test_what_is_not_in_the_log_with_its_message_is_left_as_it_is(
    open_noted: OpenNoted,
) -> None:
    log, _ = await open_noted()
    log.append(started())
    await stream(log, PIECES, "item_a")
    await log.durable()
    rows = await delta_rows(log)
    await in_db_thread(fold, [Answer(log.session_id, "item_a", 2, log.last_seq + 1)])
    await in_db_thread(fold, [Answer(log.session_id, "item_a", 2, log.last_seq)])
    assert await delta_rows(log) == rows


async def test_the_state_of_an_open_response_needs_no_text_that_is_folded(
    open_noted: OpenNoted,
) -> None:
    log, noted = await open_noted()
    log.append(started())
    log.append(message(await stream(log, PIECES, "item_a"), "item_a"))
    await stream(log, PIECES, "item_b")
    await log.durable()
    await in_db_thread(fold, noted)
    state = SessionState(await in_db_thread(lambda: read_history(session_id=log.session_id)))
    assert state.open
    assert log.state.open
    assert state.open.texts == log.state.open.texts
    assert list(state.open.texts) == ["item_b"]


@pytest.mark.parametrize("first", ["fold", "erase"])
async def test_an_erased_session_can_be_read_folded_or_not(open_noted: OpenNoted, first: str) -> None:
    log, noted = await open_noted()
    await answer(log, "item_a")
    if first == "fold":
        await in_db_thread(fold, noted)
    erased = await in_db_thread(
        lambda: erase_session(session_id=log.session_id, by=By(actor=EraseActor.STAFF))
    )
    assert erased
    await in_db_thread(fold, noted)
    assert {row.content for row in await delta_rows(log)} == {None if first == "fold" else ""}
    records = await in_db_thread(lambda: read_records(session_id=log.session_id, after=0))
    deltas = [one.event for one in records if isinstance(one.event, ev.AssistantDelta)]
    assert [(one.offset, one.text) for one in deltas] == [(0, "")] * len(PIECES)


async def test_who_reads_as_it_is_erased_reads_no_words(open_noted: OpenNoted) -> None:
    """The rows are read, then their texts."""
    log, noted = await open_noted()
    await answer(log, "item_a")
    await in_db_thread(fold, noted)
    rows = await in_db_thread(lambda: [Row(*one) for one in SessionEvent.objects.values_list(*COLUMNS)])
    await in_db_thread(lambda: erase_session(session_id=log.session_id, by=By(actor=EraseActor.STAFF)))
    records = [record for row in await in_db_thread(with_texts, rows) for record in decode_row(row)]
    deltas = [one.event for one in records if isinstance(one.event, ev.AssistantDelta)]
    assert [one.text for one in deltas] == [""] * len(PIECES)


async def test_only_a_text_that_was_streamed_whole_is_noted(open_noted: OpenNoted) -> None:
    log, noted = await open_noted()
    log.append(started())
    await stream(log, PIECES, "item_a")
    log.append(message("".join(PIECES) + " And more.", "item_a"), message("never streamed", "item_b"))
    await stream(log, PIECES, "item_c")
    log.append(message("".join(PIECES), "item_c"))
    assert [one.item_id for one in noted] == ["item_c"]


async def test_the_process_folds_what_is_old_enough(
    open_noted: OpenNoted, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SESSIONS_FOLD_SECONDS = 0.05
    log, noted = await open_noted()
    await answer(log, "item_a")
    folds, calls = Folding(), 0

    def away_once(answers: Sequence[Answer]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OperationalError
        fold(answers)

    monkeypatch.setattr(folding, "fold", away_once)
    folds.note(noted[0])
    task = asyncio.create_task(folds.run())

    async def folded() -> None:
        assert {row.content for row in await delta_rows(log)} == {None}

    await eventually(folded)
    task.cancel()
    assert calls >= 2


async def test_what_is_young_stays(settings: Settings) -> None:
    settings.SESSIONS_FOLD_SECONDS = 600.0
    folds = Folding()
    folds.note(Answer("s", "item", 1, 2))
    assert folds._due() == []


async def test_a_message_that_has_a_deleted_answers_id_lends_it_no_text(open_noted: OpenNoted) -> None:
    log, noted = await open_noted()
    await answer(log, "item_1")
    told = await in_db_thread(lambda: read_records(session_id=log.session_id, after=0))
    await in_db_thread(fold, noted)
    log.append(ev.AssistantMessage(response_id="", item_id="item_1", output_index=0, text="Something else."))
    await log.durable()
    again = await in_db_thread(lambda: read_records(session_id=log.session_id, after=0))
    assert again[: len(told)] == told
