"""What a user's word on an answer comes to: the event that it brings, or why it is refused."""

from chat.conf import conf
from chat.errors import FrameTooLarge, ItemNotFound, NotAnAnswer, TooMuchFeedback, UnknownFeedbackReason
from chat.session.commands import GiveFeedback
from sessions_app.log import events as ev
from sessions_app.log.feedback import Answer, find_answer, rate_ended
from sessions_app.postgres.threads import in_db_thread

MOST_WORDS = 32
"""On one answer: nobody changes their mind so often, and each change is an event of the log."""


async def look_up(session_id: str, command: GiveFeedback) -> Answer | None:
    """The answer that is meant. Raises a `FrameError` for a word that makes no sense on any, and `DatabaseAway`."""
    check(command)
    return await in_db_thread(find_answer, session_id=session_id, item_id=command.item_id)


def check(command: GiveFeedback) -> None:
    """Raises `UnknownFeedbackReason`, `FrameTooLarge`."""
    reasons, most = conf().feedback_reasons, conf().feedback_comment_chars
    if command.reason and command.reason not in reasons:
        raise UnknownFeedbackReason(
            f"There is no reason {command.reason[:64]!r}. Use one of: {', '.join(reasons)}; or leave it out.",
            param="reason",
        )
    if len(command.comment) > most:
        raise FrameTooLarge(
            f"The comment has {len(command.comment)} characters; at most {most} are taken.", param="comment"
        )


def word_on(
    answer: Answer | None, command: GiveFeedback, live: dict[str, ev.FeedbackGiven] | None = None
) -> ev.FeedbackGiven | None:
    """None: the user said the same already. ``live`` are the last words as the session has them, which may not be in the log yet.

    Raises `ItemNotFound`, `NotAnAnswer`, `TooMuchFeedback`.
    """
    if answer is None:
        raise ItemNotFound(param="item_id")
    if not answer.is_ours:
        raise NotAnAnswer(param="item_id")
    last = (live or {}).get(answer.item_id, answer.last)
    rating = ev.Rating(command.rating)
    told = rating != ev.Rating.NONE
    word = ev.FeedbackGiven(
        item_id=answer.item_id,
        rating=rating,
        replaces=last.rating if last else ev.Rating.NONE,
        reason=command.reason if told else "",
        comment=command.comment if told else "",
        client_event_id=command.client_event_id,
    )
    if _says(word) == (_says(last) if last else (ev.Rating.NONE, "", "")):
        return None
    if answer.words >= MOST_WORDS and told:
        raise TooMuchFeedback(param="item_id")
    return word


def _says(word: ev.FeedbackGiven) -> tuple[ev.Rating, str, str]:
    return word.rating, word.reason, word.comment


def rate_in_ended(session_id: str, command: GiveFeedback) -> bool:
    """False for a session that goes on: it has to be told. Raises as `check` and `word_on` do."""
    check(command)
    return rate_ended(
        session_id=session_id, item_id=command.item_id, say=lambda answer: word_on(answer, command)
    )
