"""A session to talk to, with everything of the server's but its sockets and its database."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NoReturn

from django.test import override_settings

from chat.llm import route
from chat.llm.catalog import register_provider
from chat.llm.provider import Provider
from chat.session.commands import AddMessage, Command, DecideApproval, UpdateSession
from chat.session.hub import Hub
from chat.session.opening import Join
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.testing.answer import Answer, answer_of
from chat.testing.model import ScriptedModel
from chat.testing.tool import registry_of
from chat.tools.registry import default_registry
from sessions_app.ids import new_id
from sessions_app.log import events as ev
from sessions_app.log.journal import Journal, SessionWriter
from sessions_app.log.lifecycle import Visitor

ANSWER_SECONDS = 30.0


class _Tab:
    """The session's one subscriber."""

    dialect = "testing"

    def __init__(self, journal: "_MemoryJournal") -> None:
        self.connection_id = new_id("conn")
        self.told: list[Exception] = []
        self._journal = journal

    def notify(self, error: Exception) -> None:
        self.told.append(error)
        self._journal.changed.set()


class MemorySession:
    """One user's conversation with the server, made by `session`."""

    def __init__(
        self,
        session: Session | RemoteSession,
        tab: _Tab,
        journal: "_MemoryJournal",
        models: Sequence[Provider],
    ) -> None:
        self._session = session
        self._tab = tab
        self._journal = journal
        self._models = models

    async def say(self, text: str) -> Answer:
        """Say it as the user, and wait for the answer. Raises what the server refuses it with, `ScriptEnded`, or an
        AssertionError that tells what happened when no answer came within 30 seconds."""
        item_id = new_id("item")
        await self._do(AddMessage(text=text, respond=True, item_id=item_id))
        return await self._answer(lambda started: item_id in started.input_item_ids)

    async def approve(self, answer: Answer) -> Answer:
        """Say yes to all calls of the answer that wait for it, as so many persons as each needs; the answer that goes on with
        what they gave."""
        return await self._decide(answer, approve=True)

    async def refuse(self, answer: Answer, reason: str = "") -> Answer:
        """Say no to them; the answer that goes on without."""
        return await self._decide(answer, approve=False, reason=reason)

    async def update(self, **changes: Any) -> None:
        """Change the session's settings, as ``session.update`` does: instructions, tools, tool_choice, ..."""
        await self._do(UpdateSession(changes=changes))

    @property
    def events(self) -> list[ev.Event]:
        """The session's log so far."""
        return [record.event for record in self._journal.records]

    async def _do(self, command: Command) -> None:
        await self._session.do(command)

    async def _decide(self, answer: Answer, *, approve: bool, reason: str = "") -> Answer:
        assert answer.waiting, f"no call of this answer waits for approval:\n{answer}"
        needed = {
            one.item_id: one.approvals for one in answer.events if isinstance(one, ev.ToolApprovalRequested)
        }
        for call in answer.waiting:
            for number in range(needed[call.approval_id] if approve else 1):
                by = f"test {number + 1}" if number else "test"
                await self._do(
                    DecideApproval(approval_id=call.approval_id, approve=approve, by=by, reason=reason)
                )
        return await self._answer(lambda started: started.continues == answer.response_id)

    async def _answer(self, wanted: Callable[[ev.ResponseStarted], bool]) -> Answer:
        def found() -> Answer | None:
            started = (event for event in self.events if isinstance(event, ev.ResponseStarted))
            one = next(filter(wanted, started), None)
            return answer_of(self.events, one.response_id) if one else None

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while (answer := found()) is None:
                    self._raise_told()
                    self._journal.changed.clear()
                    await self._journal.changed.wait()
        except TimeoutError:
            self._no_answer()
        self._raise_told()
        return answer

    def _raise_told(self) -> None:
        ended = (model.ended for model in self._models if isinstance(model, ScriptedModel))
        for error in (*filter(None, ended), *self._tab.told):
            raise error

    def _no_answer(self) -> NoReturn:
        log = "\n".join(f"  {event}" for event in self.events)
        raise AssertionError(f"no answer came within {ANSWER_SECONDS:g} seconds; the log:\n{log}") from None


@asynccontextmanager
async def session(
    *models: Provider,
    tools: Iterable[Callable[..., Any]] | None = None,
    user_id: int | None = None,
    guest_id: str = "guest",
    external_user_id: str = "",
    is_staff: bool = False,
) -> AsyncGenerator[MemorySession, None]:
    """A session of its own, answered by the first model; the others are its fallbacks, each with a name of its own.

    ``tools``: the functions, decorated or not, that the model is offered; None: all that the server offers. The user is
    the `ToolContext`'s: ``user_id``, with ``external_user_id`` that shop's customer, or a guest. Its log is kept in memory. What else is set (``CHAT_...``) counts as
    ever, but for the pause before a failed model is asked again: there is none.
    """
    for model in models:
        register_provider(model.name, partial(_same, model))
    first, *fallbacks = (model.name for model in models)
    route.forget()
    with override_settings(
        CHAT_LLM_MODEL=first, CHAT_LLM_FALLBACKS=tuple(fallbacks), CHAT_MODEL_RETRY_SECONDS=0.0
    ):
        journal = _MemoryJournal()
        no_database = asyncio.get_running_loop().create_future()
        hub = Hub(
            journal=journal,
            process_id="testing",
            registry=default_registry if tools is None else registry_of(tools),
            registered=lambda: no_database,  # never, so the session's row is waited for and not made
        )
        tab = _Tab(journal)
        visitor = Visitor(
            user_id=user_id, guest_id="" if user_id else guest_id, external_user_id=external_user_id
        )
        try:
            joined = await hub.join(tab, Join(visitor=visitor, is_staff=is_staff, source="testing"))
            yield MemorySession(joined, tab, journal, models)
        finally:
            await hub.shutdown(drain_s=0.0)
            hub.close_all()
            route.forget()


class _MemoryJournal(Journal):
    """Commits to a list, a turn of the event loop after it was given an event, as no real one could be faster: nobody is
    told of it before."""

    def __init__(self) -> None:
        super().__init__(_no_connection, asyncio.get_running_loop())
        self.records: list[ev.Record] = []
        self.changed = asyncio.Event()

    def put(self, writer: SessionWriter, records: Sequence[ev.Record], *, reserved: bool) -> None:
        self._loop.call_soon(self._commit_to_list, writer, records)

    def _commit_to_list(self, writer: SessionWriter, records: Sequence[ev.Record]) -> None:
        self.records.extend(records)
        writer.committed(records[-1].seq)
        self.changed.set()


def _same(model: Provider) -> Provider:
    return model


def _no_connection() -> NoReturn:
    raise RuntimeError("a session in memory has no database")
