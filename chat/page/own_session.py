"""``/api/sessions/ID``: one of a visitor's own conversations, to look at, to name, to pin, and to have forgotten."""

from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods
from msgspec import UNSET, Meta, UnsetType

from chat.errors import FrameError
from chat.page.own_data import BY, body_as, for_its_owner, not_theirs
from chat.page.views import as_json, error_response
from sessions_app.log.naming import TITLE_CHARS, clean_title, name_session, pin_session
from sessions_app.privacy.erase import erase_session
from sessions_app.privacy.people import Person
from sessions_app.selectors.recent import one_session


class Changes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    title: Annotated[str, Meta(max_length=TITLE_CHARS)] | UnsetType | None = UNSET
    """Null, or nothing but blanks: what it was called before somebody named it."""
    pinned: bool | UnsetType = UNSET


@require_http_methods(["GET", "PATCH", "DELETE"])
@for_its_owner
def one(request: HttpRequest, person: Person, session_id: str) -> HttpResponseBase:
    """GET: as the list has it. PATCH ``{title, pinned}``: the same, changed. DELETE: erase it, 204, again as well. 404 where it is
    not theirs, whether it exists or not."""
    sessions = person.sessions().filter(pk=session_id)
    if request.method == "DELETE":
        if not sessions.exists():
            return not_theirs()
        erase_session(session_id=session_id, by=BY)
        return HttpResponse(status=204)
    if request.method == "PATCH" and sessions.filter(erased_at__isnull=True).exists():
        try:
            _change(session_id, body_as(request, Changes))
        except FrameError as error:
            return error_response(400, error.code, error.message)
    found = one_session(sessions)
    return JsonResponse(as_json(found)) if found else not_theirs()


def _change(session_id: str, changes: Changes) -> None:
    if changes.title is not UNSET:
        name_session(session_id=session_id, title=clean_title(changes.title or ""))
    if changes.pinned is not UNSET:
        pin_session(session_id=session_id, pinned=changes.pinned)
