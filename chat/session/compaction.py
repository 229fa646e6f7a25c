"""Keeping a conversation within what its model is sent: the oldest turns give way to a summary of them.

When a history has grown to `_SOFT` of its budget, a summary is made behind the user's back, after a turn. Where that
was not enough (it failed, or much came at once), the next turn waits for it, and after `compaction_wait_seconds` it
goes on with the oldest turns left out and a note that says so. The last finished turn always stays whole, and so do
tool calls that are open. See docs/conversations.md.
"""

import asyncio
import logging
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from chat import metrics
from chat.conf import conf
from chat.errors import ChatError, ProviderError
from chat.llm import prompts
from chat.llm.catalog import Candidate, candidates
from chat.llm.prices import (
    cost_microusd,
    history_budget_tokens,
    items_bytes,
    request_bytes,
    text_bytes,
    tokens_of,
)
from chat.llm.prompts import DELETED, HEAD, LEFT_OUT
from chat.llm.provider import (
    AssistantText,
    Completed,
    HistoryItem,
    ModelRequest,
    OperatorText,
    TextDelta,
    ToolCallItem,
    ToolResultItem,
    Usage,
    UserText,
)
from chat.llm.route import Route
from chat.session.context import Context
from chat.session.history import as_items, items_of, items_through
from sessions_app.errors import JournalError
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.rows import storable

logger = logging.getLogger(__name__)


# The words of a compaction: what the model is asked, and what it is later shown of turns that it cannot see
# any more.


MAX_SUMMARY_CHARS = 8_000
MAX_ITEM_CHARS = 4_000
MAX_TOOL_CHARS = 600
_LEAST_ITEMS = 12
"""About so many fit at least, a third of them in letters of three bytes: a small model was given none at all."""


