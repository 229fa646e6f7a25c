"""What was done from a list, to one session or to many, and the button beside its words that takes it back; then the one before."""

import time
from typing import Any, Literal

import msgspec
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string

from sessions_app.desk import acts
from sessions_app.desk.acts import ActRefused, Reviewer
from sessions_app.errors import SessionNotFound
from sessions_app.models import ReviewAct, ReviewState, Session

STEPS = "desk.steps"
"""In the session of the sign-in: what was done from lists, the last at the end."""
MOST_STEPS = 20
KEPT_SECONDS = 1_800


class Change(msgspec.Struct, frozen=True):
    """One act on some sessions, as the form of the button carries it."""

    act: Literal["state", "assign", "tag"]
    made: str
    """The state, whom it was assigned to (empty: nobody), or the tag."""
    was: dict[str, str]
    """By the session's id: what stood there before."""


def before(act: str, session: Session) -> str:
    """What `Change.was` says of the session."""
    if act == "state":
        return session.review_state
    return str(session.assignee_id or "") if act == "assign" else ""


def tell(request: HttpRequest, words: str, change: Change, *, here: str, warns: bool = False) -> None:
    """Say it on the page that is shown next, with the button. ``here``: the list's address, where taking it back leads."""
    step = {"change": msgspec.json.encode(change).decode(), "here": here}
    steps = [*_steps(request), {**step, "at": time.time()}]
    request.session[STEPS] = steps[-MOST_STEPS:]
    _say(request, {"said": words, **step}, warns=warns)


def tell_undone(request: HttpRequest, text: str, words: str, *, here: str, warns: bool = False) -> None:
    """Say that ``text`` (a `Change`) was taken back, with a button for what was done before it."""
    steps = [step for step in _steps(request) if step["change"] != text]
    request.session[STEPS] = steps
    before_it: dict[str, Any] = {}
    if steps:
        change = msgspec.json.decode(steps[-1]["change"], type=Change)
        before_it = {**steps[-1], "earlier": _in_words(change), "here": here}
    _say(request, {"said": words, **before_it}, warns=warns)


def tell_unchanged(request: HttpRequest, words: str) -> None:
    """Where nothing was changed there is nothing to take back."""
    _say(request, {"said": words}, warns=False)


def _say(request: HttpRequest, told: dict[str, Any], *, warns: bool) -> None:
    """In the one place for it, whose height moves nothing."""
    html = render_to_string("admin/sessions_app/desk/undo_many.html", told, request=request)
    (messages.warning if warns else messages.success)(request, html)


def _steps(request: HttpRequest) -> list[dict[str, Any]]:
    """Those of long ago are nothing that one remembers."""
    return [step for step in request.session.get(STEPS, []) if step["at"] > time.time() - KEPT_SECONDS]


def _in_words(change: Change) -> str:
    """Without a word of anybody's: it is kept beside the sign-in."""
    count = f"{len(change.was)} session{'s' if len(change.was) > 1 else ''}"
    if change.act == "state":
        return f"{count}: {ReviewState(change.made).label.lower()}"
    return f"{count} {'assigned' if change.act == 'assign' else 'tagged'}"


def is_anothers(session: Session, by: Reviewer) -> bool:
    return session.assignee_id not in (None, by.user_id)


def take_back(text: str, by: Reviewer) -> tuple[int, int]:
    """``text``: a `Change`. (how many are as they were, how many were left alone because they are not as the change made them).
    Raises `ActRefused`: it is none."""
    try:
        change = msgspec.json.decode(text, type=Change)
    except msgspec.DecodeError:
        raise ActRefused("That cannot be undone.") from None
    undone = sum(_is_back(change, session_id, by) for session_id in sorted(change.was))
    return undone, len(change.was) - undone


def _is_back(change: Change, session_id: str, by: Reviewer) -> bool:
    wanted = change.was[session_id]
    try:
        match change.act:
            case "state":
                made, state = ReviewState(change.made), ReviewState(wanted)
                return acts.set_state(session_id=session_id, state=state, by=by, undoes=made)
            case "assign":
                return _assign_back(session_id, change.made, wanted, by)
            case "tag":
                return acts.remove_tag(session_id=session_id, name=acts.tag_name(change.made), by=by)
    except (ActRefused, SessionNotFound, ValueError):
        return False


@transaction.atomic
def _assign_back(session_id: str, made: str, wanted: str, by: Reviewer) -> bool:
    if str(acts.lock(session_id).assignee_id or "") != made:
        return False
    if not acts.was_last(session_id, by, ReviewAct.ASSIGNED):
        return False
    return acts.assign(session_id=session_id, assignee_id=int(wanted) if wanted else None, by=by)
