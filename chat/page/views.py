"""The chat page, and the list of a visitor's own sessions."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_cookie

from chat.conf import conf
from chat.errors import CredentialsInvalid, ObjectNotFound
from chat.page.shell import assistant_for, shell
from chat.quota.quotas import left_headers
from chat.quota.subjects import address_of, payers_of, subjects_of
from chat.runtime import running
from chat.wire.auth import welcome
from identity.adoption import set_guest_cookie
from identity.guests import GUEST_COOKIE, issue_guest_id, read_guest_cookie
from identity.principal import Kind, Principal, principal_of_request
from identity.tokens import CredentialsRefused
from sessions_app.review.markdown import pieces
from sessions_app.selectors.recent import InvalidCursor, RecentSession, recent_sessions

_MOST_SESSIONS_PER_PAGE = 100
_MOST_WORDS_CHARS = 200


@require_safe
@ensure_csrf_cookie
def page(request: HttpRequest, slug: str = "", session_id: str = "") -> HttpResponseBase:
    """The shell, the same for every session id: whether the session exists, and whose it is, the socket tells."""
    if not request.user.is_authenticated and not conf().guests_allowed:
        return redirect_to_login(request.get_full_path(), login_url=reverse("chat:login"))
    try:
        assistant = assistant_for(request, slug)
    except Http404:
        if not (slug and session_id):
            raise
        return redirect("chat:session", session_id=session_id)  # retired: what was begun with it goes on
    response = shell(request, assistant, session_id=session_id)
    if not request.user.is_authenticated:
        _keep_guest(request, response)
    return response


@require_safe
@never_cache
@vary_on_cookie
def sessions(request: HttpRequest) -> JsonResponse:
    """``{"sessions": [as `as_json` gives each], "next_cursor"}``, the visitor's own only.

    Query: ``limit`` (1 to 100), ``cursor``, the ``next_cursor`` of the page before, and ``q``, words to look for.
    """
    try:
        principal = welcome(principal_of_request(request))
        found = recent_sessions(
            user_id=principal.user_id,
            guest_id=principal.guest_id,
            external_user_id=principal.external_user_id,
            words=_words(request),
            as_begun=principal.kind is Kind.KEY,
            cursor=request.GET.get("cursor"),
            limit=_limit(request),
        )
    except (CredentialsRefused, CredentialsInvalid) as error:
        return error_response(401, CredentialsInvalid.code, str(error))
    except InvalidCursor as error:
        return error_response(400, "invalid_cursor", str(error))
    except TimeoutError:
        return error_response(503, "search_too_slow", "This search takes too long. Add a rarer word.")
    return JsonResponse(
        {"sessions": [as_json(session) for session in found.sessions], "next_cursor": found.next_cursor},
        headers=_what_is_left(request, principal),
    )


sessions.answers_any_query = True  # type: ignore[attr-defined]  # realtime_ai.front.unanswerable


def _keep_guest(request: HttpRequest, response: HttpResponse) -> None:
    """Give a new guest an id; a known one keeps theirs for another year."""
    guest_id = read_guest_cookie(request.COOKIES.get(GUEST_COOKIE)) or issue_guest_id()
    set_guest_cookie(response, guest_id)


def _what_is_left(request: HttpRequest, principal: Principal) -> dict[str, str]:
    """Of the bounds of whoever asks, where there are any: OpenAI's headers."""
    server = running()
    if server is None:
        return {}
    address = address_of(request.META.get("REMOTE_ADDR") or "unknown")
    payers = payers_of([*subjects_of(principal), address], is_anonymous=principal.is_anonymous)
    return left_headers(server.quotas.left(payers))


def _limit(request: HttpRequest) -> int:
    text = request.GET.get("limit", "")
    asked = int(text) if text.isdecimal() and len(text) < 6 else 30
    return max(1, min(asked, _MOST_SESSIONS_PER_PAGE))


def _words(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\x00", " ").strip()[:_MOST_WORDS_CHARS]


def as_json(session: RecentSession) -> dict[str, Any]:
    return {
        "id": session.session_id,
        "title": " ".join(session.title.split()),
        "named": session.named,
        "pinned": session.pinned,
        "started_at": session.started_at.isoformat(),
        "last_word_at": session.last_word_at.isoformat(),
        "last_event_at": session.last_event_at.isoformat(),
        "status": session.status,
        "assistant": session.assistant,
        "summary": session.summary,
        "excerpt": pieces(session.cut) if session.cut else [],
    }


def error_response(status: int, code: str, message: str) -> JsonResponse:
    return JsonResponse({"error": {"code": code, "message": message}}, status=status)


def as_openai_has_it(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A POST below ``/v1/`` that Django serves; by another method it is not offered, and told as all that is not (`chat.wire.openai`)."""

    @wraps(view)
    def asked(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            return view(request, **kwargs)
        message = f"{request.method} {request.path} is not offered here."
        details = {"type": ObjectNotFound.error_type, "code": ObjectNotFound.code, "message": message}
        return JsonResponse({"error": {**details, "param": None}}, status=404)

    return asked
