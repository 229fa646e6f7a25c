"""The review desk's pages: the panel beside a session, the queue, the mentions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_http_methods, require_POST

from sessions_app.admin.saved_views import may_review, number_of, shown_views, source_of
from sessions_app.admin.undoing import Change, before, is_anothers, tell, tell_unchanged
from sessions_app.admin.walk import INBOX, MENTIONS, QUEUE, filtered, list_url, said_at, session_url, way_of
from sessions_app.admin.way import found_beside, queue_url, walk_inbox, walk_to, way_context, went_wrong_at
from sessions_app.desk import acts, queue
from sessions_app.desk.acts import ActRefused, Reviewer
from sessions_app.errors import SessionNotFound
from sessions_app.models import (
    ReviewAct,
    ReviewEvent,
    ReviewMention,
    ReviewNote,
    ReviewState,
    ReviewTag,
    Session,
    SessionTag,
)

HISTORY = 100
"""So many of the newest acts are shown."""
SUGGESTED_TAGS = 200
IN_PLACE = "X-Desk"
"""A request header of the panel's script: it wants the panel alone."""
FROM_LIST = "list"
"""Its value where a key did it in a list: that is shown anew, and says what was done."""


def reviewer_of(request: HttpRequest) -> Reviewer:
    """Raises PermissionDenied."""
    if not may_review(request):
        raise PermissionDenied
    return Reviewer(request.user.pk, request.user.get_username())


# The panel


@dataclass(frozen=True)
class Happened:
    """A line of the review history."""

    who: str
    what: str
    at: Any
    note: SafeString | None = None
    note_id: int | None = None


def panel_context(request: HttpRequest, session: Session) -> dict[str, Any]:
    reviewing = may_review(request) and not session.erased_at
    known = _known_tags(session)
    events = list(ReviewEvent.objects.filter(session_id=session.pk)[:HISTORY])
    return {
        "session": session,
        "may_review": reviewing,
        "review": getattr(session, "review", None),
        "states": ReviewState.choices,
        "scores": range(1, 6),
        "tags": [name for name, has in known if has],
        "known_tags": [name for name, _ in known] if reviewing else (),
        "staff": (staff := list(acts.reviewers()) if reviewing else []),
        "left_staff": session.assignee if session.assignee not in (None, *staff) else None,
        "history": _history(session, events),
        "reviewed": events[0].pk if events else 0,
        **way_context(request),
    }


def _known_tags(session: Session) -> list[tuple[str, bool]]:
    """(name, whether the session has it), its own among them however many others there are."""
    has = Exists(SessionTag.objects.filter(session_id=session.pk, tag=OuterRef("pk")))
    found = ReviewTag.objects.annotate(has=has).order_by("-has", "name")
    return sorted(found.values_list("name", "has")[:SUGGESTED_TAGS])


def _history(session: Session, events: list[ReviewEvent]) -> list[Happened]:
    notes = list(ReviewNote.objects.filter(session_id=session.pk).order_by("-id")[:HISTORY])
    told = [Happened(note.author_name, "wrote", note.at, _note_html(note.text), note.pk) for note in notes]
    if notes:
        events = [event for event in events if event.act != ReviewAct.NOTED]
    tags = {event.old or event.new for event in events if event.act in (ReviewAct.TAGGED, ReviewAct.UNTAGGED)}
    names = dict(ReviewTag.objects.filter(pk__in=map(int, tags)).values_list("pk", "name")) if tags else {}
    told += [Happened(event.staff_name, _in_words(event, names), event.at) for event in events]
    return sorted(told, key=lambda one: one.at, reverse=True)[:HISTORY]


