"""Random logs of one session as the engine writes them: each step is one that it could take in the state it is in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from sessions_app.log import events as ev
from sessions_app.log.items import Calls, Said
from sessions_app.log.settle import dropped, settlement
from sessions_app.log.state import SessionState

BEGAN_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENDS = [
    (ev.ResponseStatus.COMPLETED, ""),
    (ev.ResponseStatus.CANCELLED, "client_cancelled"),
    (ev.ResponseStatus.INCOMPLETE, "max_output_tokens"),
    (ev.ResponseStatus.FAILED, "model_overloaded"),
]


class Engine:
    """Writes one log. ``state`` is the live one."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.records: list[ev.Record] = []
        self.state = SessionState()
        self.ended = False
        self._count = 0
        self._text = ""
        self._text_index = 0
        self._next_index = 0
        self._round = 0
        self.append(ev.SessionStarted(model="demo"))

    def append(self, *events: ev.Event) -> None:
        for event in events:
            seq = (self.records[-1].seq if self.records else 0) + 1
            seq += event.skipped if isinstance(event, ev.SessionReopened) else 0
            at = BEGAN_AT + timedelta(seconds=seq)
            self.records.append(ev.Record("s", seq, at, event))
            self.state.apply(self.records[-1])

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def one_of(self, choices: list[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    # What a client does

    def _place(self) -> dict[str, Any]:
        last_turn = self.state.turns[-1] if self.state.turns else 0
        texts = [one for one in self.state.items.entries if isinstance(one, Said)]
        known = [one.item_id for one in texts if one.entered < last_turn]
        # Not next to what is being written, nor to what may be the last: who began at a checkpoint, and reads no deltas,
        # cannot tell the end from the place behind the last item.
        writing = self.state.open and self.state.open.texts
        previous = None if writing or not self.chance(4) else self.one_of([ev.ROOT, *known])
        return {
            "item_id": self.new("item"),
            "client_event_id": self.new("client") if self.chance(2) else None,
            "previous_item_id": previous,
            "after_item_id": self.state.order.place(previous),
        }

    def ask(self) -> None:
        self.append(ev.UserMessage(text="hello", respond=not self.chance(4), **self._place()))

    def edit(self) -> None:
        """A message of the user's is put in another's place, mostly with an answer."""
        said = [
            one.item_id
            for one in self.state.items.entries
            if isinstance(one, Said) and isinstance(one.event, ev.UserMessage)
        ]
        if self._quiet() and said:
            replaces = self.one_of(said)
            place = self._place() | {"previous_item_id": None, "after_item_id": self.state.order.place(None)}
            self.append(ev.UserMessage(text="rather", replaces=replaces, respond=self.chance(2), **place))
            if not self.chance(3):
                for step in (Engine.start, Engine.stream, Engine.finish):
                    step(self)

    def ask_again(self) -> None:
        if self._quiet() and (response_id := self.state.answered_last()):
            self._text, self._round = "", 0
            if self.chance(3):  # before it begins
                self.ask()
            self._start(retry_of=response_id)
            if self.chance(4):  # it comes to nothing
                self.finish()
                return
            if self.chance(2):
                self.call()
                while self.state.open and self.state.open.unanswered:
                    self.result()
            self.stream()
            self.finish()

    def choose(self) -> None:
        aside = [item_id for one in self.state.versions.entries_aside() for item_id in sorted(one.item_ids)]
        found = self.state.versions.instead_of(self.one_of(aside)) if aside and self._quiet() else None
        if found:
            self.append(ev.VersionChosen(version=found[0], instead_of=found[1]))

    def _quiet(self) -> bool:
        approvals = self.state.approvals.values()
        return not (self.state.open or self.state.queued or any(not one.continued for one in approvals))

    def instruct(self) -> None:
        self.append(ev.OperatorMessage(text="be kind", author="ann", **self._place()))

    def tell(self) -> None:
        self.append(ev.AssistantMessage(response_id="", output_index=0, text="it was", **self._place()))

    def tell_call(self) -> None:
        place = self._place() | {"previous_item_id": None, "after_item_id": self.state.order.place(None)}
        self.append(
            ev.ToolCall(
                response_id="",
                call_id=self.new("call"),
                output_index=0,
                name="look",
                arguments="{}",
                location=ev.Location.HISTORY,
                **place,
            )
        )
        if self.chance(2):
            self._answer(self.records[-1].event)

    def give_result(self) -> None:
        told = [*self.state.items.entries, *self.state.waiting.values()]
        calls = [call for one in told if isinstance(one, Calls) for call in one.calls]
        if opened := [call for call in calls if self.state.items.client_call(call.call_id)]:
            self._answer(self.one_of(opened))

    def _answer(self, call: Any) -> None:
        self.append(ev.ToolResult(call_id=call.call_id, name=call.name, output="42", **self._place()))

    def set(self) -> None:
        self.append(ev.SessionUpdated(config={self.one_of(["instructions", "model"]): self.new("value")}))

    def delete(self) -> None:
        if known := list(self.state.item_seqs):
            item_id = self.one_of(known)
            self.append(ev.ItemDeleted(item_id=item_id, after_item_id=self.state.order.before(item_id)))

    def delete_summarised(self) -> None:
        made = {one.event.new_item_id for one in self.records if one.event.new_item_id}
        forgotten = sorted(one for one in made if self.state.may_have_forgotten(one))
        if self.state.compaction and forgotten:
            through = self.state.compacted_through
            self.append(ev.ItemDeleted(item_id=self.one_of(forgotten)), self._compacted(through))

    def decide(self) -> None:
        waits = [
            one
            for one, approval in self.state.approvals.items()
            if approval.approve is None and not approval.continued
        ]
        if waits:
            self.append(
                ev.ToolApproval(
                    item_id=self.new("item"),
                    approval_id=self.one_of(waits),
                    approve=self.chance(2),
                    by="ann",
                    after_item_id=self.state.order.place(None),
                )
            )

    def rate(self) -> None:
        """An answer, whether the state still knows it or not, as the user did before or otherwise."""
        said = [
            one.event
            for one in self.records
            if isinstance(one.event, ev.AssistantMessage) and one.event.response_id
        ]
        if said:
            item_id = self.one_of(said).item_id
            before = [
                one.event.rating
                for one in self.records
                if isinstance(one.event, ev.FeedbackGiven) and one.event.item_id == item_id
            ]
            self.append(
                ev.FeedbackGiven(
                    item_id=item_id,
                    rating=self.one_of(list(ev.Rating)),
                    replaces=before[-1] if before else ev.Rating.NONE,
                    client_event_id=self.new("client") if self.chance(2) else None,
                )
            )

    def connect(self) -> None:
        self.append(ev.ConnectionOpened(connection_id=self.new("conn"), dialect="plain"))

    # Responses

    def _unclaimed(self) -> list[str]:
        claimed = {item_id for one in self.state.queued.values() for item_id in one.item_ids}
        return [one for one in self.state.waiting if one not in claimed]

    def queue(self) -> None:
        if self.state.open and not self.ended:
            outside = self.chance(4)
            self.append(
                ev.ResponseQueued(
                    response_id=self.new("resp"),
                    position=len(self.state.queued) + 1,
                    item_ids=[] if outside else self._unclaimed(),
                    client_event_id=self.new("client"),
                    options={"conversation": "none"} if outside else {},
                )
            )

    def drop(self) -> None:
        if self.state.queued:
            self.append(*dropped([self.one_of(list(self.state.queued))], reason="client_cancelled"))

    def start(self) -> None:
        if self.state.open or self.ended:
            return
        self._text, self._round = "", 0
        queued = next(iter(self.state.queued.values()), None)
        last, done, decided = self.state.last_response, self.state.last_done, self.state.approvals.decided()
        wish: dict[str, Any] = {"item_ids": self._unclaimed()}
        if queued:
            wish = {"response_id": queued.response_id, "options": queued.options, "item_ids": queued.item_ids}
        elif decided:
            wish = {"continues": decided[0]}
        elif cut_off := self.state.to_retry():
            attempt = cut_off.attempt + 1
            wish = {"retry_of": cut_off.response_id, "attempt": attempt, "continues": cut_off.continues}
        elif last and done and done.status != "completed" and self.chance(2):
            wish = {"retry_of": last.response_id, "continues": last.continues}
        elif self.chance(5):
            wish = {"options": {"conversation": "none"}}
        self._start(**wish)

    def _start(self, *, item_ids: list[str] | None = None, response_id: str = "", **fields: Any) -> None:
        taken = [one for one in item_ids or [] if one in self.state.waiting]
        after = self.state.order.last_but(self.state.waiting.keys() - set(taken))
        started = ev.ResponseStarted(
            response_id=response_id or self.new("resp"),
            provider="demo",
            model="demo",
            input_item_ids=taken,
            after_item_id=after,
            **fields,
        )
        asked = [one.asked for one in self.state.approvals.to_call(started.continues or "")]
        self.append(started)
        self._next_index = 0
        for one in asked:
            self.append(self._call(one.call_id, approval_id=one.item_id, side_effects=one.side_effects))

    def _call(self, call_id: str, **fields: Any) -> ev.ToolCall:
        assert self.state.open
        return ev.ToolCall(
            response_id=self.state.open.started.response_id,
            item_id=self.new("item"),
            call_id=call_id,
            output_index=self._index(),
            name="look",
            arguments="{}",
            round=self._round,
            **fields,
        )

    def _index(self) -> int:
        self._next_index += 1
        return self._next_index - 1

    def stream(self) -> None:
        if not self.state.open or self.state.open.unanswered:
            return
        response_id = self.state.open.started.response_id
        if not self._text:
            self._text, self._text_index = self.new("item"), self._index()
        offset = sum(len(one.text) for one in self.state.open.texts.get(self._text, []))
        fields: dict[str, Any] = {
            "response_id": response_id,
            "item_id": self._text,
            "output_index": self._text_index,
        }
        self.append(ev.AssistantDelta(offset=offset, text=self.one_of(["a", "bc"]), **fields))

    def _close_text(self, status: ev.TextStatus) -> list[ev.Event]:
        """The texts that are open, as they were streamed."""
        self._text = ""
        texts = self.state.open.texts.values() if self.state.open else ()
        return [
            ev.AssistantMessage(
                response_id=deltas[0].response_id,
                item_id=deltas[0].item_id,
                output_index=deltas[0].output_index,
                text="".join(one.text for one in deltas),
                status=status,
            )
            for deltas in texts
        ]

    def call(self) -> None:
        """A round that ends in calls: of the server's tools, of the client's, or ones that need a yes."""
        if not self.state.open or self.state.open.unanswered:
            return
        self._round += 1
        outside = self.state.open.started.options.get("conversation") == "none"
        location = self.one_of([ev.Location.SERVER, ev.Location.SERVER, ev.Location.CLIENT])
        calls: list[ev.Event] = [
            self._call(self.new("call"), location=location, side_effects=self.chance(4))
            for _ in range(self.draw(st.integers(1, 2)))
        ]
        if not outside and self.chance(2):
            asked = self._call(self.new("call"), side_effects=self.chance(2))
            kept = (
                "response_id",
                "item_id",
                "call_id",
                "output_index",
                "name",
                "arguments",
                "round",
                "side_effects",
            )
            calls = [ev.ToolApprovalRequested(**{name: getattr(asked, name) for name in kept})]
        self.append(*self._close_text(ev.TextStatus.COMPLETED), *calls)

    def result(self) -> None:
        if self.state.open and self.state.open.unanswered:
            call = self.one_of(list(self.state.open.unanswered.values()))
            self.append(
                ev.ToolResult(
                    item_id=call.item_id,
                    call_id=call.call_id,
                    name=call.name,
                    output="42",
                    outcome=self.one_of([ev.Outcome.OK, ev.Outcome.ERROR]),
                    response_id=call.response_id,
                )
            )

    def fail_attempt(self) -> None:
        if self.state.open:
            response_id = self.state.open.started.response_id
            next_model = self.one_of(["", "demo", "other:one"])
            failed = {"model": "demo", "code": "model_overloaded", "next_model": next_model}
            self.append(ev.ModelAttemptFailed(response_id=response_id, **failed))

    def finish(self) -> None:
        if not self.state.open:
            return
        while self.state.open.unanswered:
            self.result()
        status, reason = self.one_of(ENDS)
        self.append(
            *self._close_text(ev.TextStatus.COMPLETED if status == "completed" else ev.TextStatus.INCOMPLETE),
            ev.ResponseDone(
                response_id=self.state.open.started.response_id,
                status=status,
                reason=reason,
                model="demo",
                cost_microusd=self.one_of([None, 7]),
                context_tokens=self.one_of([0, 30]),
                context_bytes=100,
            ),
        )

    def turn(self) -> None:
        """A question and its whole answer."""
        calls = [Engine.call] if self.chance(3) else []
        for step in (Engine.ask, Engine.start, Engine.stream, *calls, Engine.finish):
            step(self)

    # What the server does

    def compact(self) -> None:
        if starts := self.state.turns:
            through = self.one_of(starts) - 1
            if self.state.items.through(through):
                self.append(self._compacted(through))

    def _compacted(self, through_seq: int) -> ev.HistoryCompacted:
        kept_seqs, gone_item_ids = self.state.checkpoint(through_seq)
        return ev.HistoryCompacted(
            item_id=self.new("item"),
            summary="They talked.",
            through_seq=through_seq,
            kept_seqs=kept_seqs,
            gone_item_ids=gone_item_ids,
            user_messages=self.state.user_messages,
            spent_microusd=self.state.spent_microusd,
            tokens_per_byte=self.state.tokens_per_byte,
            config=self.state.settings,
            held=self.state.operator is not None,
        )

    def take_over(self) -> None:
        if not self.ended:
            reopened = ev.SessionReopened(
                model="demo", cause=ev.ReopenCause.TAKEOVER, skipped=self.one_of([0, 3])
            )
            self.append(reopened, *settlement(self.state))

    def end(self) -> None:
        if not self.state.open and not self.ended:
            left = dropped(self.state.queued, reason="session_ended")
            self.append(*left, ev.SessionEnded(reason=ev.EndReason.LEFT))
            if self.chance(2):
                self.append(ev.SummaryWritten(summary="s", title="t", model="demo", cost_microusd=5))
            self.append(ev.SessionReopened(model="demo"))


STEPS: list[Callable[[Engine], None]] = [
    Engine.connect,
    Engine.turn,
    Engine.turn,
    Engine.turn,
    Engine.turn,
    Engine.ask,
    Engine.ask,
    Engine.start,
    Engine.start,
    Engine.start,
    Engine.stream,
    Engine.stream,
    Engine.call,
    Engine.result,
    Engine.finish,
    Engine.finish,
    Engine.finish,
    Engine.compact,
    Engine.compact,
    Engine.decide,
    Engine.decide,
    Engine.give_result,
    Engine.rate,
    Engine.rate,
    Engine.edit,
    Engine.edit,
    Engine.edit,
    Engine.ask_again,
    Engine.ask_again,
    Engine.choose,
    Engine.choose,
    Engine.choose,
    Engine.instruct,
    Engine.tell,
    Engine.tell_call,
    Engine.set,
    Engine.delete,
    Engine.delete_summarised,
    Engine.queue,
    Engine.queue,
    Engine.drop,
    Engine.fail_attempt,
    Engine.take_over,
    Engine.end,
]


@st.composite
def logs(draw: st.DrawFn, max_steps: int = 50) -> list[ev.Record]:
    engine = Engine(draw)
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=20, max_size=max_steps)):
        step(engine)
    return engine.records
