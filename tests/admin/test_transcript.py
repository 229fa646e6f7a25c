"""Folding records into what people read; no database."""

import json
from enum import EnumType

import msgspec

from sessions_app.log import events as ev
from sessions_app.review.transcript import (
    Answer,
    Notice,
    Said,
    Text,
    Tone,
    ToolRun,
    fold,
    notice_text,
    partial_answers,
)
from tests.admin.rows import call, deltas, done, message, records_of, result, started, turn, user_says


def entries_of(*events: ev.Event) -> list[Notice | Said | Answer]:
    return fold(records_of("s", events))


def only_answer(*events: ev.Event) -> Answer:
    answers = [entry for entry in entries_of(*events) if isinstance(entry, Answer)]
    assert len(answers) == 1
    return answers[0]


def test_a_turn_is_a_question_and_an_answer_with_its_tools_in_order() -> None:
    question, answer = entries_of(*turn(1))
    assert isinstance(question, Said)
    assert question.text == "question 1 "
    assert isinstance(answer, Answer)
    assert [item.kind for item in answer.items] == ["tool", "text"]
    assert answer.model == "gemini:flash"
    assert answer.done is not None
    assert answer.done.usage.input_tokens == 300


def test_the_final_text_stands_instead_of_its_deltas() -> None:
    answer = only_answer(started(), *deltas("Hel", "lo"), message("Hello"), done())
    assert [(item.text, item.status) for item in answer.items if isinstance(item, Text)] == [
        ("Hello", "completed")
    ]


def test_the_last_word_on_an_answer_stands_with_its_text() -> None:
    bad = ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.DOWN, reason="wrong", comment="It was Paris.")
    good = ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.UP, replaces=ev.Rating.DOWN)
    taken_back = ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.NONE, replaces=ev.Rating.UP)
    for given, shown in (([bad], bad), ([bad, good], good), ([bad, good, taken_back], None)):
        text = only_answer(started(), message("Rome"), done(), *given).items[0]
        assert isinstance(text, Text)
        assert text.feedback == shown


def test_a_word_on_an_answer_that_stands_elsewhere_is_a_notice() -> None:
    (notice,) = entries_of(
        ev.FeedbackGiven(item_id="item_a", rating=ev.Rating.DOWN, reason="too_long", comment="Shorter!")
    )
    assert isinstance(notice, Notice)
    assert notice.text == "The customer called an earlier answer bad \N{MIDDLE DOT} too long: Shorter!"
    assert notice.tone is Tone.DANGER


def test_deltas_without_a_final_text_are_a_partial_answer() -> None:
    answer = only_answer(started(), *deltas("Hel", "lo"))
    assert [(item.text, item.status) for item in answer.items if isinstance(item, Text)] == [
        ("Hello", "partial")
    ]
    assert partial_answers([answer]) == [answer]


def test_a_finished_answer_is_not_looked_up_again() -> None:
    assert partial_answers(entries_of(*turn(1))) == []
    assert (
        partial_answers(entries_of(started(), message("Hel", status="incomplete"), done(status="cancelled")))
        == []
    )


def test_a_message_during_an_answer_does_not_cut_it() -> None:
    entries = entries_of(started(), *deltas("a"), user_says("wait", "item_2"), message("ab"), done())
    assert [entry.kind for entry in entries] == ["answer", "said"]


def test_a_tool_call_shows_what_came_of_it() -> None:
    run = only_answer(
        started(), call(side_effects=True), result(outcome="error", output="no such zone"), done()
    ).items[0]
    assert isinstance(run, ToolRun)
    assert (run.name, run.outcome, run.output, run.duration_ms) == ("get_time", "error", "no such zone", 12.0)
    assert run.side_effects
    assert json.loads(run.arguments) == {"zone": "Asia/Tokyo"}


def test_a_client_tools_result_after_the_answer_belongs_to_its_call() -> None:
    answer = only_answer(started(), call(location="client"), done(), result(response_id=None))
    assert [item.outcome for item in answer.items if isinstance(item, ToolRun)] == ["ok"]


