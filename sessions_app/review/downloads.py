"""Files that are streamed as they are made, a whole transcript among them: the server holds one page of it at a time."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, StreamingHttpResponse

from sessions_app.models import Session
from sessions_app.review.forms import FORMS, Form


def download(request: HttpRequest, session: Session, name: str) -> StreamingHttpResponse:
    """The session in one of the `FORMS`. Raises Http404."""
    form = form_named(name)
    return file_response(
        request, form.one(session), content_type=form.content_type, filename=f"{session.session_id}.{name}"
    )


def download_many(request: HttpRequest, sessions: Iterable[Session], name: str) -> StreamingHttpResponse:
    """All of them, as they come. Raises Http404."""
    form = form_named(name)
    return file_response(
        request, form.many(sessions), content_type=form.content_type, filename=f"conversations.{name}"
    )


def form_named(name: str) -> Form:
    """Raises Http404."""
    if name not in FORMS:
        raise Http404(f"Sessions come as {', '.join(FORMS)}.")
    return FORMS[name]


def file_response(
    request: HttpRequest, pieces: Iterator[str], *, content_type: str, filename: str
) -> StreamingHttpResponse:
    """A download named ``filename``; ``pieces`` may ask the database."""
    content: Any = _in_threads(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _in_threads(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Under ASGI Django would gather a plain iterator whole before it sends the first byte."""
    while (piece := await sync_to_async(lambda: next(pieces, None))()) is not None:
        yield piece