def _in_words(event: ReviewEvent, tags: dict[int, str]) -> str:
    match event.act:
        case ReviewAct.STATE:
            return f"{event.old} → {event.new}"
        case ReviewAct.ASSIGNED:
            return f"assigned it to {event.new}" + (f", before {event.old}" if event.old != "nobody" else "")
        case ReviewAct.TAGGED | ReviewAct.UNTAGGED:
            name = tags.get(int(event.old or event.new))
            return f"{ReviewAct(event.act).label}: {name}" if name else ReviewAct(event.act).label
        case ReviewAct.SCORED:
            return f"gave {event.new}" + (f", before {event.old}" if event.old else "")
    return ReviewAct(event.act).label


def _note_html(text: str) -> SafeString:
    """Plain text with each @name marked."""
    pieces, end = [], 0
    for found in acts.MENTION.finditer(text):
        pieces += [format_html("{}", text[end : found.start()]), format_html("<b>{}</b>", found.group())]
        end = found.end()
    return mark_safe("".join([*pieces, format_html("{}", text[end:])]))  # noqa: S308 - each piece is escaped


# What a reviewer does


def _set_state(session_id: str, form: Any, by: Reviewer) -> str:
    try:
        state = ReviewState(form.get("state", ""))
        undoes = ReviewState(form["undo"]) if form.get("undo") else None
    except ValueError:
        raise ActRefused("There is no such state.") from None
    acts.set_state(session_id=session_id, state=state, by=by, undoes=undoes)
    if undoes:
        _give_back_handed(form, by)
    return f"Undone: {state.label.lower()} again." if undoes else f"{state.label}."


def _assign(session_id: str, form: Any, by: Reviewer) -> str:
    text = form.get("assignee", "")
    wanted = by.user_id if text == "me" else number_of(text)
    if text and wanted is None:
        raise ActRefused("That person cannot review sessions.")
    acts.assign(session_id=session_id, assignee_id=wanted, by=by)
    return "Assigned to you." if wanted == by.user_id else "Assigned." if wanted else "Assigned to nobody."


def _tag(session_id: str, form: Any, by: Reviewer) -> str:
    acts.add_tag(session_id=session_id, name=form.get("tag", ""), by=by)
    return "Tagged."


def _untag(session_id: str, form: Any, by: Reviewer) -> str:
    acts.remove_tag(session_id=session_id, name=form.get("tag", ""), by=by)
    return "The tag is gone."


def _score(session_id: str, form: Any, by: Reviewer) -> str:
    text = form.get("score", "")
    score = int(text) if text in ("1", "2", "3", "4", "5") else 0
    acts.give_score(session_id=session_id, score=score, reason=form.get("reason", ""), by=by)
    return "Scored."


def _note(session_id: str, form: Any, by: Reviewer) -> str:
    note = acts.write_note(session_id=session_id, text=form.get("note", ""), by=by)
    told = sorted(mention.user.get_username() for mention in note.mentions.select_related("user"))
    words = f"Noted; {', '.join(told)} will see it." if told else "Noted."
    unknown = ", ".join(f"@{name}" for name in acts.unknown_names(note))
    return f"{words} But nobody was told of {unknown}: no reviewer is called so." if unknown else words


def _skip(session_id: str, form: Any, by: Reviewer) -> str:
    queue.skip(session_id=session_id, by=by)
    return "Skipped: others are given it."


def _look(_session_id: str, _form: Any, _by: Reviewer) -> str:
    """The page's own script has reason to think that there is something new in it."""
    return ""


def _take_again(session_id: str, form: Any, by: Reviewer) -> str:
    queue.take_again(session_id=session_id, by=by)
    _give_back_handed(form, by)
    return "Undone: it is yours again."


def _give_back_handed(form: Any, by: Reviewer) -> None:
    """What came up in the place of what is undone."""
    if form.get("handed"):
        queue.give_back(session_id=form["handed"].replace("\x00", ""), by=by)


ACTS: dict[str, Callable[[str, Any, Reviewer], str]] = {
    "state": _set_state,
    "assign": _assign,
    "tag": _tag,
    "untag": _untag,
    "score": _score,
    "note": _note,
    "skip": _skip,
    "unskip": _take_again,
    "look": _look,
}
"""What the form's ``act`` may be. Each gives a sentence for who did it, and raises `ActRefused`."""


