"""What was said in a session, as those whose it is may read it: a list of messages, or Markdown. As the conversation goes on now:
without what was taken back, tried again or said anew."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from sessions_app.log import events as ev
from sessions_app.models import Session
from sessions_app.review.reader import chosen_items, read_entries
from sessions_app.review.text import entry_text, head_text
from sessions_app.review.transcript import Answer, Entry, Said, Text, ToolRun

STAFF = "staff"


def messages_of(session: Session) -> Iterator[ev.JSON]:
    for entry in _entries(session):
        yield _said(entry) if isinstance(entry, Said) else _answered(entry)


def markdown_of(session: Session) -> Iterator[str]:
    yield head_text(session, session.title or session.session_id)  # its first words may have been taken back
    for entry in _entries(session):
        yield entry_text(entry)


def _entries(session: Session) -> Iterator[Said | Answer]:
    chosen = chosen_items(session)
    for entries in read_entries(session):
        for entry in entries:
            if shown := _shown(entry, chosen):
                yield shown


def _shown(entry: Entry, chosen: Collection[str] | None) -> Said | Answer | None:
    match entry:
        case Said(removed=False, whispered=False) if chosen is None or entry.item_id in chosen:
            return replace(entry, author=STAFF if entry.author else "")
        case Answer() if (
            chosen is not None or not entry.tried_again
        ):  # one that was tried again may be the chosen version
            items = [
                one for one in entry.items if not one.removed and (chosen is None or one.item_id in chosen)
            ]
            return (
                replace(entry, items=items, person=STAFF if entry.person else "")
                if items or (entry.done and chosen is None)
                else None
            )
    return None


def _said(said: Said) -> ev.JSON:
    return {
        "id": said.item_id,
        "role": "system" if said.author else "user",
        "at": said.at,
        "text": said.text,
        "files": [{"id": one.id, "name": one.name, "media_type": one.media_type} for one in said.files],
    }


def _answered(answer: Answer) -> ev.JSON:
    about: dict[str, Any] = {
        "id": answer.response_id,
        "role": "assistant",
        "at": answer.at,
        "text": "\n\n".join(item.text for item in answer.items if isinstance(item, Text) and item.text),
        "model": "" if answer.person else answer.model,
        "status": answer.done.status if answer.done else "completed" if answer.told else "in_progress",
        "tools": [_ran(item) for item in answer.items if isinstance(item, ToolRun)],
    }
    if answer.done and answer.done.message:
        about["message"] = answer.done.message
    return about


def _ran(run: ToolRun) -> ev.JSON:
    return {
        "call_id": run.call_id,
        "name": run.name,
        "arguments": run.arguments,
        "output": run.output,
        "outcome": run.outcome,
    }
