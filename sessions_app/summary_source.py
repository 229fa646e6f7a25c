"""What a summary is made from: the conversation in plain lines, bounded however long the session was."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left

from sessions_app import events as ev
from sessions_app.models import SessionEvent

MAX_TRANSCRIPT_CHARS = 24_000
MAX_MESSAGE_CHARS = 2_000
_MAX_ROWS = 1_000
"""Per half; bounds what is read when messages are tiny."""
_LINES = {
    ev.UserMessage.event_type: "User: {text}",
    ev.AssistantMessage.event_type: "Assistant: {text}",
    ev.OperatorMessage.event_type: "Operator: {text}",
    ev.ToolCall.event_type: "[The assistant used the tool {tool}]",
}


def transcript_for_summary(*, session_id: str, max_chars: int = MAX_TRANSCRIPT_CHARS) -> str:
    """What user, assistant and operators said, and the names of the tools used, a paragraph each.

    A long message is cut at `MAX_MESSAGE_CHARS`. Of a conversation longer than ``max_chars`` the beginning (a third)
    and the end are kept, and a line between them says how many entries are left out.
    """
    spoken = SessionEvent.objects.filter(session_id=session_id, event_type__in=_LINES)
    beginning = _take(spoken.order_by("seq"), max_chars // 3)
    if not beginning:
        return ""
    used_chars = sum(len(line) for _, line in beginning)
    end = _take(spoken.filter(seq__gt=beginning[-1][0]).order_by("-seq"), max_chars - used_chars)[::-1]
    omitted = spoken.filter(seq__gt=beginning[-1][0]).count() - len(end)
    gap = [f"[... {omitted} entries of the conversation are left out here ...]"] if omitted else []
    return "\n\n".join([*_texts(beginning), *gap, *_texts(end)])


def _take(spoken: QuerySet[SessionEvent], budget_chars: int) -> list[tuple[int, str]]:
    """(seq, line) of the first entries that fit into the budget; at least one when there is any."""
    rows = spoken.annotate(tool=KT("payload__name"), text=Left("content", MAX_MESSAGE_CHARS + 1)).values_list(
        "seq", "event_type", "text", "tool"
    )
    taken: list[tuple[int, str]] = []
    for seq, event_type, text, tool in rows[:_MAX_ROWS]:
        line = _LINES[event_type].format(text=_clipped(text or ""), tool=tool)
        budget_chars -= len(line)
        if budget_chars < 0 and taken:
            break
        taken.append((seq, line))
    return taken


def _clipped(text: str) -> str:
    """Further lines are indented, so that nobody's text looks like another's entry."""
    cut = text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]} [... cut]"
    return cut.replace("\n", "\n  ")


def _texts(lines: Iterable[tuple[int, str]]) -> Iterable[str]:
    return (line for _, line in lines)