def test_an_approval_is_told_on_its_call() -> None:
    asked = ev.ToolApprovalRequested(
        response_id="resp_1",
        item_id="a1",
        call_id="call_1",
        output_index=0,
        name="pay",
        arguments="{}",
    )
    answer = only_answer(
        started(),
        asked,
        ev.ToolApproval(item_id="a2", approval_id="a1", approve=False, by="grace", reason="too much"),
    )
    assert [item.approval for item in answer.items if isinstance(item, ToolRun)] == [
        "refused by grace: too much"
    ]


def test_records_that_begin_within_an_answer_still_show_it() -> None:
    answer = only_answer(message("the end"), done())
    assert not answer.started
    assert answer.has_text


def test_an_item_that_the_client_deleted_is_marked_and_kept() -> None:
    said, notice = entries_of(user_says("a secret", "item_9"), ev.ItemDeleted(item_id="item_9"))
    assert isinstance(said, Said)
    assert said.removed
    assert said.text == "a secret"
    assert isinstance(notice, Notice)


def test_failed_attempts_stand_with_their_answer_which_has_the_name_of_who_gave_it() -> None:
    failed = ev.ModelAttemptFailed(
        response_id=started().response_id, model="gemini:flash", code="model_overloaded", next_model="demo"
    )
    answered = msgspec.structs.replace(done(), model="demo")
    answer = only_answer(started(), failed, message("Hi"), answered)
    assert answer.failed_attempts == [failed]
    assert answer.model == "demo"


def test_trouble_is_told_in_its_colour() -> None:
    notices = entries_of(
        ev.SessionEnded(reason=ev.EndReason.ORPHANED),
        ev.SessionReopened(model="demo", cause=ev.ReopenCause.TAKEOVER),
        ev.SummaryFailed(error="boom", attempts=5),
        ev.ConnectionClosed(connection_id="c", close_code=1006),
        ev.ConnectionClosed(connection_id="c", close_code=1000),
    )
    tones = [notice.tone for notice in notices if isinstance(notice, Notice)]
    assert tones == [Tone.WARNING, Tone.WARNING, Tone.DANGER, Tone.WARNING, Tone.NEUTRAL]


def test_one_answer_of_a_persons_to_two_messages_stands_below_both_without_a_warning() -> None:
    took_over = ev.OperatorTookOver(item_id="item_t", author="ann", shown_as="Support")
    first, second = (ev.UserMessage(item_id=f"item_{one}", text=one) for one in ("one", "two"))
    answer = ev.AssistantMessage(
        response_id="resp_1", item_id="item_a", output_index=0, text="Both.", author="ann", shown_as="Support"
    )
    entries = entries_of(
        took_over,
        first,
        ev.ResponseQueued(response_id="resp_1", position=1),
        second,
        ev.ResponseQueued(response_id="resp_2", position=2),
        ev.ResponseStarted(response_id="resp_1", provider="", model="", shown_as="Support"),
        answer,
        ev.ResponseDone(response_id="resp_1", status=ev.ResponseStatus.COMPLETED),
        ev.ResponseDone(
            response_id="resp_2",
            status=ev.ResponseStatus.CANCELLED,
            reason=ev.Reason.ANSWERED_BY_PERSON,
            waited=True,
        ),
    )
    assert [one.kind for one in entries] == ["notice", "said", "notice", "said", "notice", "answer", "notice"]
    last = entries[-1]
    assert isinstance(last, Notice)
    assert (last.text, last.tone) == ("What else had been asked for is answered by this as well", "neutral")


def test_every_event_type_has_its_place_in_a_transcript() -> None:
    samples: dict[str, dict[str, object]] = {
        "session_updated": {"config": {"tools": []}},
    }
    plain = {"str": "x", "int": 1, "bool": True}
    for name, cls in ev.EVENT_TYPES.items():
        fields = samples.get(name) or {
            field.name: next(iter(field.type))
            if isinstance(field.type, EnumType)
            else plain.get(getattr(field.type, "__name__", ""), "x")
            for field in msgspec.structs.fields(cls)
            if field.required
        }
        assert entries_of(msgspec.convert(fields, cls)), name


def test_a_session_that_staff_reopened_does_not_blame_its_client() -> None:
    def words(source: str) -> str:
        return notice_text(ev.SessionReopened(model="demo", source=source))[0]

    assert words("web").startswith("Session reopened: the client came back")
    assert words("admin").startswith("Session reopened by staff, from the admin")