@require_POST
def act(request: HttpRequest, model_admin: Any, session: Session) -> HttpResponse:
    """Takes ``act`` and what it needs from the form; ``then=next`` goes on to the next session. Raises PermissionDenied."""
    by = reviewer_of(request)
    goes_on = request.POST.get("then") == "next"
    way = way_of(request)
    # Asked before: the list that was walked along may lose the session by what is done to it.
    along_list = goes_on and QUEUE not in way and INBOX not in way
    follower = found_beside(request, model_admin, session) if along_list else None
    done, words = _done(session.pk, request, by)
    undo = _undo_of(session, request.POST) if done else None
    if undo and session.assignee and is_anothers(session, by):
        words += f" It is assigned to {session.assignee.get_username()}."
    if done and request.headers.get(IN_PLACE) == FROM_LIST:
        _tell_in_list(request, session, words, by)
        return HttpResponse(status=204)
    if request.headers.get(IN_PLACE):
        fresh = Session.objects.select_related("assignee", "user", "review").get(pk=session.pk)
        context = {**panel_context(request, fresh), "said": words, "failed": not done, "undo": undo}
        return render(request, "admin/sessions_app/desk/panel.html", context, status=200 if done else 409)
    handed = _next_of_queue(request, model_admin, way[QUEUE]) if done and goes_on and QUEUE in way else None
    if goes_on:  # the page that comes is another's
        words = f"{session.heading}: {words}"
    if undo:
        told = {**way_context(request), "session": session, "said": words, "undo": undo, "handed": handed}
        words = render_to_string("admin/sessions_app/desk/undo.html", told, request=request)
    (messages.success if done else messages.error)(request, words)
    if done and goes_on:
        if QUEUE in way:
            return _to_handed(request, way[QUEUE], handed)
        return walk_inbox(request) if INBOX in way else walk_to(request, follower)
    return HttpResponseRedirect(session_url(session.pk, **way))


def _tell_in_list(request: HttpRequest, session: Session, words: str, by: Reviewer) -> None:
    """``session``: as it was read before the act. Its row may have left the list."""
    words, act = f"{session.heading}: {words}", request.POST.get("act", "")
    was = before(act, session)
    made = str(by.user_id) if act == "assign" else request.POST.get("state", "")
    if act not in ("state", "assign") or made == was:
        tell_unchanged(request, words)
        return
    change = Change("state" if act == "state" else "assign", made, {session.pk: was})
    tell(request, words, change, here=request.POST.get("here", ""), warns=is_anothers(session, by))


@dataclass(frozen=True)
class Undo:
    """What is offered after a change of state, or a skip."""

    made: str
    before: str
    act: str = "state"


def _undo_of(before: Session, form: Any) -> Undo | None:
    """``before``: as it was read before the act. None: the state was not changed, or was changed back."""
    if form.get("act") == "skip":
        return Undo(ReviewState.NEW, ReviewState.IN_REVIEW, act="unskip")
    made = form.get("state", "")
    if form.get("act") != "state" or form.get("undo") or before.review_state == made:
        return None
    return Undo(made=made, before=before.review_state)


def _done(session_id: str, request: HttpRequest, by: Reviewer) -> tuple[bool, str]:
    do = ACTS.get(request.POST.get("act", ""))
    if do is None:
        return False, "There is no such act."
    try:
        return True, do(session_id, request.POST, by)
    except ActRefused as refused:
        return False, str(refused)
    except SessionNotFound:
        return False, "Its words were erased: there is nothing left to review."


# The queue


