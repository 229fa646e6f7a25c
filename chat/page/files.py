"""``/api/files``: pictures and files for conversations: sent, looked at, thrown away again. docs/files.md"""

import time
from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chat.errors import LimitReached
from chat.page.own_data import for_its_owner
from chat.page.views import as_openai_has_it, error_response
from chat.quota.subjects import address_of, payers_of, subjects_of
from chat.quota.uploads import count_upload
from chat.wire.codes import FrameCode
from chat.wire.http.errors import told
from sessions_app.conf import conf
from sessions_app.errors import (
    FileBroken,
    FileError,
    FileNotFound,
    FileStorageAway,
    FileTooLarge,
    FileTypeRefused,
)
from sessions_app.files.keeping import file_response, find_file, forget_files, keep_file, unused_files
from sessions_app.log.lifecycle import Visitor
from sessions_app.models import StoredFile
from sessions_app.privacy.people import Person

FIELD = "file"
"""Of the form that is sent."""
LINK_SECONDS = 600
_STATUS: dict[type[FileError], int] = {
    FileTypeRefused: 415,
    FileBroken: 422,
    FileTooLarge: 413,
    FileNotFound: 404,
    FileStorageAway: 503,
}
_signer = signing.TimestampSigner(salt="chat.page.files")


@require_POST
@for_its_owner
def upload(request: HttpRequest, person: Person) -> HttpResponseBase:
    """A form with the one field ``file``: 201 and what was kept of it, as `as_json` gives it."""
    kept = _keep(request, person)
    return JsonResponse(as_json(kept), status=201) if isinstance(kept, StoredFile) else kept


@as_openai_has_it
@for_its_owner
def upload_as_openai(request: HttpRequest, person: Person) -> HttpResponseBase:
    """The same, as ``client.files.create`` of OpenAI's SDKs asks for it; what it is for is not asked."""
    kept = _keep(request, person)
    if not isinstance(kept, StoredFile):
        return kept
    about = {"id": kept.file_id, "object": "file", "bytes": kept.size, "filename": kept.name}
    created_at = int(kept.created_at.timestamp())
    purpose = request.POST.get("purpose", "")[:64] or "user_data"
    return JsonResponse({**about, "created_at": created_at, "purpose": purpose, "status": "processed"})


def _keep(request: HttpRequest, person: Person) -> StoredFile | HttpResponseBase:
    """Or why it is refused."""
    if not conf().max_files_per_message:
        return _refused(FileTypeRefused("This server takes no pictures and files."))
    sent = request.FILES.get(FIELD)
    if sent is None:
        return error_response(
            400, FrameCode.MISSING_PARAMETER, f"Send a form with the file in its field {FIELD!r}."
        )
    try:
        if (sent.size or 0) > conf().max_file_bytes:
            raise FileTooLarge(f"The file has {sent.size} bytes; at most {conf().max_file_bytes} are taken.")
        owner = _visitor(person)
        count_upload(_payers(request, owner), sent.size or 0)
        row = keep_file(sent.read(), name=sent.name or "", owner=owner)
    except LimitReached as error:
        response = error_response(429, error.code, error.message)
        response["Retry-After"] = told(error).headers["retry-after"]
        return response
    except FileError as error:
        return _refused(error)
    return row


@csrf_exempt  # whoever comes by a cookie is looked at within
@require_http_methods(["GET", "HEAD", "DELETE"])
@never_cache
def one(request: HttpRequest, file_id: str) -> HttpResponseBase:
    """GET: the file, to its owner or to who brings a link of `link`. DELETE: one that is in no message yet is thrown away, 204."""
    if request.method != "DELETE" and "token" in request.GET:
        return _by_link(file_id, request.GET["token"])
    return _own(request, file_id=file_id)


@for_its_owner
def _own(request: HttpRequest, person: Person, file_id: str) -> HttpResponseBase:
    if request.method == "DELETE":
        unused = unused_files(_visitor(person)).filter(pk=file_id)
        return HttpResponse(status=204) if forget_files(unused) else _refused(FileNotFound())
    return _given(_theirs(person, file_id))


@require_safe
@for_its_owner
def link(request: HttpRequest, person: Person, file_id: str) -> HttpResponseBase:
    """``{url, expires_at}``: an address of the file that works without a cookie or a key, for some minutes."""
    row = _theirs(person, file_id)
    if row is None:
        return _refused(FileNotFound())
    token = _signer.sign(row.file_id).partition(":")[2]
    address = reverse("api:file", args=[row.file_id])
    return JsonResponse({"url": f"{address}?token={token}", "expires_at": int(time.time()) + LINK_SECONDS})


def as_json(row: StoredFile) -> dict[str, Any]:
    return {
        "id": row.file_id,
        "name": row.name,
        "media_type": row.media_type,
        "bytes": row.size,
        "width": row.width or None,
        "height": row.height or None,
        "pages": row.pages or None,
        "url": reverse("api:file", args=[row.file_id]),
    }


def _by_link(file_id: str, token: str) -> HttpResponseBase:
    try:
        _signer.unsign(f"{file_id}:{token}", max_age=LINK_SECONDS)
    except signing.BadSignature:
        return _refused(FileNotFound("This address of a file does not work any more. Ask for another."))
    return _given(find_file(file_id))


def _given(row: StoredFile | None) -> HttpResponseBase:
    try:
        return file_response(row) if row else _refused(FileNotFound())
    except FileError as error:
        return _refused(error)


def _theirs(person: Person, file_id: str) -> StoredFile | None:
    """Of a session that they may enter, or not used yet."""
    row = find_file(file_id)
    if row is None:
        return None
    if row.session_id:
        is_theirs = person.sessions().filter(pk=row.session_id, erased_at__isnull=True).exists()
    else:
        is_theirs = unused_files(_visitor(person)).filter(pk=file_id).exists()
    return row if is_theirs else None


def _visitor(person: Person) -> Visitor:
    return Visitor(user_id=person.user_id, guest_id=person.guest_id, external_user_id=person.external_user_id)


def _payers(request: HttpRequest, owner: Visitor) -> tuple[str, ...]:
    return payers_of([*subjects_of(owner), address_of(request.META.get("REMOTE_ADDR") or "unknown")])


def _refused(error: FileError) -> HttpResponse:
    return error_response(_STATUS[type(error)], error.code, error.message)
