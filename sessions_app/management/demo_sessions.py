"""Sessions for development: the records of conversations as the engine would have written them, at times in the past."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sessions_app.log import events as ev
from sessions_app.log.state import MAX_ATTEMPTS
from sessions_app.management.demo_scripts import SCRIPTS, Script, Turn

MODELS = (
    ("gemini", "gemini-3.8-flash"),
    ("gemini", "gemini-3.8-flash"),
    ("openai", "gpt-5.1"),
    ("demo", "demo"),
)
_FAILURES = (
    (
        ev.ResponseStatus.FAILED,
        "model_overloaded",
        "The model is overloaded. Try again in a moment.",
        "503 UNAVAILABLE: try again later",
    ),
    (
        ev.ResponseStatus.FAILED,
        "model_timeout",
        "The model did not answer in time. Try again.",
        "no event for 45 s",
    ),
    (ev.ResponseStatus.CANCELLED, ev.Reason.CLIENT_CANCELLED, "", ""),
    (ev.ResponseStatus.INCOMPLETE, ev.Reason.MAX_OUTPUT_TOKENS, "The answer reached its length limit.", ""),
)
_THOUGHTS = (
    (ev.Rating.UP, "", "That was quick, thank you."),
    (ev.Rating.UP, "", ""),
    (ev.Rating.DOWN, "wrong", "That is not what I asked for."),
    (ev.Rating.DOWN, "incomplete", ""),
)
_RATED = 0.12
"""Answers of which the user says something."""
_TROUBLE = 0.06
"""Answers that do not complete."""


@dataclass
class DemoSession:
    """What one session's rows are made of."""

    session_id: str
    started_at: datetime
    model: str = ""
    script: Script | None = None
    """What its summary is made of; None while it goes on."""
    live: bool = False
    records: list[ev.Record] = field(default_factory=list)


class Writer:
    """Appends events to one session's records, each a little later than the one before."""

    def __init__(self, session: DemoSession, dice: random.Random) -> None:
        self.session, self.dice = session, dice
        self.now = session.started_at
        self._ids = 0

    def write(self, event: ev.Event, *, after_s: float = 0.0) -> None:
        self.now += timedelta(seconds=after_s)
        seq = len(self.session.records) + 1
        self.session.records.append(ev.Record(self.session.session_id, seq, self.now, event))

    def new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}_{self.dice.getrandbits(96):024x}"


def demo_session(
    *,
    session_id: str,
    started_at: datetime,
    dice: random.Random,
    live: bool = False,
    asks: bool = False,
    messages: int | None = None,
) -> DemoSession:
    """One session. ``live``: it goes on, its last answer half told, or waiting for a person's yes where it ``asks``; ``messages``: at least so many of user and model."""
    script = dice.choice(SCRIPTS)
    provider, name = dice.choice(MODELS)
    session = DemoSession(session_id, started_at, model=ev.model_spec(provider, name), live=live)
    writer = Writer(session, dice)
    writer.write(ev.SessionStarted(model=session.model, source=dice.choice(("plain", "realtime"))))
    writer.write(ev.ConnectionOpened(connection_id=writer.new_id("conn"), dialect="realtime"), after_s=0.01)
    for turn in _turns(script, messages):
        _write_turn(writer, turn, provider, name)
    if live and asks:
        _write_an_approval(writer, provider, name)
    elif live:
        _write_half_an_answer(writer, script.turns[0], provider, name)
    else:
        _write_end(writer, script)
        session.script = script
    return session