def material(previous: str, items: Sequence[HistoryItem], *, max_bytes: int) -> str:
    """What is to be summarised; of more than ``max_bytes`` of UTF-8 the middle is left out, and it says so."""
    most_chars = min(MAX_ITEM_CHARS, max_bytes // _LEAST_ITEMS)
    lines = [line for item in items if (line := _line(item, most_chars))]
    text = "\n\n".join(_bounded(lines, max_bytes))
    before = f"<summary>\n{_inside(previous)}\n</summary>\n" if previous else ""
    return f"{before}<conversation>\n{_inside(text)}\n</conversation>"


def shown(summary: str) -> str:
    """A summary as the model finds it at the front of its history."""
    return f"{HEAD}\n\n{summary[:MAX_SUMMARY_CHARS]}"


def bare(shown_summary: str) -> str:
    """What `shown` was given."""
    return shown_summary.removeprefix(HEAD).strip()


def with_note(summary: str, note: str) -> str:
    """The summary, and once that something is missing after it."""
    kept = summary.removesuffix(note).rstrip()
    return f"{kept[: MAX_SUMMARY_CHARS - len(note) - 2]}\n\n{note}".strip()


def _line(item: HistoryItem, most_chars: int) -> str:
    match item:
        case UserText():
            sent = "".join(f" [sent the file {file.name}]" for file in item.files)
            return f"User: {_clipped(item.text, most_chars)}{sent}"
        case AssistantText():
            return f"Assistant: {_clipped(item.text, most_chars)}"
        case OperatorText():
            return f"Operator: {_clipped(item.text, most_chars)}"
        case ToolCallItem():
            return (
                f"[Tool {item.name} was asked: {_clipped(item.arguments, min(most_chars, MAX_TOOL_CHARS))}]"
            )
        case ToolResultItem():
            return f"[Tool {item.name} gave: {_clipped(item.output, min(most_chars, MAX_TOOL_CHARS))}]"


def _clipped(text: str, max_chars: int) -> str:
    """Further lines are indented, so that nobody's text looks like another's entry."""
    cut = text if len(text) <= max_chars else f"{text[:max_chars]} [... cut]"
    return cut.replace("\n", "\n  ")


def _bounded(lines: list[str], max_bytes: int) -> list[str]:
    if sum(map(text_bytes, lines)) <= max_bytes:
        return lines
    beginning = _fitting(lines, max_bytes // 3)
    end = _fitting(lines[len(beginning) :][::-1], max_bytes - max_bytes // 3)[::-1]
    omitted = len(lines) - len(beginning) - len(end)
    return [*beginning, f"[... {omitted} entries are left out here ...]", *end]


def _fitting(lines: Iterable[str], max_bytes: int) -> list[str]:
    taken: list[str] = []
    for line in lines:
        max_bytes -= text_bytes(line)
        if max_bytes < 0:
            break
        taken.append(line)
    return taken


def _inside(text: str) -> str:
    """Marked off, so that a message cannot pretend to stand outside."""
    return re.sub(r"</?\s*(conversation|summary)\s*>", "", text, flags=re.IGNORECASE)


_SOFT = 0.8
_KEEP = 0.4
"""Of the budget, for the turns that stay whole; so a summary is made once in 0.4 budgets of talk."""
_BYTES_PER_TOKEN = 3


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    """A summary, or why there is none."""

    text: str = ""
    error: str = ""
    model: str = ""
    usage: Usage = Usage()
    cost_microusd: int | None = 0


def _with_owed(written: _Written, owed: Sequence[_Written]) -> _Written:
    usage, cost = written.usage, written.cost_microusd
    for one in owed:
        usage += one.usage
        cost = None if cost is None or one.cost_microusd is None else cost + one.cost_microusd
    return msgspec.structs.replace(written, usage=usage, cost_microusd=cost)


def _try(spec: str, usage: Usage) -> _Written:
    return _Written(usage=usage, cost_microusd=cost_microusd(spec, usage))


@dataclass(frozen=True)
class _Plan:
    """``item_ids`` and ``summary_id`` say what the summary is made of: should they change, it is none any more."""

    through_seq: int
    item_ids: tuple[str, ...]
    summary_id: str


def _least_budget(models: Sequence[Candidate]) -> int:
    """What any of the models that may be asked can take."""
    return min(history_budget_tokens(one.spec) for one in models)


class Compaction:
    """One conversation's. Runs on the event loop; at most one summary at a time is in the making."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._error = ""
        """Why the last try gave no summary."""
        self._owed: list[_Written] = []
        """Tries that were paid for and gave no summary that counts: written with the next that does, or with the note."""

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def after_turn(self) -> None:
        """Begin a summary in the background where one is due."""
        if not self.running and self._fill() >= _SOFT and self._context.budget.left:
            self._begin()

    async def before_turn(self) -> None:
        """Return once the history fits, or nothing more can be done for it. Raises a `JournalError`."""
        if self._fill() < 1.0:
            return
        if self._plan() is None:
            return
        self._error = "no summary in time" if self._context.budget.left else "the budget is used up"
        if not self.running and self._context.budget.left:
            self._begin()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=conf().compaction_wait_seconds)
            self.cancel()
        if self._fill() >= 1.0 and (plan := self._plan()):
            await self._write(plan, _Written(error=self._error))

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = self._context.spawn(self._in_background(), name="compaction")

    def without(self, item_id: str, summary_before: str) -> ev.HistoryCompacted:
        """What has to follow when ``item_id``, which the summary tells of, is deleted: the summary falls back to the one
        before it."""
        logger.info(
            "session %s: the summary held item %s, which is deleted", self._context.session_id, item_id
        )
        text = shown(with_note(bare(summary_before), DELETED))
        through_seq = self._context.history.compacted_through
        return self._event(
            _Plan(through_seq, (), ""), text, _Written(), cause=ev.CompactionCause.ITEM_DELETED
        )

    # Deciding

    def _fill(self) -> float:
        """The share of its budget that the next request is going to take, with the tools that not everybody may use."""
        history, config = self._context.history, self._context.config()
        request = ModelRequest(
            model=self._context.candidates()[0].spec,
            history=items_of(history),
            instructions=config.instructions or self._context.instructions(),
            tools=[*config.client_tools(), *(tool.spec for tool in self._context.registry)],
        )
        waiting = items_bytes(as_items(history.waiting.values()))
        tokens = tokens_of(request_bytes(request) + waiting, history.tokens_per_byte)
        return tokens / self._budget()

    def _budget(self) -> int:
        return _least_budget(self._context.candidates())

    def _plan(self) -> _Plan | None:
        """The oldest turns, as many as it takes to bring the rest down to `_KEEP`; None when there is nothing to cut."""
        history = self._context.history
        room = int(self._budget() * _KEEP)
        whole = items_bytes(items_of(history))

        def fits(started: int) -> bool:
            over = items_bytes(items_through(history, started - 1))
            return tokens_of(whole - over, history.tokens_per_byte) <= room

        starts = history.turns  # the last turn stays, fit or not
        cut = starts[min(bisect_left(starts, True, key=fits), len(starts) - 1)] - 1 if starts else 0
        return self._plan_through(cut) if history.items.through(cut) else None

    def _plan_through(self, seq: int) -> _Plan:
        history = self._context.history
        ids = tuple(item.item_id for item in items_through(history, seq))
        summary_id = history.compaction.item_id if history.compaction and history.summary else ""
        return _Plan(seq, ids, summary_id)

    # Doing

    async def _in_background(self) -> None:
        session_id = self._context.session_id
        try:
            plan = self._plan()
            if plan is None:
                return
            written = await self._ask(plan)
            if written.text:
                await self._write(plan, written)
            else:
                self._error = written.error
                self._owed.append(written)
                logger.warning("session %s: history not compacted: %s", session_id, written.error)
                metrics.compactions.labels(outcome="failed").inc()
        except JournalError as error:
            logger.info("session %s: history not compacted: %s", session_id, error.code)
        except Exception:
            logger.exception("session %s: history not compacted", session_id)

    async def _ask(self, plan: _Plan) -> _Written:
        """Never raises what a model or its vendor did: that is `_Written.error`."""
        model = conf().summary_model
        asked = candidates(model) if model else self._context.candidates()
        wasted: list[tuple[str, Usage]] = []
        route = Route(asked, on_failure=lambda failed: wasted.append((failed.spec, failed.usage)))
        request, usage = self._request(plan, asked), Usage()
        texts: list[str] = []
        problem = ""
        try:
            async with (
                asyncio.timeout(conf().summary_seconds),
                aclosing(route.stream(request)) as stream,
            ):
                async for event in stream:
                    match event:
                        case TextDelta():
                            texts.append(event.text)
                        case Completed():
                            usage = event.usage
        except ProviderError as error:
            problem = f"{error.code}: {error.cause or error.message}"[:500]
        except (ChatError, TimeoutError) as error:
            problem = f"{type(error).__name__}: {error}"[:500]
        text, spec = storable("".join(texts)).strip(), route.current.spec
        cost: int | None = 0
        if usage != Usage():
            cost = cost_microusd(spec, usage)
        elif text or not problem:  # else its vendor refused it, before a word
            cost = self._estimated_cost(spec, request, text)
        tries = [_try(failed_spec, counted) for failed_spec, counted in wasted if counted != Usage()]
        if problem or not text:
            return _with_owed(
                _Written(error=problem or "the model gave no text", usage=usage, cost_microusd=cost), tries
            )
        return _with_owed(_Written(text=text, model=spec, usage=usage, cost_microusd=cost), tries)

    def _estimated_cost(self, spec: str, request: ModelRequest, text: str) -> int | None:
        ratio = self._context.history.tokens_per_byte
        return cost_microusd(
            spec,
            Usage(
                input_tokens=tokens_of(request_bytes(request), ratio),
                output_tokens=tokens_of(text_bytes(text), ratio),
            ),
        )

    def _request(self, plan: _Plan, asked: Sequence[Candidate]) -> ModelRequest:
        history = self._context.history
        previous = bare(history.summary)
        max_bytes = _least_budget(asked) * _BYTES_PER_TOKEN
        text = material(previous, items_through(history, plan.through_seq), max_bytes=max_bytes)
        return ModelRequest(
            model=asked[0].model,
            history=[UserText("compaction", text)],
            instructions=prompts.COMPACTION,
            tool_choice="none",
            max_output_tokens=conf().max_output_tokens,
        )

    async def _write(self, plan: _Plan, written: _Written) -> None:
        """Raises a `JournalError`. Writes nothing when what the summary tells of has changed meanwhile."""
        await self._context.log.durable(plan.through_seq)  # from here on its ids are looked for in the log
        if self._plan_through(plan.through_seq) != plan:
            metrics.compactions.labels(outcome="outdated").inc()
            self._owed.append(written)
            return
        written, self._owed = _with_owed(written, self._owed), []
        history = self._context.history
        previous = bare(history.summary)
        text = shown(written.text or with_note(previous, LEFT_OUT))
        self._context.log.append(self._event(plan, text, written))
        metrics.compactions.labels(outcome="summary" if written.text else "left_out").inc()

    def _event(
        self,
        plan: _Plan,
        text: str,
        written: _Written,
        *,
        cause: ev.CompactionCause = ev.CompactionCause.SIZE,
    ) -> ev.HistoryCompacted:
        history = self._context.history
        kept_seqs, gone_item_ids = history.checkpoint(plan.through_seq)
        return ev.HistoryCompacted(
            item_id=new_id("item"),
            summary=text,
            through_seq=plan.through_seq,
            kept_seqs=kept_seqs,
            gone_item_ids=gone_item_ids,
            items=len(plan.item_ids),
            user_messages=history.user_messages,
            spent_microusd=history.spent_microusd + (written.cost_microusd or 0),
            tokens_per_byte=history.tokens_per_byte,
            config=msgspec.to_builtins(self._context.config()),
            held=history.operator is not None,
            cause=cause,
            model=written.model,
            error=written.error,
            usage=written.usage,
            cost_microusd=written.cost_microusd,
        )
