"""Sessions for the tests of what happens after a session."""

import json
from typing import Any

from sessions_app.ids import new_id, uuid7
from sessions_app.log import events as ev
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import OpenedSession, Visitor, append_now, end_session, open_session
from sessions_app.models import Session

PROCESS = "proc_test"


FIELDS: dict[str, Any] = {
    "title": "Sums",
    "summary": "They added.",
    "topics": ["arithmetic"],
    "intent": "To know a sum.",
    "outcome": "resolved",
    "open_questions": [],
    "follow_ups": ["Check it."],
    "sentiment": "positive",
    "language": "en",
    "quality": 4,
    "quality_reason": "It was right.",
}


def whole(**changes: Any) -> str:
    """A model's answer with all that is asked for."""
    return json.dumps({**FIELDS, **changes})


def said(text: str) -> ev.UserMessage:
    return ev.UserMessage(item_id=new_id("item"), text=text)


def answered(text: str) -> ev.AssistantMessage:
    return ev.AssistantMessage(response_id="resp", item_id=new_id("item"), output_index=0, text=text)


def used_tool(name: str) -> ev.ToolCall:
    return ev.ToolCall(
        response_id="resp",
        item_id=new_id("item"),
        call_id=new_id("call"),
        output_index=0,
        name=name,
        arguments="{}",
    )


def open_it(
    session_id: str | None = None, *, model: str = "demo", process_id: str = PROCESS
) -> OpenedSession:
    renew_process(process_id=process_id)
    session_id = session_id or uuid7()
    visitor = Visitor(secret_of=session_id)  # it is nobody's, so who comes back has its secret
    return open_session(session_id=session_id, visitor=visitor, process_id=process_id, model=model)


def say(opened: OpenedSession, *events: ev.Event) -> int:
    """Append as a journal would, only without one; the last seq."""
    last_seq = Session.objects.values_list("last_seq", flat=True).get(session_id=opened.session_id)
    return append_now(session_id=opened.session_id, epoch=opened.epoch, last_seq=last_seq, events=events)


def end_it(opened: OpenedSession) -> int:
    """The seq of the end."""
    last_seq = Session.objects.values_list("last_seq", flat=True).get(session_id=opened.session_id)
    end_session(session_id=opened.session_id, epoch=opened.epoch, last_seq=last_seq, reason="left")
    return last_seq + 1


def ended_session(*events: ev.Event, model: str = "demo") -> tuple[str, int]:
    """(session_id, seq of its end)"""
    opened = open_it(model=model)
    say(opened, *(events or (said("What is 2 + 2?"), answered("4."))))
    return opened.session_id, end_it(opened)


def jobs(**filters: Any) -> list[dict[str, Any]]:
    """The jobs of sessions, not those of the upkeep; oldest first."""
    from procrastinate.contrib.django.models import ProcrastinateJob

    rows = ProcrastinateJob.objects.filter(task_name="summarise_session", **filters).order_by("id")
    return list(rows.values("id", "status", "args", "attempts", "scheduled_at"))