def _turns(script: Script, messages: int | None) -> Iterator[Turn]:
    for index in range(len(script.turns) if messages is None else -(-messages // 2)):
        yield script.turns[index % len(script.turns)]


def _write_turn(writer: Writer, turn: Turn, provider: str, name: str) -> None:
    dice = writer.dice
    trouble = dice.choice(_FAILURES) if dice.random() < _TROUBLE else None
    if dice.random() < 0.03:
        text = "A colleague looks at this order right now."
        message = ev.OperatorMessage(item_id=writer.new_id("item"), text=text, author="grace")
        writer.write(message, after_s=5)
    response_id, first_token_s = _ask(writer, turn, provider, name)
    began = writer.now
    tools_s = sum(_write_call(writer, response_id, index, turn) for index in range(len(turn.calls)))
    status, reason, message_text, cause = trouble or (ev.ResponseStatus.COMPLETED, "", "", "")
    text = turn.answer if trouble is None else turn.answer[: len(turn.answer) // 3]
    item_id = ""
    if status != ev.ResponseStatus.FAILED:
        item_id = _write_text(writer, response_id, len(turn.calls), text, status)
    total_s = (writer.now - began).total_seconds() + first_token_s
    usage = ev.Usage(input_tokens=dice.randint(180, 2400), output_tokens=len(text) // 4)
    writer.write(
        ev.ResponseDone(
            response_id=response_id,
            status=status,
            reason=reason,
            message=message_text,
            cause=cause,
            model=ev.model_spec(provider, name),
            usage=usage,
            cost_microusd=_cost_microusd(usage),
            timings=ev.Timings(
                first_token_ms=None if status == ev.ResponseStatus.FAILED else round(first_token_s * 1000, 1),
                total_ms=round(total_s * 1000, 1),
                model_ms=round((total_s - tools_s) * 1000, 1),
                tools_ms=round(tools_s * 1000, 1),
            ),
        )
    )
    if item_id and dice.random() < _RATED:
        rating, reason, comment = dice.choice(_THOUGHTS)
        word = ev.FeedbackGiven(item_id=item_id, rating=rating, reason=reason, comment=comment)
        writer.write(word, after_s=dice.uniform(2, 20))


def _cost_microusd(usage: ev.Usage) -> int:
    """At 0.3 and 2.5 US dollars per million tokens: nobody's price, and of the usual size."""
    return round(usage.input_tokens * 0.3 + usage.output_tokens * 2.5)


def _ask(writer: Writer, turn: Turn, provider: str, name: str, *, attempt: int = 1) -> tuple[str, float]:
    """The question and the start of its answer; the response's id and the seconds to its first token."""
    item_id, response_id = writer.new_id("item"), writer.new_id("resp")
    writer.write(ev.UserMessage(item_id=item_id, text=turn.user), after_s=writer.dice.uniform(2, 45))
    writer.write(
        ev.ResponseStarted(
            response_id=response_id, provider=provider, model=name, input_item_ids=[item_id], attempt=attempt
        ),
        after_s=0.004,
    )
    first_token_s = min(writer.dice.lognormvariate(-0.7, 0.45), 8.0)
    writer.now += timedelta(seconds=first_token_s)
    return response_id, first_token_s


def _write_call(writer: Writer, response_id: str, index: int, turn: Turn) -> float:
    call = turn.calls[index]
    item_id, call_id, took_s = writer.new_id("item"), writer.new_id("call"), writer.dice.uniform(0.01, 0.9)
    writer.write(
        ev.ToolCall(
            response_id=response_id,
            item_id=item_id,
            call_id=call_id,
            output_index=index,
            name=call.name,
            arguments=call.arguments,
            location=call.location,
            side_effects=call.side_effects,
        )
    )
    result = ev.ToolResult(
        item_id=item_id,
        call_id=call_id,
        name=call.name,
        output=call.output,
        outcome=call.outcome,
        duration_ms=round(took_s * 1000, 1),
        response_id=response_id,
    )
    writer.write(result, after_s=took_s)
    return took_s


def _write_deltas(writer: Writer, response_id: str, output_index: int, text: str) -> str:
    """Deltas of a few words each; the id of their item."""
    item_id = writer.new_id("item")
    for offset in range(0, len(text), 24):
        delta = ev.AssistantDelta(
            response_id=response_id,
            item_id=item_id,
            output_index=output_index,
            offset=offset,
            text=text[offset : offset + 24],
        )
        writer.write(delta, after_s=writer.dice.uniform(0.03, 0.09))
    return item_id


def _write_text(
    writer: Writer, response_id: str, output_index: int, text: str, status: ev.ResponseStatus
) -> str:
    """The id of its item."""
    item_id = _write_deltas(writer, response_id, output_index, text)
    writer.write(
        ev.AssistantMessage(
            response_id=response_id,
            item_id=item_id,
            output_index=output_index,
            text=text,
            status=ev.TextStatus.COMPLETED
            if status == ev.ResponseStatus.COMPLETED
            else ev.TextStatus.INCOMPLETE,
        )
    )
    return item_id


def _write_half_an_answer(writer: Writer, turn: Turn, provider: str, name: str) -> None:
    """In its last try: no server that finds it takes it up and asks a model."""
    response_id, _ = _ask(writer, turn, provider, name, attempt=MAX_ATTEMPTS)
    _write_deltas(writer, response_id, 0, turn.answer[: len(turn.answer) // 2])


def _write_an_approval(writer: Writer, provider: str, name: str) -> None:
    """A tool that takes a person's yes: the session waits until somebody of the staff decides."""
    order, euros = writer.dice.randint(1000, 9999), writer.dice.randint(15, 240)
    turn = Turn(user=f"Please give me the money for order {order} back, it never arrived.", answer="")
    response_id, first_token_s = _ask(writer, turn, provider, name)
    request = ev.ToolApprovalRequested(
        response_id=response_id,
        item_id=writer.new_id("item"),
        call_id=writer.new_id("call"),
        output_index=0,
        name="refund_order",
        arguments=f'{{"order": "{order}", "euros": {euros}}}',
        side_effects=True,
        asks=f"Pay {euros} € back for order {order}?",
    )
    writer.write(request, after_s=0.2)
    usage = ev.Usage(input_tokens=writer.dice.randint(180, 2400), output_tokens=24)
    writer.write(
        ev.ResponseDone(
            response_id=response_id,
            status=ev.ResponseStatus.COMPLETED,
            model=ev.model_spec(provider, name),
            usage=usage,
            cost_microusd=_cost_microusd(usage),
            timings=ev.Timings(
                first_token_ms=round(first_token_s * 1000, 1),
                total_ms=round(first_token_s * 1000 + 200, 1),
                model_ms=round(first_token_s * 1000 + 200, 1),
                tools_ms=0.0,
            ),
        ),
        after_s=0.01,
    )


def _write_end(writer: Writer, script: Script) -> None:
    writer.write(
        ev.ConnectionClosed(connection_id=writer.new_id("conn"), close_code=1001),
        after_s=writer.dice.uniform(3, 60),
    )
    writer.write(ev.SessionEnded(reason=ev.EndReason.LEFT), after_s=10)