@require_http_methods(["GET", "HEAD", "POST"])
def queue_page(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """What is left to review; a POST hands out the next one of ``view``. Raises PermissionDenied."""
    reviewer = reviewer_of(request)
    if request.method == "POST":
        of_skipped = request.POST.get("of") == "skipped"
        return _hand_out(request, model_admin, request.POST.get("view", ""), skipped=of_skipped)
    source = source_of(request, request.GET.get("view", ""))
    sessions = filtered(request, model_admin, source.query)
    left = queue.count_left(sessions, reviewer=reviewer)
    skipped = 0 if left else queue.count_skipped(sessions, reviewer=reviewer)
    under_way = Session.objects.filter(
        assignee_id=reviewer.user_id, review_state=ReviewState.IN_REVIEW, erased_at__isnull=True
    )
    context = {
        "title": "Review next",
        "source": source,
        "source_list": list_url(source.query),
        "views": [(str(view.pk), view.name) for view in shown_views(request)],
        "left": min(left, queue.MOST_COUNTED),
        "more": left > queue.MOST_COUNTED,
        "skipped": _bounded_words(skipped) if skipped else "",
        "under_way": under_way.order_by("-start_time").defer("summary")[:20],
        "held_minutes": int(queue.HELD_FOR.total_seconds() // 60),
    }
    return page(request, model_admin, "queue", context)


def left_in_queue(request: HttpRequest, model_admin: Any) -> str:
    """In words, for a session's page; empty where it was not reached from the queue."""
    way = way_of(request)
    if QUEUE not in way or not may_review(request):
        return ""
    sessions = filtered(request, model_admin, source_of(request, way[QUEUE]).query)
    return f"{_bounded_words(queue.count_left(sessions, reviewer=reviewer_of(request)))} left"


def _bounded_words(count: int) -> str:
    return f"More than {queue.MOST_COUNTED:,}" if count > queue.MOST_COUNTED else f"{count:,}"


def _hand_out(request: HttpRequest, model_admin: Any, key: str, *, skipped: bool = False) -> HttpResponse:
    return _to_handed(request, key, _next_of_queue(request, model_admin, key, skipped=skipped))


def _next_of_queue(
    request: HttpRequest, model_admin: Any, key: str, *, skipped: bool = False
) -> Session | None:
    sessions = filtered(request, model_admin, source_of(request, key).query)
    return queue.take_next(sessions, reviewer=reviewer_of(request), skipped=skipped)


def _to_handed(request: HttpRequest, key: str, session: Session | None) -> HttpResponse:
    """At the words that the queue looks for, or at what went wrong in it, where anything did."""
    source = source_of(request, key)
    if session is None:
        messages.success(request, "Nothing is left to review here.")
        return HttpResponseRedirect(queue_url(source.key))
    place = said_at(request, session, source.query) or went_wrong_at(session)
    return HttpResponseRedirect(session_url(session.pk, **place, **{QUEUE: source.key}))


# Mentions


@require_http_methods(["GET", "HEAD", "POST"])
def mentions_page(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """The notes that name the member of staff; a POST marks those of ``note`` as read. Raises PermissionDenied."""
    me = reviewer_of(request).user_id or 0
    if request.method == "POST":
        numbers = map(number_of, request.POST.getlist("note")[:HISTORY])
        acts.mark_seen(user_id=me, note_ids=[number for number in numbers if number is not None])
        return HttpResponseRedirect(reverse("admin:sessions_app_session_mentions"))
    found = ReviewMention.objects.filter(user_id=me).select_related("note__session")
    mentions = list(found.defer("note__session__summary")[:HISTORY])
    rows = [(mention, _note_html(mention.note.text)) for mention in mentions]
    context = {"title": "Mentions", "rows": rows, "unseen": [one for one in mentions if one.seen_at is None]}
    return page(request, model_admin, "mentions", context)


def read_mention(request: HttpRequest) -> None:
    """Whoever opens the very note that names them has read it."""
    note = number_of(way_of(request).get(MENTIONS, ""))
    if note is not None:
        acts.mark_seen(user_id=request.user.pk or 0, note_ids=[note])


def page(request: HttpRequest, model_admin: Any, name: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    shared = {**model_admin.admin_site.each_context(request), "model_admin": model_admin}
    return TemplateResponse(request, f"admin/sessions_app/desk/{name}.html", {**shared, **context})
