"""What visitors may do with all that is theirs: take it along, and have it forgotten."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_cookie

from chat.errors import CredentialsInvalid, FrameError, ReadOnlyKey
from chat.page.views import error_response
from chat.wire.auth import welcome
from chat.wire.realtime.checks import check_nul, invalid, parse_object
from identity.models import Scope
from identity.principal import Kind, Principal, principal_of_request
from identity.tokens import CredentialsRefused
from sessions_app.models import EraseActor
from sessions_app.privacy.erase import By, erase_person
from sessions_app.privacy.export import export_person
from sessions_app.privacy.people import Person
from sessions_app.review.downloads import file_response

ERASED_PER_REQUEST = 100
"""A request that erases all of a long life would take longer than a proxy waits: it says what is left, and is sent again."""
BY = By(actor=EraseActor.OWNER)
_READING = ("GET", "HEAD")
_MAX_BYTES = 64 * 1024
_BY_COOKIE = (Kind.LOGIN, Kind.GUEST)

_WHOSE = "Say whose: external_user_id=ID for one of your users, or everybody=1 for all conversations of the key's user."

CSRF_FAILED = "csrf_failed"
_CSRF = "A page that comes by its cookie sends its CSRF token along, in the header X-CSRFToken. Reload the page and try again."

View = Callable[..., HttpResponseBase]
Body = TypeVar("Body", bound=msgspec.Struct)


class Refused(Exception):
    """Whoever asks may not. The error that they are told."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def response(self) -> JsonResponse:
        return error_response(self.status, self.code, self.message)


def admitted(request: HttpRequest, *, nameless: bool = False) -> Principal:
    """Who asks. ``nameless``: it may be nobody in particular. Raises `Refused`: 401 for nobody whom we know, 403 for what would
    change something, by a key that only reads or from a page that is not ours."""
    try:
        principal = welcome(principal_of_request(request))
    except (CredentialsInvalid, CredentialsRefused) as error:
        raise Refused(401, CredentialsInvalid.code, str(error)) from None
    if principal.kind is Kind.NOBODY and not nameless:
        raise Refused(401, CredentialsInvalid.code, "Sign in first.")
    if request.method not in _READING:
        if not principal.may(Scope.CHAT):
            raise Refused(403, ReadOnlyKey.code, ReadOnlyKey().message)
        if principal.kind in _BY_COOKIE and not _is_of_our_pages(request):
            raise Refused(403, CSRF_FAILED, _CSRF)
    return principal


def _is_of_our_pages(request: HttpRequest) -> bool:
    """A browser sends its cookies along with whatever a page of somebody else's asks; a key it does not send by itself."""
    return CsrfViewMiddleware(_no_answer).process_view(request, _no_answer, (), {}) is None


def _no_answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=403)


def for_its_owner(view: View) -> View:
    """The view, given who asks as a `Person` that owns what they own; else what `admitted` refuses."""

    @csrf_exempt  # `admitted` looks
    @never_cache
    @vary_on_cookie
    @wraps(view)
    def asked(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            principal = admitted(request)
        except Refused as refused:
            return refused.response()
        person = Person(
            user_id=principal.user_id,
            guest_id=principal.guest_id,
            external_user_id=principal.external_user_id or request.GET.get("external_user_id", ""),
        )
        if request.method == "DELETE" and principal.kind is Kind.KEY and not _says_whose(request, kwargs):
            return error_response(400, "whose_missing", _WHOSE)
        return view(request, person, **kwargs)

    return asked


def _says_whose(request: HttpRequest, place: dict[str, Any]) -> bool:
    """A shop's key stands for all of the shop's customers: nobody forgets them all by leaving something out."""
    return (
        "session_id" in place
        or "file_id" in place
        or bool(request.GET.get("external_user_id"))
        or request.GET.get("everybody") == "1"
    )


def not_theirs() -> HttpResponse:
    return error_response(404, "session_not_found", "There is no such conversation, or it is not yours.")


def body_as(request: HttpRequest, wanted: type[Body]) -> Body:
    """What was sent, as that struct. Raises `FrameError`."""
    try:
        text = request.body[: _MAX_BYTES + 1].decode()
    except UnicodeDecodeError:
        raise FrameError("The body is not JSON in UTF-8.") from None
    value = parse_object(text)
    check_nul(text, value)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error


@require_http_methods(["GET", "DELETE"])
@for_its_owner
def all_of_them(request: HttpRequest, person: Person) -> HttpResponseBase:
    """GET: everything as a file, a line of JSON each. DELETE: erase them, ``{"erased", "left"}``; with some left, ask again."""
    if request.method == "DELETE":
        tally = erase_person(person=person, by=BY, limit=ERASED_PER_REQUEST)
        return JsonResponse({"erased": tally.erased, "failed": tally.failed, "left": tally.left})
    return file_response(
        request,
        export_person(person),
        content_type="application/x-ndjson; charset=utf-8",
        filename="conversations.ndjson",
    )
