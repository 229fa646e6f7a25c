"""This session in figures, and the search in past ones."""

from typing import Annotated

import msgspec

from chat.tools import ToolContext, ToolError, tool
from sessions_app.selectors.analytics import SessionAnalytics, session_analytics
from sessions_app.selectors.search import Match, search_sessions


class Found(msgspec.Struct, omit_defaults=True):
    sessions: list[Match]
    """The newest first."""
    note: str


@tool
def get_session_analytics(context: ToolContext) -> SessionAnalytics:
    """Figures about this conversation, from its log.

    Gives its duration, messages, finished answers by status, tokens, answer times in milliseconds (to the first token
    and to the end), and tool calls by name with their outcomes. The answer that is being written is not counted yet.
    """
    return session_analytics(session_id=context.session_id)


@tool
def search_my_sessions(
    query: str, context: ToolContext, limit: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
) -> Found:
    """Search what the user and you said in the user's own past sessions; this session is not searched.

    Gives the sessions with a message that matches, the newest first, each with its newest match. Words are matched
    whole and as written: no stemming, no translation.

    Args:
        query: Words that all stand in one message. "or" between words, -word to exclude, "words in quotes" for a phrase.
        limit: How many sessions at most.
    """
    if context.user_id is None and not (context.guest_id or context.external_user_id):
        raise ToolError(
            "The user is not known here (not signed in, no cookie), so there are no past sessions of theirs."
        )
    if not any(character.isalnum() for character in query):
        raise ToolError("The query holds no word. Give at least one.")
    try:
        result = search_sessions(
            text=query,
            user_id=context.account_id if context.external_user_id else context.user_id,
            guest_id=context.guest_id,
            external_user_id=context.external_user_id,
            limit=limit,
            without_session_id=context.session_id,
        )
    except TimeoutError as error:
        raise ToolError("The search took too long. Use more, or rarer, words.") from error
    return Found(sessions=result.matches, note=_note(len(result.matches), more=result.more))


def _note(found: int, *, more: bool) -> str:
    if more:
        return f"These are the {found} newest; there are more. Raise the limit, or use more words."
    if found:
        return "These are all."
    return (
        "No message of the user's past sessions matches. Fewer words, other words, or 'or' between them may."
    )
