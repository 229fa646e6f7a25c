"""The figures of one session: in a line above what was said, and all of them, named."""

from collections.abc import Iterator
from dataclasses import dataclass

from sessions_app.models import Session
from sessions_app.review import humanize
from sessions_app.review.reader import count_connections


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    hint: str = ""


def line(session: Session) -> Iterator[Fact]:
    """What one looks at first; the hint is a tone."""
    if words := humanize.span(session.duration_seconds):
        yield Fact("Duration", words)
    said = session.user_messages + session.assistant_messages
    yield Fact("Messages", f"{said:,} {'message' if said == 1 else 'messages'}")
    if session.tool_calls:
        yield Fact(
            "Tool calls", f"{session.tool_calls:,} tool {'call' if session.tool_calls == 1 else 'calls'}"
        )
    if session.responses or session.cost_microusd or session.unpriced:  # a summary costs, too
        cost = humanize.cost(session.cost_microusd, session.unpriced)
        yield Fact("Cost", "cost unknown" if cost == humanize.usd(None) else cost)
    if session.failed_responses:
        yield Fact("Failed answers", f"{session.failed_responses:,} failed", "danger")


def _cost(session: Session) -> tuple[str, str]:
    if not session.unpriced:
        return humanize.usd(session.cost_microusd), ""
    calls = f"{session.unpriced:,} {'call' if session.unpriced == 1 else 'calls'} at an unknown price"
    return (
        (humanize.usd(session.cost_microusd), f"and {calls}") if session.cost_microusd else ("unknown", calls)
    )


def _is_long(session: Session) -> bool:
    return (session.duration_seconds or 0) > humanize.LONG_S


def cost_hint(session: Session) -> str:
    """What the figure is made of."""
    known = f"US dollars, by the price list: {humanize.usd(session.cost_microusd)} for answers and summaries"
    if not session.unpriced:
        return known
    return f"{known}; {session.unpriced:,} of them at an unknown price: no price is known for their model"


def facts(session: Session) -> list[Fact]:
    connections = count_connections(session)
    tokens = session.input_tokens + session.output_tokens
    figures = [
        Fact("Messages", f"{session.user_messages:,} in, {session.assistant_messages:,} out"),
        Fact("Answers", humanize.exact(session.responses)),
        Fact("Failed answers", humanize.exact(session.failed_responses)),
        Fact(
            "Tokens",
            humanize.compact(tokens),
            f"{session.input_tokens:,} in, {session.output_tokens:,} out",
        ),
        Fact("Cost", *_cost(session)),
        Fact("Tool calls", humanize.exact(session.tool_calls)),
        Fact("Connections", "not counted" if connections is None else humanize.exact(connections)),
        Fact(
            "Duration",
            humanize.duration(session.duration_seconds) or "not ended",
            "from its beginning to its end, with the pauses between" if _is_long(session) else "",
        ),
    ]
    return [fact for fact in figures if fact.value]
