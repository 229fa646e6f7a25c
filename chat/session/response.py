"""One response: model round, tools, model round, ..., until the model has answered or somebody stops it.

Every step is an event in the log; what a client sees are readers of that log. However a response ends, its last two
kinds of event, the texts it has and `ResponseDone`, commit together.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import msgspec

from chat import metrics
from chat.conf import conf
from chat.errors import BudgetExceeded, ChatError, ModelEmptyAnswer, ProviderError
from chat.llm.catalog import Candidate
from chat.llm.prices import text_bytes
from chat.llm.prompts import APPLICATION, NOT_RUN
from chat.llm.provider import (
    JSON,
    Completed,
    FinishReason,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCallRequest,
    ToolSpec,
)
from chat.llm.route import FailedAttempt, Route
from chat.redaction import safe_cause
from chat.session.attachments import with_contents
from chat.session.context import Context
from chat.session.cost import Meter
from chat.session.history import items_of
from chat.session.turns import Turn
from chat.tools.asking import question
from chat.tools.base import Tool, ToolContext
from chat.tools.permissions import needs_approval
from chat.tools.runner import run_tools
from sessions_app.errors import JournalError, JournalFull
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log import settle
from sessions_app.log.rows import storable
from sessions_app.log.state import SessionState

logger = logging.getLogger(__name__)


# The reasons for which a response is stopped from outside.


@dataclass(frozen=True)
class Stop:
    """Why a response was stopped, as its `ResponseDone` says it."""

    status: ev.ResponseStatus
    reason: str
    message: str = ""
    client_event_id: str | None = None
    by: str = ""

    def error(self) -> Exception:
        return JournalFull(self.message)

    def done(self, response_id: str, *, cause: str) -> ev.ResponseDone:
        return ev.ResponseDone(
            response_id=response_id,
            status=self.status,
            reason=self.reason,
            message=self.message,
            cause=cause,
            client_event_id=self.client_event_id,
            stopped_by=self.by,
        )


CANCELLED = Stop(ev.ResponseStatus.CANCELLED, ev.Reason.CLIENT_CANCELLED)
STEERED = Stop(ev.ResponseStatus.CANCELLED, ev.Reason.STEERED)
OPERATOR_STOPPED = Stop(ev.ResponseStatus.CANCELLED, ev.Reason.OPERATOR_STOPPED)
TAKEN_OVER = Stop(ev.ResponseStatus.CANCELLED, ev.Reason.OPERATOR_TOOK_OVER)
INTERRUPTED = Stop(
    ev.ResponseStatus.INCOMPLETE, ev.Reason.INTERRUPTED, "The server stopped while it answered."
)
SESSION_ENDED = Stop(ev.ResponseStatus.CANCELLED, ev.Reason.SESSION_ENDED)
FAILED = Stop(ev.ResponseStatus.FAILED, ChatError.code, "The server failed to answer. Try again.")
STORAGE_AWAY = Stop(ev.ResponseStatus.FAILED, JournalFull.code, str(JournalFull()))


EVENTS_A_TURN = 16
"""Of a model that does not wait: then everybody else has a turn, the stop of this answer among them."""

# A text of a response in the making.


class OpenText:
    """An item of text while its deltas come in."""

    def __init__(self, item_id: str, output_index: int) -> None:
        self.item_id = item_id
        self.output_index = output_index
        self.length = 0
        self._texts: list[str] = []
        self._parts: list[ev.Part] = []

    def add(self, clean: str, extra: JSON | None) -> None:
        """A part with an ``extra`` stays a part of its own."""
        self._texts.append(clean)
        self.length += len(clean)
        last = self._parts[-1] if self._parts else None
        if extra is None and last is not None and last.extra is None:
            self._parts[-1] = ev.Part(last.length + len(clean))
        elif clean or extra is not None:
            self._parts.append(ev.Part(len(clean), storable(extra)))

    def message(self, response_id: str, status: ev.TextStatus) -> ev.AssistantMessage:
        vendor_parts = any(part.extra is not None for part in self._parts)
        return ev.AssistantMessage(
            response_id=response_id,
            item_id=self.item_id,
            output_index=self.output_index,
            text="".join(self._texts),
            status=status,
            parts=self._parts if vendor_parts else [],
        )


# How long a response takes.


class Clock:
    def __init__(self) -> None:
        self._started = time.monotonic()
        self._first_s: float | None = None
        self.model_s = 0.0
        self.tools_s = 0.0

    def first_token(self) -> None:
        if self._first_s is None:
            self._first_s = time.monotonic() - self._started
            metrics.first_token_seconds.observe(self._first_s)

    def timings(self) -> ev.Timings:
        return ev.Timings(
            first_token_ms=None if self._first_s is None else round(self._first_s * 1000, 1),
            total_ms=round((time.monotonic() - self._started) * 1000, 1),
            model_ms=round(self.model_s * 1000, 1),
            tools_ms=round(self.tools_s * 1000, 1),
        )


_Call = ev.ToolCall | ev.ToolApprovalRequested


class Response:
    """One response in the making. `run` raises `JournalError` only when the session is lost; whatever else it raises is a
    fault of ours, and `give_up` then ends the response."""

    def __init__(self, context: Context, turn: Turn, view: SessionState | None) -> None:
        """``view``: what it looks at; None: the conversation."""
        self.response_id = turn.response_id
        self.options = turn.options
        self.goes_by = turn.goes_by
        self.waits_for_others = False
        """It has made calls that the client answers, or a person allows."""
        self._session_id = context.session_id
        self.ended = asyncio.Event()
        self._continues = turn.continues
        self._budget = context.budget
        self._stop: Stop | None = None
        self._work: asyncio.Task[tuple[ev.ResponseStatus, str]] | None = None
        self._log = context.log
        self._view = view
        self._history = view or context.history
        self._route = Route(context.candidates(), on_failure=self._attempt_failed)
        route = self._route
        self._meter = Meter(lambda: route.current.spec, context.history.tokens_per_byte)
        self._config = context.config().for_response(turn.options)
        self._instructions = context.instructions
        self._told_beside = APPLICATION.format(context=turn.options.context) if turn.options.context else ""
        self._registry = context.registry
        self._tool_context = context.tool_context
        self._text: OpenText | None = None
        self._output_index = 0
        self._usage = ev.Usage()
        self._clock = Clock()
        self._unanswered: dict[str, ev.ToolCall] = {}
        """Calls in the log whose results are not."""
        self._call_ids: set[str] = set()
        self._tools_began = False
        self._outside = turn.outside
        self._answer_schema = turn.options.answer_schema
        self._counted = False
        """Its cost is the user's."""
        self._over = False
        """Its end is in the log."""

    def stop(self, why: "Stop") -> None:
        """End it at once, at whatever point it is, also before `run`; the first reason counts."""
        self._stop = self._stop or why
        if self._work:
            self._work.cancel()

    @property
    def takes_words(self) -> bool:
        """It goes on, and may be steered."""
        return not (self._stop or self._over or self._outside)

    @property
    def candidate(self) -> Candidate:
        """Who is asked first."""
        return self._route.current

    def give_up(self, why: Stop, cause: str) -> None:
        """End what `run` could not, with the little that this takes. Raises a `JournalError`."""
        self._append_end(why.done(self.response_id, cause=cause))

    def _append(self, *events: ev.Event, reserved: bool = False) -> None:
        """What it looks at grows by what it says; the conversation does so by itself."""
        last = self._log.append(*events, reserved=reserved)
        for seq, event in enumerate(events if self._view else (), start=last.seq + 1 - len(events)):
            self._history.apply(ev.Record(last.session_id, seq, last.at, event))

    async def run(self) -> None:
        self._work = asyncio.create_task(self._rounds(), name=f"rounds {self.response_id}")
        if self._stop:
            self._work.cancel()
        try:
            status, reason = await self._work
            self._settle(status, reason)
        except asyncio.CancelledError:
            self.cut_off()
        except ProviderError as error:
            self._settle(
                ev.ResponseStatus.FAILED,
                error.code,
                message=error.message,
                cause=error.cause,
                retry_after_s=error.retry_after_s,
            )
        except JournalError as error:
            self._settle(ev.ResponseStatus.FAILED, error.code, message=error.message)
        except BudgetExceeded as error:
            self._settle(ev.ResponseStatus.INCOMPLETE, error.code, message=error.message)
        except Exception as error:
            logger.exception("session %s: response %s failed", self._session_id, self.response_id)
            self._settle(FAILED.status, FAILED.reason, message=FAILED.message, cause=safe_cause(repr(error)))
        finally:
            self._route.end()
            self.ended.set()

    def cut_off(self) -> None:
        """End it as it was told to stop, also where its work has not let go yet: nobody can say when it will. Raises a
        `JournalError`."""
        stop = self._stop or INTERRUPTED
        self._settle(stop.status, stop.reason, message=stop.message, stop=stop)

    async def _rounds(self) -> tuple[ev.ResponseStatus, str]:
        """Raises `ProviderError`, `JournalError`, `BudgetExceeded`. Returns the status and its reason."""
        await self._run_tools(self._approved())
        limit = conf().max_tool_rounds
        for round_number in range(limit + 1):
            finish, calls = await self._model_round(round_number)
            if not calls:
                return _status_of(finish)
            ours = [
                call
                for call in calls
                if isinstance(call, ev.ToolCall) and call.location == ev.Location.SERVER
            ]
            self.waits_for_others = len(ours) < len(calls)
            await self._run_tools(ours)
            if self.waits_for_others:
                return ev.ResponseStatus.COMPLETED, ""
        return ev.ResponseStatus.INCOMPLETE, ev.Reason.MAX_TOOL_ROUNDS

    async def _model_round(self, round_number: int) -> tuple[Completed, list[_Call]]:
        requests: list[tuple[int, ToolCallRequest]] = []
        finish = Completed(FinishReason.OTHER)
        started = time.monotonic()
        taken = 0
        try:
            async with aclosing(self._events(await self._request(round_number))) as events:
                async for event in events:
                    match event:
                        case TextDelta():
                            self._delta(event)
                        case ToolCallRequest():
                            requests.append((self._take_index(), event))
                        case Completed():
                            finish = event
                    taken += 1
                    if taken % EVENTS_A_TURN == 0:
                        await asyncio.sleep(0)
        finally:
            self._clock.model_s += time.monotonic() - started
        self._usage += finish.usage
        calls = [await self._call(request, index, round_number) for index, request in requests]
        if calls:
            self._append(*self._close_text(ev.TextStatus.COMPLETED), *calls)
        return finish, calls

    async def _events(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """The model's, each counted as it comes. Raises `ProviderError`, and `BudgetExceeded` once that is enough."""
        self._check_budget()
        self._meter.begin(request)
        try:
            async with aclosing(self._route.stream(request)) as stream:
                async for event in stream:
                    if isinstance(event, Completed):
                        self._meter.complete(event.usage)
                    else:
                        self._meter.received(_event_bytes(event))
                    yield event
                    if not isinstance(event, Completed):
                        self._check_budget()
        except ProviderError:
            self._meter.refused()
            raise

    def _check_budget(self) -> None:
        """Raises `BudgetExceeded`. What has no price does not count."""
        if self._budget.bounded and (microusd := self._meter.microusd) is not None:
            self._budget.runs(self.response_id, microusd)

    async def _request(self, round_number: int) -> ModelRequest:
        tools = await self._tools()
        return ModelRequest(
            model=self._route.current.model,
            history=await with_contents(items_of(self._history)),
            instructions="\n\n".join(
                filter(None, (self._config.instructions or self._instructions(), self._told_beside))
            ),
            tools=tools,
            tool_choice=self._tool_choice(round_number, {spec.name for spec in tools}),
            max_output_tokens=self._config.output_token_limit(),
            answer_schema=self._answer_schema,
        )

    def _attempt_failed(self, failed: FailedAttempt) -> None:
        error, provider = failed.error, failed.spec.partition(":")[0]
        metrics.model_failures.labels(provider=provider, code=error.code).inc()
        if isinstance(error, ModelEmptyAnswer):
            self._meter.wasted(error.usage)
            self._usage += error.usage
        self._append(
            ev.ModelAttemptFailed(
                response_id=self.response_id,
                model=failed.spec,
                code=error.code,
                cause=error.cause,
                attempt=failed.attempt,
                next_model=failed.next_spec,
                delay_s=round(failed.delay_s, 3),
            )
        )

    def _tool_choice(self, round_number: int, offered: set[str]) -> str:
        """The wish counts for the first round; the last one must answer without tools. A tool that was there when it was
        wished for may be gone (a permission, an MCP server), and every vendor refuses a request that names it."""
        if round_number == 0:
            wish = self._config.tool_choice_name()
            return wish if wish in offered | {"auto", "none", "required"} else "auto"
        return "none" if round_number >= conf().max_tool_rounds else "auto"

    async def _tools(self) -> list[ToolSpec]:
        client = self._config.client_tools()
        names = {spec.name for spec in client}
        server = await self._registry.specs_for(self._tool_context(""))
        return [*client, *(spec for spec in server if spec.name not in names)]

    def _delta(self, delta: TextDelta) -> None:
        if self._text is None:
            self._text = OpenText(new_id("item"), self._take_index())
        text, clean = self._text, storable(delta.text)
        if clean:
            self._clock.first_token()
            self._append(
                ev.AssistantDelta(
                    response_id=self.response_id,
                    item_id=text.item_id,
                    output_index=text.output_index,
                    offset=text.length,
                    text=clean,
                )
            )
        text.add(clean, delta.extra)  # last: a delta that the log refused is no part of the text

    async def _call(self, request: ToolCallRequest, index: int, round_number: int) -> _Call:
        """The call as an event, or the question whether it may be made; outside of the conversation nobody could answer
        it, and the call is refused where it would run."""
        request = self._with_own_id(request)
        client = any(spec.name == request.name for spec in self._config.client_tools())
        tool = None if client else self._registry.get(request.name)
        common: JSON = {
            "response_id": self.response_id,
            "item_id": new_id("item"),
            "call_id": storable(request.call_id),
            "output_index": index,
            "name": storable(request.name),
            "arguments": storable(request.arguments),
            "round": round_number,
            "side_effects": bool(tool and tool.side_effects and not tool.idempotent),
            "server_label": tool.server_label if tool else "",
            "extra": storable(request.extra),
        }
        if tool and not self._outside and await self._needs_approval(tool, request):
            asks = await question(tool, arguments=request.arguments)
            return ev.ToolApprovalRequested(**common, asks=asks, approvals=tool.approvals)
        return ev.ToolCall(**common, location=ev.Location.CLIENT if client else ev.Location.SERVER)

    def _with_own_id(self, request: ToolCallRequest) -> ToolCallRequest:
        """A project's own provider may give an id a second time; two calls of one id would have one result."""
        if request.call_id in self._call_ids or self._history.items.knows_call(storable(request.call_id)):
            request = msgspec.structs.replace(request, call_id=new_id("call"))
        self._call_ids.add(request.call_id)
        return request

    async def _needs_approval(self, tool: Tool, request: ToolCallRequest) -> bool:
        context = self._tool_context(request.call_id)
        return await needs_approval(tool, arguments=request.arguments, context=context)

    def _approved(self) -> list[ev.ToolCall]:
        """The calls that a person has said yes to since the response that this one goes on with."""
        if self._continues is None:
            return []
        asked = [approval.asked for approval in self._history.approvals.to_call(self._continues)]
        calls = [
            ev.ToolCall(
                response_id=self.response_id,
                item_id=new_id("item"),
                call_id=one.call_id,
                output_index=self._take_index(),
                name=one.name,
                arguments=one.arguments,
                side_effects=one.side_effects,
                server_label=one.server_label,
                approval_id=one.item_id,
            )
            for one in asked
        ]
        if calls:
            self._append(*calls)
        return calls

    async def _run_tools(self, calls: list[ev.ToolCall]) -> None:
        """The calls are in the log before the first of them runs, each result as soon as it is there."""
        if not calls:
            return
        self._unanswered = {call.call_id: call for call in calls}
        self._tools_began = False
        await self._log.durable()
        self._tools_began = True
        started = time.monotonic()
        requests = [(call.name, call.arguments, self._context_of(call)) for call in calls]
        try:
            async with aclosing(run_tools(self._registry, requests)) as outcomes:
                async for index, outcome in outcomes:
                    call = calls[index]
                    self._append(
                        _result(call, outcome.output, ev.Outcome(outcome.outcome), outcome.duration_ms)
                    )
                    del self._unanswered[call.call_id]
                    known = (
                        call.name if self._registry.get(call.name) else "unknown"
                    )  # a label a model cannot multiply
                    metrics.tool_calls.labels(tool=known, outcome=outcome.outcome).inc()
        finally:
            self._clock.tools_s += time.monotonic() - started

    def _context_of(self, call: ev.ToolCall) -> ToolContext:
        return replace(self._tool_context(call.call_id), approved=call.approval_id is not None)

    def _settle(
        self,
        status: ev.ResponseStatus,
        reason: str,
        *,
        message: str = "",
        cause: str = "",
        retry_after_s: float | None = None,
        stop: Stop | None = None,
    ) -> None:
        """Close what is open. Beyond the journal's bound, so that a full buffer cannot lose the end of an answer."""
        if self._over:
            return
        self._meter.give_up()
        cost_microusd = self._meter.microusd
        if not self._counted:  # an end that cannot be stored is tried once more
            self._counted = True
            tokens = self._usage.input_tokens + self._usage.output_tokens
            self._budget.ended(self.response_id, cost_microusd or 0, tokens=tokens)
        self._append_end(
            ev.ResponseDone(
                response_id=self.response_id,
                status=status,
                reason=storable(reason),
                message=storable(message),
                cause=storable(cause),
                client_event_id=stop.client_event_id if stop else None,
                stopped_by=stop.by if stop else "",
                retry_after_s=retry_after_s,
                model=self._route.current.spec,
                usage=self._usage,
                timings=self._clock.timings(),
                cost_microusd=cost_microusd,
                cost_estimated=self._meter.estimated,
                context_tokens=self._meter.context_tokens,
                context_bytes=self._meter.context_bytes,
            )
        )
        metrics.responses.labels(provider=self._route.current.provider.name, status=status).inc()

    def _append_end(self, done: ev.ResponseDone) -> None:
        """Once: what fails after it must not end the response a second time."""
        if self._over:
            return
        whole = done.status == ev.ResponseStatus.COMPLETED
        events = [
            *(self._no_result(call) for call in self._unanswered.values()),
            *self._close_text(ev.TextStatus.COMPLETED if whole else ev.TextStatus.INCOMPLETE),
            done,
        ]
        self._append(*events, reserved=True)
        self._over = True

    def _no_result(self, call: ev.ToolCall) -> ev.ToolResult:
        if self._tools_began:
            return _result(call, settle.UNKNOWN_OUTCOME, ev.Outcome.UNKNOWN, 0.0)
        return _result(call, NOT_RUN, ev.Outcome.ERROR, 0.0)

    def _close_text(self, status: ev.TextStatus) -> list[ev.Event]:
        text, self._text = self._text, None
        return [text.message(self.response_id, status)] if text else []

    def _take_index(self) -> int:
        self._output_index += 1
        return self._output_index - 1


def _event_bytes(event: TextDelta | ToolCallRequest) -> int:
    return text_bytes(event.text if isinstance(event, TextDelta) else event.name + event.arguments)


def _result(call: ev.ToolCall, output: str, outcome: ev.Outcome, duration_ms: float) -> ev.ToolResult:
    return ev.ToolResult(
        item_id=call.item_id,
        call_id=call.call_id,
        name=call.name,
        output=storable(output),
        outcome=outcome,
        duration_ms=round(duration_ms, 1),
        response_id=call.response_id,
        approval_id=call.approval_id,
    )


def _status_of(finish: Completed) -> tuple[ev.ResponseStatus, str]:
    match finish.finish:
        case FinishReason.STOP | FinishReason.TOOL_CALLS:
            return ev.ResponseStatus.COMPLETED, ""
        case FinishReason.OTHER:
            return ev.ResponseStatus.INCOMPLETE, finish.vendor_reason.lower() or "unknown"
        case reason:
            return ev.ResponseStatus.INCOMPLETE, reason.value
