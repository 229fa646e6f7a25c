"""A transcript as Markdown text, to keep or to send."""

from datetime import UTC, datetime

from sessions_app.log.events import ResponseStatus
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


def head_text(session: Session) -> str:
    """Title, who and when, and the summary."""
    lines = [
        f"# {session.title or session.session_id}",
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


def entry_text(entry: Entry) -> str:
    """Ends with an empty line, so that entries can be joined as they are."""
    match entry:
        case Notice():
            return f"*{_time(entry.at)} \N{MIDDLE DOT} {entry.text}*\n\n"
        case Said():
            who = f"Operator {entry.author}" if entry.author else "User"
            return f"### {who} \N{MIDDLE DOT} {_time(entry.at)}\n\n{entry.text}\n\n{_files(entry)}"
    items = "".join(_item_text(item) for item in entry.items)
    model = f" ({entry.model})" if entry.model else " (told by the client)" if entry.told else ""
    return f"### Assistant{model} \N{MIDDLE DOT} {_time(entry.at)}\n\n{items}{_end_text(entry)}"


def _files(said: Said) -> str:
    lines = [f"- Sent: {file.name} ({file.media_type}, {file.size:,} bytes)\n" for file in said.files]
    return "".join(lines) + "\n" if lines else ""


def _item_text(item: Text | ToolRun) -> str:
    if isinstance(item, Text):
        mark = "" if item.status == "completed" else f" *[{item.status}]*"
        return f"{item.text}{mark}\n\n"
    took = f" after {humanize.milliseconds(item.duration_ms)}" if item.duration_ms else ""
    parts = [f"Tool `{item.name}`: {item.outcome}{took}", _fenced(item.arguments), _fenced(item.output)]
    return "\n\n".join(part for part in parts if part) + "\n\n"


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
