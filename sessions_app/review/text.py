"""A transcript as Markdown text, to keep or to send."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from sessions_app.log.events import Rating, ResponseStatus
from sessions_app.log.lifecycle import ACCOUNT_DELETED
from sessions_app.models import Session
from sessions_app.review import humanize
from sessions_app.review.transcript import Answer, Entry, Notice, Said, Text, ToolRun


def visitor_name(session: Session) -> str:
    """Who talked in it, as staff read it."""
    if session.erased_at:
        return "Erased"
    if session.user and session.external_user_id:
        return f"{session.external_user_id} of {session.user.get_username()}"
    if session.user:
        return session.user.get_username()
    if session.external_user_id == ACCOUNT_DELETED:
        return "Account deleted"
    return f"Guest {session.guest_id[:8]}" if session.guest_id else "Anonymous"


def head_text(session: Session, title: str) -> str:
    """``title``, who and when, and the summary."""
    lines = [
        f"# {title}",
        "",
        f"- Session: {session.session_id}",
        f"- Started: {_time(session.start_time)}",
        f"- Ended: {_time(session.end_time) if session.end_time else 'not yet'}",
        f"- Model: {session.model or 'none'}",
        "",
    ]
    if session.summary:
        lines += ["## Summary", "", session.summary, ""]
    return "\n".join([*lines, "## Conversation", "", ""])


def entry_text(entry: Entry, *, marks: bool = False) -> str:
    """Ends with an empty line, so that entries can be joined as they are. ``marks``: with what became of it since, and what the user
    thinks of it, as the page of the session shows them."""
    match entry:
        case Notice():
            return f"*{_time(entry.at)} \N{MIDDLE DOT} {entry.text}*\n\n"
        case Said():
            became = _marked(_became_of_said(entry)) if marks else ""
            return f"### {_who(entry)} \N{MIDDLE DOT} {_time(entry.at)}\n\n{became}{entry.text}\n\n{_files(entry)}"
    items = "".join(_item_text(item, marks=marks) for item in entry.items)
    became = _marked(_became_of_answer(entry)) if marks else ""
    return f"### {_answerer(entry)} \N{MIDDLE DOT} {_time(entry.at)}\n\n{became}{items}{_end_text(entry)}"


def _who(said: Said) -> str:
    """What is whispered was never said to the customer."""
    if said.whispered:
        return f"{said.author}, to the model alone"
    return f"Operator {said.author}" if said.author else "User"


def _answerer(answer: Answer) -> str:
    if answer.person:
        return f"{answer.person} (a person)"
    model = f" ({answer.model})" if answer.model else " (told by the client)" if answer.told else ""
    return f"Assistant{model}"


def _became_of_said(said: Said) -> Iterator[str]:
    if said.removed:
        yield "removed by the client"
    if said.withdrawn:
        yield "taken back, the model was not told"
    if said.edited:
        yield "edited by the customer"
    if said.said_anew:
        yield "edited below"


def _became_of_answer(answer: Answer) -> Iterator[str]:
    if answer.retry_of:
        yield "another try"
    if answer.tried_again:
        yield "tried again below"


def _marked(marks: Iterable[str]) -> str:
    words = " \N{MIDDLE DOT} ".join(marks)
    return f"*[{words}]*\n\n" if words else ""


def _files(said: Said) -> str:
    lines = [f"- Sent: {file.name} ({file.media_type}, {file.size:,} bytes)\n" for file in said.files]
    return "".join(lines) + "\n" if lines else ""


def _item_text(item: Text | ToolRun, *, marks: bool) -> str:
    became = _marked(["removed by the client"] if item.removed else []) if marks else ""
    if isinstance(item, Text):
        mark = "" if item.status == "completed" else f" *[{item.status}]*"
        thinks = _marked(_thought(item)) if marks else ""
        return f"{became}{item.text}{mark}\n\n{thinks}"
    took = f" after {humanize.milliseconds(item.duration_ms)}" if item.duration_ms else ""
    asked = f"Approval: {item.approval}" if item.approval and marks else ""
    parts = [
        f"Tool `{item.name}`: {item.outcome}{took}",
        asked,
        _fenced(item.arguments),
        _fenced(item.output),
    ]
    return became + "\n\n".join(part for part in parts if part) + "\n\n"


def _thought(text: Text) -> Iterator[str]:
    if text.feedback:
        word = "Good" if text.feedback.rating == Rating.UP else "Bad"
        yield f"{word} answer, says the customer" + (f": {text.why}" if text.why else "")


def _end_text(answer: Answer) -> str:
    if answer.done is None or answer.done.status == ResponseStatus.COMPLETED:
        return ""
    words = " \N{MIDDLE DOT} ".join(
        filter(None, (answer.done.status, answer.done.reason, answer.done.message))
    )
    return f"*[{words}]*\n\n"


def _fenced(text: str) -> str:
    """In a fence longer than any within it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}" if text else ""


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
