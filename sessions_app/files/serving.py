"""A file as it is given to a browser: never as a page, a drawing or a program."""

from django.http import HttpResponse
from django.utils.cache import add_never_cache_headers
from django.utils.http import content_disposition_header

from sessions_app.files.keeping import read_file
from sessions_app.files.kinds import PICTURES, MediaType
from sessions_app.models import StoredFile

_TYPES = {MediaType.TEXT: "text/plain; charset=utf-8"}
_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


def file_response(row: StoredFile) -> HttpResponse:
    """Pictures in their place, everything else as a download. Raises `FileNotFound`, `FileStorageAway`."""
    media_type = MediaType(row.media_type)
    response = HttpResponse(read_file(row), content_type=_TYPES.get(media_type, media_type.value))
    in_place = media_type in PICTURES
    disposition = content_disposition_header(as_attachment=not in_place, filename=row.name or row.file_id)
    response["Content-Disposition"] = disposition or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = _POLICY
    add_never_cache_headers(response)
    return response
