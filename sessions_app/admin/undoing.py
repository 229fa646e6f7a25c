"""What was done from a list, to one session or to many, and the button beside its words that takes it back."""

from typing import Literal

import msgspec
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string

from sessions_app.desk import acts
from sessions_app.desk.acts import ActRefused, Reviewer
from sessions_app.errors import SessionNotFound
from sessions_app.models import ReviewState, Session


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
    told = {"said": words, "change": msgspec.json.encode(change).decode(), "here": here}
    html = render_to_string("admin/sessions_app/desk/undo_many.html", told, request=request)
    (messages.warning if warns else messages.success)(request, html)


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
    return acts.assign(session_id=session_id, assignee_id=int(wanted) if wanted else None, by=by)
